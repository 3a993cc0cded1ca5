package dev.grft.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The commands of the documentation and of {@code --help} are executed: by bash, as they are printed, in a {@link Scratch} copy of the project
 * whose {@code spark-submit} is {@link InProcess}. {@link Pages#NOT_EXECUTED} says which are not.
 */
@Tag("thorough")
class DocumentedCommandsIT {
    private static final long SECONDS = 600; // only a process that hangs takes as long

    /** Runs and packed images that the commands find there, as their pages have them. */
    private static final List<String> BEFORE = List.of(
            "for part in train test; do jobs/submit.sh pack --images /photos/$part --output conf/demo/hands/$part.parquet; done",
            "mkdir -p food101/data",
            "cp -r conf/demo/hands/train.parquet food101/data/train-00000.parquet",
            "jobs/submit.sh run --config my.yaml --set run.directory=runs/birds",
            "cp -r runs/birds runs/7",
            "cp -r runs/birds runs/photos");

    @TempDir
    private static Path folder;

    private static Scratch scratch;
    private static Process program;
    private static String port = "";

    @BeforeAll
    static void prepare() throws Exception {
        folder = folder.toRealPath();
        Submitted.home(folder.resolve("home.log")); // builds, if need be
        scratch = Scratch.in(folder);
        Path submit = Files.createDirectories(folder.resolve("opt/spark/bin")).resolve("spark-submit");
        Files.writeString(submit, InProcess.SCRIPT);
        assertThat(submit.toFile().setExecutable(true)).isTrue();
        program = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin/java").toString(),
                        "@" + Path.of("target/test-classes/bench.options").toAbsolutePath(),
                        "-Xmx1g",
                        "-XX:TieredStopAtLevel=1", // short lives: less to compile
                        "-Djava.awt.headless=true",
                        "-cp",
                        System.getProperty("java.class.path"),
                        InProcess.class.getName())
                .directory(folder.toFile())
                .redirectError(folder.resolve("program.log").toFile())
                .start();
        BufferedReader printed = program.inputReader();
        port = printed.readLine();
        execute(BEFORE);
    }

    @AfterAll
    static void end() {
        program.destroyForcibly();
    }

    static Stream<Pages.Block> blocks() throws IOException {
        return Stream.of(Pages.commands(), Pages.helps("check", "select", "train", "evaluate", "merge"), Pages.helps())
                .flatMap(List::stream)
                .filter(block -> !block.executed().isEmpty());
    }

    @ParameterizedTest
    @MethodSource("blocks")
    void isExecuted(Pages.Block block) throws Exception {
        execute(block.executed());
    }

    private static void execute(List<String> lines) throws Exception {
        Path log = folder.resolve("bash.log");
        int before = Files.readString(folder.resolve("program.log")).length();
        ProcessBuilder bash = new ProcessBuilder(
                        "bash", "-euo", "pipefail", "-c", scratch.moved(String.join("\n", lines)))
                .directory(folder.toFile())
                .redirectErrorStream(true)
                .redirectOutput(log.toFile());
        bash.environment()
                .putAll(Map.of(
                        "HOME", folder.toString(),
                        "SPARK_HOME", folder.resolve("opt/spark").toString(),
                        "SUBMIT_PORT", port));
        Process process = bash.start();
        boolean ended = process.waitFor(SECONDS, TimeUnit.SECONDS);
        process.destroyForcibly();
        assertThat(ended && process.exitValue() == 0)
                .as(
                        "%s%n%s%s",
                        String.join("\n", lines),
                        Files.readString(log),
                        Files.readString(folder.resolve("program.log")).substring(before))
                .isTrue();
    }
}
