package dev.grft.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.Copies;
import org.junit.jupiter.api.Test;

class PixelsTest {
    @Test
    void imagesAreEqualIfSizesAndColorsAre() {
        assertThat(Images.places(2, 3)).isEqualTo(Images.places(2, 3)).hasSameHashCodeAs(Images.places(2, 3));
        assertThat(Images.plain(2, 3, 1, 2, 3)).isNotEqualTo(Images.plain(3, 2, 1, 2, 3));
        assertThat(Images.plain(2, 3, 1, 2, 3)).isNotEqualTo(Images.plain(2, 3, 1, 2, 4));
        assertThat(Images.places(2, 3)).hasToString("2 x 3 pixels");
    }

    @Test
    void theBytesMustFillTheImage() {
        assertThatThrownBy(() -> new Pixels(2, 2, new byte[11]))
                .hasMessage("11 bytes are no image of height 2 and width 2");
        assertThatThrownBy(() -> new Pixels(0, 2, new byte[0]))
                .hasMessage("0 bytes are no image of height 0 and width 2");
    }

    @Test
    void anExampleTravelsBetweenMachines() throws Exception {
        Example example = new Example(7, 2, "cat/1.jpg", Images.places(2, 3));

        assertThat(Copies.sent(example)).isEqualTo(example).hasSameHashCodeAs(example);
        assertThat(example).hasToString("7 cat/1.jpg (class 2, 2 x 3 pixels)");
        assertThat(example).isNotEqualTo(new Example(7, 2, "cat/1.jpg", Images.places(3, 2)));
        assertThat(example).isNotEqualTo(new Example(8, 2, "cat/1.jpg", Images.places(2, 3)));
    }

    @Test
    void anExampleNeedsAnId() {
        assertThatThrownBy(() -> new Example(-1, 0, "a.jpg", Images.places(1, 1)))
                .hasMessage("a.jpg: id -1 must not be negative");
    }
}
