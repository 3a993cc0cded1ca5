package dev.grft.data;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import org.junit.jupiter.api.Test;

class PassedOverTest {
    @Test
    void filesAreCountedByReason() {
        PassedOver passed = new PassedOver();
        assertThat(passed).hasToString("0 files ignored");

        passed.add(".tif", 1);
        passed.add(".webp", 2);
        PassedOver other = new PassedOver();
        other.add(".webp", 3);
        other.note("one sentence");
        passed.add(other);

        assertThat(passed.count()).isEqualTo(6);
        assertThat(passed.reasons()).isEqualTo(Map.of(".tif", 1L, ".webp", 5L));
        assertThat(passed.notes()).containsExactly("one sentence");
        assertThat(passed).hasToString("6 files ignored [5 .webp; 1 .tif]");
    }

    @Test
    void onlyTheMostFrequentReasonsAreShown() {
        PassedOver passed = new PassedOver();
        for (int i = 1; i <= 10; i++) {
            passed.add(".e" + i, i);
        }

        assertThat(passed.toString())
                .startsWith("55 files ignored [10 .e10; 9 .e9; ")
                .endsWith("; 3 .e3; and 2 more reasons]");
    }
}
