package dev.grft.train;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.Penalty;
import dev.grft.checkpoint.file.Safetensors;
import dev.grft.config.Config;
import dev.grft.config.TrainingSettings;
import dev.grft.vit.Golden;
import dev.grft.vit.kernels.nd4j.Flat;
import java.util.List;
import java.util.Objects;
import org.apache.hadoop.conf.Configuration;
import org.assertj.core.data.Offset;
import org.deeplearning4j.nn.conf.MultiLayerConfiguration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;

class AverageTest {
    private static TrainingSettings settings(double decay, boolean warmup) {
        return Config.load(
                        List.of(),
                        List.of("training.ema=" + decay, "training.emaWarmup=" + warmup),
                        new Configuration())
                .training();
    }

    private static Average average(double decay, boolean warmup) {
        return Objects.requireNonNull(Average.of(settings(decay, warmup), 0));
    }

    @ParameterizedTest
    @CsvSource({"false,constant", "true,warmup"})
    void itIsTimms(boolean warmup, String name) {
        Safetensors golden = Golden.read("regularization.safetensors");
        double[] parameters = golden.tensor("parameters").doubles();
        double[] expected = golden.tensor("average." + name).doubles();
        Average average = average(0.8, warmup);
        average.set(new float[3]);
        INDArray scratch = Flat.array(new float[3], DataType.FLOAT, 1, 3);
        for (int step = 1; step <= parameters.length / 3; step++) {
            float[] trained = new float[3];
            for (int i = 0; i < 3; i++) {
                trained[i] = (float) parameters[3 * (step - 1) + i];
            }
            average.add(Flat.array(trained, DataType.FLOAT, 1, 3), scratch, step - 1, step);
            for (int i = 0; i < 3; i++) {
                assertThat((double) Objects.requireNonNull(average.values())[i])
                        .isCloseTo(expected[3 * (step - 1) + i], Offset.offset(1e-6));
            }
        }
    }

    @Test
    void severalStepsThatWereMadeElsewhereDecayAsOneEach() {
        Average average = average(0.5, false);
        average.set(new float[] {16});
        average.add(
                Flat.array(new float[1], DataType.FLOAT, 1, 1), Flat.array(new float[1], DataType.FLOAT, 1, 1), 3, 6);
        assertThat(average.values()).containsExactly(2);
    }

    @Test
    void thereIsNoneUnlessItIsAskedFor() {
        assertThat(Average.of(Trainings.constant("adam", 0.1, 0), 0)).isNull();
    }

    @Test
    void aLearnerThatGoesOnFromAStateHasTheBitsOfOneThatWasNeverInterrupted() {
        MultiLayerConfiguration configuration = Trainings.small(Trainings.constant("adam", 0.1, 0), Penalty.NONE);
        TrainingSettings settings = settings(0.9, true);
        Learner learner = new Learner(configuration, LearnerState.start(new float[8]), Average.of(settings, 0), null);
        LearnerState middle = learner.state();
        for (int step = 0; step < 6; step++) {
            middle = step == 3 ? learner.state() : middle;
            learner.apply(gradient(step), 0);
        }
        Learner again = new Learner(configuration, middle, Average.of(settings, 0), null);
        for (int step = 3; step < 6; step++) {
            again.apply(gradient(step), 0);
        }
        assertThat(again.state()).isEqualTo(learner.state());
        assertThat(again.result()).isEqualTo(learner.state().average()).isNotEqualTo(learner.trained());
        Learner plain = new Learner(configuration, LearnerState.start(new float[8]));
        for (int step = 0; step < 6; step++) {
            plain.apply(gradient(step), 0);
        }
        assertThat(plain.trained()).isEqualTo(learner.trained()); // which the average does not change
        assertThat(plain.result()).isEqualTo(plain.trained());
    }

    private static StepGradient gradient(int step) {
        float[] gradient = new float[8];
        for (int i = 0; i < 8; i++) {
            gradient[i] = (float) Math.sin(i + 2.0 * step);
        }
        return new StepGradient(gradient, 1, 2);
    }
}
