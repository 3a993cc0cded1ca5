package dev.grft.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The messages that the page of troubleshooting quotes are printed by this program, word for word. */
class TroubleshootingTest {
    private static final Path PAGE = Path.of("src/site/markdown/troubleshooting.md");

    /** All text of the program, as if no message were broken over lines. */
    private static String source;

    @BeforeAll
    static void readTheSource() throws IOException {
        StringBuilder all = new StringBuilder();
        for (String folder : List.of("src/main/java", "jobs", "notebooks")) {
            try (Stream<Path> files = Files.walk(Path.of(folder))) {
                for (Path file : files.filter(path -> path.toString().matches(".*\\.(java|sh)"))
                        .toList()) {
                    all.append(Files.readString(file)).append('\n');
                }
            }
        }
        source = all.toString().replaceAll("\"\\s*\\+\\s*\"", "").replaceAll("\\\\\"", "\"");
    }

    /** Returns the quoted messages of this program; those of others say whose they are. */
    static List<String> messages() throws IOException {
        List<String> messages = new ArrayList<>();
        for (String line : Files.readAllLines(PAGE)) {
            if (line.startsWith("`") && !line.contains("*(YARN)*") && !line.contains("*(Java)*")) {
                messages.add(line.substring(1, line.indexOf('`', 1)));
            }
        }
        return messages;
    }

    @ParameterizedTest
    @MethodSource("messages")
    void theProgramSays(String message) {
        for (String part : message.split("…", -1)) {
            assertThat(source.contains(part))
                    .as("\"%s\" of \"%s\"", part, message)
                    .isTrue();
        }
    }

    @Test
    void everyMessageIsFollowedByWhatToDo() throws IOException {
        List<String> lines = Files.readAllLines(PAGE);
        for (int i = 0; i < lines.size(); i++) {
            if (lines.get(i).startsWith("`")) {
                assertThat(lines.get(i + 1)).as(lines.get(i)).startsWith(": ");
            }
        }
        assertThat(messages()).hasSizeGreaterThan(20).doesNotHaveDuplicates();
    }
}
