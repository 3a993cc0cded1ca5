package dev.grft.report;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A tracking server as far as {@link Mlflow} asks one: it keeps what it is told, and refuses what MLflow refuses. */
public final class FakeMlflow implements AutoCloseable {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    /** A run as it was told. */
    public static final class Run {
        public final String name;
        public final String experiment;
        public final Map<String, String> tags = new TreeMap<>();
        public final Map<String, String> parameters = new TreeMap<>();
        public final List<String> statuses = new CopyOnWriteArrayList<>();

        /** {@code key@step=value} */
        public final List<String> metrics = new CopyOnWriteArrayList<>();

        /** Sizes by name. */
        public final Map<String, Integer> files = new ConcurrentSkipListMap<>();

        /** What the files of models hold, by path. */
        public final Map<String, byte[]> inModels = new ConcurrentSkipListMap<>();

        /** Descriptions of models, as JSON. */
        public final List<String> models = new CopyOnWriteArrayList<>();

        Run(String name, String experiment) {
            this.name = name;
            this.experiment = experiment;
        }
    }

    /** By id, in the order of their making. */
    public final Map<String, Run> runs = new ConcurrentSkipListMap<>();

    /** Registered versions, {@code NAME/VERSION: RUN SOURCE} in the order of their making, and aliases, {@code NAME@ALIAS: VERSION}. */
    public final List<String> registry = new CopyOnWriteArrayList<>();

    /** Paths of all calls. */
    public final List<String> calls = new CopyOnWriteArrayList<>();

    /** Values of the header Authorization, "" if there was none. */
    public final List<String> authorizations = new CopyOnWriteArrayList<>();

    /** So many of the next calls are answered with 503. */
    public volatile int failing;

    /** Every call is answered with this status, if it is not 0. */
    public volatile int always;

    /** What a new run says of its files. */
    public volatile String artifacts = "mlflow-artifacts:/0/";

    private final Set<String> names = new HashSet<>();
    private final Map<String, String> experiments = new TreeMap<>();
    private final HttpServer server;

    public FakeMlflow() throws IOException {
        this(0);
    }

    /** A server at a port. */
    FakeMlflow(int port) throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 0);
        server.createContext("/", this::answer);
        server.start();
    }

    public String uri() {
        return "http://127.0.0.1:" + server.getAddress().getPort();
    }

    /** Returns the only run of a name. */
    public Run run(String name) {
        List<Run> found =
                runs.values().stream().filter(run -> run.name.equals(name)).toList();
        if (found.size() != 1) {
            throw new AssertionError(found.size() + " runs " + name + ", of " + runs.size());
        }
        return found.get(0);
    }

    private synchronized void answer(HttpExchange exchange) throws IOException {
        String path = exchange.getRequestURI().getRawPath();
        byte[] body = exchange.getRequestBody().readAllBytes();
        calls.add(exchange.getRequestMethod() + " " + path);
        String authorization = exchange.getRequestHeaders().getFirst("Authorization");
        authorizations.add(authorization == null ? "" : authorization);
        int status = 200;
        String answer;
        if (always != 0) {
            status = always;
            answer = "{\"error_code\":\"PERMISSION_DENIED\",\"message\":\"no\"}";
        } else if (failing > 0) {
            failing--;
            status = 503;
            answer = "<html>busy</html>";
        } else {
            try {
                answer = path.startsWith("/api/2.0/mlflow-artifacts/artifacts/")
                        ? file(path.substring("/api/2.0/mlflow-artifacts/artifacts/".length()), body)
                        : told(
                                path.substring("/api/2.0/mlflow/".length()),
                                String.valueOf(exchange.getRequestURI().getQuery()),
                                body);
            } catch (IllegalStateException e) {
                status = 400;
                String[] parts = e.getMessage().split(": ", 2);
                answer = MAPPER.createObjectNode()
                        .put("error_code", parts[0])
                        .put("message", parts[1])
                        .toString();
            }
        }
        byte[] bytes = answer.getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(status, bytes.length);
        exchange.getResponseBody().write(bytes);
        exchange.close();
    }

    private String file(String path, byte[] body) {
        String[] parts = path.split("/", 4); // 0, run, artifacts, name
        if (parts[3].contains("/")) {
            runs.get(parts[1]).inModels.put(parts[3], body);
        } else {
            runs.get(parts[1]).files.put(parts[3], body.length);
        }
        return "{}";
    }

    private String told(String call, String query, byte[] body) throws IOException {
        JsonNode told = body.length == 0 ? MAPPER.createObjectNode() : MAPPER.readTree(body);
        switch (call) {
            case "experiments/get-by-name" -> {
                String id = experiments.get(query.replace("experiment_name=", ""));
                if (id == null) {
                    throw new IllegalStateException("RESOURCE_DOES_NOT_EXIST: there is no such experiment");
                }
                ObjectNode node = MAPPER.createObjectNode();
                node.putObject("experiment").put("experiment_id", id);
                return node.toString();
            }
            case "experiments/create" -> {
                String id = Integer.toString(experiments.size() + 1);
                experiments.put(told.path("name").asText(), id);
                return MAPPER.createObjectNode().put("experiment_id", id).toString();
            }
            case "runs/create" -> {
                String id = "run" + (runs.size() + 1);
                String experiment = told.path("experiment_id").asText();
                Run run = new Run(told.path("run_name").asText(), experiment);
                told.path("tags").forEach(tag -> run.tags.put(text(tag, "key"), text(tag, "value")));
                runs.put(id, run);
                ObjectNode node = MAPPER.createObjectNode();
                node.putObject("run")
                        .putObject("info")
                        .put("run_id", id)
                        .put("artifact_uri", artifacts + id + "/artifacts");
                return node.toString();
            }
            case "runs/update" -> {
                known(told).statuses.add(text(told, "status"));
                return "{}";
            }
            case "runs/log-batch" -> {
                Run run = known(told);
                List<String> metrics = new ArrayList<>();
                told.path("metrics").forEach(metric -> {
                    if (!metric.path("value").isNumber()
                            || metric.path("timestamp").asLong() <= 0) {
                        throw new IllegalStateException("INVALID_PARAMETER_VALUE: " + metric);
                    }
                    metrics.add(text(metric, "key") + "@" + metric.path("step").asLong() + "="
                            + metric.path("value").asDouble());
                });
                if (metrics.size() > 1000 || told.path("params").size() > 100) {
                    throw new IllegalStateException("INVALID_PARAMETER_VALUE: too many");
                }
                told.path("params").forEach(parameter -> {
                    String value = text(parameter, "value");
                    String before = run.parameters.putIfAbsent(text(parameter, "key"), value);
                    if (before != null && !before.equals(value)) {
                        throw new IllegalStateException("INVALID_PARAMETER_VALUE: another value");
                    }
                });
                run.metrics.addAll(metrics);
                return "{}";
            }
            case "runs/log-model" -> {
                known(told).models.add(text(told, "model_json"));
                return "{}";
            }
            case "registered-models/create" -> {
                if (!names.add(text(told, "name"))) {
                    throw new IllegalStateException("RESOURCE_ALREADY_EXISTS: there is such a model");
                }
                return "{}";
            }
            case "registered-models/alias" -> {
                registry.add(text(told, "name") + "@" + text(told, "alias") + ": " + text(told, "version"));
                return "{}";
            }
            case "model-versions/create" -> {
                String name = text(told, "name");
                long before = registry.stream()
                        .filter(one -> one.startsWith(name + "/"))
                        .count();
                registry.add(name + "/" + (before + 1) + ": " + text(told, "run_id") + " " + text(told, "source"));
                ObjectNode node = MAPPER.createObjectNode();
                node.putObject("model_version").put("version", Long.toString(before + 1));
                return node.toString();
            }
            case "model-versions/search" -> {
                ObjectNode node = MAPPER.createObjectNode();
                ArrayNode versions = node.putArray("model_versions");
                Matcher filter =
                        Pattern.compile("filter=name='(.*)' and run_id='(.*)'").matcher(query);
                if (!filter.matches()) {
                    throw new IllegalStateException("INVALID_PARAMETER_VALUE: " + query);
                }
                Pattern version = Pattern.compile(
                        Pattern.quote(filter.group(1)) + "/(\\d+): " + Pattern.quote(filter.group(2)) + " (.*)");
                registry.stream()
                        .map(version::matcher)
                        .filter(Matcher::matches)
                        .forEach(one -> versions.addObject()
                                .put("version", one.group(1))
                                .put("source", one.group(2)));
                return node.toString();
            }
            default -> throw new IllegalStateException("ENDPOINT_NOT_FOUND: " + call);
        }
    }

    private Run known(JsonNode told) {
        Run run = runs.get(text(told, "run_id"));
        if (run == null) {
            throw new IllegalStateException("RESOURCE_DOES_NOT_EXIST: there is no such run");
        }
        return run;
    }

    private static String text(JsonNode node, String key) {
        return node.path(key).asText();
    }

    @Override
    public void close() {
        server.stop(0);
    }
}
