package dev.grft.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.Copies;
import dev.grft.data.Preprocess.Crop;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class PreprocessTest {

    private static Preprocess center(int imageSize, int resize) {
        return new Preprocess(imageSize, resize, Crop.CENTER, ImageRecipe.same(0, 1, 1));
    }

    private static Pixels resized(Pixels image, int height, int width) {
        return resized(image, height, width, Interpolation.BILINEAR);
    }

    private static Pixels resized(Pixels image, int height, int width, Interpolation interpolation) {
        return Resize.of(
                image,
                Resize.Side.whole(0, image.height(), height),
                Resize.Side.whole(0, image.width(), width),
                interpolation);
    }

    @Test
    void theRecipeGivesBackTheLengthThatImagesAreResizedTo() {
        for (int imageSize = 1; imageSize <= 512; imageSize++) {
            for (int resize = imageSize; resize <= 2 * imageSize; resize++) {
                assertThat(center(imageSize, resize).recipe().resize(imageSize)).isEqualTo(resize);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"20, 30", "64, 96", "5, 7", "37, 20", "80, 53", "1, 1"})
    void resizingIsPillowsToTheLastBit(int height, int width) throws Exception {
        assertThat(resized(Images.pixels("noise.png"), height, width))
                .isEqualTo(Images.pixels("noise-" + height + "x" + width + ".expected.png"));
    }

    @ParameterizedTest
    @EnumSource(value = Interpolation.class, mode = EnumSource.Mode.EXCLUDE, names = "BILINEAR")
    void everyInterpolationIsPillowsToTheLastBit(Interpolation interpolation) throws Exception {
        for (int[] size : new int[][] {{20, 30}, {64, 96}, {5, 7}, {37, 20}}) {
            String name = "noise-" + interpolation + "-" + size[0] + "x" + size[1];
            assertThat(resized(Images.pixels("noise.png"), size[0], size[1], interpolation))
                    .as(name)
                    .isEqualTo(Images.pixels(name + ".expected.png"));
        }
    }

    @ParameterizedTest
    @EnumSource(Interpolation.class)
    void theMiddleOfEveryInterpolationIsThatOfTheWhole(Interpolation interpolation) throws Exception {
        Pixels noise = Images.pixels("noise.png");
        Pixels whole = resized(noise, 27, 31, interpolation);

        Pixels middle = Resize.of(
                noise,
                new Resize.Side(0, noise.height(), 27, 3, 20),
                new Resize.Side(0, noise.width(), 31, 5, 20),
                interpolation);

        assertThat(middle)
                .isEqualTo(Resize.of(
                        whole,
                        new Resize.Side(0, 27, 27, 3, 20),
                        new Resize.Side(0, 31, 31, 5, 20),
                        Interpolation.BOX));
    }

    @Test
    void theRecipesInterpolationIsUsed() throws Exception {
        Pixels noise = Images.pixels("noise.png");
        ImageRecipe bicubic = ImageRecipe.same(0, 1, 1).with(Interpolation.BICUBIC);

        assertThat(new Preprocess(20, 20, Crop.SQUASH, bicubic).prepare(noise))
                .isEqualTo(resized(noise, 20, 20, Interpolation.BICUBIC))
                .isNotEqualTo(new Preprocess(20, 20, Crop.SQUASH, ImageRecipe.same(0, 1, 1)).prepare(noise));
        assertThat(new Preprocess(20, 20, Crop.CENTER, bicubic).recipe()).isEqualTo(bicubic);
    }

    @Test
    void whatKeepsItsSizeIsCutOut() {
        Pixels image = Images.places(20, 30);

        Pixels part = Resize.of(
                image, new Resize.Side(2, 16, 16, 3, 5), new Resize.Side(4, 25, 25, 1, 7), Interpolation.BICUBIC);

        assertThat(part.height()).isEqualTo(5);
        assertThat(part.width()).isEqualTo(7);
        assertThat(part.rgb()[0]).as("row").isEqualTo((byte) 5);
        assertThat(part.rgb()[1]).as("column").isEqualTo((byte) 5);
        assertThat(part.rgb()[3 * (5 * 7 - 1)]).as("last row").isEqualTo((byte) 9);
        assertThat(part.rgb()[3 * (5 * 7 - 1) + 1]).as("last column").isEqualTo((byte) 11);
    }

    @Test
    void halvingAveragesWithATriangleOfFourPixels() {
        // Weights 1 3 3 1 of 8; at the border 3 3 1 of 7. 0 0 80 80: (3*0 + 3*0 + 80) / 7 and (0 + 3*80 + 3*80) / 7.
        Pixels image = new Pixels(1, 4, new byte[] {0, 0, 0, 0, 0, 0, 80, 80, 80, 80, 80, 80});

        assertThat(resized(image, 1, 2).rgb()).containsExactly(11, 11, 11, 69, 69, 69);
    }

    @Test
    void aPlainImageStaysPlain() {
        Pixels white = Images.plain(100, 333, 255, 128, 0);

        assertThat(resized(white, 17, 400)).isEqualTo(Images.plain(17, 400, 255, 128, 0));
    }

    @ParameterizedTest
    @CsvSource({"64, 96, 24, 32", "96, 64, 24, 27", "41, 40, 24, 25", "33, 50, 33, 33", "20, 31, 24, 24", "7, 300, 5, 6"
    })
    void theShorterSideIsResizedAndTheMiddleIsKept(int height, int width, int imageSize, int resize) {
        Pixels image = Images.places(height, width);
        int shorter = Math.min(height, width);

        Pixels prepared = center(imageSize, resize).prepare(image);

        Pixels whole = resized(image, resize * height / shorter, resize * width / shorter);
        int top = (int) Math.rint((whole.height() - imageSize) / 2.0); // ties to even, as in Python
        int left = (int) Math.rint((whole.width() - imageSize) / 2.0);
        assertThat(prepared)
                .isEqualTo(Resize.of(
                        whole,
                        new Resize.Side(top, imageSize, imageSize, 0, imageSize),
                        new Resize.Side(left, imageSize, imageSize, 0, imageSize),
                        Interpolation.BILINEAR));
    }

    @Test
    void anImageOfTheRightSizeIsLeftAlone() {
        Pixels square = Images.places(32, 32);

        assertThat(center(32, 32).prepare(square)).isSameAs(square);
        assertThat(new Preprocess(32, 32, Crop.SQUASH, ImageRecipe.same(0, 1, 1)).prepare(square))
                .isSameAs(square);
    }

    @Test
    void squashingLosesTheProportions() {
        assertThat(new Preprocess(8, 99, Crop.SQUASH, ImageRecipe.same(0, 1, 1)).prepare(Images.plain(5, 30, 1, 2, 3)))
                .isEqualTo(Images.plain(8, 8, 1, 2, 3));
    }

    @Test
    void cropsAreCutFromTheImageItselfUnlessItIsLarge() {
        Preprocess preprocess = center(24, 27).withSources(2);
        Pixels photo = Images.places(48, 191);
        Pixels large = Images.places(49, 98);

        assertThat(center(24, 27).source(photo)).isNull();
        assertThat(preprocess.source(photo)).isSameAs(photo);
        assertThat(preprocess.source(large)).isEqualTo(resized(large, 48, 96));
        assertThat(preprocess.prepare(large)).isEqualTo(center(24, 27).prepare(large));
        assertThat(preprocess)
                .isNotEqualTo(center(24, 27))
                .isNotEqualTo(center(24, 27).withSources(3));
        assertThatThrownBy(() -> preprocess.withSources(0.5)).hasMessage("needs a limit of 1 or more, got 0.5");
    }

    @Test
    void ofAHairOnlyTheMiddleIsKeptForCrops() {
        Pixels source = center(4, 7).withSources(2).source(Images.places(10, 101)); // resized 8 x 80, of which 32

        assertThat(source)
                .isEqualTo(Resize.of(
                        resized(Images.places(10, 101), 8, 80),
                        new Resize.Side(0, 8, 8, 0, 8),
                        new Resize.Side(24, 32, 32, 0, 32),
                        Interpolation.BILINEAR));
        assertThat(center(4, 7).withSources(2).source(Images.places(3, 100)).width())
                .isEqualTo(32);
    }

    @Test
    void aVeryLongHairFitsIntoMemory() {
        Pixels hair = Images.plain(1, 1_000_000, 9, 8, 7);

        assertThat(center(224, 256).prepare(hair)).isEqualTo(Images.plain(224, 224, 9, 8, 7));
        assertThat(center(224, 256).withSources(4).source(hair)).isEqualTo(Images.plain(1, 4 * 4 * 224, 9, 8, 7));
    }

    @Test
    void theInputIsTheMiddleColorByColorNormalized() {
        Preprocess preprocess = new Preprocess(
                2,
                4,
                Crop.CENTER,
                new ImageRecipe(List.of(0.5f, 0f, 0f), List.of(0.5f, 1f, 0.1f), 1, Interpolation.BILINEAR));
        float[] out = new float[15];

        preprocess.toInput(preprocess.prepare(Images.places(4, 6)), out, 2); // rows 1 and 2, columns 2 and 3

        float[] expected = new float[15];
        float[] red = {1, 1, 2, 2};
        float[] green = {2, 3, 2, 3};
        for (int i = 0; i < 4; i++) {
            expected[2 + i] = (red[i] / 255f - 0.5f) / 0.5f;
            expected[6 + i] = green[i] / 255f;
            expected[10 + i] = 7 / 255f / 0.1f;
        }
        assertThat(out).isEqualTo(expected);
    }

    @Test
    void halfAPixelOfMarginRoundsToEvenAsInPython() {
        Preprocess preprocess = center(2, 3);
        float[] input = input(preprocess, preprocess.prepare(Images.places(3, 5)));

        assertThat(input[0]).isZero(); // margin 0.5 -> 0
        assertThat(input[4]).isEqualTo(2 / 255f); // 1.5 -> 2
    }

    @Test
    void anImagePreparedForAnotherSizeIsRefused() {
        assertThatThrownBy(() -> input(center(8, 8), Images.places(7, 9)))
                .hasMessage("7 x 9 pixels are not 8 x 8; was the image prepared with other settings?");
    }

    @Test
    void settingsAreChecked() {
        assertThatThrownBy(() -> center(32, 31)).hasMessage("needs 1 <= imageSize <= resize, got 32 and 31");
    }

    @Test
    void settingsAreComparedByValueAndTravel() throws Exception {
        Preprocess preprocess = center(24, 32);

        assertThat(Copies.sent(preprocess.withSources(2)))
                .isEqualTo(preprocess.withSources(2))
                .hasSameHashCodeAs(preprocess.withSources(2));
        assertThat(Copies.sent(preprocess)).isEqualTo(preprocess).hasSameHashCodeAs(preprocess);
        assertThat(preprocess).isNotEqualTo(center(24, 33));
        assertThat(preprocess).isNotEqualTo(new Preprocess(24, 32, Crop.CENTER, ImageRecipe.same(1, 1, 1)));
        assertThat(new Preprocess(24, 32, Crop.SQUASH, ImageRecipe.same(0, 1, 1)))
                .isEqualTo(new Preprocess(24, 99, Crop.SQUASH, ImageRecipe.same(0, 1, 1)));
    }

    private static float[] input(Preprocess preprocess, Pixels prepared) {
        float[] out = new float[preprocess.inputLength()];
        preprocess.toInput(prepared, out, 0);
        return out;
    }
}
