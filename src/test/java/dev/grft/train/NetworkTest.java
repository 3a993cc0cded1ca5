package dev.grft.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import dev.grft.Axis;
import dev.grft.Entries;
import dev.grft.Grft;
import dev.grft.MatrixShape;
import dev.grft.Penalty;
import dev.grft.Selection;
import dev.grft.Slices;
import dev.grft.UserError;
import dev.grft.config.TrainingSettings;
import dev.grft.tuning.AdapterTuning;
import dev.grft.tuning.EntryTuning;
import dev.grft.tuning.LoraTuning;
import dev.grft.tuning.SliceTuning;
import dev.grft.tuning.Tiny;
import dev.grft.tuning.Tuning;
import dev.grft.tuning.WholeTuning;
import dev.grft.vit.Layout;
import dev.grft.vit.VitConfig;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.assertj.core.data.Offset;
import org.deeplearning4j.nn.conf.MultiLayerConfiguration;
import org.deeplearning4j.nn.multilayer.MultiLayerNetwork;
import org.deeplearning4j.util.ModelSerializer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.nd4j.linalg.learning.config.IUpdater;

class NetworkTest {
    private static final TrainingSettings ADAM = Trainings.training("adam", 1e-2, "cosine", 2, 1e-3, 0.1, 1e-7);

    @Test
    void thereIsALayerForEachStageWithItsArraysInOrder() {
        SliceTuning tuning = new SliceTuning(Tiny.selection("min-axis"));
        Layout layout = tuning.layout(Tiny.CONFIG);
        MultiLayerConfiguration configuration = Trainings.tiny(tuning, ADAM, Penalty.NONE, 10);
        assertThat(configuration.getConfs()).hasSize(5);
        assertThat(arrays(configuration).keySet())
                .containsExactlyElementsOf(layout.arrays().keySet());
        MultiLayerNetwork network = new MultiLayerNetwork(configuration);
        network.init();
        assertThat(network.numParams()).isEqualTo(layout.size());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "1100000000 | adam  | 0   | 1 | adam then has 2,200,000,000 values | training.updater sgd, ",
                "800000000  | adamw | 0   | 4 | adamw with training.syncEvery 4 then has 2,400,000,000 values"
                        + " | training.updater sgd, training.syncEvery 1, ",
                "1100000000 | sgd   | 0.9 | 2 | sgd with training.syncEvery 2 then has 2,200,000,000 values"
                        + " | training.syncEvery 1, "
            })
    void aStateThatIsLongerThanAnArrayIsRefusedWithTheWayOut(
            long trained, String updater, String momentum, int sync, String what, String choices) {
        TrainingSettings training = Trainings.of(
                "training.updater=" + updater,
                "training.learningRate=0.1",
                "training.momentum=" + momentum,
                "training.syncEvery=" + sync);
        assertThatThrownBy(() -> Network.requireArrays(trained, training))
                .isInstanceOf(UserError.class)
                .hasMessageContaining(" parameters would train, and the state of training.updater " + what
                        + ", of which 2,146,435,063 are the most; choose "
                        + (choices.endsWith(" ") ? choices : choices + " ")
                        + "another tuning.method or a smaller selection.budget");
        Network.requireArrays(trained / 2, training);
    }

    @Test
    void thePullIsTwiceLambdaInTheLastLayersAndOnTheHead() {
        SliceTuning tuning = new SliceTuning(Tiny.selection("row"));
        Penalty penalty = new Penalty(1e-2, 2, 1e-3, false);
        arrays(Trainings.tiny(tuning, Trainings.constant("adam", 1e-2, 0), penalty, 10))
                .forEach((name, array) -> {
                    boolean late = name.startsWith("blocks.1.") || name.startsWith("blocks.2.");
                    assertThat(pull(array)).as(name).isEqualTo(name.startsWith("head.") ? 2e-3 : late ? 2e-2 : 0);
                    assertThat(decay(array)).as(name).isZero();
                });
    }

    @ParameterizedTest
    @CsvSource({
        "blocks.11.mlp.fc2.weight, 0.5",
        "blocks.9.attn.qkv.weight, 0.5",
        "blocks.9.norm1.bias, 0.5",
        "blocks.8.attn.qkv.weight, 0",
        "blocks.1.attn.qkv.weight, 0",
        "patch_embed.proj.weight, 0",
        "pos_embed, 0",
        "cls_token, 0",
        "norm.weight, 0.5",
        "head.weight, 0.25",
        "head.bias, 0.25"
    })
    void theLastThreeOfTwelveBlocksAndWhatFollowsThemArePulledAndTheHeadWithAStrengthOfItsOwn(
            String parameter, double strength) {
        assertThat(ofTwelveBlocks(new Penalty(0.5, 3, 0.25, false))
                        .get(parameter)
                        .getPull())
                .isEqualTo(strength);
    }

    @Test
    void allPullsThePatchEmbeddingTooAndAllBlocksDoNot() {
        assertThat(ofTwelveBlocks(new Penalty(0.5, Penalty.ALL, 0.5, false)).values())
                .allSatisfy(array -> assertThat(array.getPull()).isEqualTo(0.5));
        Map<String, StageLayer.Trained> arrays = ofTwelveBlocks(new Penalty(0.5, 12, 0, false));
        assertThat(arrays.get("blocks.0.mlp.fc1.bias").getPull()).isEqualTo(0.5);
        assertThat(arrays.get("patch_embed.proj.weight").getPull()).isZero();
    }

    @Test
    void noPenaltyPullsNothing() {
        assertThat(ofTwelveBlocks(Penalty.NONE).values())
                .allSatisfy(array -> assertThat(array.getPull()).isZero());
    }

    @Test
    void whatAMethodAddsToTheModelIsNotPulled() {
        Penalty penalty = new Penalty(0.5, Penalty.ALL, 0.25, false);
        Map<String, MatrixShape> matrices = Tiny.CONFIG.matrices(List.of("mlp.fc2"));
        for (Tuning tuning : List.of(new LoraTuning(matrices, 2, 1, 0), new AdapterTuning(matrices, 2, 1))) {
            arrays(Trainings.tiny(tuning, ADAM, penalty, 10))
                    .forEach((name, array) ->
                            assertThat(array.getPull()).as(name).isEqualTo(name.startsWith("head.") ? 0.25 : 0));
        }
    }

    @Test
    void theEntriesOfGpsArePulledAsDifferences() {
        Map<String, MatrixShape> matrices = Tiny.CONFIG.matrices(List.of("mlp.fc2"));
        Tuning tuning = new EntryTuning(matrices.entrySet().stream()
                .map(e -> Entries.largest(
                        e.getKey(), e.getValue(), new float[(int) e.getValue().size()], 1))
                .toList());
        arrays(Trainings.tiny(tuning, ADAM, new Penalty(0.5, Penalty.ALL, 0.25, false), 10))
                .forEach((name, array) ->
                        assertThat(array.getPull()).as(name).isEqualTo(name.startsWith("head.") ? 0.25 : 0.5));
    }

    @Test
    void aDecoupledPullIsADecayAndAddsToIt() {
        SliceTuning tuning = new SliceTuning(Tiny.selection("row"));
        Penalty penalty = new Penalty(0.5, Penalty.ALL, 0.25, true);
        arrays(Trainings.tiny(tuning, Trainings.constant("adam", 1e-2, 0.125), penalty, 10))
                .forEach((name, array) -> {
                    assertThat(pull(array)).as(name).isZero();
                    assertThat(decay(array))
                            .as(name)
                            .isEqualTo(
                                    switch (name) {
                                        case "head.weight" -> 0.625;
                                        case "head.bias" -> 0.5;
                                        default -> 1.125;
                                    });
                });
    }

    @Test
    void weightDecayIsForMatricesAlone() {
        arrays(Trainings.tiny(new WholeTuning(), ADAM, Penalty.NONE, 10))
                .forEach((name, array) -> assertThat(decay(array))
                        .as(name)
                        .isEqualTo(
                                name.matches(
                                                "head\\.weight|patch_embed\\.proj\\.weight|blocks\\.\\d\\.(attn|mlp)\\..+\\.weight")
                                        ? 0.1
                                        : 0));
    }

    @Test
    void weightDecayIsAlsoForASingleSlice() {
        String matrix = "blocks.0.mlp.fc1.weight";
        for (Axis axis : Axis.values()) {
            SliceTuning tuning = new SliceTuning(new Selection(
                    List.of(new Slices(matrix, Tiny.CONFIG.matrices().get(matrix), axis, 3))));
            assertThat(decay(arrays(Trainings.tiny(tuning, ADAM, Penalty.NONE, 10))
                            .get(matrix + (axis == Axis.ROW ? ".rows" : ".columns"))))
                    .isEqualTo(0.1);
        }
    }

    @Test
    void theDecayOfAdamwAloneGoesPastTheUpdater() {
        for (String updater : new String[] {"adam", "adamw", "sgd"}) {
            arrays(Trainings.small(Trainings.constant(updater, 1e-2, 0.1), Penalty.NONE))
                    .values()
                    .forEach(array -> assertThat(array.isDecayDecoupled()).isEqualTo(updater.equals("adamw")));
        }
    }

    @Test
    void whatNeedsItsPretrainedValueIsWhatTrainsAsADifferenceAndDecays() {
        Map<String, StageLayer.Trained> arrays = arrays(Trainings.tiny(new WholeTuning(), ADAM, Penalty.NONE, 10));
        assertThat(arrays.get("blocks.0.mlp.fc1.weight").needsOrigin()).isTrue();
        assertThat(arrays.get("blocks.0.mlp.fc1.bias").needsOrigin()).isFalse();
        assertThat(arrays.get("head.weight").needsOrigin()).isFalse();
        Map<String, MatrixShape> matrices = Tiny.CONFIG.matrices(List.of("mlp.fc2"));
        for (Tuning tuning : List.of(new LoraTuning(matrices, 2, 1, 0), new AdapterTuning(matrices, 2, 1))) {
            arrays(Trainings.tiny(tuning, ADAM, Penalty.NONE, 10)).forEach((name, array) -> {
                assertThat(array.needsOrigin()).as(name).isFalse();
                assertThat(array.getDecay()).as(name).isEqualTo(name.endsWith(".bias") ? 0 : 0.1);
            });
        }
    }

    @Test
    void timmsLayerWiseDecayHasTheseFactors() {
        JsonNode golden = Tiny.json("rates.json");
        TrainingSettings training =
                Trainings.of("training.layerDecay=" + golden.get("layerDecay").doubleValue(), "training.headRate=3");
        arrays(Trainings.tiny(new WholeTuning(), training, Penalty.NONE, 10))
                .forEach((name, array) -> assertThat(array.getRate())
                        .as(name)
                        .isCloseTo(
                                golden.get("factors").get(name).doubleValue() * (name.startsWith("head.") ? 3 : 1),
                                Offset.offset(1e-15)));
    }

    @Test
    void theUpdaterHasTheScheduleOfTheSteps() {
        // 2.5 steps for each of 2 epochs of warm-up.
        UpdateRule expected = UpdateRule.of(ADAM, Schedule.of(ADAM, 40, 2.5));
        assertThat(updater(Network.configuration(Trainings.SMALL, ADAM, Penalty.NONE, 40, 2.5)))
                .isEqualTo(expected)
                .isNotEqualTo(expected.times(2))
                .isNotEqualTo(UpdateRule.of(ADAM, Schedule.of(ADAM, 41, 2.5)));
        assertThat(expected.getLearningRate(1, 0)).isEqualTo(1e-2 * 2 / 5);
        assertThat(expected.times(3).getLearningRate(1, 0)).isEqualTo(3 * (1e-2 * 2 / 5));
        assertThat(expected.stateSize(7)).isEqualTo(14);
        TrainingSettings sgd = Trainings.of("training.updater=sgd", "training.learningRate=0.1");
        assertThat(UpdateRule.of(sgd, Schedule.of(sgd, 40, 1)).stateSize(7)).isEqualTo(7);
    }

    @Test
    void theWarmUpIsNoLongerThanTheTraining() {
        MultiLayerConfiguration configuration = Network.configuration(Trainings.SMALL, ADAM, Penalty.NONE, 3, 100);
        assertThat(updater(configuration).getLearningRate(2, 0)).isEqualTo(1e-2);
    }

    @Test
    void theConfigurationComesBackFromJson() {
        MultiLayerConfiguration configuration =
                Trainings.tiny(new SliceTuning(Tiny.selection("min-axis")), ADAM, new Penalty(1e-2, 2, 1e-3, true), 10);
        MultiLayerConfiguration read = MultiLayerConfiguration.fromJson(configuration.toJson());
        assertThat(arrays(read)).isEqualTo(arrays(configuration));
        assertThat(updater(read)).isEqualTo(updater(configuration));
        assertThat(read.toJson()).isEqualTo(configuration.toJson());
        // What it does, not only what it says: the same steps to the same bits.
        assertThat(threeSteps(new Learner(read, LearnerState.start(new float[size(configuration)]))))
                .isEqualTo(threeSteps(new Learner(configuration, LearnerState.start(new float[size(configuration)]))));
    }

    @Test
    void aNetworkComesBackFromAModelFileWithItsUpdater() throws IOException {
        MultiLayerNetwork network = new MultiLayerNetwork(Trainings.small(ADAM, new Penalty(1e-2, 2, 1e-3, false)));
        network.init();
        network.initGradientsView();
        network.params().assign(2);
        network.getUpdater().getStateViewArray().assign(3);
        ByteArrayOutputStream file = new ByteArrayOutputStream();
        ModelSerializer.writeModel(network, file, true);
        MultiLayerNetwork read =
                ModelSerializer.restoreMultiLayerNetwork(new ByteArrayInputStream(file.toByteArray()), true);

        assertThat(read.params()).isEqualTo(network.params());
        assertThat(read.getUpdater().getStateViewArray())
                .isEqualTo(network.getUpdater().getStateViewArray());
        assertThat(read.getLayer(1)).isExactlyInstanceOf(StageModule.class);
        assertThat(arrays(read.getLayerWiseConfigurations())).isEqualTo(arrays(network.getLayerWiseConfigurations()));
    }

    private static Map<String, StageLayer.Trained> ofTwelveBlocks(Penalty penalty) {
        VitConfig config = new VitConfig(8, 4, 4, 12, 2, 8, 3, 1e-6);
        return arrays(Network.configuration(
                new WholeTuning().layout(config), Trainings.constant("adam", 1e-2, 0), penalty, 10, 1));
    }

    /** Returns the factor of the array in the loss's gradient. */
    private static double pull(StageLayer.Trained array) {
        return array.isPullDecoupled() ? 0 : Grft.penaltySlope(array.getPull());
    }

    /** Returns the factor of the array, times the learning rate, that is subtracted after the updater. */
    private static double decay(StageLayer.Trained array) {
        return array.getDecay() + (array.isPullDecoupled() ? Grft.penaltySlope(array.getPull()) : 0);
    }

    private static LearnerState threeSteps(Learner learner) {
        for (int step = 0; step < 3; step++) {
            learner.apply(new StepGradient(Tiny.normal(step, learner.trained().length, 1), 1, 2), 0);
        }
        return learner.state();
    }

    private static int size(MultiLayerConfiguration configuration) {
        return (int) arrays(configuration).values().stream()
                .mapToLong(StageLayer.Trained::size)
                .sum();
    }

    private static IUpdater updater(MultiLayerConfiguration configuration) {
        return layer(configuration, 0).getIUpdater();
    }

    private static StageLayer layer(MultiLayerConfiguration configuration, int stage) {
        return (StageLayer) configuration.getConf(stage).getLayer();
    }

    private static Map<String, StageLayer.Trained> arrays(MultiLayerConfiguration configuration) {
        Map<String, StageLayer.Trained> arrays = new LinkedHashMap<>();
        for (int stage = 0; stage < configuration.getConfs().size(); stage++) {
            layer(configuration, stage).getArrays().forEach(array -> arrays.put(array.getName(), array));
        }
        return arrays;
    }
}
