package dev.grft.report;

import dev.grft.Selection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

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
                .forEach((matrix, slices) ->
                        counts.merge(by.apply(of(matrix)), (double) slices.count() / selections.size(), Double::sum)));
        return counts;
    }
}
