package dev.grft.report.lineage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.sun.net.httpserver.HttpServer;
import dev.grft.FreePorts;
import dev.grft.UserError;
import dev.grft.checkpoint.file.Storage;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.report.Progress;
import dev.grft.report.SlowFileSystem;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(120)
class LineageTest {
    private static final String SECRET = "hunter2";
    private static final Configuration HADOOP = new Configuration();

    @TempDir
    Path folder;

    private final ByteArrayOutputStream said = new ByteArrayOutputStream();

    private static Settings settings(String... sets) {
        List<String> all = new ArrayList<>(List.of("lineage.timeoutSeconds=60")); // a loaded machine takes long
        all.addAll(List.of(sets));
        return Config.load(List.of(), all, HADOOP);
    }

    private Lineage begun(Settings settings, Map<String, String> spark, Map<String, String> environment) {
        Lineage lineage = new Lineage(settings.lineage(), "runs/birds", "train", spark::get, environment::get);
        lineage.start(
                new Storage(HADOOP),
                new Progress(new PrintStream(said, true, StandardCharsets.UTF_8)),
                new TreeMap<>(Map.of("application", "local-1")),
                "3.5.5");
        lineage.ended(Lineage.End.COMPLETE, null);
        return lineage;
    }

    private Lineage begun(String uri) {
        return begun(settings("lineage.uri=" + uri), Map.of(), Map.of());
    }

    private String said() {
        return said.toString(StandardCharsets.UTF_8);
    }

    private static List<Dataset> at(String path) {
        return List.of(Dataset.at(new org.apache.hadoop.fs.Path(path)));
    }

    /** A server that keeps what it receives, and answers as it is told. */
    private static final class Server implements AutoCloseable {
        private final HttpServer server;
        private final ExecutorService threads = Executors.newCachedThreadPool();
        final List<String> received = Collections.synchronizedList(new ArrayList<>());
        final List<String> calls = Collections.synchronizedList(new ArrayList<>());
        final AtomicInteger failing = new AtomicInteger(); // how many calls are answered by status
        volatile int status = 201;
        volatile long delayMillis;

        Server() throws IOException {
            server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
            server.setExecutor(threads);
            server.createContext("/", exchange -> {
                String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
                calls.add(exchange.getRequestMethod() + " " + exchange.getRequestURI() + " "
                        + exchange.getRequestHeaders().getFirst("Content-Type") + " "
                        + exchange.getRequestHeaders().getFirst("Authorization"));
                try {
                    Thread.sleep(delayMillis);
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
                int answer = 201;
                if (failing.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
                    answer = status;
                } else {
                    received.add(body);
                }
                exchange.sendResponseHeaders(answer, -1);
                exchange.close();
            });
            server.start();
        }

        String uri() {
            return "http://127.0.0.1:" + server.getAddress().getPort();
        }

        @Override
        public void close() {
            server.stop(0);
            threads.shutdownNow();
        }
    }

    @Test
    void aRunBeginsAndEndsWithWhatItHasReadAndWritten() throws Exception {
        Path file = folder.resolve("new/events.jsonl");
        try (Lineage lineage = begun(file.toString())) {
            lineage.read(() -> at("s3a://photos/train"));
            lineage.read(() -> at("/between"));
            lineage.wrote(() -> at("/between"));
            lineage.wrote(() -> at("/runs/birds/delta.safetensors"));
        }

        List<JsonNode> events = Events.lines(file);
        assertThat(Events.types(events)).containsExactly("START", "COMPLETE");
        JsonNode start = events.get(0);
        JsonNode end = events.get(1);
        assertThat(start.at("/job/namespace").asText()).isEqualTo("grft");
        assertThat(start.at("/job/name").asText()).isEqualTo("train.birds");
        assertThat(start.path("job")).isEqualTo(end.path("job"));
        assertThat(start.path("run")).isEqualTo(end.path("run"));
        assertThat(start.at("/run/facets/processing_engine/version").asText()).isEqualTo("3.5.5");
        assertThat(start.at("/run/facets/tags/tags/0/value").asText()).isEqualTo("local-1");
        assertThat(start.at("/job/facets/jobType/processingType").asText()).isEqualTo("BATCH");
        assertThat(start.path("inputs")).isEmpty();
        assertThat(end.path("inputs"))
                .as("what a run has written itself is no input")
                .hasSize(1);
        assertThat(Events.dataset(end, "inputs", "train").path("namespace").asText())
                .isEqualTo("s3://photos");
        assertThat(end.path("outputs")).hasSize(2);
        assertThat(said()).isEmpty();
    }

    @ParameterizedTest
    @CsvSource({"FAIL, the cluster was lost", "ABORT, the process was told to end"})
    void aRunThatDoesNotCompleteSaysWhy(Lineage.End how, String why) throws Exception {
        try (Lineage lineage = begun(folder.resolve("events").toUri().toString())) {
            lineage.read(() -> at("/images"));
            lineage.ended(
                    how, why + " at https://store/x?sig=" + SECRET + "&a=b and s3a://KEY:" + SECRET + "@bucket/y");
        }

        List<JsonNode> events = Events.files(folder.resolve("events"));
        assertThat(Events.types(events)).containsExactly("START", how.name());
        JsonNode error = events.get(1).at("/run/facets/errorMessage");
        assertThat(error.path("message").asText())
                .isEqualTo(why + " at https://store/x?sig=***&a=b and s3a://***@bucket/y");
        assertThat(error.path("programmingLanguage").asText()).isEqualTo("JAVA");
        assertThat(Events.dataset(events.get(1), "inputs", "/images")).isNotNull();
    }

    @Test
    void theEventsOfTheShortestRunAreInTheirOrder() throws Exception {
        for (int run = 0; run < 200; run++) {
            Path events = folder.resolve("events-" + run);
            try (Lineage lineage = begun(events.toUri().toString())) {
                lineage.ended(Lineage.End.ABORT, null);
            }

            List<JsonNode> sent = Events.files(events);
            assertThat(Events.types(sent)).containsExactly("START", "ABORT");
            assertThat(Instant.parse(sent.get(0).path("eventTime").asText()))
                    .isBefore(sent.get(1).path("eventTime").asText());
        }
    }

    @Test
    void theParentIsThatWhichAirflowNamesAndThisRunIsTheParentOfTheListeners() throws Exception {
        String task = "01994a5b-0000-7000-8000-000000000001";
        String dag = "01994a5b-0000-7000-8000-000000000002";
        Map<String, String> spark = Map.of(
                "spark.openlineage.parentRunId", task,
                "spark.openlineage.parentJobNamespace", "airflow",
                "spark.openlineage.parentJobName", "birds.train",
                "spark.openlineage.rootParentRunId", dag,
                "spark.openlineage.rootParentJobNamespace", "airflow",
                "spark.openlineage.rootParentJobName", "birds");
        Path file = folder.resolve("events.jsonl");
        Map<String, String> below;
        try (Lineage lineage = begun(settings("lineage.uri=" + file, "lineage.job=rare"), spark, Map.of())) {
            below = lineage.asParent();
        }

        JsonNode run = Events.lines(file).get(1).path("run");
        JsonNode parent = run.at("/facets/parent");
        assertThat(parent.at("/run/runId").asText()).isEqualTo(task);
        assertThat(parent.at("/job/name").asText()).isEqualTo("birds.train");
        assertThat(parent.at("/root/run/runId").asText()).isEqualTo(dag);
        assertThat(parent.at("/root/job/name").asText()).isEqualTo("birds");
        assertThat(below)
                .hasSize(6)
                .containsEntry(
                        "spark.openlineage.parentRunId", run.path("runId").asText())
                .containsEntry("spark.openlineage.parentJobNamespace", "grft")
                .containsEntry("spark.openlineage.parentJobName", "train.rare")
                .containsEntry("spark.openlineage.rootParentRunId", dag);
        assertThat(new Lineage(settings().lineage(), "runs/birds", "train", spark::get, key -> null).asParent())
                .as("nothing is reported")
                .isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "not-a-uuid"})
    void aParentThatIsNotWholeIsNone(String id) throws Exception {
        Path file = folder.resolve("events.jsonl");
        Map<String, String> spark = id.isEmpty()
                ? Map.of("spark.openlineage.parentJobName", "birds.train")
                : Map.of(
                        "spark.openlineage.parentRunId", id,
                        "spark.openlineage.parentJobNamespace", "airflow",
                        "spark.openlineage.parentJobName", "birds.train");
        begun(settings("lineage.uri=" + file), spark, Map.of()).close();
        assertThat(Events.lines(file).get(0).at("/run/facets").has("parent")).isFalse();
    }

    @Test
    void nothingIsDescribedOrSentWithoutAUri() {
        try (Lineage lineage = begun(settings(), Map.of(), Map.of())) {
            lineage.read(() -> {
                throw new AssertionError("described");
            });
        }
        assertThat(said()).isEmpty();
    }

    @Test
    void dataThatCannotBeDescribedDoNotFailTheRun() throws Exception {
        Path file = folder.resolve("events.jsonl");
        try (Lineage lineage = begun(file.toString())) {
            for (int i = 0; i < 2; i++) {
                lineage.read(() -> {
                    throw new NoSuchMethodError("gone");
                });
            }
            assertThat(Thread.currentThread().isInterrupted()).isFalse();
            lineage.read(() -> {
                throw new UncheckedIOException(new InterruptedIOException());
            });
            assertThat(Thread.interrupted()).as("the run ends at its next wait").isTrue();
            lineage.wrote(() -> at("/delta"));
        }
        assertThat(Events.lines(file).get(1).path("outputs")).hasSize(1);
        assertThat(said())
                .isEqualToIgnoringNewLines("lineage: " + file
                        + " does not receive some datasets, because they cannot be described (java.lang.NoSuchMethodError:"
                        + " gone); the run continues without them");
    }

    @Test
    void aServerGetsTheEventsWithTheKeyOfTheEnvironment() throws Exception {
        try (Server server = new Server()) {
            Map<String, String> environment = Map.of("OPENLINEAGE_API_KEY", SECRET);
            begun(settings("lineage.uri=" + server.uri() + "/"), Map.of(), environment)
                    .close();
            assertThat(server.calls).hasSize(2).containsOnly("POST /api/v1/lineage application/json Bearer " + SECRET);
            assertThat(Events.types(
                            List.of(Events.valid(server.received.get(0)), Events.valid(server.received.get(1)))))
                    .containsExactly("START", "COMPLETE");
            assertThat(server.received).noneMatch(event -> event.contains(SECRET));

            server.calls.clear();
            begun(server.uri() + "/api/v1/openlineage/lineage").close();
            assertThat(server.calls).containsOnly("POST /api/v1/openlineage/lineage application/json null");
        }
        assertThat(said()).isEmpty();
    }

    @ParameterizedTest
    @CsvSource({
        "401, 'refuses (status 401; is OPENLINEAGE_API_KEY right?)'",
        "404, refuses (status 404 at /api/v1/lineage)",
        "302, refuses (status 302 at /api/v1/lineage)"
    })
    void aServerThatRefusesIsSaidOnce(int status, String what) throws Exception {
        try (Server server = new Server()) {
            server.status = status;
            server.failing.set(99);
            begun(settings("lineage.uri=" + server.uri()), Map.of(), Map.of("OPENLINEAGE_API_KEY", SECRET))
                    .close();
            assertThat(server.calls).hasSize(2);
            assertThat(said())
                    .isEqualToIgnoringNewLines(
                            "lineage: " + server.uri() + " " + what + "; the run continues without it");
        }
    }

    @Test
    void aServerThatFailsForAWhileGetsTheEndWhichTellsWhatTheBeginningDid() throws Exception {
        try (Server server = new Server()) {
            server.status = 500;
            server.failing.set(2);
            begun(server.uri()).close();
            assertThat(server.calls).hasSize(3);
            assertThat(server.received).hasSize(1).first().asString().contains("COMPLETE");
            assertThat(said()).containsOnlyOnce("lineage:").contains("status 500); will try again");
        }
    }

    @Test
    void aServerThatIsSlowOrAwayDelaysTheEndByNoMoreThanTheTimeout() throws Exception {
        long started;
        try (Server server = new Server()) {
            server.delayMillis = 60_000;
            started = System.nanoTime();
            begun(settings("lineage.uri=" + server.uri(), "lineage.timeoutSeconds=0.5"), Map.of(), Map.of())
                    .close();
            assertThat(Duration.ofNanos(System.nanoTime() - started)).isLessThan(Duration.ofSeconds(30));
            assertThat(said()).containsOnlyOnce("did not take the end of the run within lineage.timeoutSeconds");
        }
        said.reset();
        try (Socket nobody = FreePorts.refusing()) {
            String uri = "lineage.uri=http://127.0.0.1:" + nobody.getLocalPort();
            started = System.nanoTime();
            begun(settings(uri, "lineage.timeoutSeconds=2"), Map.of(), Map.of()).close();
            assertThat(Duration.ofNanos(System.nanoTime() - started)).isLessThan(Duration.ofSeconds(30));
        }
        assertThat(said())
                .containsOnlyOnce("cannot be reached (java.net.ConnectException")
                .containsOnlyOnce("did not take the end of the run");
    }

    @Test
    void processesThatWriteAtOnceLeaveEveryEventWhole() throws Exception {
        for (String place : List.of("events.jsonl", "events")) {
            String uri = folder.resolve(place).toString();
            List<Process> processes = new ArrayList<>();
            for (String letter : List.of("a", "b")) {
                processes.add(new ProcessBuilder(
                                Path.of(System.getProperty("java.home"), "bin", "java")
                                        .toString(),
                                "-Xmx256m",
                                "-cp",
                                System.getProperty("java.class.path"),
                                Appending.class.getName(),
                                uri,
                                "200",
                                letter.repeat(20_000))
                        .redirectErrorStream(true)
                        .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                        .start());
            }
            for (Process process : processes) {
                assertThat(process.waitFor()).isZero();
            }
        }

        List<String> lines = Files.readAllLines(folder.resolve("events.jsonl"));
        assertThat(lines).hasSize(400).allMatch(line -> line.matches("a{20000}|b{20000}"));
        assertThat(lines.stream().filter(line -> line.startsWith("a"))).hasSize(200);
        try (var files = Files.list(folder.resolve("events"))) {
            assertThat(files)
                    .hasSize(400)
                    .allMatch(file -> file.getFileName().toString().matches("event-[ab]\\d+\\.json"));
        }
    }

    @Test
    void aLineThatAKilledProcessHasNotEndedStaysApart() throws Exception {
        Path file = folder.resolve("events.jsonl");
        Files.writeString(file, "{\"eventType\":\"STA");
        begun(file.toString()).close();
        List<String> lines = Files.readAllLines(file);
        assertThat(lines).hasSize(3);
        Events.valid(lines.get(1));
    }

    @Test
    void aPlaceThatCannotBeWrittenIsSaidOnce() throws Exception {
        Path file = Files.writeString(folder.resolve("file"), "x");
        begun(file.resolve("events").toString()).close();
        begun(file.resolve("events.jsonl").toString()).close();
        begun(Files.createDirectory(folder.resolve("folder.jsonl")).toString()).close();
        begun("htp://lineage/events").close();
        assertThat(said().lines())
                .hasSize(4)
                .allMatch(line -> line.startsWith("lineage: "))
                .allMatch(line -> line.endsWith("; the run continues without it"))
                .noneMatch(line -> line.contains("within lineage.timeoutSeconds"));
    }

    @Test
    void aFileSystemThatIsTooSlowIsSaidOnce() {
        Settings settings = settings("lineage.uri=slow:" + folder, "lineage.timeoutSeconds=1");
        Lineage lineage = new Lineage(settings.lineage(), "runs/birds", "train", key -> null);
        lineage.start(
                new Storage(SlowFileSystem.configuration()),
                new Progress(new PrintStream(said, true, StandardCharsets.UTF_8)),
                new TreeMap<>(),
                null);
        lineage.close();
        assertThat(said().lines())
                .singleElement()
                .asString()
                .contains("did not take the end of the run within lineage.timeoutSeconds, 1.0 s");
    }

    @Test
    void runsAtOnceInOneProcessStayApart() throws Exception {
        Path file = folder.resolve("events.jsonl");
        try (Lineage one = begun(file.toString());
                Lineage other = begun(file.toString())) {
            one.read(() -> at("/one"));
            other.read(() -> at("/other"));
        }
        Map<String, List<JsonNode>> runs = Events.lines(file).stream()
                .collect(Collectors.groupingBy(event -> event.at("/run/runId").asText()));
        assertThat(runs.values()).hasSize(2).allSatisfy(events -> {
            assertThat(Events.types(events)).containsExactly("START", "COMPLETE");
            assertThat(events.get(0).path("inputs")).isEmpty();
            assertThat(events.get(1).path("inputs")).hasSize(1);
        });
        assertThat(runs.values())
                .extracting(events -> events.get(1).at("/inputs/0/name").asText())
                .containsExactlyInAnyOrder("/one", "/other");
    }

    @Test
    void aRunThatIsNotSaidToCompleteHasFailed() throws Exception {
        Path file = folder.resolve("events.jsonl");
        try (Lineage lineage = new Lineage(settings("lineage.uri=" + file).lineage(), "run", "export", key -> null)) {
            lineage.start(new Storage(HADOOP), Progress.ofProcess(), Map.of(), null);
        }
        assertThat(Events.types(Events.lines(file))).containsExactly("START", "FAIL");
    }

    @Test
    void aKeyThatIsNoneIsRefusedAndNotRepeated() throws Exception {
        try (Server server = new Server()) {
            begun(settings("lineage.uri=" + server.uri()), Map.of(), Map.of("OPENLINEAGE_API_KEY", "a\n" + SECRET))
                    .close();
            assertThat(server.calls).isEmpty();
        }
        assertThat(said())
                .containsOnlyOnce("lineage:")
                .contains("OPENLINEAGE_API_KEY must be one line")
                .doesNotContain(SECRET);
    }

    @Test
    void aFileOfLinesIsTheDriversWhateverTheDefaultFileSystem() throws Exception {
        Configuration cluster = new Configuration(false);
        cluster.set("fs.defaultFS", "hdfs://namenode:8020");
        Path file = folder.resolve("events.jsonl");
        for (String uri : List.of(file.toString(), file.toUri().toString())) {
            new FileTransport(new Storage(cluster), uri).send("event", "{}");
        }
        assertThat(file).hasContent("{}\n{}");
    }

    @Test
    void theWaitForTheEndCountsFromTheTimeAtWhichTheRunIsOver() throws Exception {
        try (Server server = new Server()) {
            server.delayMillis = 20_000;
            Lineage lineage =
                    begun(settings("lineage.uri=" + server.uri(), "lineage.timeoutSeconds=4"), Map.of(), Map.of());
            lineage.finish();
            Thread.sleep(4000); // the wait for another server
            long started = System.nanoTime();
            lineage.close();
            assertThat(Duration.ofNanos(System.nanoTime() - started)).isLessThan(Duration.ofMillis(3900));
        }
    }

    @Test
    void aUuidTellsItsTime() {
        long now = System.currentTimeMillis();
        var uuid = Lineage.uuid(now);
        assertThat(uuid.version()).isEqualTo(7);
        assertThat(uuid.variant()).isEqualTo(2);
        assertThat(uuid.getMostSignificantBits() >>> 16).isEqualTo(now);
        assertThat(Lineage.uuid(now)).isNotEqualTo(uuid);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "http://me:hunter2@host",
                "https://host?key=x",
                "http:host",
                "HTTP://me@host",
                "http://host|x",
                "http://my_host"
            })
    void addressesOfAServerWithCredentialsAreRefusedAndNotRepeated(String uri) {
        assertThatThrownBy(() -> settings("lineage.uri=" + uri))
                .isInstanceOf(UserError.class)
                .hasMessageNotContaining(SECRET);
    }

    @ParameterizedTest
    @ValueSource(strings = {"s3a://bucket/events.jsonl", "hdfs://nn/events.jsonl", "' '"})
    void aFileThatCannotBeAppendedToIsRefused(String uri) {
        assertThatThrownBy(() -> settings("lineage.uri=" + uri))
                .isInstanceOf(UserError.class)
                .hasMessageContaining(
                        "lineage.uri must be null, a server, a local file that ends with .jsonl, or a folder");
    }
}
