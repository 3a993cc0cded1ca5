package dev.grft.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import picocli.CommandLine;

/** The documentation, and the commands in it. */
final class Pages {
    /**
     * What stands in a command that the tests do not execute, and why. Everything else in blocks of {@code sh} and in the examples of
     * {@code --help} is executed by {@link DocumentedCommandsIT}; the options of these are read by the program's own parsers.
     */
    static final Map<String, String> NOT_EXECUTED = Map.ofEntries(
            Map.entry("mvn ", "the test that would execute it is a part of it"),
            Map.entry("jobs/bench.sh", "measures for an hour; BenchTest does its work in small"),
            Map.entry("notebooks/run.sh ", ".ci/run executes it after this"),
            Map.entry("airflow connections add ", "Airflow is installed for test_dags.py, which executes it"),
            Map.entry(".venv-report", "needs Chromium and a Python of its own"),
            Map.entry(".venv-finetune", "needs PyTorch, the photos and a ViT-S/14"),
            Map.entry("start-connect-server.sh", "starts a server of Spark 4.1; src/test/python/connect.py does it"),
            Map.entry("pip wheel ", "src/test/coordinates/run.sh executes it"),
            Map.entry("pip install \"pyspark", "needs that wheel; src/test/coordinates/run.sh installs it"),
            Map.entry("docker ", "needs Docker and a registry; docker/README.md says what was run"),
            Map.entry("kubectl ", "needs Kubernetes; KubernetesIT reads the rights"),
            Map.entry("helm ", "needs Kubernetes"),
            Map.entry("hf download ", "the hub of Hugging Face is another's"),
            Map.entry("from torchvision.models import", "downloads a model"),
            Map.entry("comparison/make.py ", "needs archives of two sets of images"),
            Map.entry("data.train=images/clothes/", "needs one of them, and a ViT-S/14"),
            Map.entry("data.train=images/caltech/", "the same"),
            Map.entry(
                    "--packages dev.grft:",
                    "needs a repository; src/test/coordinates/run.sh makes one and executes it"),
            Map.entry("--packages io.delta:", "needs Delta Lake; src/test/tables/run.sh trains with it"),
            Map.entry("--packages org.apache.iceberg:", "needs Iceberg; src/test/tables/run.sh trains with it"),
            Map.entry("--jars openlineage", "needs OpenLineage's jar; what it told stands on the page"),
            Map.entry("--jars score.jar", "needs that jar; OwnScoreTest compiles the page's score into one"),
            Map.entry("javac -cp ", "that jar; OwnScoreTest compiles the page's score"),
            Map.entry("jar cf score.jar ", "that jar"),
            Map.entry("GRFT_SPARK=4 ", ".ci/run executes the other build after this"),
            Map.entry("/opt/spark-4.1", "needs a distribution of Spark 4.1; .ci/run has its jars"),
            Map.entry("engine.kernels=torch", "needs LibTorch's natives; DeterminismTest trains with them, -Ptorch"),
            Map.entry("engine.requireGpu=true", "needs a GPU; GpuIT has a worker that tells of some"),
            Map.entry("aws emr ", "needs an account"),
            Map.entry("gcloud dataproc ", "needs an account"));

    private static final Pattern FENCE = Pattern.compile("(?ms)^```(\\w*)\\n(.*?)^```$");

    private Pages() {}

    /** A block of code. {@code lines} are joined where one goes on in the next. */
    record Block(String place, String language, List<String> lines) {
        /** Returns the lines that are executed, in their order. */
        List<String> executed() {
            return lines.stream().filter(line -> !isNotExecuted(line)).toList();
        }

        @Override
        public String toString() {
            return place + ": " + lines.get(0);
        }
    }

    static boolean isNotExecuted(String command) {
        return NOT_EXECUTED.keySet().stream().anyMatch(command::contains);
    }

    /** Returns README and every other page. */
    static List<Path> all() throws IOException {
        List<Path> pages = new ArrayList<>(List.of(Path.of("README.md")));
        for (String folder : List.of("src/site", "conf", "jobs", "notebooks", "docker")) {
            try (Stream<Path> files = Files.walk(Path.of(folder))) {
                files.filter(file -> file.toString().endsWith(".md")).sorted().forEach(pages::add);
            }
        }
        return pages;
    }

    /** Returns the blocks of code of all pages. */
    static List<Block> blocks() throws IOException {
        List<Block> blocks = new ArrayList<>();
        for (Path page : all()) {
            String text = Files.readString(page);
            for (Matcher fence = FENCE.matcher(text); fence.find(); ) {
                long line = text.substring(0, fence.start()).lines().count() + 1;
                blocks.add(new Block(
                        page + ":" + line,
                        fence.group(1),
                        fence.group(2).replaceAll("\\\\\\n\\s*", "").lines().toList()));
            }
        }
        return blocks;
    }

    /** Returns the blocks of commands. */
    static List<Block> commands() throws IOException {
        return blocks().stream().filter(block -> block.language().equals("sh")).toList();
    }

    /** Returns {@code --help} and the examples that it prints, a block for each of these verbs, all verbs if there are none. */
    static List<Block> helps(String... verbs) {
        Map<String, CommandLine> all = Main.line().getSubcommands();
        return (verbs.length == 0 ? all.keySet().stream() : Arrays.stream(verbs))
                .map(verb -> new Block(
                        verb + " --help",
                        "sh",
                        Stream.concat(
                                        Stream.of("  jobs/submit.sh " + verb + " --help"),
                                        Arrays.stream(all.get(verb)
                                                .getCommandSpec()
                                                .usageMessage()
                                                .footer()))
                                .filter(line -> line.startsWith("  "))
                                .map(String::strip)
                                .toList()))
                .toList();
    }
}
