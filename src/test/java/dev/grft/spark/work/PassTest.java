package dev.grft.spark.work;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.UserError;
import dev.grft.spark.verbs.OnSpark;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.spark.api.java.JavaRDD;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PassTest extends OnSpark {
    private static final List<Integer> NUMBERS = IntStream.range(0, 20).boxed().toList();

    @ParameterizedTest
    @ValueSource(ints = {1, 3, 8, 20})
    void elementsComeInTheirOrderWhicheverTaskEndsFirst(int partitions) {
        JavaRDD<Integer> slow = context.parallelize(NUMBERS, partitions).map(number -> {
            Thread.sleep(number == 0 ? 100 : 0);
            return number;
        });
        List<Integer> came = new ArrayList<>();

        Pass.inOrder(slow, came::add);

        assertThat(came).isEqualTo(NUMBERS);
    }

    @Test
    void theUsersMistakeInATaskIsThrown() {
        JavaRDD<Integer> wrong = context.parallelize(NUMBERS, 4).map(number -> {
            throw new UserError("number " + number);
        });

        assertThatThrownBy(() -> Pass.inOrder(wrong, number -> {}))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith("number ");
    }

    /** Its result depends on where a job of the summed gradient is cut. */
    @Test
    void aJobOfTheSummedGradientHasWholeBatchesAndThereAreAtMost16Jobs() {
        assertThat(Scoring.ofJob(0, 8)).isEqualTo(128);
        assertThat(Scoring.ofJob(16 * 128 - 8, 8)).isEqualTo(128);
        for (int largest : new int[] {2047, 2048, 2049, 100_000, 1_281_167}) {
            int count = Scoring.ofJob(largest, 8);
            assertThat(count % 8).isZero();
            assertThat((largest + count - 1) / count).as("jobs of %d", largest).isBetween(15, 16);
        }
    }
}
