package dev.grft.spark.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class ClosingTest {
    private final List<String> closed = new ArrayList<>();

    private AutoCloseable part(String name, Throwable failure) {
        return () -> {
            closed.add(name);
            if (failure instanceof Exception e) {
                throw e;
            }
            if (failure instanceof Error e) {
                throw e;
            }
        };
    }

    @Test
    void aPartThatFailsKeepsNoOtherOneOpen() {
        RuntimeException first = new IllegalStateException("images");
        Error second = new AssertionError("gauges");

        assertThatThrownBy(() -> Closing.all(
                        part("images", first),
                        part("watch", null),
                        part("gauges", second),
                        part("again", first),
                        part("tracking", null)))
                .isSameAs(first)
                .hasSuppressedException(second);
        assertThat(first.getSuppressed()).containsExactly(second);
        assertThat(closed).containsExactly("images", "watch", "gauges", "again", "tracking");
    }

    @Test
    void anErrorPassesAsItIsAndACheckedExceptionAsACause() {
        Error error = new AssertionError("a");
        assertThatThrownBy(() -> Closing.all(part("a", error))).isSameAs(error);
        IOException checked = new IOException("b");
        assertThatThrownBy(() -> Closing.all(part("b", checked))).hasCause(checked);
        Closing.all(part("c", null));
        assertThat(closed).containsExactly("a", "b", "c");
    }
}
