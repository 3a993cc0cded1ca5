package dev.grft.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.spark.launcher.JavaModuleOptions;

/** Verbs in processes of their own, by {@code jobs/submit.sh} or as one JVM without it. */
final class Submitted {
    /** Where the build lies that these tests are of, {@code target} or that of a profile. */
    static final Path TARGET = classes().getParent();

    private Submitted() {}

    /** Returns the folder of the tests' classes, for a driver that is to load some of them. */
    static Path classes() {
        try {
            return Path.of(Submitted.class
                    .getProtectionDomain()
                    .getCodeSource()
                    .getLocation()
                    .toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Returns the Spark home that {@code jobs/submit.sh} makes of the build's jars. */
    static Path home(Path log) throws IOException, InterruptedException {
        ProcessBuilder builder = new ProcessBuilder("jobs/submit.sh", "--version")
                .redirectErrorStream(true)
                .redirectOutput(log.toFile());
        builder.environment().remove("SPARK_HOME");
        Process process = builder.start();
        if (!process.waitFor(600, TimeUnit.SECONDS) || process.exitValue() != 0) {
            throw new IOException(Files.readString(log));
        }
        return TARGET.resolve("spark-home");
    }

    /**
     * Starts a verb.
     *
     * @param log gets all that it prints
     * @param options of Spark and of the verb
     * @param sets single keys of the settings
     */
    static Process verb(String verb, Path log, List<String> options, List<String> sets) throws IOException {
        return verb(verb, log, options, sets, Map.of());
    }

    /** Starts a verb in an environment with some more variables. */
    static Process verb(String verb, Path log, List<String> options, List<String> sets, Map<String, String> environment)
            throws IOException {
        List<String> command = new ArrayList<>(List.of(
                "jobs/submit.sh",
                "--driver-memory",
                "1g",
                "--conf",
                "spark.ui.enabled=false",
                "--conf",
                "spark.driver.bindAddress=127.0.0.1",
                "--conf",
                "spark.driver.host=127.0.0.1"));
        command.add(verb);
        command.addAll(options);
        addSets(command, sets);
        ProcessBuilder builder = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()));
        builder.environment().remove("SPARK_HOME");
        builder.environment().put("SPARK_LOCAL_IP", "127.0.0.1");
        builder.environment().put("GRFT_SHARED_DISK", "yes");
        builder.environment().putAll(environment);
        return builder.start();
    }

    /**
     * Starts {@code train} in local mode as one JVM, whose exit code and signals are its own.
     *
     * @param main class with the method {@code main}
     * @param heap size of its heap, such as {@code 1g}
     * @param log gets all that it prints, in place of what it held
     * @param sets single keys of the settings
     */
    static Process train(Class<?> main, String heap, Path log, List<String> sets) throws IOException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(List.of(JavaModuleOptions.defaultModuleOptions().split(" ")));
        command.addAll(List.of(
                "-Xmx" + heap,
                "-Dspark.master=local[2]",
                "-Dspark.ui.enabled=false",
                "-Dspark.driver.host=127.0.0.1",
                "-Dspark.driver.bindAddress=127.0.0.1",
                "-cp",
                System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")),
                main.getName(),
                "train"));
        addSets(command, sets);
        ProcessBuilder builder =
                new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile());
        builder.environment().put("SPARK_LOCAL_IP", "127.0.0.1");
        builder.environment().put("OMP_NUM_THREADS", "1");
        return builder.start();
    }

    private static void addSets(List<String> command, List<String> sets) {
        for (String set : sets) {
            command.addAll(List.of("--set", set));
        }
    }

    /**
     * Returns the exit code of a process, and leaves nothing of it running.
     *
     * @param log all that it prints
     * @param seconds by when it has to end
     */
    static int exitCode(Process process, Path log, long seconds) throws IOException, InterruptedException {
        try {
            assertThat(process.waitFor(seconds, TimeUnit.SECONDS))
                    .as("ends in time:\n%s", Files.readString(log))
                    .isTrue();
            return process.exitValue();
        } finally {
            process.descendants().forEach(ProcessHandle::destroyForcibly);
            process.destroyForcibly();
        }
    }
}
