package dev.grft.train;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.Grft;
import dev.grft.tuning.Tiny;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.factory.Nd4j;
import org.nd4j.linalg.learning.regularization.L2Regularization;
import org.nd4j.linalg.learning.regularization.Regularization;
import org.nd4j.linalg.learning.regularization.WeightDecay;

class PullTest {
    private static final double LEARNING_RATE = 0.037;

    private final INDArray trained = array(1);

    @ParameterizedTest
    @CsvSource({"0.5, false", "0.5, true", "1e-3, false", "1e-3, true"})
    void trainingHasThePenaltyOfThePaper(double strength, boolean decoupled) {
        Pull pull = new Pull(strength, decoupled);
        float[] gradient = applied(pull);

        assertThat(pull.score(trained, 0, 0))
                .isEqualTo(Grft.penalty(strength, trained.norm2Number().doubleValue()))
                .isPositive();
        double rate = decoupled ? LEARNING_RATE : 1;
        for (int i = 0; i < gradient.length; i++) {
            double expected = array(2).getDouble(i) + rate * Grft.penaltySlope(strength) * trained.getDouble(i);
            Tiny.assertClose("gradient " + i, new double[] {gradient[i]}, new double[] {expected}, 1e-6);
        }
    }

    @ParameterizedTest
    @CsvSource({"0.3", "1e-4", "0.0123"})
    void itHasTheBitsOfDl4jsOwn(double strength) {
        assertSameBits(new Pull(strength, false), new L2Regularization(2 * strength));
        assertSameBits(new Pull(strength, true), new WeightDecay(2 * strength, true));
    }

    private void assertSameBits(Regularization one, Regularization other) {
        assertThat(one.applyStep()).isEqualTo(other.applyStep());
        assertThat(one.score(trained, 0, 0)).isEqualTo(other.score(trained, 0, 0));
        assertThat(applied(one)).isEqualTo(applied(other));
    }

    private float[] applied(Regularization pull) {
        INDArray gradient = array(2);
        pull.apply(trained, gradient, LEARNING_RATE, 0, 0);
        return gradient.data().asFloat();
    }

    private static INDArray array(long seed) {
        return Nd4j.createFromArray(Tiny.normal(seed, 1000, 1)).reshape('c', 20, 50);
    }
}
