package dev.grft.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * As much of a Kubernetes API server as Spark's client asks for: keeps what is created or applied and gives it back. No pod runs, unless
 * {@code src/test/python/pods.py} starts it. It listens on 127.0.0.1.
 */
final class KubernetesApi implements AutoCloseable {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Pattern OBJECT = Pattern.compile("/api/v1/namespaces/grft/(\\w+)(?:/([^/]+))?");
    private static final Pattern SELECTOR = Pattern.compile("labelSelector=([^&]+)");

    private final Map<String, ObjectNode> objects = new TreeMap<>(); // by path, such as /api/v1/namespaces/grft/pods/x
    private final List<JsonNode> created = new ArrayList<>();
    private final @Nullable Integer exitCode;
    private final Set<String> asked = new TreeSet<>();
    private final HttpServer server;
    private final ExecutorService threads = Executors.newCachedThreadPool();

    KubernetesApi() throws IOException {
        this(null);
    }

    /** @param exitCode what the container of a pod has ended with as soon as the pod is created; null if it does not end */
    KubernetesApi(@Nullable Integer exitCode) throws IOException {
        this.exitCode = exitCode;
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setExecutor(threads);
        server.createContext("/", this::answer);
        server.start();
    }

    /** Prints its address and serves until standard input ends. */
    public static void main(String[] arguments) throws IOException {
        try (KubernetesApi api = new KubernetesApi()) {
            System.out.println(api.master());
            System.in.transferTo(OutputStream.nullOutputStream());
        }
    }

    /** Returns what to give to Spark as its master. */
    String master() {
        return "k8s://http://127.0.0.1:" + server.getAddress().getPort();
    }

    /** Returns the objects of a kind, such as {@code pods}. */
    synchronized List<JsonNode> all(String kind) {
        return objects.entrySet().stream()
                .filter(entry -> entry.getKey().contains("/" + kind + "/"))
                .map(entry -> (JsonNode) entry.getValue())
                .toList();
    }

    /** Returns the pods that were ever created, as they were asked for. */
    synchronized List<JsonNode> created() {
        return List.copyOf(created);
    }

    /** Returns what it was asked to do, as a role would have to allow it, such as {@code create pods}. */
    synchronized Set<String> asked() {
        return Set.copyOf(asked);
    }

    private synchronized void note(String method, String path, boolean watch) {
        Matcher object = OBJECT.matcher(path);
        if (object.matches()) {
            boolean one = object.group(2) != null;
            String verb = switch (method) {
                case "POST" -> "create";
                case "PATCH" -> "patch";
                case "PUT" -> "update";
                case "DELETE" -> one ? "delete" : "deletecollection";
                default -> watch ? "watch" : one ? "get" : "list";
            };
            asked.add(verb + " " + object.group(1));
        } else {
            asked.add(method + " " + path);
        }
    }

    private void answer(HttpExchange exchange) throws IOException {
        String path = exchange.getRequestURI().getPath();
        String query = String.valueOf(exchange.getRequestURI().getQuery());
        boolean watch = query.contains("watch=true");
        note(exchange.getRequestMethod(), path, watch);
        if (watch) {
            // Nothing ever happens; the client asks again when this ends.
            try {
                exchange.getResponseHeaders().set("Content-Type", "application/json");
                exchange.sendResponseHeaders(200, 0);
                Thread.sleep(60_000);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            exchange.close();
            return;
        }
        byte[] body = exchange.getRequestBody().readAllBytes();
        JsonNode answer = switch (exchange.getRequestMethod()) {
            case "POST" -> keep(path, body, true);
            case "PATCH", "PUT" -> keep(path, body, false);
            case "DELETE" -> delete(path, query);
            default -> find(path, query);
        };
        byte[] bytes = JSON.writeValueAsBytes(answer);
        exchange.getResponseHeaders().set("Content-Type", "application/json");
        exchange.sendResponseHeaders(answer.path("code").asInt(200), bytes.length);
        exchange.getResponseBody().write(bytes);
        exchange.close();
    }

    private synchronized JsonNode keep(String path, byte[] body, boolean create) throws IOException {
        ObjectNode object = (ObjectNode) new YAMLMapper().readTree(new String(body, StandardCharsets.UTF_8));
        ObjectNode metadata = object.withObject("/metadata");
        String name = metadata.path("name").asText();
        metadata.put(
                "uid",
                UUID.nameUUIDFromBytes(name.getBytes(StandardCharsets.UTF_8)).toString());
        metadata.put("resourceVersion", Integer.toString(objects.size() + 1));
        metadata.put("namespace", path.replaceAll(".*/namespaces/([^/]+)/.*", "$1"));
        objects.put(create ? path + "/" + name : path, object);
        if (create && path.endsWith("/pods")) {
            created.add(object);
            if (exitCode != null) {
                ObjectNode status = object.putObject("status").put("phase", exitCode == 0 ? "Succeeded" : "Failed");
                status.putArray("containerStatuses")
                        .addObject()
                        .put("name", object.at("/spec/containers/0/name").asText())
                        .putObject("state")
                        .putObject("terminated")
                        .put("exitCode", exitCode);
            }
        }
        return object;
    }

    private synchronized JsonNode delete(String path, String query) {
        objects.entrySet()
                .removeIf(entry -> entry.getKey().equals(path)
                        || (entry.getKey().startsWith(path + "/") && isSelected(entry.getValue(), query)));
        return JSON.createObjectNode().put("kind", "Status").put("status", "Success");
    }

    /** Returns whether an object has the labels that a query selects by, such as {@code labelSelector=role=executor,inactive!=true}. */
    private static boolean isSelected(JsonNode object, String query) {
        Matcher selector = SELECTOR.matcher(query);
        return !selector.find()
                || Pattern.compile(",").splitAsStream(selector.group(1)).allMatch(term -> {
                    String[] label = term.split("!?=", 2);
                    boolean equal = object.at("/metadata/labels")
                            .path(label[0])
                            .asText()
                            .equals(label[1]);
                    return equal != term.contains("!=");
                });
    }

    private synchronized JsonNode find(String path, String query) {
        ObjectNode object = objects.get(path);
        if (object != null) {
            return object;
        }
        String kind = path.substring(path.lastIndexOf('/') + 1);
        if (List.of("pods", "services", "configmaps", "persistentvolumeclaims").contains(kind)) {
            String one = kind.equals("configmaps")
                    ? "ConfigMap"
                    : kind.substring(0, 1).toUpperCase(Locale.ROOT) + kind.substring(1, kind.length() - 1);
            ObjectNode list = JSON.createObjectNode().put("kind", one + "List").put("apiVersion", "v1");
            list.putObject("metadata").put("resourceVersion", "1");
            list.putArray("items")
                    .addAll(all(kind).stream()
                            .filter(each -> isSelected(each, query))
                            .toList());
            return list;
        }
        return JSON.createObjectNode()
                .put("kind", "Status")
                .put("apiVersion", "v1")
                .put("status", "Failure")
                .put("reason", "NotFound")
                .put("code", 404);
    }

    @Override
    public void close() {
        server.stop(0);
        threads.shutdownNow();
    }
}
