package dev.grft.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;

import dev.grft.bench.Bench;
import dev.grft.config.Config;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import picocli.AutoComplete;
import picocli.CommandLine;

/**
 * The commands of the documentation are understood: no verb, option, key, script or profile that does not exist. {@link DocumentedCommandsIT}
 * executes them.
 */
class DocumentationTest {
    private static final Pattern SCRIPT =
            Pattern.compile("(?:jobs|\\.ci|src/test/python|conf)/[\\w./-]*\\w\\.(?:sh|py)");
    private static final Pattern PROFILES = Pattern.compile("mvn[^`\\n]* -P([\\w,-]+)");
    private static final Pattern BENCH = Pattern.compile("(?m)(?:^|`)jobs/bench\\.sh( [^`\\n]*)");
    private static final Pattern WORD = Pattern.compile("(?:[^\\s'\"]|'[^']*'|\"[^\"]*\")+");

    /** Of jobs/submit.sh, each with a value. */
    private static final Set<String> OF_SPARK = Set.of(
            "--master",
            "--deploy-mode",
            "--spark-conf",
            "--conf",
            "--driver-memory",
            "--executor-memory",
            "--executor-cores",
            "--num-executors",
            "--jars",
            "--packages",
            "--driver-java-options");

    /** A command and where it stands. */
    record Example(String place, String command) {
        @Override
        public String toString() {
            return place + ": " + command;
        }
    }

    /** Returns the commands that run the program. */
    static List<Example> examples() throws IOException {
        List<Example> examples = new ArrayList<>();
        for (Pages.Block block : Pages.commands()) {
            for (String line : block.lines()) {
                if (line.strip().matches("(?:\\w+=\\S+ )*jobs/(submit|demo)\\.sh.*")) {
                    examples.add(new Example(block.place(), line.strip()));
                }
            }
        }
        return examples;
    }

    @ParameterizedTest
    @MethodSource("examples")
    void theProgramUnderstands(Example example) throws IOException {
        List<String> words = new ArrayList<>();
        for (Matcher word = WORD.matcher(example.command().replaceAll("\\s[#&].*", "")); word.find(); ) {
            words.add(word.group().replaceAll("['\"]", ""));
        }
        words.removeIf(word -> word.equals("..."));
        while (!words.get(0).startsWith("jobs/")) {
            words.remove(0);
        }
        boolean demo = words.remove(0).equals("jobs/demo.sh");
        for (int i = 0; i < words.size(); ) {
            if (OF_SPARK.contains(words.get(i))) {
                words.subList(i, i + 2).clear();
            } else if (OF_SPARK.contains(words.get(i).replaceAll("=.*", ""))) {
                words.remove(i);
            } else {
                i++;
            }
        }
        if (words.equals(List.of("--spark-help"))) {
            return;
        }
        if (demo) {
            words.addAll(0, List.of("run", "--config", "conf/demo/demo.yaml"));
        }

        CommandLine.ParseResult parsed = Main.line().parseArgs(words.toArray(String[]::new));
        if (!parsed.hasSubcommand()) {
            assertThat(parsed.isUsageHelpRequested() || parsed.isVersionHelpRequested())
                    .as("a verb, --help or --version")
                    .isTrue();
            return;
        }
        CommandLine.ParseResult verb = parsed.subcommand();
        List<String> files = verb.matchedOptionValue("--config", List.<String>of()).stream()
                .filter(file -> !file.startsWith("my") && !file.contains("://"))
                .toList();
        List<String> sets = verb.matchedOptionValue("--set", List.of());
        assertThatCode(() -> Config.load(files, sets, new Configuration())).doesNotThrowAnyException();
    }

    @Test
    void everyBlockSaysWhetherItIsOfCommands() throws IOException {
        for (Pages.Block block : Pages.blocks()) {
            assertThat(block.language()).as(block.place()).isIn("sh", "text", "java", "python");
            if (!block.language().equals("sh")) {
                assertThat(block.lines())
                        .as(block.place())
                        .noneMatch(line ->
                                line.matches("(?:\\w+=\\S+ )*(?:\\w+/.*\\.(?:sh|py)|mvn|python3?|docker|kubectl) .*"));
            }
        }
    }

    @Test
    void whatIsNotExecutedStandsOnAPage() throws IOException {
        List<String> lines = Pages.commands().stream()
                .flatMap(block -> block.lines().stream())
                .toList();
        for (String part : Pages.NOT_EXECUTED.keySet()) {
            assertThat(lines).as(part).anyMatch(line -> line.contains(part));
        }
    }

    @Test
    void theBenchmarkUnderstandsItsOptions() throws IOException {
        int understood = 0;
        for (Path page : Pages.all()) {
            for (Matcher command = BENCH.matcher(Files.readString(page)); command.find(); ) {
                String options = command.group(1).replaceAll("\\s#.*", "");
                List<String> words = new ArrayList<>();
                for (Matcher word = WORD.matcher(options); word.find(); ) {
                    words.add(word.group().replaceAll("['\"]", ""));
                }
                assertThatCode(() -> new CommandLine(new Bench()).parseArgs(words.toArray(String[]::new)))
                        .as(page + ": " + command.group())
                        .doesNotThrowAnyException();
                understood++;
            }
        }
        assertThat(understood).isPositive();
    }

    @Test
    void thereAreExamplesAndMostVerbsAreAmongThem() throws IOException {
        String all = examples().stream().map(Example::command).collect(Collectors.joining("\n"));
        assertThat(all).contains(" run ", " train ", " compare ", " inspect ", " pretrain ");
    }

    @Test
    void everyScriptThatAPageNamesIsThere() throws IOException {
        for (Path page : Pages.all()) {
            for (Matcher script = SCRIPT.matcher(Files.readString(page)); script.find(); ) {
                assertThat(Path.of(script.group())).as(page.toString()).isRegularFile();
            }
        }
    }

    @Test
    void everyProfileThatAPageNamesIsInThePom() throws IOException {
        String pom = Files.readString(Path.of("pom.xml"));
        for (Path page : Pages.all()) {
            for (Matcher profiles = PROFILES.matcher(Files.readString(page)); profiles.find(); ) {
                for (String profile : profiles.group(1).split(",", -1)) {
                    assertThat(pom).as(page.toString()).contains("<id>" + profile + "</id>");
                }
            }
        }
    }

    @Test
    void verbsAndOptionsAreCompletedInBash() throws Exception {
        String script = AutoComplete.bash("submit", Main.line());
        for (String[] expected : new String[][] {
            {"jobs/submit.sh tr", "train"},
            {"jobs/submit.sh train --max", "--max-time"},
            {"jobs/submit.sh export --f", "--format"},
            {"jobs/submit.sh pre", "predict pretrain"}
        }) {
            String[] words = expected[0].split(" ", -1);
            String typed = script + "\nCOMP_WORDS=(" + expected[0] + ")\nCOMP_CWORD=" + (words.length - 1)
                    + "\nCOMP_LINE='" + expected[0] + "'\ncomplete -p submit.sh >/dev/null\n_complete_submit\n"
                    + "echo $(printf '%s\\n' \"${COMPREPLY[@]}\" | sort)\n";
            Process bash = new ProcessBuilder("bash", "-c", typed)
                    .redirectError(ProcessBuilder.Redirect.DISCARD) // of compopt, which is not for a test
                    .start();
            String printed = new String(bash.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            assertThat(printed.strip()).as(expected[0]).isEqualTo(expected[1]);
        }
    }

    @Test
    void everyVerbShowsAnExampleThatItUnderstands() {
        for (CommandLine verb : Main.line().getSubcommands().values()) {
            List<String> footer =
                    Arrays.asList(verb.getCommandSpec().usageMessage().footer());
            List<String> commands = footer.stream()
                    .filter(line -> line.strip().startsWith("jobs/submit.sh "))
                    .map(line -> line.strip().replace("jobs/submit.sh ", "").replaceAll(" > .*", ""))
                    .toList();
            assertThat(commands).as(verb.getCommandName()).isNotEmpty();
            assertThat(Main.line()
                            .parseArgs(verb.getCommandName(), "--help")
                            .subcommand()
                            .isUsageHelpRequested())
                    .isTrue();
            for (String command : commands) {
                assertThat(command + " ").startsWith(verb.getCommandName() + " ");
                assertThatCode(() -> Main.line().parseArgs(command.split(" ", -1)))
                        .as(command)
                        .doesNotThrowAnyException();
            }
        }
    }
}
