package dev.grft.config;

import dev.grft.Checks;
import dev.grft.UserError;
import dev.grft.checkpoint.file.Failures;
import dev.grft.checkpoint.file.Storage;
import dev.grft.data.Sha256;
import dev.grft.tuning.Method;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.RecordComponent;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.jspecify.annotations.Nullable;

/** Reads configuration, and writes it. */
public final class Config {
    private static final String BASE = "conf/base.yaml";
    private static final String PRESET = "selection.preset";
    private static final String COUNT = "selection.budget.count";
    private static final String FRACTION = "selection.budget.fraction";
    private static final List<String> OF_PENALTY = List.of("penalty.lambda", "penalty.head");
    private static final List<String> OF_PRESET = List.of("selection.axis", COUNT, FRACTION);

    private Config() {}

    /**
     * Returns the defaults, changed by files and then by single keys; what comes later wins. A list replaces a list. A
     * count for the budget replaces an earlier fraction and the other way round, and a preset an earlier axis and
     * budget.
     *
     * @param files paths of YAML files, on any file system of {@code hadoop}; each holds differences only
     * @param sets {@code key=value}, such as {@code training.epochs=5}; the value is YAML
     * @throws UserError if a file cannot be read, or has a key that does not exist, or a value is of another type or
     *     out of range; the message begins with the place, and names the nearest key
     */
    public static Settings load(List<String> files, List<String> sets, Configuration hadoop) {
        return load(Map.of(), files, sets, hadoop);
    }

    /**
     * Returns the same with some other defaults.
     *
     * @param defaults typed values by key, which files and keys go over
     */
    public static Settings load(Map<String, ?> defaults, List<String> files, List<String> sets, Configuration hadoop) {
        Map<String, Layer.Value> values = new HashMap<>();
        defaults.forEach((key, value) -> values.put(key, new Layer.Value(value, 0)));
        return load(base(), new Layer("defaults", values), files, sets, hadoop);
    }

    /** Returns the same over other defaults, which have every key. */
    static Settings load(byte[] base, List<String> files, List<String> sets, Configuration hadoop) {
        return load(base, new Layer("defaults", Map.of()), files, sets, hadoop);
    }

    private static Settings load(
            byte[] base, Layer defaults, List<String> files, List<String> sets, Configuration hadoop) {
        List<Layer> layers = new ArrayList<>();
        layers.add(Layer.ofFile(BASE, base));
        layers.add(defaults);
        for (String file : files) {
            layers.add(Layer.ofFile(file, content(file, hadoop)));
        }
        for (String set : sets) {
            layers.add(Layer.ofSet(set));
        }
        return settings(layers);
    }

    /**
     * Returns the settings that {@link #toYaml} wrote, over the defaults: a key that has come since has its default. Without {@code
     * data.interpolation} it is bilinear, as builds without that key resized images.
     *
     * @param place of the text, for errors
     * @throws UserError if a key is not known any more, or a value out of range
     */
    public static Settings parse(String place, String yaml) {
        return settings(List.of(
                Layer.ofFile(BASE, base()),
                new Layer("an earlier build", Map.of("data.interpolation", new Layer.Value("bilinear", 0))),
                Layer.ofFile(place, yaml.getBytes(StandardCharsets.UTF_8))));
    }

    private static byte[] base() {
        try (InputStream base = Config.class.getResourceAsStream("/" + BASE)) {
            if (base == null) {
                throw new IllegalStateException("the class path has no " + BASE + "; the jar was not built by its pom");
            }
            return base.readAllBytes();
        } catch (IOException e) {
            throw new IllegalStateException(BASE + " of the class path cannot be read", e);
        }
    }

    private static byte[] content(String file, Configuration hadoop) {
        try {
            Path path = new Path(file);
            FileSystem files = Storage.files(hadoop, path);
            Path found = files.makeQualified(path);
            try (InputStream in = files.open(found)) {
                return in.readAllBytes();
            } catch (FileNotFoundException e) {
                String end = files.getScheme().equals("file") ? ")" : "); a local file is file:///...";
                throw new UserError(file + ": there is no such file (looked for " + found + end, e);
            }
        } catch (IOException | IllegalArgumentException e) {
            throw Failures.unlessAway(
                    file,
                    e,
                    new UserError(
                            file + ": cannot be read (" + e.getMessage() + "); check the path and its permissions", e));
        }
    }

    private static Settings settings(List<Layer> layers) {
        Map<String, Given> merged = merged(layers);
        for (String key : Schema.KEYS.keySet()) {
            if (!merged.containsKey(key)) {
                throw new IllegalStateException(layers.get(0).place() + " has no " + key);
            }
        }
        Settings settings = (Settings) built("", Settings.class, merged);
        refuseWhatAPresetDecides(settings, merged);
        return settings;
    }

    /** A value, and the layer that it came from, 0 for the defaults. */
    private record Given(@Nullable Object content, int layer, String place, int line) {
        UserError error(String message, UserError cause) {
            return new UserError(message(message), cause);
        }

        String message(String message) {
            return place + ": " + message + (line > 0 ? " (line " + line + ")" : "");
        }
    }

    private static Map<String, Given> merged(List<Layer> layers) {
        Map<String, Given> merged = new HashMap<>();
        for (int number = 0; number < layers.size(); number++) {
            Layer layer = layers.get(number);
            int from = number;
            layer.values().forEach((key, value) -> {
                merged.put(key, new Given(value.content(), from, layer.place(), value.line()));
                String other = key.equals(COUNT) ? FRACTION : key.equals(FRACTION) ? COUNT : null;
                if (other != null && value.content() != null && isNull(layer, other)) {
                    merged.put(other, new Given(null, from, layer.place(), value.line()));
                }
            });
        }
        return merged;
    }

    private static boolean isNull(Layer layer, String key) {
        Layer.Value value = layer.values().get(key);
        return value == null || value.content() == null;
    }

    private static void refuseWhatAPresetDecides(Settings settings, Map<String, Given> merged) {
        Given preset = Objects.requireNonNull(merged.get(PRESET));
        if (preset.content() == null) {
            return;
        }
        Map<String, @Nullable Object> decided = new HashMap<>();
        decided.put("selection.axis", settings.selection().axis());
        decided.put(COUNT, settings.selection().budget().count());
        decided.put(FRACTION, settings.selection().budget().fraction());
        for (String key : OF_PRESET) {
            Given given = Objects.requireNonNull(merged.get(key));
            boolean later = given.layer() > 0 && given.layer() >= preset.layer();
            if (later && given.content() != null && !given.content().equals(decided.get(key))) {
                throw new UserError(given.message(key + " must be " + decided.get(key) + ", as " + PRESET + " "
                        + preset.content() + " decides it, got " + Checks.text(given.content())
                        + "; remove it or set " + PRESET + " to null"));
            }
        }
    }

    private static Object built(String path, Class<?> section, Map<String, Given> merged) {
        RecordComponent[] components = section.getRecordComponents();
        Class<?>[] types = new Class<?>[components.length];
        @Nullable Object[] arguments = new Object[components.length];
        for (int i = 0; i < components.length; i++) {
            String key = Schema.below(path, components[i].getName());
            types[i] = components[i].getType();
            arguments[i] = types[i].isRecord()
                    ? built(key, types[i], merged)
                    : types[i] == Map.class
                            ? methods(merged)
                            : Objects.requireNonNull(merged.get(key)).content();
        }
        try {
            return section.getDeclaredConstructor(types).newInstance(arguments);
        } catch (InvocationTargetException e) {
            if (e.getCause() instanceof UserError wrong) {
                throw placed(wrong, merged);
            }
            throw new IllegalStateException(section + " refuses with something else than UserError", e);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(section + " is not a public record", e);
        }
    }

    private static Map<String, Map<String, @Nullable Object>> methods(Map<String, Given> merged) {
        Map<String, Map<String, @Nullable Object>> methods = new TreeMap<>();
        merged.forEach((key, given) -> {
            if (key.startsWith(Schema.METHODS + ".")) {
                String[] parts = key.split("\\.", 3);
                methods.computeIfAbsent(parts[1], method -> new TreeMap<>()).put(parts[2], given.content());
            }
        });
        return methods;
    }

    /**
     * Returns the settings of one method: {@code tuning.method} is that method, what the section {@code methods:} says of it
     * is applied, nothing is left to compare with, and a learning rate and matrices that are not given are the method's
     * own. Other methods of slices take {@code selection} from what {@code methods:} says of GRFT, and then their own. Methods that do
     * not train slices have no penalty unless {@code methods:} gives them one: it is GRFT's. Nor have they {@code training.sliceRates}.
     *
     * @throws UserError if a value does not go with the others; the message begins with {@code methods.}
     */
    public static Settings forMethod(Settings settings, String method) {
        Settings base = settings.withMethods(Map.of());
        if (Method.of(method).isOfSlices() && !method.equals(Method.GRFT.word())) {
            base = with(base, Schema.below(Schema.METHODS, Method.GRFT.word()), selectionOfGrft(settings));
        }
        Map<String, @Nullable Object> changes = new LinkedHashMap<>();
        if (!Method.of(method).isOfSlices()) {
            OF_PENALTY.forEach(key -> changes.put(key, 0.0));
            changes.put("training.sliceRates", TrainingSettings.UNIFORM);
        }
        settings.methods().getOrDefault(method, Map.of()).forEach(changes::put);
        changes.put("tuning.method", method);
        changes.put("compare.methods", List.of());
        String place = Schema.below(Schema.METHODS, method);
        Settings own = with(base, place, changes);
        Map<String, @Nullable Object> defaults = new LinkedHashMap<>();
        boolean needed = own.training().isSgd() && !method.equals(Method.LINEAR.word()); // whose rate is the probe's
        int batchSize = own.training().batchSize();
        Double given = own.training().learningRate();
        double rate = given != null ? given : Method.of(method).learningRate(batchSize);
        if (given == null && !needed) {
            defaults.put("training.learningRate", rate);
        }
        if (own.training().headRate() == null) {
            boolean learns = own.training().hasFreshHead() && !own.training().isSgd();
            defaults.put("training.headRate", learns ? Method.of(method).headFactor(rate, batchSize) : 1.0);
        }
        if (own.training().sliceRates() == null) {
            boolean score = method.equals(Method.GRFT.word())
                    && own.selection().preset() == null
                    && own.selection().sumsSquares();
            defaults.put("training.sliceRates", score ? TrainingSettings.BY_SCORE : TrainingSettings.UNIFORM);
        }
        if (own.tuning().biases() == null) {
            defaults.put("tuning.biases", Method.of(method).isOfSlices() && own.withBiases());
        }
        if (own.selection().matrices() == null) {
            boolean whole = Method.of(method).needs() == Method.Needs.SCORES; // GPS, as published
            defaults.put(
                    "selection.matrices",
                    whole ? SelectionSettings.ALL : own.selection().eligible());
        }
        return defaults.isEmpty() ? own : with(own, place, defaults);
    }

    /** Returns what {@code methods.grft} says of the selection: its baselines select as many slices. */
    private static Map<String, @Nullable Object> selectionOfGrft(Settings settings) {
        Map<String, @Nullable Object> keys = new LinkedHashMap<>();
        settings.methods().getOrDefault(Method.GRFT.word(), Map.of()).forEach((key, value) -> {
            if (key.startsWith("selection.")) {
                keys.put(key, value);
            }
        });
        return keys;
    }

    /**
     * Returns a line that names the values of the penalty that {@link #forMethod} replaces by 0 though they are not the defaults; null
     * if there are none.
     */
    public static @Nullable String unused(Settings settings, String method) {
        if (Method.of(method).isOfSlices()) {
            return null;
        }
        Map<String, String> given = values(settings);
        Map<String, String> defaults = values(settings(List.of(Layer.ofFile(BASE, base()))));
        List<String> keys = OF_PENALTY.stream()
                .filter(key -> !given.containsKey(keyOf(key, method)))
                .filter(key -> !Objects.equals(given.get(key), Checks.text(0.0)))
                .filter(key -> !Objects.equals(given.get(key), defaults.get(key)))
                .toList();
        return keys.isEmpty()
                ? null
                : keys.stream()
                        .map(key -> key + "=" + given.get(key) + " is not used; set " + keyOf(key, method) + " instead")
                        .collect(Collectors.joining("; ", method + " trains no slices, so ", ""));
    }

    /** Returns the key by which a method that trains no slices is given a penalty, that of all methods for the others. */
    public static String keyOfPenalty(String method) {
        return Method.of(method).isOfSlices() ? OF_PENALTY.get(0) : keyOf(OF_PENALTY.get(0), method);
    }

    private static String keyOf(String key, String method) {
        return Schema.below(Schema.below(Schema.METHODS, method), key);
    }

    /**
     * Returns settings with some keys changed, by dotted name, in the types of the records.
     *
     * @param place where the changes come from, as in messages
     * @param changes also of keys for one method, such as {@code methods.lora.training.learningRate}
     * @throws UserError if a value is out of range
     */
    public static Settings with(Settings settings, String place, Map<String, @Nullable Object> changes) {
        Map<String, Layer.Value> old = new LinkedHashMap<>();
        flatten(settings, "", old);
        Map<String, Layer.Value> changed = new LinkedHashMap<>();
        changes.forEach((key, content) -> {
            Credentials.refuse(place, String.valueOf(content));
            changed.put(key, new Layer.Value(content, 0));
        });
        return settings(List.of(new Layer("the settings", old), new Layer(place, changed)));
    }

    /** Returns every key with its value as text, in the order of the records. */
    public static Map<String, String> values(Settings settings) {
        Map<String, Layer.Value> flat = new LinkedHashMap<>();
        flatten(settings, "", flat);
        Map<String, String> values = new LinkedHashMap<>();
        flat.forEach((key, value) -> values.put(key, Checks.text(value.content())));
        return values;
    }

    private static void flatten(Record section, String path, Map<String, Layer.Value> values) {
        for (RecordComponent component : section.getClass().getRecordComponents()) {
            String key = Schema.below(path, component.getName());
            Object value = value(section, component);
            if (value instanceof Record below) {
                flatten(below, key, values);
            } else if (!(value instanceof Map)) {
                values.put(key, new Layer.Value(value, 0));
            }
        }
        if (section instanceof Settings settings) {
            settings.methods()
                    .forEach((method, keys) -> keys.forEach((key, content) ->
                            values.put(Schema.METHODS + "." + method + "." + key, new Layer.Value(content, 0))));
        }
    }

    /** Puts the place before a message that begins with a key; of a section, the last place of its keys. */
    private static UserError placed(UserError wrong, Map<String, Given> merged) {
        String message = Objects.requireNonNull(wrong.getMessage());
        String key = message.substring(0, message.indexOf(' '));
        return merged.entrySet().stream()
                .filter(entry -> entry.getKey().equals(key) || entry.getKey().startsWith(key + "."))
                .map(Map.Entry::getValue)
                .max(Comparator.comparingInt(Given::layer).thenComparingInt(Given::line))
                .map(given -> given.error(message, wrong))
                .orElse(wrong);
    }

    /**
     * Returns every key with its value. The same settings give the same text, and {@link #load} of the text gives the
     * same settings.
     */
    public static String toYaml(Settings settings) {
        return yaml(settings, key -> true);
    }

    /**
     * Returns the SHA-256 of some of the settings, as 64 hexadecimal digits: equal if and only if their values are. The
     * order in which they are named does not count.
     *
     * @param sections sections or single keys, such as {@code selection} and {@code run.seed}
     */
    public static String fingerprint(Settings settings, String... sections) {
        return fingerprint(settings, List.of(sections), Set.of());
    }

    /**
     * Returns the same without some sections or keys of them.
     *
     * @param without sections or single keys, such as {@code training.keep}
     */
    public static String fingerprint(Settings settings, List<String> sections, Set<String> without) {
        Stream.concat(sections.stream(), without.stream()).forEach(section -> {
            if (!Schema.KEYS.containsKey(section) && !Schema.SECTIONS.containsKey(section)) {
                throw new IllegalArgumentException("there is no section " + section);
            }
        });
        String yaml = yaml(settings, key -> isIn(key, sections) && !isIn(key, without));
        return Sha256.of(yaml.getBytes(StandardCharsets.UTF_8));
    }

    private static boolean isIn(String key, Collection<String> sections) {
        return sections.stream()
                .anyMatch(section -> section.isEmpty() || key.equals(section) || key.startsWith(section + "."));
    }

    private static String yaml(Settings settings, Predicate<String> wanted) {
        StringBuilder out = new StringBuilder();
        write(settings, "", "", wanted, out);
        return out.toString();
    }

    private static void write(Record section, String path, String indent, Predicate<String> wanted, StringBuilder out) {
        for (RecordComponent component : section.getClass().getRecordComponents()) {
            String key = Schema.below(path, component.getName());
            Object value = value(section, component);
            if (value instanceof Record below) {
                StringBuilder inner = new StringBuilder();
                write(below, key, indent + "  ", wanted, inner);
                if (!inner.isEmpty()) {
                    out.append(indent).append(component.getName()).append(":\n").append(inner);
                }
            } else if (value instanceof Map<?, ?> methods) {
                if (wanted.test(key)) {
                    out.append(component.getName())
                            .append(": ")
                            .append(YamlText.of(methods))
                            .append('\n');
                }
            } else if (wanted.test(key)) {
                out.append(indent)
                        .append(component.getName())
                        .append(": ")
                        .append(YamlText.of(value))
                        .append('\n');
            }
        }
    }

    private static @Nullable Object value(Record section, RecordComponent component) {
        try {
            return component.getAccessor().invoke(section);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(component + " is not public", e);
        }
    }
}
