package dev.grft.spark.rounds;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class RefusalsTest {
    @Test
    void manyConnectionsTakeOneLineInTenSeconds() throws Exception {
        AtomicLong now = new AtomicLong(-5);
        Refusals refusals = new Refusals(now::get);
        List<String> warnings = Warnings.of(Refusals.class, () -> {
            for (int i = 0; i < 1000; i++) {
                refusals.add("10.0.0.4:" + i, "it has no token");
            }
            now.addAndGet(TimeUnit.SECONDS.toNanos(10));
            refusals.add("10.0.0.5:1", "it has no token");
            now.addAndGet(TimeUnit.SECONDS.toNanos(10));
            refusals.add("10.0.0.6:1", "it has no token");
        });
        assertThat(warnings)
                .containsExactly(
                        "the connection from 10.0.0.4:0 is closed: it has no token",
                        "the connection from 10.0.0.5:1 is closed: it has no token; 999 more before",
                        "the connection from 10.0.0.6:1 is closed: it has no token");
    }
}
