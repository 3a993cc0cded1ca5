package dev.grft.report;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.checkpoint.file.Storage;
import dev.grft.measures.Measure;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.apache.hadoop.fs.Path;

/**
 * {@code metrics.json}: what came out, an object for each method. Keys: {@code task}, if it is not single-label; those of {@link Measure} on the test images, null
 * if undefined; {@code trained} numbers and their {@code share} of the model, the head counted in
 * both; {@code trained_without_head} and {@code share_without_head} (of the backbone); {@code delta_bytes}, the size of the
 * delta's file; {@code seconds_per_step} of a training, of which {@code input_seconds_per_step} until the images are read and
 * augmented, a share of {@code input_share}; {@code seconds} of selection, training and evaluation together, and each under {@code phases}; {@code
 * live_memory_bytes}, see {@link Memory}, in local mode; if an epoch was chosen, {@code epoch}, {@code chosen_on} (validation or test),
 * {@code chosen_by} (a measure, as in {@code training.watch}) and {@code chosen_value}, its value there.
 */
public final class Metrics {
    /** What a reader has to know of a method's numbers; a key of its object, absent if there is nothing. */
    public static final String NOTE = "note";

    /** The task of a method, if images do not show one class each; a key of its object. */
    public static final String TASK = "task";

    /** How many test images a method was measured on; a key of its object, absent if its delta is not evaluated. */
    static final String MEASURED = "test_images";

    private static final ObjectMapper MAPPER = new ObjectMapper();

    private final Storage storage;
    private final Path path;
    private final ObjectNode root;

    private Metrics(Storage storage, Path path, ObjectNode root) {
        this.storage = storage;
        this.path = path;
        this.root = root;
    }

    /** Returns the metrics at a path, empty if there are none yet. */
    public static Metrics at(Storage storage, Path path) {
        if (!storage.exists(path)) {
            return new Metrics(storage, path, MAPPER.createObjectNode());
        }
        try {
            if (MAPPER.readTree(storage.readString(path)) instanceof ObjectNode root) {
                return new Metrics(storage, path, root);
            }
            throw UserError.of("%s: is not a JSON object; delete it and evaluate again", path);
        } catch (JsonProcessingException e) {
            throw new UserError(
                    path + ": is not valid JSON (" + e.getOriginalMessage() + "); delete it and evaluate again", e);
        }
    }

    /** Returns the object of a method, new if there is none; {@link #write} keeps changes to it. */
    public ObjectNode of(String method) {
        return root.path(method) instanceof ObjectNode node ? node : root.putObject(method);
    }

    /** Puts what a method came to on the test images, and its task, and returns its object. */
    public ObjectNode measured(String method, Task task, Map<Measure, Double> values) {
        ObjectNode node = of(method);
        forget(node);
        if (task != Task.SINGLE_LABEL) {
            node.put(TASK, task.word());
        }
        Measure.put(values, node);
        return node;
    }

    /** Removes from a method's object what the last evaluation has put there: of another delta, or one of which not every one has all. */
    public static void forget(ObjectNode node) {
        node.remove(List.of(TASK, NOTE, "protocol", "trained", "share", "trained_without_head", "share_without_head"));
        node.remove(List.of(MEASURED, "delta_bytes"));
        forgetPhases(node, "evaluate"::equals);
        for (Measure measure : Measure.values()) {
            node.remove(measure.key());
        }
    }

    /** Removes phases from a method's object, and their seconds from its sum. */
    public static void forgetPhases(ObjectNode node, Predicate<String> which) {
        if (node.path("phases") instanceof ObjectNode phases) {
            List<String> former = new ArrayList<>();
            phases.fieldNames().forEachRemaining(former::add);
            former.removeIf(which.negate());
            phases.remove(former);
            sum(node, phases);
        }
    }

    /** Adds the seconds of a phase to a method, and to its sum. */
    public void phase(String method, String phase, double seconds) {
        ObjectNode node = of(method);
        ObjectNode phases = node.path("phases") instanceof ObjectNode found ? found : node.putObject("phases");
        phases.put(phase, Math.round(seconds * 1000) / 1000.0);
        sum(node, phases);
    }

    private static void sum(ObjectNode node, ObjectNode phases) {
        double sum = 0;
        for (var each : phases) {
            sum += each.asDouble();
        }
        node.put("seconds", Math.round(sum * 1000) / 1000.0);
    }

    /** Writes all of it. */
    public void write() {
        try {
            storage.writeAtomically(
                    path, MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(root) + "\n");
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Returns the table of the methods, in the given order, for a person. */
    public String table(List<String> methods) {
        List<Measure> measures = Measure.shown(task(methods.stream().map(this::of)));
        List<String[]> rows = new ArrayList<>();
        List<String> titles = new ArrayList<>(List.of("method"));
        measures.forEach(measure -> titles.add(measure == Measure.BALANCED_ACCURACY ? "balanced" : measure.title()));
        titles.addAll(List.of("trained", "share", "no head", "delta bytes", "seconds", "of which"));
        rows.add(titles.toArray(String[]::new));
        for (String method : methods) {
            ObjectNode node = of(method);
            List<String> phases = new ArrayList<>();
            node.path("phases")
                    .properties()
                    .forEach((Map.Entry<String, JsonNode> phase) -> phases.add(String.format(
                            Locale.ROOT,
                            "%s %.1f",
                            phase.getKey(),
                            phase.getValue().asDouble())));
            List<String> cells = new ArrayList<>(List.of(method));
            measures.forEach(measure -> cells.add(text(node, measure)));
            cells.add(whole(node, "trained"));
            cells.add(node.has("share") ? percent(node.path("share").asDouble(), 3) : "-");
            cells.add(
                    node.has("share_without_head")
                            ? percent(node.path("share_without_head").asDouble(), 3)
                            : "-");
            cells.add(whole(node, "delta_bytes"));
            cells.add(String.format(Locale.ROOT, "%.1f", node.path("seconds").asDouble()));
            cells.add(String.join(", ", phases));
            rows.add(cells.toArray(String[]::new));
        }
        StringBuilder table = new StringBuilder(aligned(rows));
        for (String method : methods) {
            JsonNode note = of(method).path(NOTE);
            if (!note.isMissingNode()) {
                table.append(method).append(": ").append(note.asText()).append('\n');
            }
        }
        return table.toString();
    }

    /** Returns the task that the objects of some methods are of; those that are not measured do not tell. */
    static Task task(Stream<? extends JsonNode> methods) {
        return methods.map(Metrics::task)
                .filter(task -> task != Task.SINGLE_LABEL)
                .findFirst()
                .orElse(Task.SINGLE_LABEL);
    }

    /** Returns the task that an object of a method, or an evaluation, is of. */
    static Task task(JsonNode node) {
        return node.has(TASK) ? Task.of(node.path(TASK).asText(), TASK) : Task.SINGLE_LABEL;
    }

    private static String text(ObjectNode node, Measure measure) {
        JsonNode value = node.path(measure.key());
        if (!value.isNumber()) {
            return "-";
        }
        return measure.isShare() ? percent(value.asDouble(), 2) : String.format(Locale.ROOT, "%.5g", value.asDouble());
    }

    private static String whole(ObjectNode node, String key) {
        return node.has(key) ? String.format(Locale.ROOT, "%,d", node.path(key).asLong()) : "-";
    }

    private static String percent(double share, int digits) {
        return String.format(Locale.ROOT, "%." + digits + "f %%", 100 * share);
    }

    /** Returns rows with columns of equal width: the first and last to the left, numbers to the right. */
    static String aligned(List<String[]> rows) {
        int columns = rows.get(0).length;
        int[] widths = new int[columns];
        for (String[] row : rows) {
            for (int c = 0; c < columns; c++) {
                widths[c] = Math.max(widths[c], row[c].length());
            }
        }
        StringBuilder table = new StringBuilder();
        for (String[] row : rows) {
            StringBuilder line = new StringBuilder();
            for (int c = 0; c < columns; c++) {
                boolean left = c == 0 || c == columns - 1;
                line.append(c == 0 ? "" : "  ")
                        .append(String.format(
                                Locale.ROOT, left ? "%-" + widths[c] + "s" : "%" + widths[c] + "s", row[c]));
            }
            table.append(line.toString().stripTrailing()).append('\n');
        }
        return table.toString();
    }
}
