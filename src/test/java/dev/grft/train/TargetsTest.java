package dev.grft.train;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.Task;
import dev.grft.data.Augment;
import dev.grft.data.Batch;
import dev.grft.data.Example;
import dev.grft.data.ImageRecipe;
import dev.grft.data.Pixels;
import dev.grft.data.Preprocess;
import dev.grft.data.augmentation.Changes;
import dev.grft.data.augmentation.ColorJitter;
import dev.grft.data.augmentation.Erasing;
import dev.grft.data.augmentation.Mixing;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TargetsTest {
    private static final int CLASSES = 4;
    private static final Preprocess PREPROCESS =
            new Preprocess(8, 8, Preprocess.Crop.CENTER, ImageRecipe.same(0, 1, 1));

    /** Returns images of classes 0, 1, 2 and 3, each of one gray that tells its class. */
    private static List<Example> examples() {
        List<Example> examples = new ArrayList<>();
        for (int k = 0; k < CLASSES; k++) {
            byte[] rgb = new byte[3 * 64];
            Arrays.fill(rgb, (byte) (60 * k));
            examples.add(new Example(k, k, "image " + k, new Pixels(8, 8, rgb)));
        }
        return examples;
    }

    private static Batch batch(Mixing mixing, long step) {
        return batch(examples(), mixing, step);
    }

    private static Batch batch(List<Example> examples, Mixing mixing, long step) {
        Changes changes = new Changes(
                0, false, false, null, new ColorJitter(0, 0, 0, 0, 1, 0), new Erasing(0, "const", 1), mixing);
        Augment augment = new Augment(false, 1, 1, 1, 1, false, 5, changes);
        return Batch.augmented(examples, PREPROCESS, augment, new long[examples.size()], 1)
                .mixed(augment, 1, step);
    }

    private static float gray(int k) {
        return 60 * k / 255f;
    }

    @Test
    void theTargetOfAClassIsThatClass() {
        assertThat(Targets.of(Batch.of(examples(), PREPROCESS), CLASSES, Task.SINGLE_LABEL))
                .containsExactly(1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1);
    }

    @ParameterizedTest
    @ValueSource(doubles = {0.8, 0})
    void targetsAreMixedAsTheImagesAre(double mixup) {
        Set<Double> shares = new HashSet<>();
        for (int step = 0; step < 20; step++) {
            Batch batch = batch(new Mixing(mixup, mixup > 0 ? 0 : 1, 1, 0.5), step);
            float share = (float) batch.share();
            shares.add(batch.share());
            assertThat(batch.labels()).containsExactly(0, 1, 2, 3);

            float[] targets = Targets.of(batch, CLASSES, Task.SINGLE_LABEL);

            for (int b = 0; b < CLASSES; b++) {
                int partner = b ^ 1;
                assertThat(targets[b * CLASSES + b]).isEqualTo(share);
                assertThat(targets[b * CLASSES + partner]).isEqualTo((float) (1 - batch.share()));
                double mean = 0;
                for (int i = 0; i < 192; i++) {
                    mean += batch.images()[b * 192 + i] / 192.0;
                }
                assertThat(mean).isCloseTo(share * gray(b) + (1 - share) * gray(partner), Offset.offset(1e-6));
            }
        }
        assertThat(shares).hasSizeGreaterThan(10);
    }

    @Test
    void aBatchIsMixedTheSameWhenAskedAgainAndInParts() {
        Mixing mixing = new Mixing(0.8, 1, 1, 0.5);
        Batch batch = batch(mixing, 7);

        assertThat(batch.share()).isLessThan(1);
        assertThat(batch(mixing, 7).images()).isEqualTo(batch.images());
        assertThat(batch(mixing, 8).share()).isNotEqualTo(batch.share());
        for (int half = 0; half < 2; half++) {
            Batch part = batch(examples().subList(2 * half, 2 * half + 2), mixing, 7);
            assertThat(part.images()).isEqualTo(Arrays.copyOfRange(batch.images(), 384 * half, 384 * (half + 1)));
            assertThat(Targets.of(part, CLASSES, Task.SINGLE_LABEL))
                    .isEqualTo(Arrays.copyOfRange(
                            Targets.of(batch, CLASSES, Task.SINGLE_LABEL), 8 * half, 8 * (half + 1)));
        }
    }

    @Test
    void anImageWithoutANeighborKeepsItsTarget() {
        Batch odd = batch(examples().subList(0, 3), new Mixing(0.8, 0, 1, 0.5), 7);
        float share = (float) odd.share();
        float rest = (float) (1 - odd.share());

        assertThat(Targets.of(odd, CLASSES, Task.SINGLE_LABEL))
                .containsExactly(share, rest, 0, 0, rest, share, 0, 0, 0, 0, 1, 0);
        assertThat(odd.images()[2 * 192]).isEqualTo(gray(2));
    }
}
