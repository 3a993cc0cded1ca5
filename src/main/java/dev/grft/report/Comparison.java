package dev.grft.report;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.Selection;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** Methods by budgets, each over several seeds: means and standard deviations, as JSON, CSV and Markdown. */
public final class Comparison {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    /** What is reported of a cell: the key in {@code metrics.json}, the column's title, factor and digits. */
    private enum Column {
        ACCURACY("accuracy", "accuracy, %", 100, 2),
        MACRO_F1("macro_f1", "macro F1, %", 100, 2),
        TRAINED("trained_without_head", "trained, no head", 1, 0),
        SHARE("share_without_head", "share, %", 100, 3),
        HEAD("trained", "with head", 1, 0),
        DELTA("delta_bytes", "delta, bytes", 1, 0),
        SELECT("phases/select", "select, s", 1, 1),
        TRAIN("phases/train", "train, s", 1, 1),
        STEP("seconds_per_step", "step, ms", 1000, 1),
        BYTES("bytes_per_step", "bytes a step", 1, 0),
        MEMORY("peak_memory_bytes", "peak, MB", 1e-6, 0),
        RATE("learning_rate", "learning rate", 1, -1);

        final String key;
        final String title;
        final double factor;
        final int digits; // -1: as short as it is

        Column(String key, String title, double factor, int digits) {
            this.key = key;
            this.title = title;
            this.factor = factor;
            this.digits = digits;
        }

        double of(JsonNode metrics) {
            return metrics.at("/" + key).asDouble(Double.NaN);
        }

        String text(double mean) {
            if (Double.isNaN(mean)) {
                return "-";
            }
            double shown = mean * factor;
            return digits < 0
                    ? String.format(Locale.ROOT, "%.1e", shown)
                    : String.format(Locale.ROOT, "%,." + digits + "f", shown);
        }
    }

    private record Cell(String method, @Nullable Double budget) {
        @Override
        public String toString() {
            return method + (budget == null ? "" : " at " + percent(budget));
        }
    }

    private final Map<Cell, Map<Long, ObjectNode>> cells = new LinkedHashMap<>();
    private final Map<String, List<Selection>> selections = new LinkedHashMap<>();

    /** Returns whether nothing was added yet. */
    public boolean isEmpty() {
        return cells.isEmpty();
    }

    /**
     * Adds what was measured of a method with a seed.
     *
     * @param budget share of the backbone's parameters in (0, 1]; null for a method that has none, or the only one
     * @param metrics the method's object in {@code metrics.json}
     */
    public void add(String method, @Nullable Double budget, long seed, ObjectNode metrics) {
        cells.computeIfAbsent(new Cell(method, budget), cell -> new TreeMap<>()).put(seed, metrics.deepCopy());
    }

    /** Adds what slices were selected at a budget, one selection for each seed; none if there is nothing to tell. */
    public void addSelections(@Nullable Double budget, List<Selection> ofSeeds) {
        if (!ofSeeds.isEmpty()) {
            selections.put(budget == null ? "the budget" : percent(budget), List.copyOf(ofSeeds));
        }
    }

    private static String percent(double share) {
        return String.format(
                Locale.ROOT,
                "%s %%",
                new java.math.BigDecimal(String.valueOf(share))
                        .movePointRight(2)
                        .stripTrailingZeros()
                        .toPlainString());
    }

    private static double mean(Map<Long, ObjectNode> seeds, Column column) {
        return seeds.values().stream().mapToDouble(column::of).average().orElse(Double.NaN);
    }

    /** Returns the standard deviation over the seeds, n - 1 in the denominator; NaN for a single one. */
    private static double deviation(Map<Long, ObjectNode> seeds, Column column) {
        double mean = mean(seeds, column);
        double squares = seeds.values().stream()
                .mapToDouble(node -> Math.pow(column.of(node) - mean, 2))
                .sum();
        return seeds.size() < 2 ? Double.NaN : Math.sqrt(squares / (seeds.size() - 1));
    }

    /** Returns how much the selections of two seeds agree, mean over all pairs, in [0, 1]; NaN for a single one. */
    static double stability(List<Selection> ofSeeds) {
        double sum = 0;
        int pairs = 0;
        for (int i = 0; i < ofSeeds.size(); i++) {
            for (int j = 0; j < i; j++) {
                sum += ofSeeds.get(i).jaccard(ofSeeds.get(j));
                pairs++;
            }
        }
        return pairs == 0 ? Double.NaN : sum / pairs;
    }

    /** Returns everything, every seed of every cell, as JSON. */
    public String json() {
        ObjectNode root = MAPPER.createObjectNode();
        ArrayNode list = root.putArray("cells");
        cells.forEach((cell, seeds) -> {
            ObjectNode node = list.addObject();
            node.put("method", cell.method);
            node.put("budget", cell.budget);
            node.put("accuracy_mean", mean(seeds, Column.ACCURACY));
            double deviation = deviation(seeds, Column.ACCURACY);
            node.put("accuracy_sd", Double.isNaN(deviation) ? null : deviation);
            ObjectNode bySeed = node.putObject("seeds");
            seeds.forEach((seed, metrics) -> bySeed.set(Long.toString(seed), metrics));
        });
        ObjectNode picks = root.putObject("selections");
        selections.forEach((budget, ofSeeds) -> {
            ObjectNode node = picks.putObject(budget);
            double stability = stability(ofSeeds);
            node.put("jaccard_between_seeds", Double.isNaN(stability) ? null : stability);
            ObjectNode byMatrix = node.putObject("slices");
            ofSeeds.get(0).slices().forEach((matrix, slices) -> byMatrix.put(matrix, slices.count()));
        });
        try {
            return MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(root) + "\n";
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Returns a line for each seed of each cell, as CSV with a header. */
    public String csv() {
        StringBuilder csv = new StringBuilder("method,budget,seed");
        for (Column column : Column.values()) {
            csv.append(',').append(column.key.replace("phases/", "seconds_"));
        }
        csv.append('\n');
        cells.forEach((cell, seeds) -> seeds.forEach((seed, metrics) -> {
            csv.append(cell.method).append(',').append(cell.budget == null ? "" : cell.budget);
            csv.append(',').append(seed);
            for (Column column : Column.values()) {
                double value = column.of(metrics);
                csv.append(',').append(Double.isNaN(value) ? "" : Double.toString(value));
            }
            csv.append('\n');
        }));
        return csv.toString();
    }

    /** Returns a table for people, a row for each cell, and where the picks fall, as Markdown. */
    public String markdown() {
        StringBuilder table = new StringBuilder("| method | seeds |");
        StringBuilder line = new StringBuilder("|---|---|");
        for (Column column : Column.values()) {
            table.append(' ').append(column.title).append(" |");
            line.append("---|");
        }
        table.append('\n').append(line).append('\n');
        cells.forEach((cell, seeds) -> {
            table.append("| ").append(cell).append(" | ").append(seeds.size()).append(" |");
            for (Column column : Column.values()) {
                table.append(' ').append(column.text(mean(seeds, column)));
                if (column == Column.ACCURACY && seeds.size() > 1) {
                    table.append(" ± ").append(column.text(deviation(seeds, column)));
                }
                table.append(" |");
            }
            table.append('\n');
        });
        selections.forEach((budget, ofSeeds) -> {
            double stability = stability(ofSeeds);
            table.append(String.format(
                    Locale.ROOT,
                    "\nSlices of GRFT at %s%s:%n%s%n",
                    budget,
                    Double.isNaN(stability)
                            ? ""
                            : String.format(Locale.ROOT, ", %.2f the same between seeds (Jaccard)", stability),
                    places(ofSeeds.get(0))));
        });
        return table.toString();
    }

    /** Returns how many slices of each kind of matrix each block has, of one selection. */
    private static String places(Selection selection) {
        Map<String, List<String>> kinds = new LinkedHashMap<>();
        selection.slices().forEach((matrix, slices) -> {
            String[] parts = matrix.replace(".weight", "").split("\\.", 3);
            boolean block = parts[0].equals("blocks");
            kinds.computeIfAbsent(block ? parts[2] : parts[0], kind -> new ArrayList<>())
                    .add(block ? parts[1] + ": " + slices.count() : Integer.toString(slices.count()));
        });
        List<String> lines = new ArrayList<>();
        kinds.forEach((kind, counts) -> lines.add("- " + kind + ", by block: " + String.join(", ", counts)));
        return String.join("\n", lines);
    }
}
