package dev.grft.report;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.UserError;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.TreeSet;
import java.util.stream.IntStream;

/**
 * An {@code evaluation.json} as the report shows it. Keys: {@code total}, how many classes there are; {@code classes}, rows of {@code
 * [name, images, precision, recall, f1, auroc]} (null if there is none), of more than 1,000 those that are recognized worst and those of the matrix; {@code shown},
 * the names of the classes of the matrix, all of them or, if there are more than 40, those with the most mistakes, in their order;
 * {@code cells}, rows of {@code [actual, predicted, images]} by position in {@code shown}, zeros left out; {@code confused}, the most
 * frequent mistakes among all classes, rows of {@code [actual, predicted, images]} by name.
 */
final class Confusion {
    private static final int CLASSES = 40;
    private static final int ROWS = 1_000;
    private static final int PAIRS = 15;

    private Confusion() {}

    private record Pair(int actual, int predicted, long images) {}

    private record OfClass(String name, JsonNode measures) {}

    static ObjectNode of(JsonNode evaluation) {
        ObjectNode root = new ObjectMapper().createObjectNode();
        List<OfClass> all = new ArrayList<>();
        evaluation
                .path("classes")
                .properties()
                .forEach(field -> all.add(new OfClass(field.getKey(), field.getValue())));
        List<Pair> pairs = pairs(evaluation, all.size());
        long[] images = new long[all.size()];
        long[] mistakes = new long[all.size()]; // of this class, and as this class
        for (Pair pair : pairs) {
            images[pair.actual] += pair.images;
            if (pair.actual != pair.predicted) {
                mistakes[pair.actual] += pair.images;
                mistakes[pair.predicted] += pair.images;
            }
        }
        List<Integer> shown = IntStream.range(0, all.size())
                .boxed()
                .sorted(Comparator.comparingLong((Integer k) -> -mistakes[k]))
                .limit(CLASSES)
                .sorted()
                .toList();
        shown.forEach(k -> root.withArray("shown").add(all.get(k).name));
        root.put("total", all.size());
        ArrayNode classes = root.putArray("classes");
        rows(all, images, shown).forEach(k -> {
            JsonNode of = all.get(k).measures;
            classes.addArray()
                    .add(all.get(k).name)
                    .add(images[k])
                    .add(of.path("precision").asDouble())
                    .add(of.path("recall").asDouble())
                    .add(of.path("f1").asDouble())
                    .add(of.path("auroc").isNumber() ? of.path("auroc") : null);
        });
        ArrayNode cells = root.putArray("cells");
        for (Pair pair : pairs) {
            int actual = shown.indexOf(pair.actual);
            int predicted = shown.indexOf(pair.predicted);
            if (actual >= 0 && predicted >= 0) {
                cells.addArray().add(actual).add(predicted).add(pair.images);
            }
        }
        ArrayNode confused = root.putArray("confused");
        pairs.stream()
                .filter(pair -> pair.actual != pair.predicted)
                .sorted(Comparator.comparingLong((Pair pair) -> -pair.images))
                .limit(PAIRS)
                .forEach(pair -> confused.addArray()
                        .add(all.get(pair.actual).name)
                        .add(all.get(pair.predicted).name)
                        .add(pair.images));
        return root;
    }

    /** Returns the classes that get a row, in their order: those with the lowest recall, of classes that have images, and some more. */
    private static List<Integer> rows(List<OfClass> all, long[] images, List<Integer> more) {
        TreeSet<Integer> rows = new TreeSet<>(more);
        IntStream.range(0, all.size())
                .boxed()
                .filter(k -> all.size() <= ROWS || images[k] > 0)
                .sorted(Comparator.comparingDouble(
                        (Integer k) -> all.get(k).measures.path("recall").asDouble()))
                .limit(ROWS)
                .forEach(rows::add);
        return List.copyOf(rows);
    }

    /** Returns the pairs that occur, in the order of the classes: from the whole matrix, or of many classes from its cells. */
    private static List<Pair> pairs(JsonNode evaluation, int classes) {
        List<Pair> pairs = new ArrayList<>();
        JsonNode matrix = evaluation.path("confusion");
        for (int actual = 0; actual < Math.min(classes, matrix.size()); actual++) {
            JsonNode row = matrix.path(actual);
            for (int predicted = 0; predicted < Math.min(classes, row.size()); predicted++) {
                long images = row.path(predicted).asLong();
                if (images > 0) {
                    pairs.add(new Pair(actual, predicted, images));
                }
            }
        }
        for (JsonNode cell : evaluation.path("confusion_cells")) {
            Pair pair = new Pair(
                    cell.path(0).asInt(-1), cell.path(1).asInt(-1), cell.path(2).asLong());
            if (Math.min(pair.actual, pair.predicted) < 0 || Math.max(pair.actual, pair.predicted) >= classes) {
                throw UserError.of(
                        "evaluation.json: confusion_cells must be rows [actual, predicted, images] of %d classes, got %s; run"
                                + " evaluate --force to make it again",
                        classes, cell);
            }
            pairs.add(pair);
        }
        return pairs;
    }
}
