package dev.grft.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.Copies;
import dev.grft.data.Preprocess.Crop;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PreprocessTest {

    private static Preprocess center(int imageSize, int resize) {
        return new Preprocess(imageSize, resize, Crop.CENTER, ImageRecipe.same(0, 1, 1));
    }

    private static Pixels resized(Pixels image, int height, int width) {
        return Resize.of(
                image, Resize.Side.whole(0, image.height(), height), Resize.Side.whole(0, image.width(), width));
    }

    @ParameterizedTest
    @CsvSource({"20, 30", "64, 96", "5, 7", "37, 20", "80, 53", "1, 1"})
    void resizingIsPillowsToTheLastBit(int height, int width) throws Exception {
        assertThat(resized(Images.pixels("noise.png"), height, width))
                .isEqualTo(Images.pixels("noise-" + height + "x" + width + ".expected.png"));
    }

    @Test
    void resizingAPartIsCroppingFirst() throws Exception {
        assertThat(Resize.of(Images.pixels("noise.png"), Resize.Side.whole(3, 28, 16), Resize.Side.whole(11, 33, 16)))
                .isEqualTo(Images.pixels("noise-part.expected.png"));
    }

    @Test
    void whatKeepsItsSizeIsCutOut() {
        Pixels image = Images.places(20, 30);

        Pixels part = Resize.of(image, new Resize.Side(2, 16, 16, 3, 5), new Resize.Side(4, 25, 25, 1, 7));

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

    @Test
    void theShorterSideIsResizedAndProportionsAreKept() {
        assertThat(center(24, 32).prepare(Images.plain(100, 150, 1, 2, 3))).isEqualTo(Images.plain(32, 48, 1, 2, 3));
        assertThat(center(24, 32).prepare(Images.plain(151, 100, 1, 2, 3))).isEqualTo(Images.plain(48, 32, 1, 2, 3));
    }

    @Test
    void anImageOfTheRightSizeIsLeftAlone() {
        Pixels wide = Images.places(32, 50);
        Pixels square = Images.places(32, 32);

        assertThat(center(24, 32).prepare(wide)).isSameAs(wide);
        assertThat(new Preprocess(32, 32, Crop.SQUASH, ImageRecipe.same(0, 1, 1)).prepare(square))
                .isSameAs(square);
    }

    @Test
    void squashingLosesTheProportions() {
        assertThat(new Preprocess(8, 99, Crop.SQUASH, ImageRecipe.same(0, 1, 1)).prepare(Images.plain(5, 30, 1, 2, 3)))
                .isEqualTo(Images.plain(8, 8, 1, 2, 3));
    }

    @ParameterizedTest
    @CsvSource({"10, 1001, 5", "10, 1000, 4", "1003, 10, 5", "999, 7, 4"})
    void ofAHairOnlyTheMiddleIsKeptWithTheSameInput(int height, int width, int imageSize) {
        Pixels hair = new Pixels(height, width, new byte[3 * height * width]);
        for (int i = 0; i < height * width; i++) {
            hair.rgb()[3 * i] = (byte) ((i * 37) >> 2);
        }
        Preprocess preprocess = center(imageSize, 7);
        int shorter = Math.min(height, width);

        Pixels prepared = preprocess.prepare(hair);

        assertThat(Math.max(prepared.height(), prepared.width())).isEqualTo(28);
        Pixels whole = resized(hair, 7 * height / shorter, 7 * width / shorter);
        assertThat(input(preprocess, prepared)).isEqualTo(input(preprocess, whole));
    }

    @ParameterizedTest
    @CsvSource({"64, 96, 24, 32", "96, 64, 24, 27", "41, 40, 24, 25", "33, 50, 33, 33", "20, 31, 24, 24", "7, 300, 5, 6"
    })
    void theMiddleAloneGivesTheSameInput(int height, int width, int imageSize, int resize) {
        Pixels image = Images.places(height, width);
        Preprocess whole = center(imageSize, resize);

        Pixels middle = whole.middle().prepare(image);

        assertThat(middle.height()).isEqualTo(imageSize);
        assertThat(middle.width()).isEqualTo(imageSize);
        assertThat(input(whole.middle(), middle)).isEqualTo(input(whole, whole.prepare(image)));
        assertThat(whole.middle())
                .isNotEqualTo(whole)
                .isEqualTo(center(imageSize, resize).middle())
                .hasSameHashCodeAs(center(imageSize, resize).middle());
    }

    @Test
    void whatIsSquashedHasNoMiddle() {
        Preprocess squash = new Preprocess(8, 99, Crop.SQUASH, ImageRecipe.same(0, 1, 1));

        assertThat(squash.middle()).isEqualTo(squash);
        assertThat(squash.middle().prepare(Images.plain(5, 30, 1, 2, 3))).isEqualTo(Images.plain(8, 8, 1, 2, 3));
    }

    @Test
    void aVeryLongHairFitsIntoMemory() {
        assertThat(center(224, 256).prepare(Images.plain(1, 1_000_000, 9, 8, 7)))
                .isEqualTo(Images.plain(256, 1024, 9, 8, 7));
    }

    @Test
    void theInputIsTheMiddleColorByColorNormalized() {
        Preprocess preprocess =
                new Preprocess(2, 4, Crop.CENTER, new ImageRecipe(List.of(0.5f, 0f, 0f), List.of(0.5f, 1f, 0.1f), 1));
        float[] out = new float[15];

        preprocess.toInput(Images.places(4, 6), out, 2); // rows 1 and 2, columns 2 and 3

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
        assertThat(input(center(2, 2), Images.places(3, 5))[0]).isZero(); // margin 0.5 -> 0
        assertThat(input(center(2, 2), Images.places(3, 5))[4]).isEqualTo(2 / 255f); // 1.5 -> 2
    }

    @Test
    void anImagePreparedForLessIsRefused() {
        assertThatThrownBy(() -> input(center(8, 8), Images.places(7, 9)))
                .hasMessage("7 x 9 pixels are fewer than 8 x 8; was the image prepared with other settings?");
    }

    @Test
    void settingsAreChecked() {
        assertThatThrownBy(() -> center(32, 31)).hasMessage("needs 1 <= imageSize <= resize, got 32 and 31");
    }

    @Test
    void settingsAreComparedByValueAndTravel() throws Exception {
        Preprocess preprocess = center(24, 32);

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
