package dev.grft.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.Copies;
import dev.grft.UserError;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.AlphaChars;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

class LabelsTest {
    @Test
    void numberedClassesAreNamedByTheirNumbers() {
        assertThat(Labels.numbered(11).names()).containsExactly("0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10");
        assertThat(Labels.numbered(3)).isEqualTo(Labels.of(List.of("2", "0", "1")));
        assertThatThrownBy(() -> Labels.numbered(1)).isInstanceOf(UserError.class);
    }

    @Test
    void namesAreSorted() {
        assertThat(Labels.of(List.of("dog", "Ant", "cat", "dog")).names()).containsExactly("Ant", "cat", "dog");
        assertThat(Labels.of(List.of("10", "9", "b")).names()).containsExactly("10", "9", "b");
    }

    @Test
    void numbersAreSortedByValue() {
        assertThat(Labels.of(List.of("10", "9", "-1", "09", "100000000000000000000"))
                        .names())
                .containsExactly("-1", "09", "9", "10", "100000000000000000000");
    }

    @Test
    void aTrainedHeadKeepsItsOrder() {
        Labels labels = Labels.inOrder(List.of("dog", "cat"));

        assertThat(labels.index("cat")).isEqualTo(1);
        assertThat(labels).isNotEqualTo(Labels.of(List.of("dog", "cat")));
    }

    @Test
    void oneClassIsNotEnough() {
        assertThatThrownBy(() -> Labels.of(List.of("cat", "cat")))
                .isInstanceOf(UserError.class)
                .hasMessage(
                        "found one class only (cat), expected two classes or more; check the folders of the classes,"
                                + " or data.labelColumn");
        assertThatThrownBy(() -> Labels.of(List.of()))
                .isInstanceOf(UserError.class)
                .hasMessage("found no class, expected two classes or more; check the folders of the classes, or"
                        + " data.labelColumn");
    }

    @Test
    void aClassComesOnce() {
        assertThatThrownBy(() -> Labels.inOrder(List.of("cat", "dog", "cat")))
                .isInstanceOf(UserError.class)
                .hasMessage("the class cat appears twice; class names must be unique");
    }

    @Test
    void anUnknownClassIsToldWithTheKnownOnes() {
        assertThatThrownBy(() -> Labels.of(List.of("cat", "dog")).index("cow"))
                .isInstanceOf(UserError.class)
                .hasMessage("unknown class cow, known are cat, dog");
        assertThatThrownBy(() -> Labels.of(IntStream.range(0, 100)
                                .mapToObj(Integer::toString)
                                .toList())
                        .index("cow"))
                .hasMessageEndingWith("17, 18, 19 and 80 more");
    }

    @Test
    void nobodyHasLabeledAnything() {
        assertThat(Labels.none().size()).isZero();
        assertThat(Labels.none().contains("cat")).isFalse();
    }

    @Property(tries = 100)
    void aNameIsFoundAtItsIndexOnAnotherMachine(@ForAll @Size(min = 2) Set<@AlphaChars String> names) throws Exception {
        Labels labels = Labels.of(names);

        assertThat(labels.size()).isEqualTo(names.size());
        assertThat(Copies.sent(labels)).isEqualTo(labels).hasSameHashCodeAs(labels);
        for (String name : names) {
            assertThat(labels.contains(name)).isTrue();
            assertThat(labels.name(labels.index(name))).isEqualTo(name);
        }
    }

    @Test
    void ofEquallyLikelyClassesTheFirstIsPredicted() {
        assertThat(Labels.likeliest(new float[] {0.2f, 0.4f, 0.4f})).isEqualTo(1);
        assertThat(Labels.likeliest(new float[] {0.2f, 0.3f, 0.3f, 0.1f, 0.1f}, 4))
                .containsExactly(1, 2, 0, 3);
        assertThat(Labels.likeliest(new float[] {0, 1e-30f, 1}, 9)).containsExactly(2, 1, 0);
    }
}
