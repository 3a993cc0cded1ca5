package dev.grft.report;

import dev.grft.Entries;
import dev.grft.Grft;
import dev.grft.MatrixShape;
import dev.grft.Scores;
import dev.grft.Selection;
import dev.grft.config.Settings;
import dev.grft.tuning.Ingredients;
import dev.grft.tuning.TuningSettings;
import dev.grft.vit.VitConfig;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

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

    /** Returns a selection of as many numbers as the settings select by any scores: the slices that stand first. */
    @Override
    public Selection selection() {
        return Grft.select(
                Scores.zero(config.matrices(all.selection().eligible())),
                all.selection().orientation(),
                all.selection().budget().toBudget(),
                config.backboneParameters());
    }

    @Override
    public Selection byMagnitude() {
        return selection();
    }

    @Override
    public Selection ofLastLayers(int blocks) {
        return selection();
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
