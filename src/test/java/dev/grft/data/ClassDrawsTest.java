package dev.grft.data;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class ClassDrawsTest {
    @Test
    void anExampleIsAsLikelyAsItsClassIsSmallInAllShards() {
        int[] labels = {3, 0, 0, 1, 0, 3}; // of other shards: two more of class 0, three of class 1, all of class 2
        ClassDraws draws = new ClassDraws(labels, new int[] {5, 4, 9, 2, 1});
        SplittableRandom random = new SplittableRandom(1);
        int[] seen = new int[labels.length];
        for (int i = 0; i < 100_000; i++) {
            seen[draws.index(random)]++;
        }
        double all = 3 / 5.0 + 1 / 4.0 + 2 / 2.0;
        double[] expected = Arrays.stream(labels)
                .mapToDouble(label -> 1 / new double[] {5, 4, 9, 2, 1}[label] / all)
                .toArray();
        for (int i = 0; i < seen.length; i++) { // a standard deviation is below 0.0016
            assertThat(seen[i] / 1e5).isBetween(expected[i] - 0.006, expected[i] + 0.006);
        }
    }
}
