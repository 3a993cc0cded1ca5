package dev.grft.report;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.checkpoint.file.Storage;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
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

    private static final int PARAMETERS = 100;
    private static final int LONGEST = 500; // characters of a value; older servers refuse more
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
        String token = environment.apply("MLFLOW_TRACKING_TOKEN");
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
        String byName = "experiments/get-by-name?experiment_name="
                + URLEncoder.encode(experiment, StandardCharsets.UTF_8).replace("+", "%20");
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
            if (!e.is("RESOURCE_ALREADY_EXISTS")) { // somebody else was faster
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

    /**
     * Sends a file to the server.
     *
     * @return whether the server takes files; one that keeps them elsewhere expects its clients to write there
     */
    boolean upload(Run run, Storage storage, Path file) throws IOException, InterruptedException {
        if (!run.artifacts.startsWith(PROXIED)) {
            return false;
        }
        String folder = URI.create(run.artifacts).getPath(); // a server's name may stand before it
        String path = Arrays.stream((folder + "/" + file.getName()).split("/"))
                .filter(part -> !part.isEmpty())
                .map(part -> URLEncoder.encode(part, StandardCharsets.UTF_8).replace("+", "%20"))
                .collect(Collectors.joining("/"));
        call(request("mlflow-artifacts/artifacts/" + path)
                .timeout(timeout.multipliedBy(FILE))
                .header("Content-Type", "application/octet-stream")
                .PUT(HttpRequest.BodyPublishers.ofByteArray(storage.readBytes(file))));
        return true;
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
                .POST(HttpRequest.BodyPublishers.ofString(MAPPER.writeValueAsString(body))));
    }

    private HttpRequest.Builder request(String path) {
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
