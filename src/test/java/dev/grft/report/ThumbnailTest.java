package dev.grft.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.grft.data.Pixels;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.util.Base64;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;

class ThumbnailTest {
    private static BufferedImage read(String uri) throws Exception {
        return ImageIO.read(new ByteArrayInputStream(Base64.getDecoder().decode(uri.substring(uri.indexOf(',') + 1))));
    }

    @Test
    void aSmallImageKeepsItsPixels() throws Exception {
        byte[] rgb = {(byte) 255, 0, 0, 0, (byte) 200, 0, 0, 0, (byte) 150, 1, 2, 3, 4, 5, 6, 7, 8, 9};

        String uri = Thumbnail.of(new Pixels(2, 3, rgb));

        BufferedImage image = read(uri);
        assertThat(uri).startsWith("data:image/png;base64,");
        assertThat(image.getWidth()).isEqualTo(3);
        assertThat(image.getHeight()).isEqualTo(2);
        assertThat(image.getRGB(0, 0)).isEqualTo(0xffff0000);
        assertThat(image.getRGB(1, 0)).isEqualTo(0xff00c800);
        assertThat(image.getRGB(2, 1)).isEqualTo(0xff070809);
    }

    @Test
    void aPhotoShrinksInProportionToTheMeanOfItsPixels() throws Exception {
        byte[] rgb = new byte[3 * 192 * 384];
        for (int i = 0; i < rgb.length; i++) {
            rgb[i] = (byte) (i / 3 % 384 < 192 ? 20 : 220);
        }

        String uri = Thumbnail.of(new Pixels(192, 384, rgb));

        BufferedImage image = read(uri);
        assertThat(uri).startsWith("data:image/jpeg;base64,").hasSizeLessThan(8000);
        assertThat(image.getWidth()).isEqualTo(96);
        assertThat(image.getHeight()).isEqualTo(48);
        assertThat(image.getRGB(10, 20) & 255).isCloseTo(20, within(4));
        assertThat(image.getRGB(85, 20) & 255).isCloseTo(220, within(4));
    }
}
