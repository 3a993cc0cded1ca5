package dev.grft.config;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import com.fasterxml.jackson.dataformat.yaml.YAMLParser;
import dev.grft.UserError;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * What one file, or one {@code --set}, says: typed values by dotted key.
 *
 * <p>The type of a value is that of its key, not YAML's guess: {@code labelColumn: no} is text, and {@code 1e-3} is a
 * number.
 *
 * @param place where it stands, as in messages
 */
record Layer(String place, Map<String, Value> values) {

    /**
     * A value.
     *
     * @param content Integer, Long, Double, Boolean, String, a List of String, of Double or of Long, or null
     * @param line from 1; 0 where lines mean nothing
     */
    record Value(@Nullable Object content, int line) {}

    private static final YAMLFactory YAML = new YAMLFactory();
    private static final Pattern NUMBER = Pattern.compile("[-+]?(\\d+(\\.\\d*)?|\\.\\d+)([eE][-+]?\\d+)?");
    private static final Pattern WHOLE = Pattern.compile("[-+]?\\d+");
    private static final Pattern SYNTAX =
            Pattern.compile("^\\s*((expected|unexpected|found|could not|mapping values) .*)$", Pattern.MULTILINE);

    /**
     * Returns what a file says.
     *
     * @throws UserError if it is not YAML, or has a key that does not exist, or one twice, or a value of another type
     */
    static Layer ofFile(String place, byte[] yaml) {
        Credentials.refuse(place, new String(yaml, StandardCharsets.UTF_8));
        return new Reader(place, true).file(yaml);
    }

    /**
     * Returns what one {@code key=value} says; the value is YAML, such as {@code 1e-3} or {@code [linear, random]}.
     *
     * @throws UserError as for a file, and if the key is a section
     */
    static Layer ofSet(String set) {
        Credentials.refuse("--set", set);
        int equals = set.indexOf('=');
        if (equals < 1) {
            throw new UserError("--set: expected key=value such as training.epochs=5, got '" + set + "'");
        }
        return new Reader("--set", false).set(set.substring(0, equals).strip(), set.substring(equals + 1));
    }

    private static final class Reader {
        private final String place;
        private final boolean hasLines;
        private final Map<String, Value> values = new LinkedHashMap<>();

        Reader(String place, boolean hasLines) {
            this.place = place;
            this.hasLines = hasLines;
        }

        Layer file(byte[] yaml) {
            try (YAMLParser parser = YAML.createParser(yaml)) {
                JsonToken first = parser.nextToken();
                if (first == JsonToken.START_OBJECT) {
                    section(parser, "");
                } else if (first != null && first != JsonToken.VALUE_NULL) {
                    throw error("must have keys such as 'training:', got " + found(parser), parser);
                }
                end(parser);
            } catch (JsonProcessingException e) {
                throw broken(e);
            } catch (IOException e) {
                throw new UserError(
                        place + ": cannot be read (" + e.getMessage() + "); check the path and its permissions", e);
            }
            return new Layer(place, values);
        }

        Layer set(String key, String yaml) {
            if (Schema.SECTIONS.containsKey(key)) {
                throw new UserError(place + ": " + key + " is a section; set one of its keys, such as "
                        + Schema.KEYS.keySet().stream()
                                .filter(name -> name.startsWith(key + "."))
                                .findFirst()
                                .orElseThrow());
            }
            Schema.Key known = Schema.find(key);
            if (known == null) {
                throw new UserError(place + ": unknown key " + key + "; " + Schema.remedy(key));
            }
            try (YAMLParser parser = YAML.createParser(yaml)) {
                if (parser.nextToken() == null) {
                    throw error(key + " must be " + known.expected() + ", got nothing", parser);
                }
                value(parser, known);
                end(parser);
            } catch (JsonProcessingException e) {
                throw new UserError(
                        place + ": " + key + " is not YAML: " + reason(e) + "; put the value in quotes?", e);
            } catch (IOException e) {
                throw new IllegalStateException("no file is read here", e);
            }
            return new Layer(place, values);
        }

        private void end(YAMLParser parser) throws IOException {
            if (parser.nextToken() != null) {
                throw error("must be one YAML document, got more after it", parser);
            }
        }

        /** Reads from the start of an object to its end. */
        private void section(YAMLParser parser, String path) throws IOException {
            List<String> seen = new ArrayList<>();
            while (parser.nextToken() != JsonToken.END_OBJECT) {
                String name = parser.currentName();
                String key = Schema.below(path, name);
                if (seen.contains(name)) {
                    throw error(key + " is given twice; remove one", parser);
                }
                seen.add(name);
                if (key.equals(Schema.METHODS)) {
                    methods(parser);
                    continue;
                }
                Schema.Key known = name.contains(".") ? null : Schema.KEYS.get(key);
                boolean section = !name.contains(".") && !name.isEmpty() && Schema.SECTIONS.containsKey(key);
                if (known == null && !section) {
                    throw error("unknown key " + key + "; " + remedy(key), parser);
                }
                parser.nextToken();
                if (known != null) {
                    value(parser, known);
                } else if (parser.currentToken() == JsonToken.START_OBJECT) {
                    section(parser, key);
                } else if (parser.currentToken() != JsonToken.VALUE_NULL) { // null: all its keys are comments
                    throw error(
                            key + " must be a section with keys such as "
                                    + Schema.names(Objects.requireNonNull(Schema.SECTIONS.get(key)))
                                            .get(0) + ", got " + found(parser),
                            parser);
                }
            }
        }

        /** Reads a map of methods, each to a map of keys: dotted, or below their sections. */
        private void methods(YAMLParser parser) throws IOException {
            if (!opens(parser, Schema.METHODS)) {
                return;
            }
            while (parser.nextToken() != JsonToken.END_OBJECT) {
                keysOfMethod(parser, Schema.below(Schema.METHODS, parser.currentName()));
            }
        }

        private void keysOfMethod(YAMLParser parser, String path) throws IOException {
            if (!opens(parser, path)) {
                return;
            }
            List<String> seen = new ArrayList<>();
            while (parser.nextToken() != JsonToken.END_OBJECT) {
                String key = Schema.below(path, parser.currentName());
                if (seen.contains(key)) {
                    throw error(key + " is given twice; remove one", parser);
                }
                seen.add(key);
                if (Schema.isSectionOfMethod(key)) {
                    keysOfMethod(parser, key);
                    continue;
                }
                Schema.Key known = Schema.find(key);
                if (known == null) {
                    throw error("unknown key " + key + "; " + Schema.remedy(key), parser);
                }
                if (values.containsKey(key)) {
                    throw error(key + " is given twice; remove one", parser);
                }
                parser.nextToken();
                value(parser, known);
            }
        }

        /** Enters a map; returns whether there is one, not null. */
        private boolean opens(YAMLParser parser, String key) throws IOException {
            JsonToken token = parser.nextToken();
            if (token != JsonToken.START_OBJECT && token != JsonToken.VALUE_NULL) {
                throw error(
                        key + " must be a map such as "
                                + (Schema.isSectionOfMethod(key)
                                        ? "{KEY: VALUE}"
                                        : "{lora: {training.learningRate: 1e-3}}")
                                + ", got " + found(parser),
                        parser);
            }
            return token == JsonToken.START_OBJECT;
        }

        private static String remedy(String key) {
            return Schema.KEYS.containsKey(key)
                    ? "indent the last name below its section instead of writing dots"
                    : Schema.remedy(key);
        }

        private void value(YAMLParser parser, Schema.Key key) throws IOException {
            int line = parser.currentTokenLocation().getLineNr();
            values.put(key.name(), new Value(content(parser, key), hasLines ? line : 0));
        }

        private @Nullable Object content(YAMLParser parser, Schema.Key key) throws IOException {
            JsonToken token = parser.currentToken();
            if (token == JsonToken.VALUE_NULL && key.nullable()) {
                return null;
            }
            if (key.element() != null && token == JsonToken.START_ARRAY) {
                List<Object> list = new ArrayList<>();
                while (parser.nextToken() != JsonToken.END_ARRAY) {
                    list.add(scalar(parser, key, primitive(key.element())));
                }
                return List.copyOf(list);
            }
            if (key.element() != null) {
                throw mistyped(parser, key);
            }
            return scalar(parser, key, key.type());
        }

        private static Class<?> primitive(Class<?> element) {
            return element == Double.class ? double.class : element == Long.class ? long.class : element;
        }

        private Object scalar(YAMLParser parser, Schema.Key key, Class<?> type) throws IOException {
            if (parser.isCurrentAlias()) {
                throw error(key.name() + " uses a YAML alias, which is not supported; write the value out", parser);
            }
            if (!parser.currentToken().isScalarValue() || parser.currentToken() == JsonToken.VALUE_NULL) {
                throw mistyped(parser, key);
            }
            String text = parser.getText();
            Object value = parsed(text, type);
            if (value == null) {
                throw mistyped(parser, key);
            }
            return value;
        }

        private static @Nullable Object parsed(String text, Class<?> type) {
            if (type == String.class) {
                return text;
            }
            if (type == boolean.class) {
                return text.equals("true") ? Boolean.TRUE : text.equals("false") ? Boolean.FALSE : null;
            }
            if (type == double.class) {
                double number = NUMBER.matcher(text).matches() ? Double.parseDouble(text) : Double.NaN;
                return Double.isFinite(number) ? (Object) number : null;
            }
            if (!WHOLE.matcher(text).matches()) {
                return null;
            }
            try {
                return type == long.class ? (Object) Long.parseLong(text) : (Object) Integer.parseInt(text);
            } catch (NumberFormatException e) {
                return null; // too large
            }
        }

        private UserError mistyped(JsonParser parser, Schema.Key key) throws IOException {
            String most = parser.currentToken().isScalarValue()
                            && WHOLE.matcher(parser.getText()).matches()
                    ? key.most()
                    : "";
            return error(key.name() + " must be " + key.expected() + most + ", got " + found(parser), parser);
        }

        private static String found(JsonParser parser) throws IOException {
            return switch (parser.currentToken()) {
                case START_OBJECT -> "a section";
                case START_ARRAY -> "a list";
                case VALUE_NULL -> "null";
                default -> "'" + parser.getText() + "'";
            };
        }

        private UserError error(String message, JsonParser parser) {
            int line = parser.currentTokenLocation().getLineNr();
            return new UserError(place + ": " + message + (hasLines && line > 0 ? " (line " + line + ")" : ""));
        }

        private UserError broken(JsonProcessingException e) {
            String line =
                    e.getLocation() == null ? "" : " (line " + e.getLocation().getLineNr() + ")";
            return new UserError(place + ": is not YAML: " + reason(e) + line, e);
        }

        /** Of SnakeYAML's report over several lines, the sentence that says what is wrong. */
        private static String reason(JsonProcessingException e) {
            Matcher sentence = SYNTAX.matcher(e.getOriginalMessage());
            return sentence.find()
                    ? sentence.group(1)
                    : e.getOriginalMessage().lines().findFirst().orElse("unreadable");
        }
    }
}
