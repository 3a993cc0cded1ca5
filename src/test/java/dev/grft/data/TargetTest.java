package dev.grft.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.Task;
import dev.grft.UserError;
import org.junit.jupiter.api.Test;

class TargetTest {
    @Test
    void imagesOfOneClassShareATarget() {
        assertThat(Target.ofClass(3)).isSameAs(Target.ofClass(3)).isNotEqualTo(Target.ofClass(4));
        assertThat(Target.ofClass(Example.UNLABELED)).isSameAs(Target.NONE);
        assertThat(Target.ofClass(3).shared()).isSameAs(Target.ofClass(3));
        assertThat(Target.ofClass(1 << 17)).isEqualTo(Target.ofClass(1 << 17));
    }

    @Test
    void anImageThatShowsNoneOfTheClassesIsKnownToShowNone() {
        assertThat(Target.NONE.known()).isFalse();
        assertThat(Target.ofClasses().known()).isTrue();
        assertThat(Target.ofClasses()).isNotEqualTo(Target.NONE);
    }

    @Test
    void classesAreASet() {
        Target target = Target.ofClasses(2, 0, 2);

        assertThat(target.classes()).containsExactly(0, 2);
        assertThat(target).isEqualTo(Target.ofClasses(0, 2)).hasToString("classes [0, 2]");
        assertThat(target.has(2)).isTrue();
        assertThat(target.has(1)).isFalse();
        assertThat(Target.NONE.has(Example.UNLABELED)).isFalse();
        assertThatThrownBy(() -> Target.ofClasses(-1)).hasMessageContaining("negative");
    }

    @Test
    void aTargetFillsTheRowOfTheHeadsOutputs() {
        float[] rows = new float[9];
        Target.ofClass(1).fill(rows, 0, 3);
        Target.ofClasses(0, 2).fill(rows, 3, 3);
        Target.ofValues(1.5f, -2, 0).fill(rows, 6, 3);

        assertThat(rows).containsExactly(0, 1, 0, 1, 0, 1, 1.5f, -2, 0);
    }

    @Test
    void valuesAreFinite() {
        assertThatThrownBy(() -> Target.ofValues(1, Float.NaN)).hasMessageContaining("NaN must be finite");
    }

    @Test
    void tasksHaveTheNamesOfSettingsAndOfTransformers() {
        assertThat(Task.of("multi-label", "data.task")).isEqualTo(Task.MULTI_LABEL);
        assertThat(Task.SINGLE_LABEL.problemType()).isEqualTo("single_label_classification");
        assertThat(Task.MULTI_LABEL.problemType()).isEqualTo("multi_label_classification");
        assertThat(Task.REGRESSION.problemType()).isEqualTo("regression");
        assertThatThrownBy(() -> Task.of("ranking", "data.task"))
                .isInstanceOf(UserError.class)
                .hasMessage("data.task: unknown task 'ranking'; expected one of single-label, multi-label, regression");
    }
}
