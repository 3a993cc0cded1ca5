package dev.grft.spark.images;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class ImageEndingsTest {
    @Test
    void imagesAreToldByTheirEndingInUpperOrLowerCase() {
        assertThat(new String[] {"a.jpg", "a.b.JPEG", "c.Png", "d.jfif", "e.JPE", ".jpg"})
                .allMatch(ImageEndings::isImage);
        assertThat(new String[] {"a.jpg.txt", "jpg", "a.gif", "a.", ""}).noneMatch(ImageEndings::isImage);
    }

    @Test
    void whatIsNoImageIsPassedOverByItsEnding() {
        assertThat(ImageEndings.reason("a.b.WebP")).isEqualTo(".webp");
        assertThat(ImageEndings.reason("README")).isEqualTo("without an ending");
        assertThat(ImageEndings.reason("a.")).isEqualTo("without an ending");
    }

    @Test
    void messagesListTheEndings() {
        assertThat(ImageEndings.list("or")).isEqualTo(".jpg, .jpeg, .jfif, .jpe or .png");
    }
}
