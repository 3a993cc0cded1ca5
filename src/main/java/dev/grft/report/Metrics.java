package dev.grft.report;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.UserError;
import dev.grft.checkpoint.file.Storage;
import dev.grft.measures.Measure;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.apache.hadoop.fs.Path;

/**
 * {@code metrics.json}: what came out, an object for each method. Keys: those of {@link Measure} on the test images, null
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

    /** Adds the seconds of a phase to a method, and to its sum. */
    public void phase(String method, String phase, double seconds) {
        ObjectNode node = of(method);
        ObjectNode phases = node.path("phases") instanceof ObjectNode found ? found : node.putObject("phases");
        phases.put(phase, Math.round(seconds * 1000) / 1000.0);
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
        List<String[]> rows = new ArrayList<>();
        rows.add(new String[] {
            "method",
            "accuracy",
            "balanced",
            "macro F1",
            "AUROC",
            "ECE",
            "trained",
            "share",
            "no head",
            "delta bytes",
            "seconds",
            "of which"
        });
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
            rows.add(new String[] {
                method,
                percent(node, Measure.ACCURACY),
                percent(node, Measure.BALANCED_ACCURACY),
                percent(node, Measure.MACRO_F1),
                percent(node, Measure.AUROC),
                percent(node, Measure.ECE),
                node.has("trained")
                        ? String.format(Locale.ROOT, "%,d", node.path("trained").asLong())
                        : "-",
                node.has("share") ? percent(node.path("share").asDouble(), 3) : "-",
                node.has("share_without_head")
                        ? percent(node.path("share_without_head").asDouble(), 3)
                        : "-",
                node.has("delta_bytes")
                        ? String.format(
                                Locale.ROOT, "%,d", node.path("delta_bytes").asLong())
                        : "-",
                String.format(Locale.ROOT, "%.1f", node.path("seconds").asDouble()),
                String.join(", ", phases)
            });
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

    private static String percent(ObjectNode node, Measure measure) {
        JsonNode value = node.path(measure.key());
        return value.isNumber() ? percent(value.asDouble(), 2) : "-";
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
