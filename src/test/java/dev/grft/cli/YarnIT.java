package dev.grft.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import dev.grft.checkpoint.file.Storage;
import dev.grft.spark.verbs.Tiny;
import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Runs on YARN with images, model and results on HDFS: two node managers and a NameNode in one JVM, containers in others. */
@Tag("clusters")
class YarnIT {
    private static final long SECONDS = 400;
    private static final String RETRY = "1000,60"; // every second, for a minute
    private static final String LONGER = "training.epochs=20";
    private static final String JOBS = "engine.rounds=jobs";
    private static final String STANDING = "engine.rounds=standing";
    private static final List<String> FILES =
            List.of("selection.safetensors", "delta.safetensors", "merged.safetensors");

    @TempDir
    private static Path folder;

    private static Process hadoop;
    private static FileSystem hdfs;
    private static Path undisturbed;

    @BeforeAll
    static void start() throws Exception {
        undisturbed = folder.resolve("undisturbed");
        Tiny.Shared shared = Tiny.Shared.in(folder);
        hadoop = hadoop();
        Configuration conf = new Configuration();
        conf.addResource(new org.apache.hadoop.fs.Path(conf("core-site.xml").toUri()));
        conf.setBoolean("dfs.client.retry.policy.enabled", true);
        conf.set("dfs.client.retry.policy.spec", RETRY);
        hdfs = FileSystem.get(conf);
        hdfs.mkdirs(new org.apache.hadoop.fs.Path("/spark-events"));
        for (Path source : List.of(shared.pretrained(), shared.train(), shared.test())) {
            hdfs.copyFromLocalFile(
                    new org.apache.hadoop.fs.Path(source.toUri()),
                    new org.apache.hadoop.fs.Path("/" + source.getFileName()));
        }
        Path log = folder.resolve("undisturbed.log");
        Process local =
                Submitted.verb("run", log, List.of("--master", "local[2]"), shared.sets(undisturbed, LONGER, JOBS));
        assertDone(local, log);
    }

    private static Path conf(String file) {
        return folder.resolve("hadoop/conf").resolve(file);
    }

    private static Process hadoop() throws Exception {
        List<String> jars = new ArrayList<>();
        try (Stream<Path> files = Files.list(Submitted.TARGET.resolve("hadoop"))) {
            files.forEach(jar -> jars.add(jar.toAbsolutePath().toString()));
        }
        Path log = folder.resolve("hadoop.log");
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx768m",
                        "--add-opens",
                        "java.base/java.lang=ALL-UNNAMED",
                        "-cp",
                        String.join(File.pathSeparator, jars),
                        "src/test/clusters/MiniCluster.java",
                        folder.resolve("hadoop").toString())
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        await(process, log, "ready");
        return process;
    }

    private static void await(Process process, Path log, String line) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(SECONDS);
        while (Files.readAllLines(log).stream().noneMatch(line::equals)) {
            if (!process.isAlive() || System.nanoTime() > end) {
                fail("no '" + line + "':\n" + Files.readString(log));
            }
            Thread.sleep(100);
        }
    }

    @AfterAll
    static void end() {
        hadoop.descendants().forEach(ProcessHandle::destroyForcibly);
        hadoop.destroyForcibly();
    }

    private Process submit(String verb, Path log, String directory, List<String> options, String... more)
            throws IOException {
        String java = System.getProperty("java.home");
        List<String> all = new ArrayList<>(List.of(
                "--spark-conf",
                "conf/spark/yarn.conf",
                "--conf",
                "spark.executor.cores=1",
                "--conf",
                "spark.hadoop.dfs.client.retry.policy.spec=" + RETRY,
                "--conf",
                "spark.executor.memory=640m",
                "--conf",
                "spark.executor.memoryOverhead=600m",
                "--conf",
                "spark.yarn.jars=local:" + Submitted.TARGET.resolve("spark-home/jars") + "/*",
                "--conf",
                "spark.yarn.appMasterEnv.JAVA_HOME=" + java,
                "--conf",
                "spark.executorEnv.JAVA_HOME=" + java,
                "--conf",
                "spark.yarn.appMasterEnv.SPARK_LOCAL_IP=127.0.0.1",
                "--conf",
                "spark.executorEnv.SPARK_LOCAL_IP=127.0.0.1"));
        all.addAll(options);
        return Submitted.verb(verb, log, all, onHdfs(directory, more), environment());
    }

    private static List<String> onHdfs(String directory, String... more) {
        List<String> sets = Tiny.sets(
                Path.of("/pretrained"), Path.of("/train"), Path.of("/test"), Path.of("/" + directory), LONGER);
        sets.addAll(List.of(more));
        return sets;
    }

    private static Map<String, String> environment() {
        return Map.of("HADOOP_CONF_DIR", conf("core-site.xml").getParent().toString());
    }

    private static void assertTheSameBits(String directory) throws IOException {
        Path copy = folder.resolve("copy-of-" + directory);
        hdfs.copyToLocalFile(
                new org.apache.hadoop.fs.Path("/" + directory), new org.apache.hadoop.fs.Path(copy.toUri()));
        for (String file : FILES) {
            assertThat(Tiny.tensors(copy.resolve(file))).as(file).isEqualTo(Tiny.tensors(undisturbed.resolve(file)));
        }
        assertThat(copy.resolve("evaluation.json")).hasSameTextualContentAs(undisturbed.resolve("evaluation.json"));
        assertThat(new Storage(hdfs.getConf()).list(new org.apache.hadoop.fs.Path("/" + directory)))
                .noneMatch(path -> path.getName().contains("_tmp"));
    }

    @ParameterizedTest
    @ValueSource(strings = {JOBS, STANDING})
    void inClusterModeTheBitsAreThoseOfOneMachine(String rounds) throws Exception {
        String directory = "cluster-" + rounds.replaceFirst(".*=", "");
        Path log = folder.resolve(directory + ".log");
        Process process = submit("run", log, directory, List.of(), rounds);

        assertDone(process, log);
        assertTheSameBits(directory);
        assertThat(hdfs.listStatus(new org.apache.hadoop.fs.Path("/spark-events")))
                .isNotEmpty();
    }

    @Test
    void inClusterModeTheUsersMistakeFailsTheApplicationWithItsCode() throws Exception {
        Path log = folder.resolve("mistake.log");
        Process process = submit(
                "train", log, "mistake", List.of("--conf", "spark.yarn.maxAppAttempts=1"), "model.pretrained=/none");

        assertThat(process.waitFor(SECONDS, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).as(Files.readString(log)).isNotZero();
        assertThat(log).content().contains("User application exited with status 2");
    }

    /** Waits until a training has written a state. */
    private static void awaitState(String directory, Process process, Path log) throws Exception {
        awaitStates(1, directory, process, log);
    }

    private static void awaitStates(int count, String directory, Process process, Path log) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(SECONDS);
        while (states(directory) < count) {
            if (!process.isAlive() || System.nanoTime() > end) {
                fail("fewer than " + count + " states were written:\n" + Files.readString(log));
            }
            Thread.sleep(50);
        }
    }

    private static int states(String directory) throws IOException {
        org.apache.hadoop.fs.Path states = new org.apache.hadoop.fs.Path("/" + directory + "/state");
        return hdfs.exists(states) ? hdfs.listStatus(states).length : 0;
    }

    /** Kills a container as YARN does that wants it for somebody else. */
    private static void kill(String mainClass) {
        ProcessHandle container = hadoop.descendants()
                .filter(each -> Cluster.commandLine(each).startsWith("/")
                        && Cluster.commandLine(each).contains(mainClass))
                .findFirst()
                .orElseThrow();
        assertThat(container.destroyForcibly()).isTrue();
    }

    /** Lets Hadoop do something and waits until it is done. */
    private static void tell(String command) throws Exception {
        Path log = folder.resolve("hadoop.log");
        long before = count(log, command);
        OutputStream commands = hadoop.getOutputStream(); // at its end Hadoop ends
        commands.write((command + "\n").getBytes(StandardCharsets.UTF_8));
        commands.flush();
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(SECONDS);
        while (count(log, command) == before) {
            if (!hadoop.isAlive() || System.nanoTime() > end) {
                fail("not done: " + command + "\n" + Files.readString(log));
            }
            Thread.sleep(100);
        }
    }

    private static long count(Path log, String line) throws IOException {
        return Files.readAllLines(log).stream().filter(line::equals).count();
    }

    private static void assertDone(Process process, Path log) throws Exception {
        assertThat(process.waitFor(SECONDS, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).as(Files.readString(log)).isZero();
    }

    @Test
    void inClientModeLostAndPreemptedContainersAndANameNodeThatStartsAgainChangeNoBit() throws Exception {
        Path log = folder.resolve("client.log");
        Process process = submit(
                "run", log, "client", List.of("--deploy-mode", "client"), "training.checkpointEvery=1", STANDING);
        try {
            awaitState("client", process, log);
            kill("YarnCoarseGrainedExecutorBackend");
            tell("preempt");
            tell("namenode");
            assertDone(process, log);
        } finally {
            process.destroyForcibly();
        }
        assertThat(log)
                .content()
                .contains("Lost executor")
                .contains("was preempted")
                .contains("standing tasks (engine.rounds)")
                .contains("\"status\":\"done\"");
        assertTheSameBits("client");
    }

    @Test
    void inClusterModeALostDriverIsStartedAgainAndGoesOn() throws Exception {
        Path log = folder.resolve("driver.log");
        Process process = submit("run", log, "driver", List.of(), "training.checkpointEvery=1", STANDING);
        try {
            awaitState("driver", process, log);
            kill("org.apache.spark.deploy.yarn.ApplicationMaster");
            assertDone(process, log);
        } finally {
            process.destroyForcibly();
        }
        assertTheSameBits("driver");
    }
}
