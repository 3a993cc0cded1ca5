package dev.grft.config;

import dev.grft.Checks;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Values as YAML, each on one line. */
final class YamlText {
    /** What every reader of YAML takes for this very text. */
    private static final Pattern PLAIN = Pattern.compile("[A-Za-z/_]([A-Za-z0-9_./:-]*[A-Za-z0-9_/-])?");

    private static final Set<String> NOT_TEXT = Set.of("true", "false", "yes", "no", "on", "off", "y", "n", "null");

    private YamlText() {}

    /** Returns a value, which every reader of YAML reads as this very one. */
    static String of(@Nullable Object value) {
        if (value instanceof String text) {
            return PLAIN.matcher(text).matches() && !NOT_TEXT.contains(text.toLowerCase(Locale.ROOT))
                    ? text
                    : quoted(text);
        }
        if (value instanceof Map<?, ?> map) {
            return map.entrySet().stream()
                    .map(entry -> entry.getKey() + ": " + of(entry.getValue()))
                    .collect(Collectors.joining(", ", "{", "}"));
        }
        if (value instanceof List<?> list) {
            return "[" + String.join(", ", list.stream().map(YamlText::of).toList()) + "]";
        }
        return Checks.text(value);
    }

    private static String quoted(String text) {
        StringBuilder out = new StringBuilder("\"");
        text.codePoints().forEach(point -> {
            if (point == '"' || point == '\\') {
                out.append('\\').appendCodePoint(point);
            } else if ((point >= ' ' && point <= '~') || Character.isLetterOrDigit(point)) {
                out.appendCodePoint(point);
            } else {
                out.append(String.format(Locale.ROOT, "\\U%08x", point));
            }
        });
        return out.append('"').toString();
    }
}
