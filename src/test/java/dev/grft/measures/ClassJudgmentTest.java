package dev.grft.measures;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class ClassJudgmentTest {
    @Test
    void ofEqualProbabilitiesTheLowerClassComesFirst() {
        ClassJudgment judgment = new ClassJudgment(7, "c.png", 2, new float[] {0.125f, 0.375f, 0.375f, 0.125f});

        assertThat(judgment.predicted).isEqualTo(1);
        assertThat(judgment.probability).isEqualTo(0.375f);
        assertThat(judgment.ofLabel).isEqualTo(0.375f);
        assertThat(judgment.above).isEqualTo(1);
        assertThat(new ClassJudgment(7, "c.png", 3, new float[] {0.125f, 0.375f, 0.375f, 0.125f}).above)
                .isEqualTo(3);
    }
}
