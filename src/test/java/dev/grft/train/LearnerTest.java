package dev.grft.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.Penalty;
import dev.grft.config.TrainingSettings;
import dev.grft.tuning.Tiny;
import dev.grft.vit.Layout;
import dev.grft.vit.TrainedArray;
import java.util.List;
import org.assertj.core.data.Offset;
import org.deeplearning4j.nn.conf.MultiLayerConfiguration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Single steps by hand, on a row of two numbers and a head of six. */
class LearnerTest {
    private static final float[] START = {1, -2, 0.5f, -0.5f, 1, 2, 3, -4}; // row, head.weight, head.bias
    private static final float[] GRADIENT = {4, -8, 0.8f, 2, -2, 4, 8, -0.4f}; // sums over four examples
    private static final int EXAMPLES = 4;
    private static final int ROW = 2; // numbers before this are the row's
    private static final int BIAS = 6; // numbers from here on are the head's bias

    @Test
    void sgdSubtractsTheLearningRateTimesTheMeanGradient() {
        Learner learner = learner(Trainings.constant("sgd", 0.1, 0), Penalty.NONE);
        learner.apply(new StepGradient(GRADIENT, 1, EXAMPLES), 0);
        assertNumbers(learner, i -> START[i] - 0.1 * mean(i));
        assertThat(learner.step()).isEqualTo(1);
        assertThat(learner.state().updater()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"adam", "adamw"})
    void theFirstStepOfAdamIsTheLearningRateInTheGradientsDirection(String updater) {
        Learner learner = learner(Trainings.constant(updater, 0.1, 0), Penalty.NONE);
        learner.apply(new StepGradient(GRADIENT, 1, EXAMPLES), 0);
        assertNumbers(learner, i -> START[i] - 0.1 * adam(mean(i)));
        assertThat(learner.state().updater()).hasSize(2 * START.length);
    }

    @Test
    void theSecondStepOfAdamRemembersTheFirst() {
        Learner learner = learner(Trainings.constant("adam", 0.1, 0), Penalty.NONE);
        float[] second = new float[8];
        for (int i = 0; i < 8; i++) {
            second[i] = -3 * GRADIENT[i];
        }
        learner.apply(new StepGradient(GRADIENT, 1, EXAMPLES), 0);
        learner.apply(new StepGradient(second, 1, EXAMPLES), 0);
        // In units of the mean gradient: m = 0.9 * 0.1 - 0.1 * 3, v = 0.999 * 0.001 + 0.001 * 9.
        double m = (0.09 - 0.3) / (1 - 0.81);
        double v = (0.000999 + 0.009) / (1 - 0.998001);
        assertNumbers(learner, i -> START[i] - 0.1 * adam(mean(i)) - 0.1 * Math.signum(mean(i)) * m / Math.sqrt(v));
    }

    @Test
    void thePenaltyIsPartOfTheGradient() {
        Penalty penalty = new Penalty(0.5, 1, 0.25, false);
        Learner sgd = learner(Trainings.constant("sgd", 0.1, 0), penalty);
        sgd.apply(new StepGradient(GRADIENT, 1, EXAMPLES), 0);
        assertNumbers(sgd, i -> START[i] - 0.1 * (mean(i) + pull(i)));

        Learner adam = learner(Trainings.constant("adam", 0.1, 0), penalty);
        adam.apply(new StepGradient(GRADIENT, 1, EXAMPLES), 0);
        assertNumbers(adam, i -> START[i] - 0.1 * adam(mean(i) + pull(i)));
    }

    @Test
    void aDecoupledPenaltyGoesPastTheUpdater() {
        Penalty penalty = new Penalty(0.5, 1, 0.25, true);
        Learner adam = learner(Trainings.constant("adam", 0.1, 0), penalty);
        adam.apply(new StepGradient(GRADIENT, 1, EXAMPLES), 0);
        assertNumbers(adam, i -> START[i] - 0.1 * adam(mean(i)) - 0.1 * pull(i));

        Learner sgd = learner(Trainings.constant("sgd", 0.1, 0), penalty);
        sgd.apply(new StepGradient(GRADIENT, 1, EXAMPLES), 0);
        assertNumbers(sgd, i -> START[i] - 0.1 * (mean(i) + pull(i))); // as if it were not decoupled
    }

    @ParameterizedTest
    @ValueSource(strings = {"adam", "adamw", "sgd"})
    void eachRowHasItsShareOfTheStepDecoupledPullAndDecayIncluded(String updater) {
        Layout layout = new Layout(List.of(
                List.of(),
                List.of(TrainedArray.difference("blocks.0.mlp.fc1.weight.rows", 2, 1)
                        .rated(List.of(0.5, 3.0))),
                List.of(
                        TrainedArray.head("head.weight", 2, 2),
                        TrainedArray.head("head.bias", 2, 1).exempt())));
        double decay = updater.equals("adamw") ? 0.3 : 0;
        TrainingSettings training = Trainings.constant(updater, 0.1, decay);
        Penalty penalty = new Penalty(0.5, 1, 0.25, true);
        MultiLayerConfiguration configuration = Network.configuration(layout, training, penalty, 10, 1);
        MultiLayerConfiguration read = MultiLayerConfiguration.fromJson(configuration.toJson());
        for (MultiLayerConfiguration one : List.of(configuration, read)) {
            Learner learner = new Learner(one, LearnerState.start(START));
            learner.apply(new StepGradient(GRADIENT, 1, EXAMPLES), 0);
            assertNumbers(learner, i -> {
                double step = updater.equals("sgd") ? mean(i) : adam(mean(i));
                double factor = i == 0 ? 0.5 : i == 1 ? 3 : 1;
                return START[i] - factor * 0.1 * (step + pull(i) + (i < BIAS ? decay * START[i] : 0));
            });
            learner.close();
        }
    }

    @Test
    void weightDecayPullsTheRowAndTheHeadsWeightButNotItsBias() {
        Learner adamw = learner(Trainings.constant("adamw", 0.1, 0.3), Penalty.NONE);
        adamw.apply(new StepGradient(GRADIENT, 1, EXAMPLES), 0);
        assertNumbers(adamw, i -> START[i] - 0.1 * adam(mean(i)) - (i < BIAS ? 0.1 * 0.3 * START[i] : 0));
        assertThat(adamw.penalty()).as("it is no term of the loss").isZero();

        Learner adam = learner(Trainings.constant("adam", 0.1, 2.5), Penalty.NONE);
        adam.apply(new StepGradient(GRADIENT, 1, EXAMPLES), 0);
        assertNumbers(adam, i -> START[i] - 0.1 * adam(mean(i) + (i < BIAS ? 2.5 * START[i] : 0)));
    }

    @Test
    void weightDecayPullsARowTogetherWithItsPretrainedNumbersAndTheHeadAlone() {
        float[] pretrained = {10, 20};
        for (String updater : new String[] {"sgd", "adamw"}) {
            TrainingSettings training = Trainings.constant(updater, 0.1, 0.3);
            Learner learner =
                    new Learner(Trainings.small(training, Penalty.NONE), LearnerState.start(START), null, name -> {
                        assertThat(name).isEqualTo("blocks.0.mlp.fc1.weight.rows");
                        return pretrained;
                    });
            learner.apply(new StepGradient(new float[8], 1, EXAMPLES), 0);
            assertNumbers(
                    learner,
                    i -> START[i] - 0.1 * 0.3 * (i < ROW ? START[i] + pretrained[i] : i < BIAS ? START[i] : 0));
            learner.close();
        }
    }

    @Test
    void withoutWeightDecayNoPretrainedNumbersAreRead() {
        new Learner(
                        Trainings.small(Trainings.constant("adamw", 0.1, 0), new Penalty(0.5, 1, 0.25, false)),
                        LearnerState.start(START),
                        null,
                        name -> {
                            throw new AssertionError(name);
                        })
                .apply(new StepGradient(GRADIENT, 1, EXAMPLES), 0);
    }

    @Test
    void everythingDecaysIfAskedTo() {
        Learner learner = learner(
                Trainings.of(
                        "training.updater=sgd",
                        "training.momentum=0",
                        "training.schedule=constant",
                        "training.warmupEpochs=0",
                        "training.learningRate=0.1",
                        "training.weightDecay=0.3",
                        "training.decayAll=true"),
                Penalty.NONE);
        learner.apply(new StepGradient(new float[8], 1, EXAMPLES), 0);
        assertNumbers(learner, i -> START[i] * (1 - 0.1 * 0.3));
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void momentumAddsAShareOfTheStepBefore(boolean nesterov) {
        TrainingSettings training = Trainings.of(
                "training.updater=sgd",
                "training.nesterov=" + nesterov,
                "training.schedule=constant",
                "training.warmupEpochs=0",
                "training.learningRate=0.1");
        Learner learner = learner(training, Penalty.NONE);
        learner.apply(new StepGradient(GRADIENT, 1, EXAMPLES), 0);
        learner.apply(new StepGradient(new float[8], 1, EXAMPLES), 0);
        double steps = nesterov ? 1.9 + 0.81 : 1 + 0.9;
        assertNumbers(learner, i -> START[i] - 0.1 * steps * mean(i));
        assertThat(learner.state().updater()).hasSize(START.length);
    }

    @Test
    void theHeadHasARateOfItsOwnAndEachBlockOneOfItsPlace() {
        TrainingSettings training = Trainings.of(
                "training.updater=adamw",
                "training.headRate=4",
                "training.layerDecay=0.5",
                "training.weightDecay=0.3",
                "training.schedule=constant",
                "training.warmupEpochs=0",
                "training.learningRate=0.1");
        Learner learner = learner(training, Penalty.NONE);
        learner.apply(new StepGradient(GRADIENT, 1, EXAMPLES), 0);
        assertThat(learner.learningRate()).isEqualTo(0.1);
        assertNumbers(
                learner, i -> START[i] - (i < ROW ? 0.05 : 0.4) * (adam(mean(i)) + (i < BIAS ? 0.3 * START[i] : 0)));
    }

    @Test
    void theDecayFollowsTheLearningRate() {
        // The first of two steps of warm-up: half the learning rate.
        TrainingSettings training = Trainings.training("sgd", 0.1, "constant", 2, 0, 0.3, 1e-8);
        Learner learner = learner(training, Penalty.NONE);
        learner.apply(new StepGradient(new float[8], 1, EXAMPLES), 0);
        assertNumbers(learner, i -> START[i] * (i < BIAS ? 1 - 0.05 * 0.3 : 1));
    }

    @Test
    void whatThePenaltyAddsToTheLossIsLambdaTimesTheSquares() {
        double row = 0.5 * (1 + 4);
        double head = 0.25 * (0.25 + 0.25 + 1 + 4 + 9 + 16);
        for (boolean decoupled : new boolean[] {false, true}) {
            Learner learner = learner(Trainings.constant("sgd", 0.1, 0), new Penalty(0.5, 1, 0.25, decoupled));
            assertThat(learner.penalty()).isCloseTo(row + head, Offset.offset(1e-5));
        }
        assertThat(learner(Trainings.constant("sgd", 0.1, 0), Penalty.NONE).penalty())
                .isZero();
    }

    @Test
    void thePenaltyOfAModelWeighsEachPartByItsPlace() {
        Layout layout = new Layout(List.of(
                List.of(),
                List.of(
                        TrainedArray.difference("blocks.0.norm1.bias", 1, 1),
                        TrainedArray.difference("blocks.0.mlp.fc1.weight.rows", 1, 2)),
                List.of(
                        TrainedArray.difference("blocks.1.norm1.bias", 1, 1),
                        TrainedArray.difference("blocks.1.mlp.fc1.weight.rows", 1, 2)),
                List.of(TrainedArray.head("head.weight", 2, 2), TrainedArray.head("head.bias", 2, 1))));
        LearnerState state = LearnerState.start(new float[] {100, 10, 10, 4, 1, 2, 1, 1, 1, 1, 3, 0});
        TrainingSettings training = Trainings.constant("sgd", 0.1, 0);

        // 2 * (1 + 4) + 2 * 16 of the last block, 0.5 * (4 + 9) of the head
        Penalty penalty = new Penalty(2, 1, 0.5, false);
        assertThat(new Learner(Network.configuration(layout, training, penalty, 10, 1), state).penalty())
                .isCloseTo(10 + 32 + 6.5, Offset.offset(1e-5));
        assertThat(new Learner(Network.configuration(layout, training, Penalty.NONE, 10, 1), state).penalty())
                .isZero();
    }

    @Test
    void aLongGradientIsScaledToTheLargestNormBeforeThePenalty() {
        float[] gradient = {3 * EXAMPLES, 0, 0, 0, 0, 0, 0, -4 * EXAMPLES}; // a mean of norm 5
        Learner learner = learner(Trainings.constant("sgd", 0.1, 0), new Penalty(0.5, 1, 0, false));
        assertThat(learner.apply(new StepGradient(gradient, 1, EXAMPLES), 2.5)).isEqualTo(5);
        assertNumbers(
                learner, i -> START[i] - 0.1 * (0.5 * gradient[i] / EXAMPLES + (i < ROW ? 2 * 0.5 * START[i] : 0)));
    }

    @Test
    void aGradientOfTheLargestNormOrBelowIsNotScaled() {
        float[] gradient = {3 * EXAMPLES, 0, 0, 0, 0, 0, 0, -4 * EXAMPLES};
        Learner free = learner(Trainings.constant("adam", 0.1, 0), Penalty.NONE);
        free.apply(new StepGradient(gradient, 1, EXAMPLES), 0);
        for (double clipNorm : new double[] {5, 6}) {
            Learner clipped = learner(Trainings.constant("adam", 0.1, 0), Penalty.NONE);
            assertThat(clipped.apply(new StepGradient(gradient, 1, EXAMPLES), clipNorm))
                    .isEqualTo(5);
            assertThat(clipped.state()).isEqualTo(free.state());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"adam", "adamw", "sgd"})
    void aStateGoesOnToTheSameBits(String updater) {
        TrainingSettings training = Trainings.training(updater, 0.1, "cosine", 2, 0.01, 0.3, 1e-8);
        Penalty penalty = new Penalty(0.5, 1, 0.25, false);
        Learner undisturbed = learner(training, penalty);
        Learner first = learner(training, penalty);
        for (int step = 0; step < 3; step++) {
            undisturbed.apply(gradient(step), 0);
            first.apply(gradient(step), 0);
        }
        Learner second = new Learner(Trainings.small(training, penalty), first.state());
        assertThat(second.step()).isEqualTo(3);
        assertThat(second.state()).isEqualTo(first.state());
        first.restore(LearnerState.start(START)); // no part of the state is shared
        for (int step = 3; step < 6; step++) {
            undisturbed.apply(gradient(step), 0);
            second.apply(gradient(step), 0);
        }
        assertThat(second.state()).isEqualTo(undisturbed.state());
        // One that forgets Adam's memory or the step ends elsewhere.
        Learner forgetful = new Learner(Trainings.small(training, penalty), LearnerState.start(second.trained()));
        forgetful.apply(gradient(6), 0);
        second.apply(gradient(6), 0);
        assertThat(forgetful.trained()).isNotEqualTo(second.trained());
    }

    @Test
    void aStartForgetsWhatTheUpdaterRemembered() {
        Learner learner = learner(Trainings.constant("adam", 0.1, 0), Penalty.NONE);
        learner.apply(gradient(0), 0);
        learner.restore(LearnerState.start(START));
        learner.apply(gradient(1), 0);
        Learner fresh = learner(Trainings.constant("adam", 0.1, 0), Penalty.NONE);
        fresh.apply(gradient(1), 0);
        assertThat(learner.state()).isEqualTo(fresh.state());
    }

    @Test
    void theLearningRateIsThatOfTheNextStep() {
        TrainingSettings training = Trainings.training("adam", 0.1, "cosine", 2, 0.02, 0, 1e-8);
        Learner learner = learner(training, Penalty.NONE);
        Schedule expected = Schedule.of(training, 10, 1);
        for (int step = 0; step < 10; step++) {
            assertThat(learner.learningRate()).as("step %s", step).isEqualTo(expected.valueAt(step, 0));
            learner.apply(gradient(step), 0);
        }
    }

    @Test
    void aStateOfAnotherSizeIsRefused() {
        assertThatThrownBy(() -> new Learner(
                        Trainings.small(Trainings.constant("adam", 0.1, 0), Penalty.NONE),
                        LearnerState.start(new float[7])))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("a state of 7 trained parameters for a network of 8");
        Learner learner = learner(Trainings.constant("adam", 0.1, 0), Penalty.NONE);
        assertThatThrownBy(() -> learner.restore(new LearnerState(START, new float[15], 1)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("an updater state of 15 values, expected 16");
    }

    private interface Expected {
        double at(int i);
    }

    private static void assertNumbers(Learner learner, Expected expected) {
        double[] numbers = new double[START.length];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = expected.at(i);
        }
        Tiny.assertClose("trained", Tiny.doubles(learner.trained()), numbers, 1e-6);
    }

    private static double mean(int i) {
        return (double) GRADIENT[i] / EXAMPLES;
    }

    /** The gradient of 0.5 * the row's squares and 0.25 * the head's. */
    private static double pull(int i) {
        return 2 * (i < ROW ? 0.5 : 0.25) * START[i];
    }

    /** The first step of torch's Adam, at a learning rate of 1. */
    private static double adam(double g) {
        return g / (Math.abs(g) + 1e-8);
    }

    private static StepGradient gradient(int step) {
        return new StepGradient(Tiny.normal(step, START.length, 3), 1, EXAMPLES);
    }

    private static Learner learner(TrainingSettings training, Penalty penalty) {
        return new Learner(Trainings.small(training, penalty), LearnerState.start(START));
    }
}
