package dev.grft.spark.images;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class ImageEndingsTest {
    @Test
    void imagesAreToldByTheirEndingInUpperOrLowerCase() {
        assertThat(new String[] {"a.jpg", "a.b.JPEG", "c.Png", "d.jfif", "e.JPE", ".jpg", "f.webp", "g.TIFF", "h.gif"})
                .allMatch(ImageEndings::isImage);
        assertThat(new String[] {"a.jpg.txt", "jpg", "a.svg", "a.heic", "a.", ""})
                .noneMatch(ImageEndings::isImage);
    }

    @Test
    void whatIsNoImageIsPassedOverByItsEnding() {
        assertThat(ImageEndings.reason("a.b.WebP")).isEqualTo(".webp");
        assertThat(ImageEndings.reason("README")).isEqualTo("without an ending");
        assertThat(ImageEndings.reason("a.")).isEqualTo("without an ending");
    }

    @Test
    void messagesListTheEndings() {
        assertThat(ImageEndings.list("or"))
                .isEqualTo(".jpg, .jpeg, .jfif, .jpe, .mpo, .webp, .gif, .bmp, .tif, .tiff or .png");
    }
}
