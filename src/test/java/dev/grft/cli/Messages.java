package dev.grft.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** What the program says to its user, read from the source: the texts of errors, notes and progress. */
final class Messages {
    private static final Path SOURCE = Path.of("src/main/java");
    private static final Pattern CALL =
            Pattern.compile("\\b(?:new UserError|UserError\\.of|require|refused|say|note|say\\.accept|LOG\\.warn"
                    + "|(?:out(?:\\(\\))?|err)\\.print(?:ln|f)?)\\(");
    private static final Pattern LITERAL =
            Pattern.compile("\"\"\"\\n(.*?)\"\"\"|\"((?:[^\"\\\\\\n]|\\\\.)*)\"", Pattern.DOTALL);

    private Messages() {}

    /** A message with {@code …} for what differs, and where it stands. */
    record Message(String place, String text) {
        @Override
        public String toString() {
            return place + ": " + text;
        }
    }

    static List<Message> all() throws IOException {
        List<Message> messages = new ArrayList<>();
        try (Stream<Path> files = Files.walk(SOURCE)) {
            for (Path file : files.filter(path -> path.toString().endsWith(".java"))
                    .sorted()
                    .toList()) {
                String source = Files.readString(file);
                for (Matcher call = CALL.matcher(source); call.find(); ) {
                    String text = text(source.substring(call.end(), end(source, call.end())));
                    if (!text.isBlank()) {
                        long line = source.substring(0, call.start()).lines().count();
                        messages.add(new Message(SOURCE.relativize(file) + ":" + line, text));
                    }
                }
            }
        }
        return messages;
    }

    /** Returns where the argument list ends that begins at a position. */
    private static int end(String source, int from) {
        int depth = 1;
        int at = from;
        for (; at < source.length() && depth > 0; at++) {
            char c = source.charAt(at);
            if (c == '"') {
                at = afterLiteral(source, at) - 1;
            } else if (c == '\'') {
                at += source.charAt(at + 1) == '\\' ? 3 : 2;
            } else if (c == '(' || c == '{') {
                depth++;
            } else if (c == ')' || c == '}') {
                depth--;
            }
        }
        return at;
    }

    private static int afterLiteral(String source, int at) {
        if (source.startsWith("\"\"\"", at)) {
            return source.indexOf("\"\"\"", at + 3) + 3;
        }
        int end = at + 1;
        while (source.charAt(end) != '"') {
            end += source.charAt(end) == '\\' ? 2 : 1;
        }
        return end + 1;
    }

    /** Returns the literals of an expression, joined where a plus sign joins them, with {@code …} for what is computed. */
    private static String text(String expression) {
        StringBuilder text = new StringBuilder();
        int last = 0;
        for (Matcher literal = LITERAL.matcher(expression); literal.find(); last = literal.end()) {
            String between = expression.substring(last, literal.start()).strip();
            text.append(last == 0 || between.equals("+") ? "" : "…");
            text.append(
                    literal.group(1) == null
                            ? literal.group(2)
                            : literal.group(1).strip());
        }
        return text.toString()
                .replaceAll("%[-,+0]*\\d*(?:\\.\\d+)?[a-zA-Z]", "…")
                .replace("\\\"", "\"")
                .replace("\\n", " ")
                .replace("%%", "%")
                .replace("%n", " ");
    }
}
