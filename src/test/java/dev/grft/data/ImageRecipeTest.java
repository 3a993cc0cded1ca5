package dev.grft.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.data.Preprocess.Crop;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class ImageRecipeTest {
    @Test
    void itsValuesAreCheckedAndCopied() {
        assertThatThrownBy(() -> new ImageRecipe(List.of(0f, 0f, 0f), List.of(1f, 0f, 1f), 1, Interpolation.BOX))
                .hasMessage("needs a mean and a positive std for each of red, green and blue, got [0.0, 0.0, 0.0] and"
                        + " [1.0, 0.0, 1.0]");
        assertThatThrownBy(() -> ImageRecipe.same(0, 1, 1.5)).hasMessage("cropFraction must be in (0, 1], got 1.5");
        List<Float> mean = new ArrayList<>(List.of(0f, 0f, 0f));
        ImageRecipe recipe = new ImageRecipe(mean, List.of(1f, 1f, 1f), 1, Interpolation.BILINEAR);
        mean.set(0, 5f);

        assertThat(recipe).isEqualTo(ImageRecipe.same(0, 1, 1));
    }

    /** timm resizes to 248 pixels for a ViT of 224 with its crop of 0.9. */
    @Test
    void theResizedImageIsLargerByTheCropFractionRoundedDown() {
        assertThat(ImageRecipe.same(0, 1, 0.9).resize(224)).isEqualTo(248);
        assertThat(ImageRecipe.same(0, 1, 1).resize(224)).isEqualTo(224);
    }

    @Test
    void aPreprocessReturnsTheRecipeThatPreparesImagesLikeIt() {
        ImageRecipe recipe = ImageRecipe.same(0.5f, 0.25f, 0.9);

        assertThat(new Preprocess(16, 20, Crop.CENTER, recipe).recipe()).isEqualTo(ImageRecipe.same(0.5f, 0.25f, 0.8));
        assertThat(new Preprocess(16, 20, Crop.SQUASH, recipe).recipe())
                .isEqualTo(new ImageRecipe(recipe.mean(), recipe.std(), 1, Interpolation.BILINEAR, Crop.SQUASH));
    }
}
