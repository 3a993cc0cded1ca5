package dev.grft.spark.verbs;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class LinearProbeTest {
    @Test
    void asManyImagesAreUsedAsTheDriverCanHold() {
        assertThat(LinearProbe.every(1, 768)).isEqualTo(1);
        assertThat(LinearProbe.every(100_000, 768)).isEqualTo(1);
        assertThat(LinearProbe.every(100_001, 768)).isEqualTo(2);
        assertThat(LinearProbe.every(1_281_167, 768)).isEqualTo(13);
        assertThat(LinearProbe.every(100_000, 2048)).as("819 MB").isEqualTo(2);
    }
}
