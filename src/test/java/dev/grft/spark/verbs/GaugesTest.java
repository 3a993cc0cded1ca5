package dev.grft.spark.verbs;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.stream.Collectors;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerJobStart;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What Spark's pages and its Prometheus servlet tell of a training. */
class GaugesTest {
    @TempDir
    Path folder;

    @Test
    void thePrometheusServletTellsHowATrainingGetsOnAndJobsSayWhatTheyAreFor() throws Exception {
        Tiny.noSpark();
        SparkSession spark = SparkSession.builder()
                .master("local[2]")
                .config("spark.ui.enabled", "true")
                .config("spark.ui.port", "0")
                .config("spark.ui.showConsoleProgress", "false")
                .config("spark.driver.host", "127.0.0.1")
                .config("spark.driver.bindAddress", "127.0.0.1")
                .config(
                        "spark.metrics.conf.*.sink.prometheusServlet.class",
                        "org.apache.spark.metrics.sink.PrometheusServlet")
                .config("spark.metrics.conf.*.sink.prometheusServlet.path", "/metrics/prometheus")
                .getOrCreate();
        try {
            ConcurrentLinkedQueue<String> jobs = new ConcurrentLinkedQueue<>();
            spark.sparkContext().addSparkListener(new SparkListener() {
                @Override
                public void onJobStart(SparkListenerJobStart start) {
                    jobs.add(String.valueOf(start.properties().getProperty("spark.job.description")));
                }
            });
            Tiny.Shared shared = Tiny.Shared.in(folder);
            Files.writeString(shared.train().resolve("red/broken.png"), "not an image");
            Path run = folder.resolve("run");

            Tiny.does(spark, shared.sets(run, "data.maxBroken=0.1"), false, Verbs::train);

            Tiny.untilHeard(spark.sparkContext());
            Map<String, Double> told = metrics(spark);
            assertThat(told).containsEntry("step", 9.0).containsEntry("steps", 9.0);
            List<String> history = Files.readAllLines(run.resolve("history.jsonl"));
            String loss = history.get(8).replaceAll(".*\"loss\":([^,]*),.*", "$1");
            assertThat(told.get("loss")).isEqualTo(Double.parseDouble(loss));
            assertThat(told.get("images_per_second")).isPositive();
            assertThat(told).containsEntry("skipped_images", 1.0);
            String metrics = Files.readString(run.resolve("metrics.json"));
            double perStep = Double.parseDouble(metrics.replaceAll("(?s).*\"bytes_per_step\" : ([0-9]*).*", "$1"));
            assertThat(told).containsEntry("sent_bytes", 9 * perStep);
            assertThat(told.get("heap_bytes")).isPositive();
            assertThat(told.get("executor_images")).isGreaterThanOrEqualTo(9 * 6 + 18);
            assertThat(told.get("executor_shard_steps")).isGreaterThanOrEqualTo(9 * 3);
            assertThat(told.get("executor_shard_step_seconds"))
                    .isGreaterThan(told.get("executor_input_seconds"))
                    .isPositive();
            assertThat(told.get("executor_native_bytes")).isPositive();
            assertThat(jobs).contains("steps from 1/9, epoch 0.00, on of train: 3 shards of 2 images");
        } finally {
            spark.stop();
        }
    }

    /** Returns what a GET of the servlet tells of our source, by name. */
    private static Map<String, Double> metrics(SparkSession spark) throws Exception {
        int port = URI.create(spark.sparkContext().uiWebUrl().get()).getPort();
        HttpResponse<String> response = HttpClient.newHttpClient()
                .send(
                        HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + "/metrics/prometheus/"))
                                .timeout(Duration.ofSeconds(60))
                                .build(),
                        HttpResponse.BodyHandlers.ofString());
        assertThat(response.statusCode()).isEqualTo(200);
        return response.body()
                .lines()
                .filter(line -> line.contains("_driver_grft_") && line.contains("_Value{"))
                .collect(Collectors.toMap(
                        line -> line.replaceAll(".*_driver_grft_(.*)_Value\\{.*", "$1"),
                        line -> Double.parseDouble(line.substring(line.lastIndexOf(' ') + 1)),
                        (one, same) -> one));
    }
}
