package dev.grft.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.UserError;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class BrokenImagesTest {
    private static BrokenImages broken(int count, long total) {
        return new BrokenImages(
                IntStream.range(0, count)
                        .mapToObj(i -> new BrokenImages.Broken(i + ".jpg", "empty"))
                        .toList(),
                total);
    }

    @Test
    void aShareUpToTheLimitIsAccepted() {
        assertThat(broken(1, 100).share()).isEqualTo(0.01);
        assertThatCode(() -> broken(1, 100).check(0.01, "/data")).doesNotThrowAnyException();
        assertThatCode(() -> broken(0, 0).check(0, "/data")).doesNotThrowAnyException();
    }

    @Test
    void aShareAboveTheLimitIsRefusedWithTheFirstFew() {
        assertThatThrownBy(() -> broken(2, 100).check(0.01, "/data"))
                .isInstanceOf(UserError.class)
                .hasMessage("/data: 2 of 100 images (2.0 %) are broken [0.jpg: empty; 1.jpg: empty], data.maxBroken"
                        + " allows 1.0 %; mend or remove them, or raise data.maxBroken");
        assertThatThrownBy(() -> broken(7, 8).check(0, "/data"))
                .hasMessageContaining("(87.5 %)")
                .hasMessageContaining("4.jpg: empty; and 2 more]");
    }

    @Test
    void imagesWithoutANameCount() {
        BrokenImages most = new BrokenImages(List.of(new BrokenImages.Broken("a.jpg", "empty")), 12, 100);

        assertThat(most.count()).isEqualTo(12);
        assertThat(most.share()).isEqualTo(0.12);
        assertThat(most).hasToString("12 of 100 images (12.0 %) are broken [a.jpg: empty; and 11 more]");
    }

    @Test
    void theReportIsASentence() {
        assertThat(broken(0, 3)).hasToString("0 of 3 images (0.0 %) are broken");
    }

    @Test
    void nonsenseIsRefused() {
        assertThatThrownBy(() -> new BrokenImages(List.of(new BrokenImages.Broken("a", "b")), 0))
                .hasMessage("1 broken images of 0, 1 named");
        assertThatThrownBy(() -> new BrokenImages(List.of(new BrokenImages.Broken("a", "b")), 0, 5))
                .hasMessage("0 broken images of 5, 1 named");
        assertThatThrownBy(() -> broken(0, 1).check(Double.NaN, "/data"))
                .hasMessage("the limit of broken images must be in [0, 1], got NaN");
    }
}
