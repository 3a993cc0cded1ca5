package dev.grft.report;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.Selection;
import dev.grft.measures.Measure;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Methods by budgets, each over several seeds: means and standard deviations, as JSON, CSV and Markdown. */
public final class Comparison {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    /** The key of the folder whose manifest tells of all runs. */
    static final String FIRST = "first";

    private static final List<Column> COST = List.of(
            new Column("trained_without_head", "trained, no head", 1, "%,.0f"),
            new Column("share_without_head", "share, %", 100, "%,.3f"),
            new Column("trained", "with head", 1, "%,.0f"),
            new Column("delta_bytes", "delta, bytes", 1, "%,.0f"),
            new Column("phases/select", "select, s", 1, "%,.1f"),
            new Column("phases/train", "train, s", 1, "%,.1f"),
            new Column("seconds_per_step", "step, ms", 1000, "%,.1f"),
            new Column("bytes_per_step", "bytes a step", 1, "%,.0f"),
            new Column("live_memory_bytes", "live memory, MB", 1e-6, "%,.0f"),
            new Column("learning_rate", "learning rate", 1, "%.1e"));

    /** What is reported of a cell: the key in {@code metrics.json}, the column's title, factor and format. */
    private record Column(String key, String title, double factor, String format) {
        static Column of(Measure measure) {
            return measure.isShare()
                    ? new Column(measure.key(), measure.title() + ", %", 100, "%,.2f")
                    : new Column(measure.key(), measure.title(), 1, "%.5g");
        }

        double of(JsonNode metrics) {
            return metrics.at("/" + key).asDouble(Double.NaN);
        }

        String text(double mean) {
            return Double.isNaN(mean) ? "-" : String.format(Locale.ROOT, format, mean * factor);
        }
    }

    private record Cell(String method, @Nullable Double budget) {
        @Override
        public String toString() {
            return method + (budget == null ? "" : " at " + text(budget));
        }
    }

    private final Map<Cell, Map<Long, ObjectNode>> cells = new LinkedHashMap<>();
    private final Map<String, Picks> picks = new LinkedHashMap<>();

    /** What was selected at a budget: by all images with each seed, and by the halves of them. */
    private record Picks(List<Selection> ofSeeds, List<Halves> halves) {}

    /** Two selections with one seed, each by its half of the training images. */
    public record Halves(Selection one, Selection other) {}

    /** Returns the measures of the task that all cells are of. */
    private List<Measure> measures() {
        return Measure.shown(Metrics.task(cells.values().stream().flatMap(seeds -> seeds.values().stream())));
    }

    /** Returns the column of the measure that cells are compared by. */
    private Column main() {
        return Column.of(mainMeasure());
    }

    /** Returns the main one of the measures; of more classes than it is computed of, the one in its place. */
    private Measure mainMeasure() {
        Measure main = measures().get(0);
        return has(main) || !has(Measure.MICRO_F1) ? main : Measure.MICRO_F1;
    }

    private boolean has(Measure measure) {
        return cells.values().stream()
                .flatMap(seeds -> seeds.values().stream())
                .anyMatch(metrics -> metrics.has(measure.key()));
    }

    private List<Column> columns() {
        List<Column> columns =
                new ArrayList<>(measures().stream().map(Column::of).toList());
        columns.addAll(COST);
        return columns;
    }

    /** Returns whether nothing was added yet. */
    public boolean isEmpty() {
        return cells.isEmpty();
    }

    /**
     * Adds what was measured of a method with a seed.
     *
     * @param budget below 1 a share of the backbone's parameters, else slices of each matrix; null for a method that has
     *     none, or the only one
     * @param metrics the method's object in {@code metrics.json}
     */
    public void add(String method, @Nullable Double budget, long seed, ObjectNode metrics) {
        cells.computeIfAbsent(new Cell(method, budget), cell -> new TreeMap<>()).put(seed, metrics.deepCopy());
    }

    /**
     * Adds what slices were selected at a budget, if anything was.
     *
     * @param ofSeeds a selection for each seed
     * @param halves two selections for each seed
     */
    public void addSelections(@Nullable Double budget, List<Selection> ofSeeds, List<Halves> halves) {
        if (!ofSeeds.isEmpty()) {
            picks.put(budget == null ? "the budget" : text(budget), new Picks(ofSeeds, halves));
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

    /**
     * Returns everything, every seed of every cell, as JSON.
     *
     * @param first the folder of the first run, below that of the comparison, which may hold runs of others
     */
    public String json(String first) {
        ObjectNode root = MAPPER.createObjectNode();
        Column main = main();
        if (mainMeasure() != Measure.ACCURACY) {
            root.put("measure", main.key);
        }
        ArrayNode list = root.putArray("cells");
        cells.forEach((cell, seeds) -> {
            ObjectNode node = list.addObject();
            node.put("method", cell.method);
            node.put("budget", cell.budget);
            put(node, main.key + "_mean", mean(seeds, main));
            put(node, main.key + "_sd", deviation(seeds, main));
            note(seeds).ifPresent(note -> node.put(Metrics.NOTE, note));
            ObjectNode bySeed = node.putObject("seeds");
            seeds.forEach((seed, metrics) -> bySeed.set(Long.toString(seed), metrics));
        });
        ObjectNode selections = root.putObject("selections");
        picks.forEach((budget, of) -> {
            ObjectNode node = selections.putObject(budget);
            put(node, "jaccard_between_seeds", stability(of.ofSeeds));
            put(node, "jaccard_between_halves", betweenHalves(of.halves));
            ObjectNode byMatrix = node.putObject("slices");
            SelectionMap.Place.counts(of.ofSeeds, place -> place.matrix()).forEach(byMatrix::put);
            ObjectNode byKind = node.putObject("share_by_kind");
            shares(of.ofSeeds, place -> place.kind()).forEach(byKind::put);
            ObjectNode byBlock = node.putObject("share_by_block");
            shares(of.ofSeeds, place -> place.block()).forEach(byBlock::put);
        });
        root.put(FIRST, first);
        try {
            return MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(root) + "\n";
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }

    private static void put(ObjectNode node, String key, double number) {
        node.put(key, Double.isNaN(number) ? null : (Double) number);
    }

    /** Returns what a reader has to know of a cell's numbers. */
    private static Optional<String> note(Map<Long, ObjectNode> seeds) {
        return seeds.values().stream()
                .filter(metrics -> metrics.has(Metrics.NOTE))
                .map(metrics -> metrics.path(Metrics.NOTE).asText())
                .findFirst();
    }

    /** Returns a line for each seed of each cell, as CSV with a header. */
    public String csv() {
        StringBuilder csv = new StringBuilder("method,budget,seed");
        for (Column column : columns()) {
            csv.append(',').append(column.key.replace("phases/", "seconds_"));
        }
        csv.append(",note\n");
        cells.forEach((cell, seeds) -> seeds.forEach((seed, metrics) -> {
            csv.append(cell.method).append(',').append(cell.budget == null ? "" : cell.budget);
            csv.append(',').append(seed);
            for (Column column : columns()) {
                double value = column.of(metrics);
                csv.append(',').append(Double.isNaN(value) ? "" : Double.toString(value));
            }
            csv.append(",\"").append(metrics.path(Metrics.NOTE).asText("")).append("\"\n");
        }));
        return csv.toString();
    }

    /**
     * Returns tables for people, as Markdown: a row for each cell; the main measure against the budget; how stable the selections are, and
     * where they fall.
     */
    public String markdown() {
        List<String> titles = new ArrayList<>(List.of("method", "seeds"));
        for (Column column : columns()) {
            titles.add(column.title);
        }
        StringBuilder text = new StringBuilder(row(titles)).append(line(titles.size()));
        cells.forEach((cell, seeds) -> {
            List<String> values = new ArrayList<>();
            values.add(cell + note(seeds).map(note -> " (" + note + ")").orElse(""));
            values.add(Integer.toString(seeds.size()));
            for (Column column : columns()) {
                values.add(column.equals(main()) ? main(seeds) : column.text(mean(seeds, column)));
            }
            text.append(row(values));
        });
        text.append(byBudget());
        picks.forEach((budget, of) -> text.append(places(budget, of)));
        return text.toString();
    }

    private String main(Map<Long, ObjectNode> seeds) {
        Column main = main();
        String mean = main.text(mean(seeds, main));
        return seeds.size() < 2 ? mean : mean + " ± " + main.text(deviation(seeds, main));
    }

    /** Returns the main measure of each method at each budget; nothing if there are not several. */
    private String byBudget() {
        List<Double> budgets = cells.keySet().stream()
                .map(Cell::budget)
                .filter(Objects::nonNull)
                .distinct()
                .sorted()
                .toList();
        if (budgets.size() < 2) {
            return "";
        }
        List<String> titles = new ArrayList<>(List.of(main().title));
        budgets.forEach(budget -> titles.add("at " + text(budget)));
        StringBuilder table = new StringBuilder("\n" + row(titles) + line(titles.size()));
        cells.keySet().stream().map(Cell::method).distinct().forEach(method -> {
            List<String> values = new ArrayList<>();
            Map<Long, ObjectNode> always = cells.get(new Cell(method, null));
            List<Map<Long, ObjectNode>> known = new ArrayList<>();
            for (Double budget : budgets) {
                Map<Long, ObjectNode> seeds = always == null ? cells.get(new Cell(method, budget)) : always;
                values.add(seeds == null ? "-" : main(seeds));
                if (seeds != null) {
                    known.add(seeds);
                }
            }
            String note = known.stream()
                    .flatMap(seeds -> note(seeds).stream())
                    .findFirst()
                    .map(of -> " (" + of + ")")
                    .orElse("");
            values.add(0, method + (always == null ? "" : ", any budget") + note);
            table.append(row(values));
        });
        return table.toString();
    }

    private static String row(List<String> values) {
        return "| " + String.join(" | ", values) + " |\n";
    }

    private static String line(int columns) {
        return "|" + "---|".repeat(columns) + "\n";
    }

    /** Returns how much the selections of the two halves agree, mean over the seeds, in [0, 1]; NaN without any. */
    static double betweenHalves(List<Halves> halves) {
        return halves.stream()
                .mapToDouble(half -> half.one.jaccard(half.other))
                .average()
                .orElse(Double.NaN);
    }

    /** Returns how stable selections are, and which share of them lies where. */
    private static String text(double budget) {
        return budget < 1 ? percent(budget) : "k = " + (long) budget;
    }

    private static String places(String budget, Picks of) {
        StringBuilder text = new StringBuilder("\nSlices of GRFT at " + budget);
        double seeds = stability(of.ofSeeds);
        double halves = betweenHalves(of.halves);
        text.append(Double.isNaN(seeds) ? "" : String.format(Locale.ROOT, ", %.2f the same between seeds", seeds));
        text.append(
                Double.isNaN(halves)
                        ? ""
                        : String.format(Locale.ROOT, ", %.2f between halves of the training images", halves));
        text.append(" (Jaccard); where they lie, % of them:\n\n");
        Map<String, Double> byMatrix = shares(of.ofSeeds, place -> place.kind() + " " + place.block());
        Map<String, Double> byKind = shares(of.ofSeeds, place -> place.kind());
        Map<String, Double> byBlock = shares(of.ofSeeds, place -> place.block());
        List<String> titles = new ArrayList<>(List.of("block"));
        titles.addAll(byKind.keySet());
        titles.add("all");
        text.append(row(titles)).append(line(titles.size()));
        byBlock.forEach((block, all) -> {
            List<String> values = new ArrayList<>(List.of(block));
            byKind.keySet().forEach(kind -> values.add(shown(byMatrix.get(kind + " " + block))));
            values.add(shown(all));
            text.append(row(values));
        });
        List<String> sums = new ArrayList<>(List.of("all"));
        byKind.values().forEach(share -> sums.add(shown(share)));
        sums.add(shown(1.0));
        return text.append(row(sums)).toString();
    }

    private static String shown(@Nullable Double share) {
        return share == null ? "" : String.format(Locale.ROOT, "%.1f", 100 * share);
    }

    /** Returns the share of the slices at each place, all seeds together, in network order. */
    private static Map<String, Double> shares(List<Selection> ofSeeds, Function<SelectionMap.Place, String> by) {
        Map<String, Double> counts = SelectionMap.Place.counts(ofSeeds, by);
        double sum = counts.values().stream().mapToDouble(Double::doubleValue).sum();
        counts.replaceAll((place, count) -> count / sum);
        return counts;
    }
}
