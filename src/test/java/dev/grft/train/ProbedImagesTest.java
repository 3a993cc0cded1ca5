package dev.grft.train;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class ProbedImagesTest {
    @Test
    void asManyImagesAreUsedAsTheDriverCanHold() {
        assertThat(Probe.every(1, 768)).isEqualTo(1);
        assertThat(Probe.every(100_000, 768)).isEqualTo(1);
        assertThat(Probe.every(100_001, 768)).isEqualTo(2);
        assertThat(Probe.every(1_281_167, 768)).isEqualTo(13);
        assertThat(Probe.every(100_000, 2048)).as("819 MB").isEqualTo(2);
    }
}
