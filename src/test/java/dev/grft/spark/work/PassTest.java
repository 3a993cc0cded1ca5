package dev.grft.spark.work;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.UserError;
import dev.grft.spark.verbs.OnSpark;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.spark.api.java.JavaRDD;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import scala.Tuple2;

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

    /** The gradients of all shards of a large network would not fit into a task. */
    @Test
    void gradientsAreAddedUpInPiecesInTheOrderOfTheirShards() {
        float[][] shards = {{1e8f, 1, 2, 3, 4, 5, 6}, {-1e8f, 0, 1, 0, 1, 0, 1}, {1e-3f, 0.5f, 0.5f, 0, 0, 0, 7}};
        List<Tuple2<Long, float[]>> pieces = new ArrayList<>();
        for (int shard : new int[] {2, 0, 1}) {
            Scoring.pieces(48, shard, shards[shard], 3).forEachRemaining(pieces::add);
        }
        pieces.sort(Comparator.comparing(Tuple2::_1));

        assertThat(pieces).extracting(piece -> piece._2().length).containsExactly(3, 3, 3, 3, 3, 3, 1, 1, 1);
        assertThat(pieces)
                .allSatisfy(piece -> assertThat(new Scoring.ByMatrix(49).getPartition(piece._1()))
                        .isEqualTo(48));
        assertThat(Scoring.sum(7, pieces.iterator(), 3)).containsExactly(1e-3f, 1.5, 3.5, 3, 5, 5, 14);
    }
}
