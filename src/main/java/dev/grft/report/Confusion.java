package dev.grft.report;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * An {@code evaluation.json} as the report shows it. Keys: {@code classes}, rows of {@code [name, images, precision, recall, f1]};
 * {@code shown}, the names of the classes of the matrix, all of them or, if there are more than 40, those with the most
 * mistakes, in their order; {@code cells}, rows of {@code [actual, predicted, images]} by position in {@code shown}, zeros left
 * out; {@code confused}, the most frequent mistakes among all classes, rows of {@code [actual, predicted, images]} by name.
 */
final class Confusion {
    private static final int CLASSES = 40;
    private static final int PAIRS = 15;

    private Confusion() {}

    private record Pair(int actual, int predicted, long images) {}

    static ObjectNode of(JsonNode evaluation) {
        ObjectNode root = new ObjectMapper().createObjectNode();
        JsonNode confusion = evaluation.path("confusion");
        List<String> names = new ArrayList<>();
        ArrayNode classes = root.putArray("classes");
        evaluation.path("classes").properties().forEach(field -> {
            JsonNode of = field.getValue();
            long images = 0;
            for (JsonNode count : confusion.path(names.size())) {
                images += count.asLong();
            }
            classes.addArray()
                    .add(field.getKey())
                    .add(images)
                    .add(of.path("precision").asDouble())
                    .add(of.path("recall").asDouble())
                    .add(of.path("f1").asDouble());
            names.add(field.getKey());
        });
        List<Pair> pairs = new ArrayList<>();
        long[] mistakes = new long[names.size()]; // of this class, and as this class
        for (int actual = 0; actual < names.size(); actual++) {
            for (int predicted = 0; predicted < names.size(); predicted++) {
                long images = confusion.path(actual).path(predicted).asLong();
                if (images > 0) {
                    pairs.add(new Pair(actual, predicted, images));
                }
                if (actual != predicted) {
                    mistakes[actual] += images;
                    mistakes[predicted] += images;
                }
            }
        }
        List<Integer> shown = IntStream.range(0, names.size())
                .boxed()
                .sorted(Comparator.comparingLong((Integer k) -> -mistakes[k]))
                .limit(CLASSES)
                .sorted()
                .toList();
        shown.forEach(k -> root.withArray("shown").add(names.get(k)));
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
                        .add(names.get(pair.actual))
                        .add(names.get(pair.predicted))
                        .add(pair.images));
        return root;
    }
}
