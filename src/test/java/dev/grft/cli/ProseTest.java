package dev.grft.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

/** Pages, messages, {@code --help} and the comments of sources are plain English: the words of the field, and sentences and paragraphs that are not too long. */
class ProseTest {
    private static final int MOST_WORDS = 40;
    private static final int MOST_SENTENCES = 4;

    /** What not to write, and what to write instead. */
    private static final Map<String, String> INSTEAD = Map.ofEntries(
            Map.entry("(?:train\\w*|frozen|million|every|as many) numbers?", "parameters"),
            Map.entry("who|whom|whoever|somebody|someone", "what does it; code is not a person"),
            Map.entry("(?:is|are|was|were|be)(?: not)? told", "what happens: reads, receives, is sent"),
            Map.entry("knows|gets on|get on", "what happens: has, reads, continues"),
            Map.entry("for (?:it|they) (?:is|are|has|have|does|do)", "because"),
            Map.entry("(?:has|have) to (?:beat|be beaten)", "baseline"),
            Map.entry("(?:can|cannot) be had", "fails, is not available"),
            Map.entry("beg[iau]n(?:s|ning)? anew", "starts over"),
            Map.entry("[Tt]asks (?:that )?stay", "standing tasks"),
            Map.entry("passed over", "ignored"),
            Map.entry("texts", "strings"));

    private static final Pattern COMMENT = Pattern.compile("(?s)/\\*.*?\\*/|//[^\\n]*");
    private static final Pattern TO_COPY =
            Pattern.compile(".*\\.(?:conf|properties|yaml|toml|sh|py)|.*/(?:Dockerfile|spark-\\w+)");
    /** Lines of comments that follow each other, a comment behind code, or a docstring. */
    private static final Pattern SCRIPT_COMMENT =
            Pattern.compile("(?m)(?:^[ \\t]*#.*\\n)+|[ \\t]# .*$|\"\"\"(?s:.*?)\"\"\"");

    private static final Pattern REFERENCE = Pattern.compile("\\{@(?:code|link|linkplain)[^}]*}");
    private static final Pattern FENCED = Pattern.compile("(?ms)^```.*?^```$");
    private static final Pattern CODE = Pattern.compile("`[^`\\n]*`");
    private static final Pattern TARGET = Pattern.compile("\\]\\([^)]*\\)");
    private static final Pattern PARAGRAPH = Pattern.compile("\\n[ \\t]*\\n|\\n(?=\\s*(?:- |\\d+\\. |: |\\|))");
    private static final Pattern SENTENCE = Pattern.compile("(?<=[.!?])\\)?\\s+(?=[\\[A-Z*\"(])");
    private static final Pattern CLAUSE = Pattern.compile(SENTENCE + "|[:;]\\s");

    /** The list of libraries is no prose. */
    private static final Path GENERATED = Path.of("src/site/markdown/dependencies.md");

    /** A text and where it stands; {@code cell}: in a table. */
    record Text(String place, String text, boolean cell) {
        Text(String place, String text) {
            this(place, text, false);
        }
    }

    @Test
    void pagesAreInTheWordsOfTheField() throws IOException {
        assertThat(wrong(paragraphs())).isEmpty();
    }

    @Test
    void sentencesHaveAtMostFortyWords() throws IOException {
        assertThat(paragraphs()
                        .flatMap(paragraph -> CLAUSE.splitAsStream(paragraph.text())
                                .filter(clause -> clause.split("\\s+").length > MOST_WORDS)
                                .map(clause -> paragraph.place() + ": " + clause)))
                .isEmpty();
    }

    @Test
    void paragraphsHaveAtMostFourSentences() throws IOException {
        assertThat(paragraphs()
                        .filter(paragraph -> !paragraph.cell())
                        .filter(paragraph -> SENTENCE.split(paragraph.text()).length > MOST_SENTENCES)
                        .map(paragraph -> paragraph.place() + ": " + paragraph.text()))
                .isEmpty();
    }

    @Test
    void messagesAreInTheWordsOfTheField() throws IOException {
        List<Messages.Message> messages = Messages.all();
        Files.createDirectories(Path.of("target"));
        Files.write(
                Path.of("target/messages.txt"),
                messages.stream().map(Messages.Message::toString).toList());

        assertThat(messages).hasSizeGreaterThan(300);
        assertThat(wrong(messages.stream().map(message -> new Text(message.place(), message.text()))))
                .isEmpty();
    }

    @Test
    void messagesNameNoClassOfTheProgram() throws IOException {
        Pattern classes = Pattern.compile("\\b(?:" + ownClasses() + ")\\b");
        assertThat(Messages.all().stream()
                        .filter(message -> classes.matcher(message.text()).find()))
                .isEmpty();
    }

    @Test
    void helpIsInTheWordsOfTheField() {
        assertThat(wrong(Main.line().getSubcommands().entrySet().stream()
                        .map(verb -> new Text(
                                verb.getKey() + " --help",
                                verb.getValue().getUsageMessage(CommandLine.Help.Ansi.OFF)))))
                .isEmpty();
    }

    @Test
    void commentsAreInTheWordsOfTheField() throws IOException {
        List<Text> comments = new ArrayList<>();
        try (Stream<Path> files = Files.walk(Path.of("src/main/java"))) {
            for (Path file :
                    files.filter(path -> path.toString().endsWith(".java")).toList()) {
                for (Matcher found = COMMENT.matcher(Files.readString(file)); found.find(); ) {
                    String plain = REFERENCE.matcher(found.group()).replaceAll("CODE");
                    comments.add(new Text(file.toString(), plain.replaceAll("\\s+(?:\\* ?)?", " ")));
                }
            }
        }

        assertThat(comments).hasSizeGreaterThan(2000);
        assertThat(wrong(comments.stream())).isEmpty();
    }

    /** Settings, manifests, scripts and DAGs: users copy them, and read their comments as a page. */
    @Test
    void filesToCopyAreInTheWordsOfTheField() throws IOException {
        List<Text> comments = new ArrayList<>();
        for (String folder : List.of("conf", "jobs", "docker")) {
            try (Stream<Path> files = Files.walk(Path.of(folder))) {
                for (Path file : files.filter(
                                path -> TO_COPY.matcher(path.toString()).matches())
                        .toList()) {
                    for (Matcher found = SCRIPT_COMMENT.matcher(Files.readString(file)); found.find(); ) {
                        comments.add(new Text(file.toString(), found.group().replaceAll("\\s+(?:# ?)?", " ")));
                    }
                }
            }
        }

        assertThat(comments).hasSizeGreaterThan(500);
        assertThat(wrong(comments.stream())).isEmpty();
    }

    private static List<String> wrong(Stream<Text> texts) {
        List<Text> all = texts.toList();
        List<String> wrong = new ArrayList<>();
        INSTEAD.forEach((words, instead) -> {
            Pattern pattern = Pattern.compile("\\b(?:" + words + ")\\b");
            for (Text text : all) {
                for (Matcher found = pattern.matcher(text.text()); found.find(); ) {
                    wrong.add(text.place() + ": '" + found.group() + "', say " + instead + ": " + text.text());
                }
            }
        });
        return wrong;
    }

    /** Returns paragraphs, items and cells of tables of all pages, without code and the targets of links. */
    private static Stream<Text> paragraphs() throws IOException {
        List<Text> paragraphs = new ArrayList<>();
        for (Path page : Pages.all()) {
            if (!page.equals(GENERATED)) {
                String text = FENCED.matcher(Files.readString(page)).replaceAll("\n");
                text = TARGET.matcher(CODE.matcher(text).replaceAll("CODE")).replaceAll("");
                for (String one : PARAGRAPH.split(text, -1)) {
                    boolean row = one.strip().startsWith("|");
                    for (String part : one.split(row ? "(?<!\\\\)\\|" : "(?!)", -1)) {
                        String plain = part.strip().replaceAll("\\s+", " ");
                        if (!plain.isEmpty() && !plain.startsWith("#")) {
                            paragraphs.add(new Text(page.toString(), plain, row));
                        }
                    }
                }
            }
        }
        return paragraphs.stream();
    }

    /** Returns the names of this program's classes that have a capital inside, as an alternation. */
    private static String ownClasses() throws IOException {
        try (Stream<Path> files = Files.walk(Path.of("src/main/java"))) {
            return files.map(file -> file.getFileName().toString())
                    .filter(name -> name.matches("[A-Z][a-z0-9]+[A-Z]\\w*\\.java"))
                    .map(name -> name.replace(".java", ""))
                    .filter(name -> !name.equals("GrftClassifier"))
                    .collect(Collectors.joining("|"));
        }
    }
}
