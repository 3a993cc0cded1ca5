package dev.grft.train;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.Axis;
import dev.grft.Delta;
import dev.grft.Penalty;
import dev.grft.Selection;
import dev.grft.Slices;
import dev.grft.config.TrainingSettings;
import dev.grft.tuning.SliceTuning;
import dev.grft.tuning.Tiny;
import dev.grft.tuning.Tuning;
import dev.grft.tuning.WholeTuning;
import dev.grft.vit.Frozen;
import dev.grft.vit.Layout;
import dev.grft.vit.Weights;
import dev.grft.vit.kernels.Array.DataType;
import java.util.Map;
import java.util.stream.Stream;
import org.deeplearning4j.nn.conf.MultiLayerConfiguration;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Training changes what it is told to, nothing else, and the axis is only a way to write it down. */
class UnselectedNumbersTest {
    private static final int STEPS = 5;
    private static final Penalty PENALTY = new Penalty(1e-2, 2, 1e-3, false);

    private final Map<String, float[]> pretrained = Tiny.tensors();

    @AutoClose
    private final Weights weights = Tiny.headless(DataType.FLOAT);

    static Stream<Named<Tuning>> tunings() {
        return Stream.of(
                Named.of("rows", new SliceTuning(Tiny.selection("row"))),
                Named.of("columns", new SliceTuning(Tiny.selection("column"))),
                Named.of("min-axis", new SliceTuning(Tiny.selection("min-axis"))),
                Named.of("rows and biases", new SliceTuning(Tiny.selection("row"), true)),
                Named.of("head only", SliceTuning.headOnly()),
                Named.of("everything", new WholeTuning()));
    }

    @ParameterizedTest
    @MethodSource("tunings")
    void theFrozenArraysStayAsTheyAreBitForBit(Tuning tuning) {
        Map<String, float[]> before = Frozen.copy(weights);
        float[] trained = train(tuning, Trainings.constant("adamw", 1e-2, 0.1), PENALTY);
        assertThat(trained).isNotEqualTo(Trainings.start(tuning));
        Tiny.assertSameBits(Frozen.copy(weights), before);
    }

    @ParameterizedTest
    @CsvSource({"row, false", "column, false", "min-axis, false", "row, true", "column, true"})
    void whatIsNotSelectedIsBitForBitThePretrainedModel(String orientation, boolean biases) {
        Selection selection = Tiny.selection(orientation);
        SliceTuning tuning = new SliceTuning(selection, biases);
        Delta delta = delta(tuning, train(tuning, Trainings.constant("adamw", 1e-2, 0.1), PENALTY));
        Map<String, float[]> merged = Tiny.copy(pretrained);
        delta.mergeInto(merged);

        pretrained.forEach((name, before) -> {
            float[] after = merged.get(name);
            if (name.startsWith("head.")) {
                assertThat(after).as(name).isNotEqualTo(before);
                return;
            }
            boolean[] selected = new boolean[before.length];
            if (biases
                    && name.matches(
                            "(patch_embed\\.proj|blocks\\.\\d\\.(attn\\.qkv|attn\\.proj|mlp\\.fc1|mlp\\.fc2))\\.bias")) {
                assertThat(after).as(name).isNotEqualTo(before);
                return;
            }
            if (selection.trains(name)) {
                Slices slices = selection.of(name);
                for (int index : slices.indices()) {
                    for (int number = 0; number < slices.length(); number++) {
                        selected[slices.axis().position(slices.shape(), index, number)] = true;
                    }
                }
            }
            int changed = 0;
            for (int i = 0; i < before.length; i++) {
                boolean same = Float.floatToRawIntBits(before[i]) == Float.floatToRawIntBits(after[i]);
                assertThat(same || selected[i]).as("%s, entry %s", name, i).isTrue();
                changed += same ? 0 : 1;
            }
            if (selection.trains(name)) {
                // Adam moves every number; that a few end where they began would be a coincidence.
                assertThat(changed).as(name).isGreaterThan((int)
                        (0.9 * selection.of(name).size()));
            }
        });
    }

    /** With Adam only where epsilon is large: a small one blows up the rounding of numbers whose gradient is all but 0. */
    @ParameterizedTest
    @ValueSource(strings = {"sgd", "adam"})
    void allRowsAndAllColumnsTrainToTheSameMatrix(String updater) {
        TrainingSettings training = Trainings.training(updater, 0.05, "constant", 0, 0, 0.1, 1e-2);
        String[] matrices = {
            "patch_embed.proj.weight", "blocks.1.attn.qkv.weight", "blocks.1.mlp.fc2.weight", "blocks.2.mlp.fc1.weight"
        };
        Map<String, float[]> rows = Tiny.copy(pretrained);
        Map<String, float[]> columns = Tiny.copy(pretrained);
        SliceTuning byRow = new SliceTuning(Tiny.everything(Axis.ROW, matrices));
        SliceTuning byColumn = new SliceTuning(Tiny.everything(Axis.COLUMN, matrices));
        delta(byRow, train(byRow, training, PENALTY)).mergeInto(rows);
        delta(byColumn, train(byColumn, training, PENALTY)).mergeInto(columns);

        rows.forEach((name, numbers) ->
                Tiny.assertClose(name, Tiny.doubles(columns.get(name)), Tiny.doubles(numbers), 2e-5));
        for (String matrix : matrices) {
            assertThat(distance(rows.get(matrix), pretrained.get(matrix)))
                    .as(matrix)
                    .isGreaterThan(1e-3);
        }
    }

    private static Delta delta(Tuning tuning, float[] trained) {
        Layout layout = tuning.layout(Tiny.CONFIG);
        return tuning.delta(layout, trained, Tiny.LABELS, Tiny.SHA256);
    }

    private float[] train(Tuning tuning, TrainingSettings training, Penalty penalty) {
        MultiLayerConfiguration configuration = Trainings.tiny(tuning, training, penalty, STEPS);
        Replica replica = Trainings.replica(weights, tuning, configuration);
        Learner learner = new Learner(configuration, LearnerState.start(Trainings.start(tuning)));
        for (int step = 0; step < STEPS; step++) {
            replica.load(learner.trained());
            learner.apply(replica.gradient(Tiny.batch(0, 6)), 0);
        }
        return learner.trained();
    }

    /** Returns the largest difference of two numbers. */
    private static double distance(float[] a, float[] b) {
        double largest = 0;
        for (int i = 0; i < a.length; i++) {
            largest = Math.max(largest, Math.abs(a[i] - b[i]));
        }
        return largest;
    }
}
