package dev.grft.report.lineage;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** OpenLineage's HTTP interface. Redirects are not followed, so that the key goes to the server that was named, and to no other. */
final class HttpTransport implements Transport {
    private static final String PATH = "/api/v1/lineage";

    private final URI endpoint;
    private final String key; // empty: none
    private final Duration timeout;
    private final HttpClient client;

    /**
     * Returns a client. Its key is that of OpenLineage's own clients, {@code OPENLINEAGE_API_KEY}.
     *
     * @param uri of the server; {@code /api/v1/lineage} is added unless the path ends with {@code /lineage} already
     * @param timeoutSeconds of an event
     * @param environment returns the value of a variable, null if it is not set
     */
    HttpTransport(String uri, double timeoutSeconds, UnaryOperator<@Nullable String> environment) {
        String server = uri.replaceAll("/+$", "");
        this.endpoint = URI.create(server.endsWith("/lineage") ? server : server + PATH);
        String given = environment.apply("OPENLINEAGE_API_KEY");
        this.key = given == null ? "" : given.strip();
        this.timeout = Duration.ofMillis((long) Math.ceil(1000 * timeoutSeconds));
        this.client = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .connectTimeout(timeout)
                .build();
    }

    @Override
    public void send(String name, String json) throws IOException, InterruptedException {
        if (!key.matches("[!-~]*")) { // the client's own error repeats it
            throw new Refused("OPENLINEAGE_API_KEY must be one line of ASCII without spaces");
        }
        HttpRequest.Builder request = HttpRequest.newBuilder(endpoint)
                .timeout(timeout)
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(json));
        if (!key.isEmpty()) {
            request.header("Authorization", "Bearer " + key);
        }
        int status = client.send(request.build(), HttpResponse.BodyHandlers.discarding())
                .statusCode();
        if (status >= 500 || status == 408 || status == 429) {
            throw new IOException("status " + status);
        }
        if (status == 401 || status == 403) {
            throw new Refused("status " + status + "; is OPENLINEAGE_API_KEY right?");
        }
        if (status < 200 || status >= 300) {
            throw new Refused("status " + status + " at " + endpoint.getPath());
        }
    }
}
