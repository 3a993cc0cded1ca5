package dev.grft.config;

import java.lang.invoke.MethodType;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Which keys there are, in the order of the records: dotted names of the components of {@link Settings}. */
final class Schema {
    /** The keys with a value. */
    static final Map<String, Key> KEYS;

    /** The keys with keys below them, the dotted path of each; the root is "". */
    static final Map<String, Class<?>> SECTIONS;

    static {
        Map<String, Key> keys = new LinkedHashMap<>();
        Map<String, Class<?>> sections = new LinkedHashMap<>();
        collect("", Settings.class, keys, sections);
        KEYS = Collections.unmodifiableMap(keys);
        SECTIONS = Collections.unmodifiableMap(sections);
    }

    /**
     * A key with a value.
     *
     * @param type int, long, double, boolean, String or List
     * @param element of a List: String, Double or Long
     */
    record Key(String name, Class<?> type, @Nullable Class<?> element, boolean nullable) {

        /** Returns what a value must be, in words. */
        String expected() {
            String words = element != null
                    ? element == Double.class
                            ? "a list of numbers such as [0.5, 0.5, 0.5]"
                            : element == Long.class
                                    ? "a list of whole numbers such as [1, 2, 3]"
                                    : "a list such as [a, b]"
                    : type == String.class
                            ? "text"
                            : type == boolean.class
                                    ? "true or false"
                                    : type == double.class ? "a number" : "a whole number";
            return nullable ? words + " or null" : words;
        }

        /** Returns how far a whole number may be from 0, in words; nothing for another type. */
        String most() {
            return type == int.class
                    ? " of at most " + Integer.MAX_VALUE
                    : type == long.class ? " of at most " + Long.MAX_VALUE : "";
        }
    }

    private Schema() {}

    private static void collect(String path, Class<?> section, Map<String, Key> keys, Map<String, Class<?>> sections) {
        sections.put(path, section);
        for (RecordComponent component : section.getRecordComponents()) {
            String name = below(path, component.getName());
            if (component.getType().isRecord()) {
                collect(name, component.getType(), keys, sections);
            } else if (component.getType() != Map.class) { // methods: its keys are those of the others
                keys.put(name, key(name, component));
            }
        }
    }

    private static Key key(String name, RecordComponent component) {
        Type generic = component.getGenericType();
        Class<?> element =
                generic instanceof ParameterizedType list ? (Class<?>) list.getActualTypeArguments()[0] : null;
        Class<?> plain = MethodType.methodType(component.getType()).unwrap().returnType(); // int of Integer
        return new Key(name, plain, element, component.getAnnotatedType().isAnnotationPresent(Nullable.class));
    }

    /** What stands before the keys that count for one method only: {@code methods.gps.training.learningRate}. */
    static final String METHODS = "methods";

    /** Returns the key of that name, also of one that counts for a method only; null if there is none. */
    static @Nullable Key find(String name) {
        String[] parts = name.split("\\.", 3);
        if (!parts[0].equals(METHODS)) {
            return KEYS.get(name);
        }
        Key key = parts.length < 3 ? null : KEYS.get(parts[2]);
        return key == null ? null : new Key(name, key.type, key.element, key.nullable);
    }

    /** Returns whether a name is that of keys below a section that count for a method only: {@code methods.gps.training}. */
    static boolean isSectionOfMethod(String name) {
        String[] parts = name.split("\\.", 3);
        return parts.length == 3 && parts[0].equals(METHODS) && SECTIONS.containsKey(parts[2]);
    }

    /** Returns the dotted path of a name below a section. */
    static String below(String section, String name) {
        return section.isEmpty() ? name : section + "." + name;
    }

    /** Returns the names directly below a section. */
    static List<String> names(Class<?> section) {
        return Arrays.stream(section.getRecordComponents())
                .map(RecordComponent::getName)
                .toList();
    }

    /** Returns what to do about a key that does not exist: the nearest that does, or all that its section has. */
    static String remedy(String unknown) {
        String[] parts = unknown.split("\\.", 3);
        if (parts[0].equals(METHODS)) {
            return parts.length < 3
                    ? "write " + METHODS + ".METHOD.KEY, such as methods.lora.training.learningRate"
                    : remedy(parts[2]);
        }
        int dot = unknown.lastIndexOf('.');
        String section = dot < 0 ? "" : unknown.substring(0, dot);
        String name = unknown.substring(dot + 1);
        Class<?> known = SECTIONS.get(section);
        List<String> siblings = known == null
                ? List.of()
                : names(known).stream().map(sibling -> below(section, sibling)).toList();
        List<String> all = new ArrayList<>(SECTIONS.keySet());
        all.remove("");
        all.addAll(KEYS.keySet());
        return nearest(name, siblings)
                .or(() -> nearest(name, all))
                .or(() -> nearestPath(unknown, all))
                .map(near -> "did you mean " + near + "?")
                .orElseGet(() -> known == null || known == Settings.class
                        ? "the sections are " + String.join(", ", names(Settings.class))
                        : section + " has " + String.join(", ", names(known)));
    }

    /** Of paths, the one whose last name is nearest, if it is like the given one at all. */
    private static Optional<String> nearest(String name, List<String> paths) {
        return paths.stream()
                .filter(path -> distance(name, last(path)) <= tolerance(name))
                .min(Comparator.comparingInt(path -> distance(name, last(path))));
    }

    private static Optional<String> nearestPath(String unknown, List<String> paths) {
        return paths.stream()
                .filter(path -> distance(unknown, path) <= tolerance(unknown))
                .min(Comparator.comparingInt(path -> distance(unknown, path)));
    }

    private static String last(String path) {
        return path.substring(path.lastIndexOf('.') + 1);
    }

    private static int tolerance(String name) {
        return Math.max(1, name.length() / 3);
    }

    /** Returns the edit distance of two names; case, hyphens and underscores do not count. */
    static int distance(String first, String second) {
        String a = plain(first);
        String b = plain(second);
        int[] row = new int[b.length() + 1];
        Arrays.setAll(row, j -> j);
        for (int i = 1; i <= a.length(); i++) {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.length(); j++) {
                int replaced = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.min(replaced, 1 + Math.min(row[j], row[j - 1]));
            }
        }
        return row[b.length()];
    }

    private static String plain(String name) {
        return name.toLowerCase(Locale.ROOT).replace("_", "").replace("-", "");
    }
}
