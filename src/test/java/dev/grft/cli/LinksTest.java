package dev.grft.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Links between pages lead to a file, and to a heading of it where they name one. */
class LinksTest {
    private static final Pattern LINK = Pattern.compile("\\]\\((?!\\w+:)([^)#\\s]*)(#[^)\\s]*)?\\)");
    private static final Pattern HEADING = Pattern.compile("(?m)^#+ (.*)$");
    private static final Pattern CODE = Pattern.compile("(?ms)^```.*?^```$");
    private static final Path SITE = Path.of("src/site/markdown");

    @Test
    void everyLinkLeadsToAFileAndAHeading() throws IOException {
        List<String> broken = new ArrayList<>();
        Map<Path, Set<String>> anchors = new HashMap<>();
        for (Path page : pages()) {
            for (Matcher link = LINK.matcher(without(CODE, Files.readString(page))); link.find(); ) {
                Path to = link.group(1).isEmpty() ? page : page.resolveSibling(link.group(1));
                boolean leads = Files.exists(to);
                if (leads && link.group(2) != null) {
                    leads = anchors.computeIfAbsent(to.normalize(), LinksTest::anchors)
                            .contains(link.group(2).substring(1));
                }
                if (!leads) {
                    broken.add(page + ": " + link.group());
                }
            }
        }
        assertThat(broken).isEmpty();
    }

    /** The site lies three folders deep, as its sources do; a path that turns back before the root leads nowhere in it. */
    @Test
    void linksThatLeaveTheSiteGoByTheRoot() throws IOException {
        List<String> elsewhere = new ArrayList<>();
        try (Stream<Path> files = Files.list(SITE)) {
            for (Path page : files.toList()) {
                for (Matcher link = LINK.matcher(without(CODE, Files.readString(page))); link.find(); ) {
                    if (link.group(1).matches("(?!\\.\\./(resources/|\\.\\./\\.\\./)).*\\.\\./.*")) {
                        elsewhere.add(page + ": " + link.group());
                    }
                }
            }
        }
        assertThat(elsewhere).isEmpty();
    }

    @Test
    void indexAndMenuHaveEveryPageOfTheSite() throws IOException {
        String index = Files.readString(SITE.resolve("index.md"));
        String menu = Files.readString(Path.of("src/site/site.xml"));
        try (Stream<Path> files = Files.list(SITE)) {
            for (Path file : files.toList()) {
                String name = file.getFileName().toString().replace(".md", "");
                assertThat(menu).contains("href=\"" + name + ".html\"");
                if (!name.equals("index")) {
                    assertThat(index).contains("](" + name + ".md)");
                }
            }
        }
    }

    @Test
    void theIndexOfDecisionsHasEachOfThem() throws IOException {
        List<String> lines = Files.readAllLines(SITE.resolve("decisions.md"));
        assertThat(lines.stream()
                        .filter(line -> line.startsWith("| ["))
                        .map(line -> line.replaceAll("^\\| \\[(.*)]\\(#.*", "$1")))
                .containsExactlyElementsOf(lines.stream()
                        .filter(line -> line.startsWith("## "))
                        .map(line -> line.substring(3))
                        .toList());
    }

    @Test
    void anchorsAreThoseOfGitHub() {
        assertThat(anchor("Where do I change …?")).isEqualTo("where-do-i-change-");
        assertThat(anchor("`delta.safetensors`, `grft.delta`")).isEqualTo("deltasafetensors-grftdelta");
    }

    private static List<Path> pages() throws IOException {
        List<Path> pages = new ArrayList<>(Pages.all());
        pages.add(Path.of("src/test/python/README.md"));
        try (Stream<Path> notebooks = Files.list(Path.of("notebooks"))) {
            notebooks.filter(file -> file.toString().endsWith(".ipynb")).forEach(pages::add);
        }
        return pages;
    }

    private static Set<String> anchors(Path page) {
        Set<String> anchors = new HashSet<>();
        try {
            for (Matcher heading = HEADING.matcher(without(CODE, Files.readString(page))); heading.find(); ) {
                anchors.add(anchor(heading.group(1)));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return anchors;
    }

    private static String anchor(String heading) {
        return heading.toLowerCase(Locale.ROOT)
                .replaceAll("[^\\p{L}\\p{N}_ -]", "")
                .replace(' ', '-');
    }

    private static String without(Pattern pattern, String text) {
        return pattern.matcher(text).replaceAll("");
    }
}
