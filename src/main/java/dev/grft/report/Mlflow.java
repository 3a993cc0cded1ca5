package dev.grft.report;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.checkpoint.file.Storage;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import org.apache.hadoop.fs.Path;
import org.jspecify.annotations.Nullable;

/**
 * What a run needs of MLflow's REST interface, version 2.0. Each call waits for its answer, at most {@code tracking.timeoutSeconds}. Redirects are not
 * followed, so that credentials go to the server that was named, and to no other.
 */
final class Mlflow {
    /** Metrics that one call may have. */
    static final int METRICS = 1000;

    /** How many times as long as another call the upload of a file may take. */
    static final int FILE = 6;

    /** What a large file adds to that: a second for so many bytes. */
    static final long BYTES_A_SECOND = 4_000_000;

    private static final int PARAMETERS = 100;
    private static final int LONGEST = 500; // characters of a value; older servers refuse more
    private static final String EXISTS = "RESOURCE_ALREADY_EXISTS";
    private static final String PROXIED = "mlflow-artifacts:";
    private static final ObjectMapper MAPPER = new ObjectMapper();

    /** What MLflow calls the states of a run. */
    enum Status {
        RUNNING,
        FINISHED,
        FAILED,
        KILLED
    }

    /** A run on the server, and where it keeps the run's files. */
    record Run(String id, String artifacts) {}

    /**
     * A number of a run.
     *
     * @param at milliseconds since 1970
     */
    record Metric(String key, double value, long at, long step) {}

    /** The server's no, which another attempt does not change. */
    static final class Refused extends IOException {
        private static final long serialVersionUID = 1L;
        private final String code;

        Refused(String message, String code) {
            super(message);
            this.code = code;
        }

        boolean is(String other) {
            return code.equals(other);
        }
    }

    private final String uri;
    private final @Nullable String authorization;
    private final Duration timeout;
    private final HttpClient client;

    /**
     * Returns a client; credentials are MLflow's own variables MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and
     * MLFLOW_TRACKING_PASSWORD.
     *
     * @param uri of the server, such as {@code https://mlflow.example.com}
     * @param timeoutSeconds of a call; a file may take {@link #FILE} times as long
     * @param environment returns the value of a variable, null if it is not set
     */
    Mlflow(String uri, double timeoutSeconds, UnaryOperator<@Nullable String> environment) {
        this.timeout = Duration.ofMillis((long) Math.ceil(1000 * timeoutSeconds));
        this.client = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .connectTimeout(timeout)
                .build();
        this.uri = uri.replaceAll("/+$", "");
        String given = environment.apply("MLFLOW_TRACKING_TOKEN");
        String token = given == null ? null : given.strip();
        String user = environment.apply("MLFLOW_TRACKING_USERNAME");
        String password = environment.apply("MLFLOW_TRACKING_PASSWORD");
        this.authorization = token != null
                ? "Bearer " + token
                : user == null || password == null
                        ? null
                        : "Basic "
                                + Base64.getEncoder()
                                        .encodeToString((user + ":" + password).getBytes(StandardCharsets.UTF_8));
    }

    /** Returns a new run of an experiment, which is made if there is none of that name. */
    Run create(String experiment, String name, Map<String, String> tags) throws IOException, InterruptedException {
        ObjectNode body = MAPPER.createObjectNode();
        body.put("experiment_id", experimentId(experiment));
        body.put("run_name", name);
        body.put("start_time", System.currentTimeMillis());
        pairs(body.putArray("tags"), tags);
        JsonNode info = post("runs/create", body).path("run").path("info");
        return new Run(info.path("run_id").asText(), info.path("artifact_uri").asText());
    }

    private String experimentId(String experiment) throws IOException, InterruptedException {
        String byName = "experiments/get-by-name?experiment_name=" + encoded(experiment);
        try {
            return get(byName).path("experiment").path("experiment_id").asText();
        } catch (Refused e) {
            if (!e.is("RESOURCE_DOES_NOT_EXIST")) {
                throw e;
            }
        }
        try {
            return post("experiments/create", MAPPER.createObjectNode().put("name", experiment))
                    .path("experiment_id")
                    .asText();
        } catch (Refused e) {
            if (!e.is(EXISTS)) { // another client was faster
                throw e;
            }
            return get(byName).path("experiment").path("experiment_id").asText();
        }
    }

    /** Sets the status of a run; one that is not running has ended now. */
    void status(String run, Status status) throws IOException, InterruptedException {
        ObjectNode body = MAPPER.createObjectNode();
        body.put("run_id", run);
        body.put("status", status.name());
        if (status != Status.RUNNING) {
            body.put("end_time", System.currentTimeMillis());
        }
        post("runs/update", body);
    }

    /** Sends numbers, at most {@link #METRICS}. */
    void metrics(String run, List<Metric> metrics) throws IOException, InterruptedException {
        ObjectNode body = MAPPER.createObjectNode();
        body.put("run_id", run);
        ArrayNode all = body.putArray("metrics");
        for (Metric metric : metrics) {
            all.addObject()
                    .put("key", metric.key)
                    .put("value", metric.value)
                    .put("timestamp", metric.at)
                    .put("step", metric.step);
        }
        post("runs/log-batch", body);
    }

    /** Sends parameters, in as many calls as it takes; MLflow refuses another value of one that it has. */
    void parameters(String run, Map<String, String> parameters) throws IOException, InterruptedException {
        List<Map.Entry<String, String>> all = List.copyOf(parameters.entrySet());
        for (int from = 0; from < all.size(); from += PARAMETERS) {
            ObjectNode body = MAPPER.createObjectNode();
            body.put("run_id", run);
            ArrayNode params = body.putArray("params");
            for (Map.Entry<String, String> one : all.subList(from, Math.min(all.size(), from + PARAMETERS))) {
                String value = one.getValue();
                params.addObject()
                        .put("key", one.getKey())
                        .put("value", value.length() > LONGEST ? value.substring(0, LONGEST - 3) + "..." : value);
            }
            post("runs/log-batch", body);
        }
    }

    /** Returns whether the server takes a run's files; one that keeps them elsewhere expects its clients to write there. */
    static boolean takesFiles(Run run) {
        return run.artifacts.startsWith(PROXIED);
    }

    /**
     * Sends a file to a server that takes files.
     *
     * @param name path among the files of the run, such as {@code model/MLmodel}
     */
    void upload(Run run, String name, Storage storage, Path file) throws IOException, InterruptedException {
        long length = storage.length(file);
        try (InputStream in = storage.open(file)) {
            BodyPublisher body = length == 0
                    ? BodyPublishers.noBody()
                    : BodyPublishers.fromPublisher(BodyPublishers.ofInputStream(() -> in), length);
            upload(run, name, body, length);
        }
    }

    /** Sends text as a file, likewise. */
    void upload(Run run, String name, String text) throws IOException, InterruptedException {
        upload(run, name, BodyPublishers.ofString(text), 0);
    }

    private void upload(Run run, String name, BodyPublisher body, long length)
            throws IOException, InterruptedException {
        String folder = URI.create(run.artifacts).getPath(); // a server's name may stand before it
        String path = Arrays.stream((folder + "/" + name).split("/"))
                .filter(part -> !part.isEmpty())
                .map(Mlflow::encoded)
                .collect(Collectors.joining("/"));
        call(request("mlflow-artifacts/artifacts/" + path)
                .timeout(timeout.multipliedBy(FILE).plusMillis(1000 * length / BYTES_A_SECOND))
                .header("Content-Type", "application/octet-stream")
                .PUT(body));
    }

    private static String encoded(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
    }

    /** Tells the server that a folder among a run's files is a model; {@code description} is its {@code MLmodel}. */
    void model(Run run, ObjectNode description) throws IOException, InterruptedException {
        post(
                "runs/log-model",
                MAPPER.createObjectNode().put("run_id", run.id).put("model_json", description.toString()));
    }

    /**
     * Returns the version of a registered model that a folder among a run's files is; it is made if there is none yet, and so is a
     * registered model of that name.
     */
    String register(Run run, String name, String folder) throws IOException, InterruptedException {
        try {
            post("registered-models/create", MAPPER.createObjectNode().put("name", name));
        } catch (Refused e) {
            if (!e.is(EXISTS)) {
                throw e;
            }
        }
        String source = run.artifacts + "/" + folder;
        // An answer that was lost must not lead to a second version.
        for (JsonNode version : get("model-versions/search?filter="
                        + encoded("name='" + name.replace("'", "\\'") + "' and run_id='" + run.id + "'"))
                .path("model_versions")) {
            if (version.path("source").asText().equals(source)) {
                return version.path("version").asText();
            }
        }
        return post(
                        "model-versions/create",
                        MAPPER.createObjectNode()
                                .put("name", name)
                                .put("source", source)
                                .put("run_id", run.id))
                .at("/model_version/version")
                .asText();
    }

    /** Moves an alias of a registered model to a version of it. */
    void alias(String name, String alias, String version) throws IOException, InterruptedException {
        post(
                "registered-models/alias",
                MAPPER.createObjectNode().put("name", name).put("alias", alias).put("version", version));
    }

    private static void pairs(ArrayNode array, Map<String, String> pairs) {
        pairs.forEach((key, value) -> array.addObject().put("key", key).put("value", value));
    }

    private JsonNode get(String path) throws IOException, InterruptedException {
        return call(request("mlflow/" + path).GET());
    }

    private JsonNode post(String path, ObjectNode body) throws IOException, InterruptedException {
        return call(request("mlflow/" + path)
                .header("Content-Type", "application/json")
                .POST(BodyPublishers.ofString(MAPPER.writeValueAsString(body))));
    }

    private HttpRequest.Builder request(String path) throws Refused {
        if (authorization != null && !authorization.matches("[ -~]*")) { // the client's own error repeats it
            throw new Refused("MLFLOW_TRACKING_TOKEN must be one line of ASCII", "");
        }
        HttpRequest.Builder request =
                HttpRequest.newBuilder(URI.create(uri + "/api/2.0/" + path)).timeout(timeout);
        return authorization == null ? request : request.header("Authorization", authorization);
    }

    private JsonNode call(HttpRequest.Builder request) throws IOException, InterruptedException {
        HttpResponse<String> response = client.send(request.build(), HttpResponse.BodyHandlers.ofString());
        int status = response.statusCode();
        if (status == 200) {
            return response.body().isBlank() ? MAPPER.createObjectNode() : MAPPER.readTree(response.body());
        }
        if (status >= 500 || status == 408 || status == 429) {
            throw new IOException("status " + status);
        }
        JsonNode error = error(response.body());
        String message = error.path("message").asText();
        throw new Refused(
                "status " + status
                        + (message.isEmpty()
                                ? ""
                                : ", " + message.lines().findFirst().orElse("")),
                error.path("error_code").asText());
    }

    private static JsonNode error(String body) {
        try {
            return MAPPER.readTree(body);
        } catch (IOException e) {
            return MAPPER.createObjectNode(); // a proxy's page
        }
    }
}
