package dev.grft.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.grft.checkpoint.Checkpoint;
import dev.grft.checkpoint.file.Dtype;
import dev.grft.data.ImageRecipe;
import dev.grft.spark.verbs.TrainingProcess;
import dev.grft.train.Initial;
import dev.grft.vit.VitConfig;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.apache.hadoop.conf.Configuration;
import scala.util.Properties;

/** Whole applications, in a process each: a Spark of its own in local mode, with the memory of a driver of jobs/submit.sh. */
final class Applications {
    /** Small, so that what it computes hides nothing; 59 rows of each of its matrices are a million numbers. */
    private static final String SMALL = "vit_tiny_patch16_224";

    private static final int MILLION = 59;

    private static final int ALL = Integer.MAX_VALUE; // rows of each matrix

    private static final String HEAP_OF_ALL = "8g"; // for a dozen vectors of 86 million floats

    /** Options that say how large a heap is. */
    private static final Pattern HEAP = Pattern.compile("-Xm[sx]|-XX:\\+AlwaysPreTouch");

    private static final String USUAL_HEAP = "3g";

    private final Setup setup;
    private final boolean quick;

    /**
     * Returns the applications of a model with random weights.
     *
     * @param quick for a first impression
     */
    Applications(Setup setup, boolean quick) {
        this.setup = setup;
        this.quick = quick;
    }

    /** What an application has told. */
    private record Told(double firstStep, JsonNode numbers) {
        Times times(String key) {
            return new Times(StreamSupport.stream(numbers.get(key).spliterator(), false)
                    .mapToDouble(JsonNode::asDouble)
                    .toArray());
        }

        double number(String key) {
            return numbers.get(key).asDouble();
        }
    }

    /** Returns how long it takes from the start of a JVM to the end of the first step, and the memory with one and two tasks. */
    List<Row> startAndMemory() {
        return inFolder(folder -> {
            write(setup.config(), folder);
            double[] starts = new double[quick ? 1 : 3];
            List<Row> rows = new ArrayList<>();
            int rounds = quick ? 3 : 12;
            for (int tasks = 1; tasks <= 2; tasks++) {
                String name = tasks == 1 ? "1 task" : tasks + " tasks";
                int threads = Math.max(1, setup.threads() / tasks);
                Told executor = run(folder, cluster(1, tasks), threads, setup.rows(), setup.batch(), rounds, tasks);
                rows.add(memory("memory of an executor, " + name, executor));
                Told one = run(folder, local(tasks), threads, setup.rows(), setup.batch(), rounds, tasks);
                rows.add(memory("memory of one process, " + name, one));
                starts[0] = tasks == 1 ? one.firstStep : starts[0];
            }
            for (int i = 1; i < starts.length; i++) {
                starts[i] = run(folder, local(1), setup.threads(), setup.rows(), setup.batch(), 1, 1).firstStep;
            }
            rows.add(0, Row.of("cold start to first step", new Times(starts)));
            setup.peer("torch-masked").ifPresent(peer -> {
                try (peer) {
                    Work.inTurn(List.of(peer), 0, 1);
                    double[] memory = peer.memory();
                    rows.set(
                            1,
                            rows.get(1)
                                    .beside(peer.name(), null)
                                    .with("peer_mib", memory[0])
                                    .with("peer_most_mib", memory[1]));
                }
            });
            return rows;
        });
    }

    private static Row memory(String name, Told told) {
        return new Row(name, null, null, null, Map.of())
                .with("ours_mib", told.number("resident"))
                .with("ours_most_mib", told.number("most"));
    }

    private static String local(int tasks) {
        return "local[" + tasks + "]";
    }

    /** Returns the master of a standalone cluster on this machine, of executors with a heap of 640 MiB each. */
    private static String cluster(int executors, int tasks) {
        return "local-cluster[" + executors + "," + tasks + ",640]";
    }

    /** Returns what a round takes beyond the computation of its tasks: broadcast, scheduling, results, their sum. */
    List<Row> sparksShare() {
        return inFolder(folder -> {
            write(VitConfig.preset(SMALL, 0).withImageSize(64), folder);
            List<Row> rows = new ArrayList<>();
            for (int shards : quick ? new int[] {2} : new int[] {2, 1, 4, 16, 64}) {
                int rounds = quick ? 10 : shards == 2 ? 500 : shards == 64 ? 40 : 60; // with 64 a round takes long
                addShares(
                        "Spark's share of a step" + (shards == 2 ? "" : ", shards: " + shards),
                        run(folder, local(2), 1, MILLION, 1, rounds, shards),
                        rows);
            }
            addShares(
                    "Spark's share of a step, two executors",
                    run(folder, cluster(2, 1), 1, MILLION, 1, quick ? 10 : 500, 2),
                    rows);
            return rows;
        });
    }

    /** Returns what a round takes beyond the computation of its tasks if all matrices of the setup's model train, with images of four patches. */
    List<Row> sparksShareOfFull() {
        return inFolder(folder -> {
            VitConfig config = setup.config();
            write(config.withImageSize(2 * config.patchSize()), folder);
            List<Row> rows = new ArrayList<>();
            addShares(
                    "Spark's share of a full step, shards: 4",
                    run(folder, local(2), 1, ALL, 1, quick ? 2 : 20, 4, HEAP_OF_ALL),
                    rows);
            return rows;
        });
    }

    /** Adds the overhead of a job for each step, and of standing tasks. */
    private static void addShares(String name, Told told, List<Row> rows) {
        rows.add(Row.of(name, told.times("share"))
                .with("round_ms", told.times("round").median())
                .with("update_ms", told.times("update").median())
                .with("trained", told.number("trained"))
                .with("early_mib", told.number("early"))
                .with("ours_mib", told.number("resident")));
        rows.add(Row.of(name + ", standing tasks", told.times("standing")));
    }

    /** Returns what an application tells that trains {@code rows} rows of each matrix, with {@code batch} examples of each shard. */
    private Told run(Path checkpoint, String master, int threads, int rows, int batch, int rounds, int shards)
            throws IOException {
        return run(checkpoint, master, threads, rows, batch, rounds, shards, USUAL_HEAP);
    }

    private Told run(
            Path checkpoint, String master, int threads, int rows, int batch, int rounds, int shards, String heap)
            throws IOException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(options(ManagementFactory.getRuntimeMXBean().getInputArguments(), heap));
        command.addAll(List.of("-cp", System.getProperty("java.class.path")));
        command.add(TrainingProcess.class.getName());
        command.add(checkpoint.toString());
        command.add(master);
        for (int number : new int[] {threads, rows, batch, rounds, shards}) {
            command.add(Integer.toString(number));
        }
        command.add(setup.precision());
        ProcessBuilder builder = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT);
        // Executors of their own find the jars by the class path, but want a place to look for more, and to know the
        // Scala.
        Files.createDirectories(checkpoint.resolve("jars"));
        builder.environment().put("SPARK_HOME", checkpoint.toString());
        builder.environment()
                .put("SPARK_SCALA_VERSION", Properties.versionNumberString().replaceFirst("\\.\\d+$", ""));
        builder.directory(checkpoint.toFile());
        long start = System.nanoTime();
        Process process = builder.start();
        try (BufferedReader out = process.inputReader(StandardCharsets.UTF_8)) {
            String first = out.readLine();
            double firstStep = (System.nanoTime() - start) / 1e6;
            String numbers = out.readLine();
            if (first == null || numbers == null) {
                throw new IOException("the application has ended early, with " + master);
            }
            return new Told(firstStep, new ObjectMapper().readTree(numbers));
        } finally {
            process.destroy();
        }
    }

    /** Returns an application's options, given those of this JVM and the size of its heap. */
    static List<String> options(List<String> ours, String heap) {
        return Stream.concat(
                        ours.stream().filter(option -> !HEAP.matcher(option).lookingAt()), Stream.of("-Xmx" + heap))
                .toList();
    }

    private static void write(VitConfig config, Path folder) {
        VitConfig headless = config.withClasses(0);
        Checkpoint.of("bench", "vit", headless, Initial.vit(headless, 1), ImageRecipe.same(0.5f, 0.5f, 0.9), List.of())
                .save(new Configuration(), folder.toString(), Dtype.F32);
    }

    private interface InFolder {
        List<Row> rows(Path folder) throws IOException;
    }

    private static List<Row> inFolder(InFolder work) {
        try {
            Path folder = Files.createTempDirectory("grft-bench");
            try {
                return work.rows(folder);
            } finally {
                try (Stream<Path> files = Files.walk(folder)) {
                    for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                        Files.delete(file);
                    }
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
