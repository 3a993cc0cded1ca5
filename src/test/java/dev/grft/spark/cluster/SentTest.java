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
        for (int i = 0; i < 50 && OVER.get() == before; i++) {
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
        assertThat(process.waitFor(120, TimeUnit.SECONDS)).isTrue();

        assertThat(process.exitValue())
                .as(Files.readString(Path.of(folder.toString(), "log")))
                .isZero();
    }

    private static String classPath() {
        return Stream.of(System.getProperty("java.class.path").split(File.pathSeparator, -1))
                .map(entry -> Path.of(entry).toAbsolutePath().toString())
                .collect(Collectors.joining(File.pathSeparator));
    }

    /** Starts two executors, whose tasks hold a value; ends with 0 if both end it within seconds. */
    public static void main(String[] arguments) throws Exception {
        SparkSession spark = SparkSession.builder()
                .config("spark.executor.memory", "512m")
                .config("spark.executor.extraClassPath", System.getProperty("java.class.path"))
                .config("spark.ui.enabled", "false")
                .config("spark.driver.host", "127.0.0.1")
                .config("spark.driver.bindAddress", "127.0.0.1")
                .master("local-cluster[2,1,512]")
                .getOrCreate();
        Path folder = Path.of(arguments[0]);
        String place = folder.toString();
        JavaSparkContext context = JavaSparkContext.fromSparkContext(spark.sparkContext());
        int code = 1;
        try (Sent<String> sent = Sent.of(context, place)) {
            context.parallelize(List.of(0, 1, 2, 3), 4).foreach(task -> {
                sent.whenOver(() -> leave(place, "over"));
                Thread.sleep(2500); // longer than between two looks
            });
            Thread.sleep(5000);
            if (count(folder, "over-") > 0) {
                System.exit(2);
            }
        }
        for (int i = 0; i < 100 && code != 0; i++) {
            Thread.sleep(100);
            code = count(folder, "over-") == 2 ? 0 : 1;
        }
        System.exit(code);
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
