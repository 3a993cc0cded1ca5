package dev.grft.cost;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.data.Offset.offset;

import dev.grft.config.Config;
import dev.grft.vit.VitConfig;
import java.util.Arrays;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** How long executors wait for images; the numbers are computed by hand. */
class FeedingTest {
    private static Executor gpu(double tflops, int tasks, Feed feed) {
        return new Executor(1e3 * tflops, true, tasks, 100, feed, Round.COUNTED);
    }

    private static CostModel costs(String... sets) {
        return CostModel.of(
                VitConfig.preset("vit_base_patch16_224", 100),
                Config.load(List.of(), List.of(sets), new Configuration()));
    }

    private static Percentage percent() {
        return Percentage.withPercentage(1e-6);
    }

    @Test
    void aGpuWaitsForTheOneTaskThatPreparesItsImages() {
        CostModel costs = costs("training.batchSize=64", "training.shards=4", "engine.rounds=jobs");
        double computes = costs.step(1, gpu(60, 1, Feed.NONE)).computing();
        CostModel.Step fed = costs.step(1, gpu(60, 1, new Feed(8, 8, 100, 500)));
        assertThat(fed.computing()).isEqualTo(computes);
        assertThat(fed.feeding()).as("64 images, one after the other").isCloseTo(64 / 500.0, percent());
        assertThat(costs.step(2, gpu(60, 1, new Feed(8, 8, 100, 500))).feeding())
                .isCloseTo(32 / 500.0, percent());
    }

    /** Two tasks of a GPU, four shards; a shard computes in 1 and is prepared in 2.5: computed from 2.5, 3.5, 6 and 7 on, the last ends at 8. */
    @Test
    void tasksThatShareAGpuPrepareWhileAnotherComputes() {
        CostModel costs = costs("training.batchSize=64", "training.shards=4", "engine.rounds=jobs");
        double shard = costs.step(1, gpu(60, 1, Feed.NONE)).computing() / 4;
        Feed feed = new Feed(16, 16, 100, 16 / (2.5 * shard));
        assertThat(costs.step(1, gpu(60, 2, feed)).feeding()).isCloseTo((8 - 4) * shard, percent());
        assertThat(costs.step(1, gpu(60, 1, feed)).feeding()).isCloseTo(4 * 2.5 * shard, percent());
        assertThat(costs.step(1, gpu(60, 4, new Feed(2, 2, 100, feed.step()))).feeding())
                .as("four tasks on two cores")
                .isCloseTo((8 - 4) * shard, percent());
    }

    /** A job begins when its parameters are there: nothing is prepared before, so each GPU waits for the first of its three shards. */
    @Test
    void theFirstPreparationOfAJobIsNeverHidden() {
        CostModel costs = costs("training.batchSize=96", "training.shards=12", "engine.rounds=jobs");
        double shard = costs.step(4, gpu(60, 1, Feed.NONE)).computing() / 3;
        for (double prepares : new double[] {0.1, 1.1, 1.9}) {
            Feed feed = new Feed(16, 16, 100, 8 / (prepares * shard));
            assertThat(costs.step(4, gpu(60, 3, feed)).feeding()).isCloseTo(prepares * shard, percent());
        }
    }

    /** One task, four shards, all in units of a shard's computing; the rest of a round is 0.5. */
    @ParameterizedTest
    @CsvSource({
        "1, 0.9, 0", // each batch is ready before the one before is computed
        "1, 1.4, 3 * 0.4", // the last of a step has the rest, too
        "1, 2.5, 3 * 1.5 + 1",
        "2, 1.9, 0", // two shards are prepared while two compute
        "2, 2.4, 0.4",
        "2, 3, 1 + 0.5",
        "4, 4.4, 0",
    })
    void standingTasksOnAGpuPrepareWhileItComputes(int tasks, double prepares, String waits) {
        CostModel costs = costs("training.batchSize=64", "training.shards=4");
        Executor none = new Executor(1e4, true, 1, Double.POSITIVE_INFINITY, Feed.NONE, new Round(0.0, 0));
        double shard = costs.step(1, none).computing() / 4;
        Feed feed = new Feed(16, 16, 100, 16 / (prepares * shard));
        Executor fed = new Executor(1e4, true, tasks, Double.POSITIVE_INFINITY, feed, new Round(0.5 * shard, 0));
        double expected = Arrays.stream(waits.split(" \\+ "))
                .mapToDouble(product -> Arrays.stream(product.split(" \\* "))
                        .mapToDouble(Double::parseDouble)
                        .reduce(1, (a, b) -> a * b))
                .sum();
        assertThat(costs.step(1, fed).feeding() / shard).isCloseTo(expected, offset(1e-9));
    }

    /** A shard of 16 images in 4 batches: the wait for the first one is hidden by the rest, all others by computing. */
    @Test
    void aGpuPreparesTheNextPartOfAShardToo() {
        Executor none = new Executor(1e4, true, 1, Double.POSITIVE_INFINITY, Feed.NONE, new Round(0.0, 0));
        CostModel costs = costs("training.batchSize=64", "training.shards=4", "training.microBatch=4");
        double part = costs.step(1, none).computing() / 16;
        Executor fed = new Executor(
                1e4, true, 1, Double.POSITIVE_INFINITY, new Feed(1, 1, 100, 4 / (3 * part)), new Round(5 * part, 0));
        assertThat(costs.step(1, fed).feeding()).isCloseTo(15 * 2 * part, percent());
        CostModel local =
                costs("training.batchSize=64", "training.shards=4", "training.microBatch=4", "training.syncEvery=4");
        assertThat(local.step(1, fed).feeding())
                .as("three of four steps have no rest")
                .isCloseTo((3 * 16 + 15) / 4.0 * 2 * part, percent());
    }

    /** On a CPU the core prepares while it waits for the round, and no longer than that. */
    @Test
    void standingTasksOnCpusPrepareTheFirstBatchWhileTheyWait() {
        CostModel costs = costs("training.batchSize=64", "training.shards=8", "training.microBatch=4");
        for (double rest : new double[] {0.003, 0.5}) {
            Executor executor =
                    new Executor(100, false, 2, Double.POSITIVE_INFINITY, new Feed(2, 2, 100, 500), new Round(rest, 0));
            assertThat(costs.step(1, executor).feeding())
                    .isCloseTo(4 * 8 / 500.0 - Math.min(4 / 500.0, rest), percent());
        }
    }
}
