package dev.grft.spark.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.spark.verbs.OnSpark;
import java.io.File;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import scala.util.Properties;

class SentTest extends OnSpark {
    private static final AtomicInteger OVER = new AtomicInteger();

    @TempDir
    private File folder;

    @Test
    void inLocalModeTasksSeeTheValueItself() {
        float[] value = {1, 2};
        try (Sent<float[]> sent = Sent.of(context, value)) {
            assertThat(context.parallelize(List.of(0, 1), 2)
                            .map(task -> System.identityHashCode(sent.value()))
                            .collect())
                    .containsOnly(System.identityHashCode(value));
        }
    }

    @Test
    void whatIsHeldForAValueEndsWithItOnce() {
        Sent<Integer> sent = Sent.of(context, 3);
        int before = OVER.get();
        context.parallelize(List.of(0, 1, 2, 3), 4).foreach(task -> sent.whenOver(OVER::incrementAndGet));
        assertThat(OVER.get()).isEqualTo(before);

        sent.close();
        sent.close();

        assertThat(OVER.get()).isEqualTo(before + 1);
        assertThatThrownBy(sent::value).hasMessageStartingWith("the work is over");
        sent.whenOver(OVER::incrementAndGet); // of a task that comes late
        assertThat(OVER.get()).isEqualTo(before + 2);
    }

    @Test
    void aValueThatNothingRefersToIsTakenBack() throws InterruptedException {
        int before = OVER.get();
        forgotten();
        for (int i = 0; i < 600 && OVER.get() == before; i++) {
            System.gc();
            Thread.sleep(100);
        }
        assertThat(OVER.get()).isEqualTo(before + 1);
    }

    private static void forgotten() {
        Sent<Integer> sent = Sent.of(context, 3);
        context.parallelize(List.of(0, 1), 2).foreach(task -> sent.whenOver(OVER::incrementAndGet));
    }

    @Test
    @Tag("thorough")
    void executorsEndWhatTheyHoldThoughTheyGetNoTaskAgain() throws Exception {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
                .filter(option -> option.startsWith("--add-"))
                .forEach(command::add);
        command.addAll(List.of("-cp", classPath(), SentTest.class.getName(), folder.toString()));
        ProcessBuilder builder = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(new File(folder, "log"))
                .directory(folder);
        assertThat(new File(folder, "jars").mkdir()).isTrue(); // where executors look for more than the class path
        builder.environment().put("SPARK_HOME", folder.toString());
        builder.environment()
                .put("SPARK_SCALA_VERSION", Properties.versionNumberString().replaceFirst("\\.\\d+$", ""));
        Process process = builder.start();
        assertThat(process.waitFor(300, TimeUnit.SECONDS)).isTrue();

        assertThat(process.exitValue())
                .as(Files.readString(Path.of(folder.toString(), "log")))
                .isZero();
    }

    private static String classPath() {
        return Stream.of(System.getProperty("java.class.path").split(File.pathSeparator, -1))
                .map(entry -> Path.of(entry).toAbsolutePath().toString())
                .collect(Collectors.joining(File.pathSeparator));
    }

    /**
     * Starts two executors, whose tasks hold a value and drop another, and then another application; ends with 0 if both end the first
     * within seconds, read the second as often as they want, and the new application keeps what it has sent.
     */
    public static void main(String[] arguments) throws Exception {
        Path folder = Path.of(arguments[0]);
        Sent<String> old;
        try (SparkSession spark = cluster()) {
            JavaSparkContext context = JavaSparkContext.fromSparkContext(spark.sparkContext());
            old = Sent.of(context, "old");
            if (!endsWhatItHolds(context, folder)) {
                System.exit(1);
            }
            if (!readsWhatItDropped(context)) {
                System.exit(2);
            }
        }
        try (SparkSession spark = cluster()) {
            JavaSparkContext context = JavaSparkContext.fromSparkContext(spark.sparkContext());
            Sent<String> sent = Sent.of(context, "new"); // Spark gives it the number of the old one
            old.close();
            List<String> read = context.parallelize(List.of(0, 1), 2)
                    .map(task -> sent.value())
                    .collect();
            System.exit(read.equals(List.of("new", "new")) ? 0 : 3);
        }
    }

    private static SparkSession cluster() {
        return SparkSession.builder()
                .config("spark.executor.memory", "512m")
                .config("spark.executor.extraClassPath", System.getProperty("java.class.path"))
                .config("spark.ui.enabled", "false")
                .config("spark.driver.host", "127.0.0.1")
                .config("spark.driver.bindAddress", "127.0.0.1")
                .config("spark.broadcast.blockSize", "1k")
                .config("spark.scheduler.minRegisteredResourcesRatio", "1") // both executors get tasks
                .config("spark.scheduler.maxRegisteredResourcesWaitingTime", "120s")
                .master("local-cluster[2,1,512]")
                .getOrCreate();
    }

    private static boolean endsWhatItHolds(JavaSparkContext context, Path folder) throws Exception {
        String place = folder.toString();
        try (Sent<String> sent = Sent.of(context, place)) {
            context.parallelize(List.of(0, 1, 2, 3), 4).foreach(task -> {
                sent.whenOver(() -> leave(place, "over"));
                Thread.sleep(2500); // longer than between two looks
            });
            Thread.sleep(5000);
            if (count(folder, "over-") > 0) {
                return false;
            }
        }
        for (int i = 0; i < 600 && count(folder, "over-") < 2; i++) {
            Thread.sleep(100);
        }
        return count(folder, "over-") == 2;
    }

    private static boolean readsWhatItDropped(JavaSparkContext context) {
        byte[] value = new byte[100_000]; // in a hundred pieces
        Arrays.fill(value, (byte) 7);
        try (Sent<byte[]> sent = Sent.of(context, value)) {
            List<Boolean> same = context.parallelize(List.of(0, 1, 2, 3, 4, 5, 6, 7), 8)
                    .map(task -> {
                        byte[] before = sent.value();
                        sent.drop(); // while this task holds its pieces
                        byte[] during = sent.value();
                        Thread.sleep(task % 2 * 200);
                        return Arrays.equals(before, value) && Arrays.equals(during, before);
                    })
                    .collect();
            return same.stream().allMatch(each -> each);
        }
    }

    private static void leave(String folder, String name) {
        try {
            Files.createFile(
                    Path.of(folder, name + "-" + ProcessHandle.current().pid()));
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private static long count(Path folder, String prefix) throws IOException {
        try (var files = Files.list(folder)) {
            return files.filter(file -> file.getFileName().toString().startsWith(prefix))
                    .count();
        }
    }
}
