package dev.grft.data.augmentation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.UserError;
import dev.grft.data.augmentation.RandAugment.Operation;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.IntFunction;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ChangesTest {
    private static final int SIDE = 32;
    private static final int[] FILL = {1, 2, 3};
    private static final ColorJitter JITTER = new ColorJitter(0.4, 0.4, 0.4, 0.1, 1, 0);
    private static final Erasing ERASING = new Erasing(1, "pixel", 1);

    private static Changes placed(int padding, boolean verticalFlip, boolean rotate) {
        return new Changes(padding, verticalFlip, rotate, null, ColorJitter.NONE, Erasing.NONE, Mixing.NONE);
    }

    private static byte[] image() {
        byte[] rgb = new byte[3 * SIDE * SIDE];
        new SplittableRandom(1).nextBytes(rgb);
        return rgb;
    }

    private static IntFunction<SplittableRandom> streams(long seed) {
        return kind -> new SplittableRandom(31 * seed + kind);
    }

    private static byte[] pixels(Changes changes, long seed) {
        return changes.pixels(image(), SIDE, FILL, streams(seed));
    }

    /** Returns mean and standard deviation of 20,000 draws. */
    private static double[] moments(ToDoubleFunction<SplittableRandom> draw) {
        SplittableRandom random = new SplittableRandom(3);
        double[] draws = IntStream.range(0, 20_000)
                .mapToDouble(i -> draw.applyAsDouble(random))
                .toArray();
        double mean = Arrays.stream(draws).average().orElseThrow();
        double squares =
                Arrays.stream(draws).map(x -> (x - mean) * (x - mean)).average().orElseThrow();
        return new double[] {mean, Math.sqrt(squares)};
    }

    @Test
    void nothingChangesByDefault() {
        assertThat(Changes.NONE.ofPixels()).isFalse();
        assertThat(pixels(Changes.NONE, 1)).isEqualTo(image());
        float[] input = {1, 2, 3};
        Changes.NONE.input(input, 0, 1, streams(1));
        assertThat(input).containsExactly(1, 2, 3);
    }

    @Test
    void theImageIsMovedEvenlyByUpToThePadding() {
        int[][] seen = new int[5][5];
        for (int seed = 0; seed < 2500; seed++) {
            byte[] moved = pixels(placed(2, false, false), seed);
            for (int down = -2; down <= 2; down++) {
                for (int right = -2; right <= 2; right++) {
                    seen[down + 2][right + 2] += Arrays.equals(moved, Places.moved(image(), SIDE, down, right)) ? 1 : 0;
                }
            }
        }
        assertThat(Arrays.stream(seen).flatMapToInt(Arrays::stream).sum()).isEqualTo(2500);
        assertThat(Arrays.stream(seen).flatMapToInt(Arrays::stream).boxed())
                .allSatisfy(count -> assertThat(count).isBetween(60, 140)); // 100 with a standard deviation of 10
    }

    @Test
    void anImageMovedOutOfItselfIsBlack() {
        assertThat(Places.moved(image(), SIDE, 0, -40)).containsOnly(0);
        assertThat(Places.moved(image(), SIDE, SIDE, 0)).containsOnly(0);
    }

    @Test
    void imagesWithoutAnUpComeInAllEightPositions() {
        long[] kinds = new long[8];
        for (int seed = 0; seed < 800; seed++) {
            byte[] placed = pixels(placed(0, true, true), seed);
            for (int kind = 0; kind < 8; kind++) {
                byte[] flipped = kind < 4 ? image() : Places.upsideDown(image(), SIDE);
                kinds[kind] += Arrays.equals(placed, Places.turned(flipped, SIDE, kind % 4)) ? 1 : 0;
            }
        }
        assertThat(Arrays.stream(kinds).sum()).isEqualTo(800);
        assertThat(Arrays.stream(kinds).boxed())
                .allSatisfy(count -> assertThat(count).isBetween(65L, 140L));
    }

    @Test
    void oneKindOfChangeDoesNotChangeTheDrawsOfAnother() {
        Changes jitter = new Changes(0, false, false, null, JITTER, Erasing.NONE, Mixing.NONE);
        Changes both = new Changes(0, false, true, null, JITTER, Erasing.NONE, Mixing.NONE);

        for (int seed = 0; seed < 10; seed++) {
            byte[] turned = pixels(placed(0, false, true), seed);
            JITTER.apply(turned, streams(seed).apply(5));
            assertThat(pixels(both, seed)).isEqualTo(turned);
            byte[] inPlace = image();
            JITTER.apply(inPlace, streams(seed).apply(5));
            assertThat(pixels(jitter, seed)).isEqualTo(inPlace).isNotEqualTo(image());
        }
    }

    @ParameterizedTest
    @CsvSource({"0.4, 0, 0, 0", "0, 0.4, 0, 0", "0, 0, 0.4, 0", "0, 0, 0, 0.2"})
    void eachPartOfTheJitterChangesColors(double brightness, double contrast, double saturation, double hue) {
        byte[] changed = image();

        new ColorJitter(brightness, contrast, saturation, hue, 1, 0).apply(changed, new SplittableRandom(4));

        assertThat(changed).isNotEqualTo(image());
    }

    @Test
    void brightnessIsDrawnEvenlyAroundOne() {
        ColorJitter jitter = new ColorJitter(0.5, 0, 0, 0, 1, 0);
        double[] moments = moments(random -> {
            byte[] gray = {100, 100, 100};
            jitter.apply(gray, random);
            return (gray[0] & 0xff) / 100.0;
        });
        assertThat(moments[0]).isBetween(0.98, 1.01); // cut off to whole numbers
        assertThat(moments[1]).isBetween(0.28, 0.30); // 1 / sqrt(12)
    }

    @Test
    void erasedRectanglesHaveTimmsAreas() {
        double[] moments = moments(random -> {
            float[] input = new float[3 * SIDE * SIDE];
            Arrays.fill(input, 9);
            new Erasing(1, "const", 1).apply(input, 0, SIDE, random);
            int erased = 0;
            for (int i = 0; i < SIDE * SIDE; i++) {
                erased += input[i] == 0 ? 1 : 0;
                assertThat(input[i] == 0).isEqualTo(input[i + SIDE * SIDE] == 0);
            }
            assertThat(erased).isBetween(1, SIDE * SIDE * 2 / 5);
            return (double) erased / (SIDE * SIDE);
        });
        assertThat(moments[0]).isBetween(0.16, 0.18); // a little less than (1/50 + 1/3) / 2: some large ones do not fit
    }

    @Test
    void erasedPixelsAreNormalNoiseAndTheRestStays() {
        float[] input = new float[7 + 3 * SIDE * SIDE];
        Arrays.fill(input, 9);
        double sum = 0;
        double squares = 0;
        int count = 0;
        for (int seed = 0; seed < 50; seed++) {
            Arrays.fill(input, 9);
            ERASING.apply(input, 7, SIDE, new SplittableRandom(seed));
            for (float x : input) {
                count += x == 9 ? 0 : 1;
                sum += x == 9 ? 0 : x;
                squares += x == 9 ? 0 : x * x;
            }
        }
        assertThat(Arrays.copyOf(input, 7)).containsOnly(9);
        assertThat(sum / count).isBetween(-0.03, 0.03);
        assertThat(squares / count).isBetween(0.96, 1.04);
    }

    @Test
    void asManyImagesAreErasedAsTheProbabilitySays() {
        double[] moments = moments(random -> {
            float[] input = new float[3 * 64];
            Arrays.fill(input, 9);
            new Erasing(0.25, "const", 2).apply(input, 0, 8, random);
            return IntStream.range(0, input.length).anyMatch(i -> input[i] == 0) ? 1 : 0;
        });
        assertThat(moments[0]).isBetween(0.23, 0.26);
    }

    @ParameterizedTest
    @ValueSource(doubles = {0.05, 0.2, 0.8, 1, 2.5})
    void sharesHaveTheMomentsOfBeta(double alpha) {
        double[] moments = moments(random -> Draws.beta(alpha, random));

        assertThat(moments[0]).isBetween(0.49, 0.51);
        double deviation = 0.5 / Math.sqrt(2 * alpha + 1);
        assertThat(moments[1]).isBetween(deviation - 0.005, deviation + 0.005);
    }

    @Test
    void normalNumbersAre() {
        double[] moments = moments(Draws::normal);
        assertThat(moments[0]).isBetween(-0.025, 0.025);
        assertThat(moments[1]).isBetween(0.98, 1.02);
    }

    @Test
    void mixupAndCutmixTakeTurnsAndSomeBatchesStay() {
        Mixing mixing = new Mixing(0.8, 1, 0.75, 0.25);
        int mixup = 0;
        int cutmix = 0;
        for (int seed = 0; seed < 2000; seed++) {
            float[] images = new float[2 * 3 * 64];
            Arrays.fill(images, images.length / 2, images.length, 1);
            double share = mixing.apply(images, 2, 8, new SplittableRandom(seed));
            long own = IntStream.range(0, 192).filter(i -> images[i] == 0).count();
            if (share == 1) {
                assertThat(own).isEqualTo(192);
            } else if (own == 0) {
                mixup++;
                assertThat(images[0]).isEqualTo((float) (1 - share));
            } else {
                cutmix++;
                assertThat(own / 192.0).isEqualTo(share);
            }
        }
        assertThat(mixup).isBetween(1030, 1220); // 1125
        assertThat(cutmix).isBetween(310, 410); // 375, less some whose square has no pixel
    }

    @Test
    void anImageWithoutANeighborStaysAsItIs() {
        float[] images = {0, 1, 2, 3, 4, 5, 6, 7, 8};
        Mixing.mixed(images, 3, 0.5);
        assertThat(images).containsExactly(1.5f, 2.5f, 3.5f, 1.5f, 2.5f, 3.5f, 6, 7, 8);
        assertThat(new Mixing(1, 1, 1, 0.5).apply(new float[3], 1, 1, new SplittableRandom(0)))
                .isEqualTo(1);
    }

    @Test
    void timmsFormOfRandAugmentIsRead() {
        assertThat(RandAugment.parse("rand")).isEqualTo(new RandAugment(10, 2, 0.5, 0, 10, false, OperationSet.ALL));
        assertThat(RandAugment.parse("rand-m9-mstd0.5-inc1"))
                .isEqualTo(new RandAugment(9, 2, 0.5, 0.5, 10, true, OperationSet.ALL));
        assertThat(RandAugment.parse("rand-n3-p.25-m15-mmax30-mstd101-inc0"))
                .isEqualTo(new RandAugment(15, 3, 0.25, Double.POSITIVE_INFINITY, 30, false, OperationSet.ALL));
        assertThat(RandAugment.parse("rand-m7-tweights").set()).isEqualTo(OperationSet.WEIGHTS);
        assertThat(RandAugment.parse("rand-t3a-n9").set()).isEqualTo(OperationSet.THREE);
        assertThat(RandAugment.parse("rand-n14-t3aw").set()).isEqualTo(OperationSet.THREE_AND_MORE);
    }

    private static Operation[] drawn(OperationSet set, int count, SplittableRandom random) {
        Set<Operation> earlier = EnumSet.noneOf(Operation.class);
        return Stream.generate(() -> set.draw(earlier, random)).limit(count).toArray(Operation[]::new);
    }

    @Test
    void theThreeOperationsOfDeitAreDrawnEvenlyAndAgain() {
        SplittableRandom random = new SplittableRandom(5);
        int[] drawn = new int[Operation.values().length];
        int twice = 0;
        for (int i = 0; i < 3000; i++) {
            Operation[] operations = drawn(OperationSet.THREE, 2, random);
            drawn[operations[0].ordinal()]++;
            twice += operations[0] == operations[1] ? 1 : 0;
        }
        assertThat(drawn[Operation.SOLARIZE.ordinal()]).isBetween(920, 1080); // 1000 with a standard deviation of 26
        assertThat(drawn[Operation.DESATURATE.ordinal()]).isBetween(920, 1080);
        assertThat(drawn[Operation.GAUSSIAN_BLUR.ordinal()]).isBetween(920, 1080);
        assertThat(twice).isBetween(920, 1080);
    }

    @Test
    void weightedOperationsAreDrawnByTheirWeightsAndOnlyOnce() {
        SplittableRandom random = new SplittableRandom(6);
        int rotations = 0;
        int thenShears = 0;
        for (int i = 0; i < 10_000; i++) {
            Operation[] operations = drawn(OperationSet.WEIGHTS, 3, random);
            assertThat(operations).doesNotHaveDuplicates();
            rotations += operations[0] == Operation.ROTATE ? 1 : 0;
            thenShears += operations[0] == Operation.ROTATE && operations[1] == Operation.SHEAR_X ? 1 : 0;
        }
        assertThat(rotations).isBetween(2830, 3110); // 3 of 10.1: 2970
        assertThat(thenShears).isBetween(755, 920); // 2 of the 7.1 that are left: 837
        assertThat(drawn(OperationSet.WEIGHTS, 15, random)).doesNotHaveDuplicates();
    }

    @Test
    void theOperationsOfASetChangeMoreWithTheMagnitude() {
        assertThat(RandAugment.parse("rand-t3a-inc0").increasing()).isTrue();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "m9",
                "rand-",
                "rand-x3",
                "rand-m",
                "rand-m-1",
                "rand-n0",
                "rand-p2",
                "rand-tother",
                "rand-t",
                "rand-n16-tweights",
                "v0"
            })
    void whatIsNotTimmsFormIsRefused(String text) {
        assertThatThrownBy(() -> RandAugment.parse(text))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith("augmentation.randAugment must be rand and parts of m (magnitude)")
                .hasMessageEndingWith("got '" + text + "'");
    }

    @Test
    void randAugmentLeavesAsManyImagesAsItsProbabilitySays() {
        RandAugment augment = RandAugment.parse("rand-m9-mstd0.5-inc1");
        double[] moments = new double[] {0};
        for (int seed = 0; seed < 1000; seed++) {
            byte[] changed = augment.applied(image(), SIDE, FILL, new SplittableRandom(seed));
            moments[0] += Arrays.equals(changed, image()) ? 0.001 : 0;
        }
        assertThat(moments[0]).isBetween(0.22, 0.34); // (1 - p)^2, and noise has little contrast to stretch
    }
}
