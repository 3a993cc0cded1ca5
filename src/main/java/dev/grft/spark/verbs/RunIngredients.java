package dev.grft.spark.verbs;

import dev.grft.Entries;
import dev.grft.MatrixShape;
import dev.grft.Scores;
import dev.grft.Selection;
import dev.grft.spark.run.Run;
import dev.grft.tuning.Ingredients;
import dev.grft.tuning.SliceRates;
import dev.grft.tuning.TuningSettings;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/**
 * What the method of a run makes its tuning of, from the run directory or computed now.
 *
 * @param own selects by the settings of the method
 * @param slices selects by those of GRFT, whose slices the baselines are compared with
 */
record RunIngredients(Run run, SelectVerb own, SelectVerb slices) implements Ingredients {

    @Override
    public TuningSettings settings() {
        return run.settings().tuning();
    }

    @Override
    public long seed() {
        return run.settings().run().seed();
    }

    @Override
    public Selection selection() {
        return slices.selection().selection();
    }

    @Override
    public Selection alike() {
        return slices.alike();
    }

    @Override
    public Map<String, List<Double>> rates(Selection selection) {
        return rates(selection, () -> slices.selection().scores());
    }

    /** Returns the factors of some slices' steps by matrix, from scores that are not those of the first selection. */
    Map<String, List<Double>> rates(Selection selection, Supplier<Scores> scores) {
        return run.settings().training().ratesByScore() ? SliceRates.byScore(selection, scores.get()) : Map.of();
    }

    @Override
    public Selection byMagnitude() {
        return slices.byMagnitude();
    }

    @Override
    public Selection ofLastLayers(int blocks) {
        return slices.ofLastLayers(blocks);
    }

    @Override
    public List<Entries> entries(int perNeuron) {
        return own.entries(perNeuron);
    }

    @Override
    public Map<String, MatrixShape> matrices(List<String> words, String key) {
        return own.matrices(words, key);
    }
}
