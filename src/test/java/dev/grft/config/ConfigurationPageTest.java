package dev.grft.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** The reference of the configuration is what {@code conf/base.yaml} says, as a page. */
class ConfigurationPageTest {
    private static final Path PAGE = Path.of("src/site/markdown/configuration.md");
    private static final Pattern KEY = Pattern.compile("( *)(\\w+):(?: (.*))?");

    @Test
    void thePageSaysWhatTheDefaultsSay() throws IOException {
        String page = page(Files.readAllLines(Path.of("conf/base.yaml")));
        if (Boolean.getBoolean("grft.write")) {
            Files.writeString(PAGE, page);
        }
        assertThat(PAGE)
                .as("remake it with: mvn test -Dtest=ConfigurationPageTest -Dgrft.write=true")
                .hasContent(page);
    }

    @Test
    void thePageHasEveryKeyOnce() throws IOException {
        List<String> keys = Files.readAllLines(PAGE).stream()
                .filter(line -> line.startsWith("| `"))
                .map(line -> line.substring(3, line.indexOf('`', 3)))
                .toList();
        List<String> all = new ArrayList<>(Schema.KEYS.keySet());
        all.add(all.indexOf("model.pretrained"), Schema.METHODS);
        assertThat(keys).containsExactlyElementsOf(all);
    }

    /** Returns the page: a heading and a table for each section, a row for each key, the comment above it beside it. */
    private static String page(List<String> yaml) {
        StringBuilder page = new StringBuilder();
        StringBuilder comment = new StringBuilder();
        Map<Integer, String> above = new TreeMap<>();
        page.append("# Configuration\n");
        for (String line : yaml) {
            Matcher key = KEY.matcher(line);
            if (line.isBlank()) {
                paragraph(page, comment);
            } else if (line.strip().startsWith("#")) {
                comment.append(comment.isEmpty() ? "" : " ")
                        .append(line.strip().substring(1).strip());
            } else if (key.matches()) {
                above.keySet().removeIf(indent -> indent >= key.group(1).length());
                above.put(key.group(1).length(), key.group(2));
                String name = String.join(".", above.values());
                if (key.group(3) != null) {
                    if (above.size() == 1) {
                        heading(page, name, comment);
                    }
                    page.append("| `%s` | `%s` | %s |\n".formatted(name, key.group(3), cell(comment)));
                    comment.setLength(0);
                } else if (above.size() == 1) {
                    heading(page, name, comment);
                } else {
                    page.append("| **%s** | | %s |\n".formatted(name, cell(comment)));
                    comment.setLength(0);
                }
            } else {
                throw new IllegalArgumentException("neither a comment nor a key: " + line);
            }
        }
        return page.toString();
    }

    private static void heading(StringBuilder page, String name, StringBuilder comment) {
        page.append("\n## ").append(name).append('\n');
        paragraph(page, comment);
        page.append("\n| key | default | |\n|---|---|---|\n");
    }

    private static void paragraph(StringBuilder page, StringBuilder comment) {
        if (!comment.isEmpty()) {
            page.append('\n').append(text(comment)).append('\n');
            comment.setLength(0);
        }
    }

    private static String cell(StringBuilder comment) {
        return text(comment).replace("|", "\\|");
    }

    private static String text(StringBuilder comment) {
        return comment.toString().replaceAll(" +", " ").replace("*", "\\*").replace("<", "&lt;");
    }
}
