package dev.grft.spark.work;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.data.Example;
import dev.grft.data.Pixels;
import dev.grft.report.Progress;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

class PassTest {
    private static final Progress.Meter METER =
            new Progress(new PrintStream(new ByteArrayOutputStream(), true, StandardCharsets.UTF_8)).silent(70);

    private static List<String> jobs(long images, int batchSize, long ofEachJob) {
        List<String> jobs = new ArrayList<>();
        Pass.over(images, batchSize, METER, (from, count) -> {
            jobs.add(from + " " + count);
            return ofEachJob;
        });
        return jobs;
    }

    @Test
    void aPassHasJobsOf16BatchesOfEachShardUntilAllImagesAreDone() {
        assertThat(jobs(70, 2, 32)).containsExactly("0 32", "32 32", "64 32");
        assertThat(jobs(64, 2, 32)).containsExactly("0 32", "32 32");
        assertThat(jobs(0, 2, 32)).isEmpty();
    }

    @Test
    void aPieceHasWholeBatchesAndThereAreAtMost16Pieces() {
        assertThat(Pass.piece(0, 8)).isEqualTo(128);
        assertThat(Pass.piece(16 * 128 - 8, 8)).isEqualTo(128);
        for (int largest : new int[] {2047, 2048, 2049, 100_000, 1_281_167}) {
            int piece = Pass.piece(largest, 8);
            assertThat(piece % 8).isZero();
            assertThat((largest + piece - 1) / piece)
                    .as("pieces of %d", largest)
                    .isBetween(15, 16);
        }
    }

    @Test
    void batchesHoldAllExamplesInTheirOrder() {
        List<Example> examples = LongStream.range(0, 5)
                .mapToObj(id -> new Example(id, 0, "image " + id, new Pixels(1, 1, new byte[3])))
                .toList();
        List<List<Long>> batches = new ArrayList<>();

        Pass.batches(
                examples, 2, some -> batches.add(some.stream().map(Example::id).toList()));

        assertThat(batches).containsExactly(List.of(0L, 1L), List.of(2L, 3L), List.of(4L));
    }
}
