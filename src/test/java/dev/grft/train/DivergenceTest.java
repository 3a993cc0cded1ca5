package dev.grft.train;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.config.TrainingSettings;
import java.util.Random;
import org.junit.jupiter.api.Test;

class DivergenceTest {
    private static final double GUESSING = Math.log(10);
    private static final TrainingSettings SETTINGS = Trainings.checkpoints(20);

    private final Divergence divergence = new Divergence(SETTINGS, GUESSING / 2);

    /** Adds so many steps after some, of one loss, and returns the number of the first that has diverged; 0 for none. */
    private long add(long made, int count, double loss) {
        for (long step = made + 1; step <= made + count; step++) {
            if (divergence.add(step, loss)) {
                return step;
            }
        }
        return 0;
    }

    @Test
    void aLossThatStaysFarAboveItsStartHasDivergedAfterAFewDozenSteps() {
        assertThat(add(0, 20, 2.3)).isZero();
        assertThat(add(20, 100, 3.4)).isEqualTo(20 + 13 + 24); // 13 steps turn the median, which then stays for 25
        assertThat(divergence)
                .hasToString("the loss has diverged: step 57, median of the last 25 steps 3.4000, limit 2.8750");
    }

    @Test
    void aHeadThatKnowsItsImagesByHeartMayLoseSomeOfIt() {
        assertThat(add(0, 20, 0.06)).isZero();
        assertThat(add(20, 100, 1.4)).isZero();
        assertThat(add(120, 100, 3.4)).isEqualTo(120 + 13 + 24);
    }

    @Test
    void aNoisyLossOfSmallBatchesIsNoDivergence() {
        Random random = new Random(1);
        for (int step = 1; step <= 20_000; step++) { // of single examples: some are far off
            double loss = -Math.log(1 - random.nextDouble()) * GUESSING;
            assertThat(divergence.add(step, loss)).as("step %d", step).isFalse();
        }
        assertThat(add(20_000, 12, 50)).as("a dozen at once").isZero();
    }

    @Test
    void aLossThatIsNoNumberHasDivergedAtOnce() {
        assertThat(add(0, 30, 2)).isZero();
        assertThat(divergence.add(31, Double.NaN)).isTrue();
    }

    @Test
    void theCheckpointToGoBackToWasMadeWhileTheLossWasCalmAndStayedSo() {
        add(0, 44, 2);
        assertThat(divergence.good()).as("of step 20, 24 steps ago").isZero();
        assertThat(divergence.candidate()).isEqualTo(20);
        add(44, 1, 2);
        assertThat(divergence.good()).isEqualTo(20);
        add(45, 15, 2); // a checkpoint at step 60
        add(60, 5, 9);
        assertThat(divergence.candidate()).isEqualTo(60);
        add(65, 60, 9);
        assertThat(divergence.good()).isEqualTo(20);
        assertThat(divergence.candidate()).isZero();
    }

    @Test
    void aWatchGoesOnInTheSameBits() {
        add(0, 50, 1.0 / 3);
        divergence.halve();
        Divergence other = new Divergence(SETTINGS, GUESSING / 2);
        other.restore(divergence.text());
        assertThat(other.text()).isEqualTo(divergence.text());
        for (int step = 51; step < 200; step++) {
            double loss = step < 100 ? 0.7 : 5.1;
            assertThat(other.add(step, loss)).isEqualTo(divergence.add(step, loss));
            assertThat(other.text()).isEqualTo(divergence.text());
        }
        assertThat(other.halvings()).isEqualTo(1);
        other.restore("");
        assertThat(other.text()).as("it has been halved").isEqualTo("0;0;0;0;1;;");
    }
}
