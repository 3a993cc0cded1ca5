package dev.grft.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.data.Augment.Box;
import dev.grft.data.Preprocess.Crop;
import dev.grft.data.augmentation.Changes;
import dev.grft.data.augmentation.ColorJitter;
import dev.grft.data.augmentation.Erasing;
import dev.grft.data.augmentation.Mixing;
import dev.grft.data.augmentation.RandAugment;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.IntFunction;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class AugmentTest {
    private static final Preprocess PREPROCESS = new Preprocess(8, 12, Crop.CENTER, ImageRecipe.same(0, 1, 1));
    private static final Augment USUAL = new Augment(true, 0.08, 1, 3 / 4.0, 4 / 3.0, true, 5);
    private static final Pixels IMAGE = Images.places(12, 20);
    private static final Pixels PREPARED = PREPROCESS.prepare(IMAGE);

    private static float[] input(Augment augment, long epoch, long id, int view) {
        float[] out = new float[PREPROCESS.inputLength()];
        augment.toInput(augment.crop() ? IMAGE : PREPARED, PREPROCESS, epoch, id, view, out, 0);
        return out;
    }

    private static float[] plain() {
        float[] out = new float[PREPROCESS.inputLength()];
        PREPROCESS.toInput(PREPARED, out, 0);
        return out;
    }

    @Test
    void noneChangesNothing() {
        for (int epoch = 0; epoch < 20; epoch++) {
            assertThat(input(Augment.NONE, epoch, 3, 0)).isEqualTo(plain());
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"BILINEAR", "BICUBIC"})
    void aCropIsTorchvisionsOfTheSameBoxToTheLastBit(Interpolation interpolation) throws Exception {
        Pixels noise = Images.pixels("noise.png");
        for (Box box :
                List.of(new Box(3, 11, 28, 33), new Box(0, 0, 10, 8), new Box(20, 30, 17, 23), new Box(0, 0, 37, 53))) {
            String name = "noise-" + interpolation + "-crop-" + box.top() + "-" + box.left() + "-" + box.height() + "-"
                    + box.width();
            assertThat(box.cut(noise, 16, interpolation)).as(name).isEqualTo(Images.pixels(name + ".expected.png"));
        }
    }

    @Test
    void cropsAreCutFromTheSourceOfAnExampleAndNotFromWhatTheNetworkSees() {
        Pixels photo = Images.places(40, 60);
        Preprocess preprocess = PREPROCESS.withSources(8);
        Example example =
                new Example(7, Target.ofClass(1), "a.jpg", preprocess.prepare(photo), preprocess.source(photo), 1);

        Batch batch = Batch.augmented(List.of(example), preprocess, USUAL, new long[] {2}, 2);

        for (int view = 0; view < 2; view++) {
            SplittableRandom random = Seeds.random(5, 2, 7, view);
            boolean mirrored = random.nextBoolean();
            float[] expected = new float[preprocess.inputLength()];
            preprocess.toInput(USUAL.box(40, 60, random).cut(photo, 8, Interpolation.BILINEAR), mirrored, expected, 0);
            assertThat(Arrays.copyOfRange(batch.images(), view * expected.length, (view + 1) * expected.length))
                    .isEqualTo(expected);
        }
        Example without = new Example(7, 1, "a.jpg", preprocess.prepare(photo));
        assertThatThrownBy(() -> Batch.augmented(List.of(without), preprocess, USUAL, new long[] {2}, 1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageEndingWith("was read without what random crops are cut from");
    }

    @Test
    void theViewsOfTheContrastiveLossHaveTheColorsOfGps() {
        Augment views = Augment.views(3);
        assertThat(views)
                .isEqualTo(new Augment(true, 0.08, 1, 3 / 4.0, 4 / 3.0, true, 3, views.changes()))
                .extracting(augment -> augment.changes().colorJitter())
                .isEqualTo(new ColorJitter(0.4, 0.4, 0.4, 0.1, 0.8, 0.2));
        int gray = 0;
        int unchanged = 0;
        Augment crops = new Augment(true, 0.08, 1, 3 / 4.0, 4 / 3.0, true, 3);
        for (int id = 0; id < 1000; id++) {
            float[] view = input(views, 0, id, 1);
            unchanged += Arrays.equals(view, input(crops, 0, id, 1)) ? 1 : 0;
            gray += Arrays.equals(view, 0, 64, view, 64, 128) && Arrays.equals(view, 0, 64, view, 128, 192) ? 1 : 0;
        }
        assertThat(gray).isBetween(160, 240); // a fifth
        assertThat(unchanged).isBetween(120, 200); // a fifth of the others
    }

    @Test
    void aFlipMirrorsLeftAndRightHalfOfTheTime() {
        Augment flip = new Augment(false, 1, 1, 1, 1, true, 9);
        float[] mirrored = plain();
        for (int row = 0; row < mirrored.length; row += 8) {
            for (int i = 0; i < 8; i++) {
                mirrored[row + i] = plain()[row + 7 - i];
            }
        }

        int flips = 0;
        for (int id = 0; id < 1000; id++) {
            float[] input = input(flip, 0, id, 0);
            assertThat(input).isIn(plain(), mirrored);
            flips += input[64] > input[71] ? 1 : 0; // green grows to the right
        }
        assertThat(flips).isBetween(430, 570); // 500 with a standard deviation of 16
    }

    @Test
    void theSameIsMadeOfAnExampleWhoeverAsks() {
        float[] first = input(USUAL, 2, 7, 1);
        input(USUAL, 0, 0, 0);

        assertThat(input(USUAL, 2, 7, 1)).isEqualTo(first);
    }

    @Test
    void epochsExamplesViewsAndSeedsDiffer() {
        float[] first = input(USUAL, 2, 7, 1);

        assertThat(input(USUAL, 3, 7, 1)).isNotEqualTo(first);
        assertThat(input(USUAL, 2, 8, 1)).isNotEqualTo(first);
        assertThat(input(USUAL, 2, 7, 0)).isNotEqualTo(first);
        assertThat(input(new Augment(true, 0.08, 1, 3 / 4.0, 4 / 3.0, true, 6), 2, 7, 1))
                .isNotEqualTo(first);
        assertThat(input(USUAL, 7, 2, 1)).isNotEqualTo(first);
    }

    @Test
    void withoutAViewTheFirstIsMade() {
        float[] out = new float[PREPROCESS.inputLength() + 3];
        USUAL.toInput(IMAGE, PREPROCESS, 2, 7, out, 3);

        float[] shifted = new float[out.length];
        System.arraycopy(input(USUAL, 2, 7, 0), 0, shifted, 3, PREPROCESS.inputLength());
        assertThat(out).isEqualTo(shifted);
    }

    @Test
    void theWholeOfASquareIsResized() {
        Augment whole = new Augment(true, 1, 1, 1, 1, false, 0);
        Pixels square = Images.places(16, 16);
        float[] out = new float[PREPROCESS.inputLength()];

        whole.toInput(square, PREPROCESS, 0, 0, out, 0);

        float[] expected = new float[PREPROCESS.inputLength()];
        PREPROCESS.toInput(new Box(0, 0, 16, 16).cut(square, 8, Interpolation.BILINEAR), expected, 0);
        assertThat(out).isEqualTo(expected);
    }

    private static Augment with(int padding, String randAugment, ColorJitter jitter, Erasing erasing) {
        RandAugment parsed = randAugment.isEmpty() ? null : RandAugment.parse(randAugment);
        return new Augment(
                false, 1, 1, 1, 1, true, 5, new Changes(padding, false, true, parsed, jitter, erasing, Mixing.NONE));
    }

    private static Set<Float> values(Augment augment, Pixels image) {
        Preprocess preprocess = new Preprocess(8, 8, Crop.CENTER, ImageRecipe.same(0.5f, 0.25f, 1));
        float[] out = new float[preprocess.inputLength()];
        Set<Float> values = new HashSet<>();
        for (int id = 0; id < 100; id++) {
            augment.toInput(image, preprocess, 0, id, out, 0);
            for (float x : out) {
                values.add(x);
            }
        }
        return values;
    }

    @Test
    void changesFollowTheFlipAndErasingTheNormalization() {
        Augment augment =
                with(2, "rand-m9-mstd0.5-inc1", new ColorJitter(0.4, 0.4, 0.4, 0.1, 1, 0), new Erasing(1, "pixel", 2));
        for (int id = 0; id < 20; id++) {
            int example = id;
            IntFunction<SplittableRandom> streams = kind -> Seeds.random(5, 1, example, 0, kind);
            byte[] flipped =
                    PREPROCESS.input(PREPARED, Seeds.random(5, 1, id, 0).nextBoolean());
            byte[] changed = augment.changes().pixels(flipped, 8, new int[] {0, 0, 0}, streams);
            float[] expected = new float[PREPROCESS.inputLength()];
            PREPROCESS.toInput(new Pixels(8, 8, changed), expected, 0);
            augment.changes().input(expected, 0, 8, streams);

            assertThat(input(augment, 1, id, 0)).isEqualTo(expected);
        }
    }

    @Test
    void paddingIsBlackAndWhatRandAugmentLetsInIsTheMean() {
        byte[] rgb = new byte[3 * 64];
        Arrays.fill(rgb, (byte) 255);
        Pixels white = new Pixels(8, 8, rgb);
        ColorJitter none = new ColorJitter(0, 0, 0, 0, 1, 0);

        assertThat(values(with(3, "", none, new Erasing(0, "const", 1)), white)).containsExactlyInAnyOrder(2f, -2f);
        assertThat(values(with(0, "rand-m10-n1-p1", none, new Erasing(0, "const", 1)), white))
                .contains((128 / 255f - 0.5f) / 0.25f); // of white no other operation makes 128
        assertThat(values(with(0, "", none, new Erasing(1, "const", 1)), white)).containsExactlyInAnyOrder(2f, 0f);
        assertThat(white.rgb()).as("the kept image").containsOnly(255);
    }

    @Property(tries = 500)
    void aCropLiesInTheImageAndHasTheAreaAndRatioAskedFor(
            @ForAll long seed, @ForAll @IntRange(min = 50, max = 300) int height) {
        int width = 200;

        Box box = USUAL.box(height, width, new SplittableRandom(seed));

        assertThat(box.top()).isNotNegative();
        assertThat(box.left()).isNotNegative();
        assertThat(box.top() + box.height()).isLessThanOrEqualTo(height);
        assertThat(box.left() + box.width()).isLessThanOrEqualTo(width);
        assertThat((double) box.width() / box.height()).isBetween(0.70, 1.43); // with the rounding to pixels
        assertThat((double) box.width() * box.height()).isBetween(0.07 * height * width, 1.01 * height * width);
    }

    @Test
    void cropsAreSpreadEvenlyOverTheirArea() {
        SplittableRandom random = new SplittableRandom(1);
        double area = 0;
        for (int i = 0; i < 2000; i++) {
            Box box = new Augment(true, 0.2, 0.6, 1, 1, false, 0).box(100, 100, random);
            area += box.height() * box.width() / 10_000.0 / 2000;
        }
        assertThat(area).isBetween(0.38, 0.42); // 0.4 with a standard deviation of 0.003
    }

    @Test
    void aCropThatNeverFitsIsTheLargestInTheMiddle() {
        Augment large = new Augment(true, 1, 1, 3 / 4.0, 4 / 3.0, false, 0);

        assertThat(large.box(30, 100, new SplittableRandom(0))).isEqualTo(new Box(0, 30, 30, 40));
        assertThat(large.box(100, 30, new SplittableRandom(0))).isEqualTo(new Box(30, 0, 40, 30));
    }

    @Test
    void settingsAreChecked() {
        assertThatThrownBy(() -> new Augment(true, 0, 1, 1, 1, true, 0))
                .hasMessage("needs 0 < minScale <= maxScale <= 1, got 0.0 and 1.0");
        assertThatThrownBy(() -> new Augment(true, 1, 1, 2, 1, true, 0))
                .hasMessage("needs 0 < minRatio <= maxRatio, got 2.0 and 1.0");
    }

    @Test
    void randomNumbersStayTheSameFromReleaseToRelease() {
        assertThat(Seeds.random(5, 2, 7, 1).nextLong()).isEqualTo(-2781057032521441044L);
        assertThat(USUAL.box(100, 150, Seeds.random(5, 2, 7, 1))).isEqualTo(new Box(4, 3, 94, 109));
    }
}
