package dev.grft.report;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.ref.Reference;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

/** With bounds as wide as what else a process of many tests may free or keep meanwhile. */
class MemoryTest {
    private static final long MB = 1 << 20;

    private static long needed(Runnable work) {
        Memory memory = Memory.watch(() -> 0);
        work.run();
        return memory.bytes();
    }

    @Test
    void whatIsHeldCountsAndWhatWasGarbageDoesNot() {
        long before = needed(() -> {});
        byte[] held = new byte[(int) (256 * MB)];
        long with;
        try {
            with = needed(() -> {
                for (int i = 0; i < 20; i++) {
                    assertThat(new byte[(int) (16 * MB)]).isNotEmpty();
                }
            });
        } finally {
            Reference.reachabilityFence(held);
        }

        assertThat(with - before).isBetween(128 * MB, 384 * MB);
    }

    @Test
    void aTrainingAfterALargerOneIsNotChargedForIt() {
        long small = needed(() -> {});
        needed(() -> assertThat(new byte[(int) (256 * MB)]).isNotEmpty());

        assertThat(needed(() -> {}) - small).isLessThan(128 * MB);
    }

    @Test
    void theMostNativeMemoryCountsWhateverIsLeftAtTheEnd() {
        AtomicLong natives = new AtomicLong(0);
        Memory memory = Memory.watch(natives::get);
        natives.set(500 * MB);
        memory.look();
        natives.set(0);

        assertThat(memory.bytes())
                .isBetween(500 * MB, 500 * MB + Runtime.getRuntime().maxMemory());
        assertThat(memory.bytes() - needed(() -> {})).isBetween(372 * MB, 628 * MB);
    }
}
