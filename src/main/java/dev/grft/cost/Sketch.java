package dev.grft.cost;

import dev.grft.Budget;
import dev.grft.Entries;
import dev.grft.Grft;
import dev.grft.MatrixShape;
import dev.grft.Scores;
import dev.grft.Selection;
import dev.grft.config.Settings;
import dev.grft.tuning.Ingredients;
import dev.grft.tuning.LastBlocks;
import dev.grft.tuning.TuningSettings;
import dev.grft.vit.VitConfig;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/** What a method makes its tuning of, with the sizes of a run and none of its numbers. */
public record Sketch(VitConfig config, Settings all) implements Ingredients {
    @Override
    public TuningSettings settings() {
        return all.tuning();
    }

    @Override
    public long seed() {
        return all.run().seed();
    }

    /** Returns a selection of as many parameters as the settings select by any scores: the slices that stand first, the same share of each matrix. */
    @Override
    public Selection selection() {
        return select(scores(), all.selection().budget().toBudget());
    }

    @Override
    public Selection alike() {
        return selection();
    }

    /** Returns scores by which a budget for the whole network is spent evenly. */
    private Scores scores() {
        Map<String, MatrixShape> shapes = config.matrices(all.selection().eligible());
        Scores scores = Scores.zero(shapes);
        shapes.forEach((matrix, shape) ->
                scores.add(matrix, falling(shape.out(), shape.in()), falling(shape.in(), shape.out())));
        return scores;
    }

    private static double[] falling(int slices, int length) {
        return IntStream.range(0, slices)
                .mapToDouble(slice -> (1 - (double) slice / slices) * length)
                .toArray();
    }

    private Selection select(Scores scores, Budget budget) {
        return Grft.select(scores, all.selection().orientation(), budget, config.backboneParameters());
    }

    @Override
    public Map<String, List<Double>> rates(Selection selection) {
        return Map.of();
    }

    @Override
    public Selection byMagnitude() {
        return selection();
    }

    @Override
    public Selection ofLastLayers(int blocks) {
        int first = config.depth() - blocks;
        return LastBlocks.of(
                scores(),
                first,
                all.selection().budget().toBudget(),
                selection().trained(),
                this::select);
    }

    @Override
    public List<Entries> entries(int perNeuron) {
        return config.matrices(all.selection().eligible()).entrySet().stream()
                .map(matrix -> first(matrix.getKey(), matrix.getValue(), perNeuron))
                .toList();
    }

    private static Entries first(String matrix, MatrixShape shape, int perRow) {
        int[] columns = new int[Math.min(perRow, shape.in()) * shape.out()];
        Arrays.setAll(columns, at -> at / shape.out());
        return new Entries(matrix, shape, columns, new float[columns.length]);
    }

    @Override
    public Map<String, MatrixShape> matrices(List<String> words, String key) {
        return config.matrices(words);
    }
}
