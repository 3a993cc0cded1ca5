package dev.grft.spark.images;

import static org.assertj.core.api.Assertions.assertThat;

import org.apache.hadoop.fs.GlobPattern;
import org.junit.jupiter.api.Test;

class ImageEndingsTest {
    @Test
    void thePatternTakesImagesInUpperOrLowerCase() {
        assertThat(ImageEndings.glob()).isEqualTo("*.{[jJ][pP][gG],[jJ][pP][eE][gG],[pP][nN][gG]}");
        GlobPattern pattern = new GlobPattern(ImageEndings.glob());
        assertThat(new String[] {"a.jpg", "a.b.JPEG", "c.Png"}).allMatch(pattern::matches);
        assertThat(new String[] {"a.jpg.txt", "jpg", "a.gif"}).noneMatch(pattern::matches);
    }

    @Test
    void messagesListTheEndings() {
        assertThat(ImageEndings.list("or")).isEqualTo(".jpg, .jpeg or .png");
    }
}
