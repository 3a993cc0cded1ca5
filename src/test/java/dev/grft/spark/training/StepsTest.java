package dev.grft.spark.training;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.config.Settings;
import dev.grft.spark.verbs.Tiny;
import java.util.List;
import org.junit.jupiter.api.Test;

class StepsTest {
    private static Settings settings(String... more) {
        return Tiny.settings(List.of(more));
    }

    @Test
    void imagesAreShownAgainInASecondEpochOfAPart() {
        Settings settings = settings("training.batchSize=4", "training.epochs=3");
        Steps steps = new Steps(settings.training(), 18);
        List<Long> ends = steps.ends(1);
        assertThat(ends).containsExactly(5L, 9L, 14L);
        assertThat(steps.repeat(0, ends.get(0), settings.data())).isFalse();
        assertThat(steps.repeat(ends.get(1), ends.get(2), settings.data())).isFalse();
        assertThat(steps.repeat(0, ends.get(1), settings.data())).isTrue();
        assertThat(steps.repeat(0, 5, settings("data.balance=sampler").data()))
                .as("drawn with replacement")
                .isTrue();
    }
}
