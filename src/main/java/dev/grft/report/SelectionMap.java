package dev.grft.report;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.Axis;
import dev.grft.Scores;
import dev.grft.Selection;
import dev.grft.Slices;
import dev.grft.checkpoint.artifact.SelectionFile;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeSet;
import java.util.function.Function;

/**
 * A selection and its scores as the report shows them. Keys: {@code slices}, {@code trained}, {@code
 * parameters}, {@code examples}; and {@code matrices}, in network order, each with {@code name}, {@code block}, {@code kind},
 * {@code out}, {@code in}, {@code score_share} (of the scores of all matrices), the spectra {@code rows} and {@code columns}
 * and, if any is selected, {@code axis}, {@code picks}, {@code indices} and {@code held} (the part of the matrix's score that the
 * selected slices have).
 *
 * <p>A spectrum is an array of pairs: a rank, from 1, and the score of the slice with that rank over the mean of all slices; at
 * most 40 ranks, spaced by equal factors.
 */
final class SelectionMap {
    private static final int RANKS = 40;
    private static final int INDICES = 64;

    private SelectionMap() {}

    static ObjectNode of(SelectionFile file) {
        ObjectNode root = new ObjectMapper().createObjectNode();
        Selection selection = file.selection();
        Scores scores = file.scores();
        root.put("slices", selection.count());
        root.put("trained", selection.trained());
        root.put("parameters", file.backboneParameters());
        root.put("examples", scores.examples());
        double all = scores.shapes().keySet().stream()
                .mapToDouble(matrix -> sum(scores.rows(matrix)))
                .sum();
        ArrayNode matrices = root.putArray("matrices");
        scores.shapes().forEach((matrix, shape) -> {
            double[] rows = scores.rows(matrix);
            double[] columns = scores.columns(matrix);
            Place place = Place.of(matrix);
            ObjectNode node = matrices.addObject();
            node.put("name", matrix);
            node.put("block", place.block());
            node.put("kind", place.kind());
            node.put("out", shape.out());
            node.put("in", shape.in());
            node.put("score_share", all > 0 ? sum(rows) / all : 0);
            spectrum(node.putArray("rows"), rows);
            spectrum(node.putArray("columns"), columns);
            if (selection.trains(matrix)) {
                Slices slices = selection.of(matrix);
                double[] of = slices.axis() == Axis.ROW ? rows : columns;
                double held =
                        Arrays.stream(slices.indices()).mapToDouble(i -> of[i]).sum();
                node.put("axis", slices.axis() == Axis.ROW ? "rows" : "columns");
                node.put("picks", slices.count());
                node.put("held", sum(of) > 0 ? held / sum(of) : 0);
                Arrays.stream(slices.indices()).limit(INDICES).forEach(node.putArray("indices")::add);
            }
        });
        return root;
    }

    private static double sum(double[] numbers) {
        return Arrays.stream(numbers).sum();
    }

    private static void spectrum(ArrayNode pairs, double[] scores) {
        double[] sorted = scores.clone();
        Arrays.sort(sorted);
        double mean = sum(scores) / scores.length;
        TreeSet<Integer> ranks = new TreeSet<>();
        for (int i = 0; i < RANKS; i++) {
            ranks.add((int) Math.round(Math.pow(scores.length, (double) i / (RANKS - 1))));
        }
        ranks.forEach(rank -> pairs.addArray()
                .add(rank)
                .add(mean > 0 ? Double.parseDouble(threeDigits(sorted[sorted.length - rank] / mean)) : 0));
    }

    private static String threeDigits(double number) {
        return String.format(Locale.ROOT, "%.3g", number);
    }

    /**
     * Where a matrix is.
     *
     * @param matrix its timm name
     * @param block number of the encoder block, or - before all of them
     * @param kind such as {@code attn.qkv}
     */
    record Place(String matrix, String block, String kind) {
        static Place of(String matrix) {
            String[] parts = matrix.replace(".weight", "").split("\\.", 3);
            boolean inBlock = parts[0].equals("blocks");
            return new Place(matrix, inBlock ? parts[1] : "-", inBlock ? parts[2] : parts[0]);
        }

        /** Returns how many slices there are at each place, mean over the selections. */
        static Map<String, Double> counts(List<Selection> selections, Function<Place, String> by) {
            Map<String, Double> counts = new LinkedHashMap<>();
            selections.forEach(selection -> selection
                    .slices()
                    .forEach((matrix, slices) -> counts.merge(
                            by.apply(of(matrix)), (double) slices.count() / selections.size(), Double::sum)));
            return counts;
        }
    }
}
