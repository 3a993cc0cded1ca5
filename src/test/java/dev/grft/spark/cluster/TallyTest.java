package dev.grft.spark.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.data.BrokenImages;
import dev.grft.data.BrokenImages.Broken;
import dev.grft.spark.verbs.OnSpark;
import dev.grft.spark.verbs.Tiny;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class TallyTest extends OnSpark {
    private static final Tally.Listener NOBODY = (handled, broken, tally) -> {};

    /** Has tasks handle images by number; one whose name is null is not broken. */
    private static void handle(Tally tally, int images, int tasks, Naming names) {
        Tally.Counter counter = tally.counter();
        context.parallelize(IntStream.range(0, images).boxed().toList(), tasks).foreach(image -> {
            String name = names.name(image);
            counter.handled(name == null ? "good" : name, name == null ? null : "empty");
        });
    }

    private interface Naming extends java.io.Serializable {
        @org.jspecify.annotations.Nullable
        String name(int image);
    }

    @Test
    void rowsOfTheSameNameAreBrokenEach() {
        AtomicLong seen = new AtomicLong();
        try (Tally tally = new Tally(spark.sparkContext(), (handled, broken, some) -> seen.set(broken))) {
            handle(tally, 100, 4, image -> image < 60 ? "no-bytes" : null);
            Tiny.untilHeard(spark.sparkContext());

            BrokenImages broken = tally.broken();

            assertThat(broken.count()).isEqualTo(60);
            assertThat(broken.total()).isEqualTo(100);
            assertThat(broken.images()).containsExactly(new Broken("no-bytes", "empty"));
            assertThat(seen).as("as tasks end").hasValue(60);
            assertThat(tally.brokenByNow(200))
                    .hasToString("60 of 200 images (30.0 %) are broken [no-bytes: empty; and 59 more]");
        }
    }

    @Test
    void allAreCountedAndSomeAreNamed() {
        try (Tally tally = new Tally(spark.sparkContext(), NOBODY)) {
            handle(tally, 30_000, 12, image -> String.format("%05d", image));

            BrokenImages broken = tally.broken();

            assertThat(broken.count()).isEqualTo(30_000);
            assertThat(broken.images()).hasSize(Tally.NAMED).doesNotHaveDuplicates();
            assertThat(broken.images().stream().map(Broken::name)).isSorted();
        }
    }
}
