package dev.grft.spark.work;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.Copies;
import dev.grft.UserError;
import dev.grft.config.Settings;
import dev.grft.data.Augment;
import dev.grft.data.Batch;
import dev.grft.data.Example;
import dev.grft.data.ImageRecipe;
import dev.grft.data.Pixels;
import dev.grft.data.Preprocess;
import dev.grft.data.Target;
import dev.grft.spark.images.ExampleShards;
import dev.grft.spark.images.Shard;
import dev.grft.spark.verbs.Tiny;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.junit.jupiter.api.Test;

class BalanceTest {
    private static final int SHARDS = 4;
    private static final int[] SIZES = {400, 80, 15, 0, 3
    }; // of classes; class 3 has no image, class 4 none in one shard
    private static final Preprocess PREPROCESS =
            new Preprocess(8, 8, Preprocess.Crop.CENTER, ImageRecipe.same(0.5f, 0.5f, 1));

    private final JavaSparkContext context =
            JavaSparkContext.fromSparkContext(Tiny.spark("local[2,3]").sparkContext());

    private JavaRDD<Shard> shards(float weight) {
        List<List<Example>> shards = new ArrayList<>();
        IntStream.range(0, SHARDS).forEach(shard -> shards.add(new ArrayList<>()));
        int id = 0;
        for (int label = 0; label < SIZES.length; label++) {
            for (int i = 0; i < SIZES[label]; i++, id++) {
                Pixels pixels = new Pixels(8, 8, new byte[192]);
                shards.get(id % SHARDS)
                        .add(new Example(
                                id, Target.ofClass(label), "image " + id, pixels, null, weight * (1 + id % 2)));
            }
        }
        return ExampleShards.of(context.parallelize(shards, SHARDS).flatMap(List::iterator));
    }

    private static Sampler sampler(Balance balance) {
        return new Sampler(
                PREPROCESS,
                new Augment(false, 1, 1, 1, 1, true, 7),
                balance,
                Tiny.settings(List.of("training.batchSize=64", "training.shards=" + SHARDS))
                        .training(),
                7,
                0);
    }

    @Test
    void weightsAreScikitLearnsOfTheClassesThatHaveImages() {
        float[] weights = Balance.of(shards(1), SIZES.length, "weights").weights();
        double mean = 1.5; // of the images' own: every second one counts twice
        double sum = 0;
        for (int k = 0; k < SIZES.length; k++) {
            double expected = SIZES[k] == 0 ? 1 : 498 / (4.0 * SIZES[k]);
            assertThat(weights[k]).isCloseTo((float) (expected / mean), org.assertj.core.data.Offset.offset(1e-5f));
            sum += SIZES[k] * weights[k];
        }
        assertThat(sum * mean / 498).isCloseTo(1, org.assertj.core.data.Offset.offset(1e-6));
    }

    @Test
    void weightsOfImagesHaveAMeanOfOneWhateverTheirScale() {
        assertThat(Balance.of(shards(1), SIZES.length, "none").weights()).containsOnly(2 / 3f);
        assertThat(Balance.of(shards(1024), SIZES.length, "none").weights()).containsOnly(2 / 3f / 1024);
        assertThatThrownBy(() -> Balance.of(shards(0), SIZES.length, "none"))
                .isInstanceOf(UserError.class)
                .hasMessage("all images have weight 0, expected at least one above 0");
    }

    @Test
    void theLossOfChanceOfSeveralClassesIsTheEntropyOfTheirFrequencies() {
        double rare = -0.003 * Math.log(0.003) - 0.997 * Math.log(0.997);
        assertThat(Balance.entropy(new int[] {3, 500, 0, 1000}, 1000))
                .isCloseTo((rare + Math.log(2)) / 4, org.assertj.core.data.Offset.offset(1e-12));
    }

    @Test
    void drawsAreDividedBetweenPairsThatAreMixed() {
        Settings settings =
                Tiny.settings(List.of("training.batchSize=36", "training.shards=" + SHARDS, "augmentation.mixup=0.8"));
        Sampler sampler = new Sampler(
                PREPROCESS,
                settings.augmentation().toAugment(7),
                Balance.of(shards(1), SIZES.length, "sampler"),
                settings.training(),
                7,
                0);
        List<List<Integer>> sizes = shards(1)
                .mapPartitionsWithIndex(
                        (number, part) -> {
                            Shard shard = part.next();
                            List<List<Integer>> some = new ArrayList<>();
                            for (long step = 0; step < 20; step++) {
                                some.add(sampler.batches(number, shard, step).stream()
                                        .map(Batch::size)
                                        .toList());
                            }
                            return some.iterator();
                        },
                        true)
                .collect();

        assertThat(sizes).anyMatch(some -> some.size() > 1);
        assertThat(sizes)
                .allSatisfy(some -> assertThat(some.subList(0, Math.max(0, some.size() - 1)))
                        .allMatch(size -> size % 2 == 0));
    }

    @Test
    void everyClassIsDrawnAsOftenAsAnyOtherFromShardsInTurn() {
        Sampler sampler = sampler(Balance.of(shards(1), SIZES.length, "sampler"));
        int steps = 200;
        List<List<int[]>> labels = shards(1)
                .mapPartitionsWithIndex(
                        (number, part) -> {
                            Shard shard = part.next();
                            List<int[]> some = new ArrayList<>();
                            for (long step = 0; step < steps; step++) {
                                some.add(sampler.batches(number, shard, step).stream()
                                        .flatMapToInt(batch -> IntStream.of(batch.labels()))
                                        .toArray());
                            }
                            return List.of(some).iterator();
                        },
                        true)
                .collect();

        int[] seen = new int[SIZES.length];
        for (int step = 0; step < steps; step++) {
            int taken = 0;
            for (int shard = 0; shard < SHARDS; shard++) {
                int[] part = labels.get(shard).get(step);
                double mean =
                        labels.get(shard).stream().mapToInt(each -> each.length).sum() / (double) steps;
                assertThat((double) part.length).isBetween(mean - 3, mean + 3);
                taken += part.length;
                IntStream.of(part).forEach(label -> seen[label]++);
            }
            assertThat(taken).isEqualTo(64);
        }
        for (int k = 0; k < SIZES.length; k++) { // a standard deviation is 0.004
            assertThat(seen[k] / (64.0 * steps)).isBetween(SIZES[k] == 0 ? 0 : 0.235, SIZES[k] == 0 ? 0 : 0.265);
        }
    }

    @Test
    void anImageThatIsDrawnTwiceIsChangedTwiceAndDrawsAreTheSameAnywhere() throws Exception {
        Sampler sampler = sampler(Balance.of(shards(1), SIZES.length, "sampler"));
        Sampler elsewhere = (Sampler) Copies.sent(sampler);
        List<List<Long>> seeds = shards(1)
                .mapPartitionsWithIndex(
                        (number, part) -> {
                            Shard shard = part.next();
                            return List.of(List.of(
                                            seeds(sampler, number, shard, 3), seeds(elsewhere, number, shard, 3)))
                                    .iterator();
                        },
                        true)
                .flatMap(List::iterator)
                .collect();

        for (int shard = 0; shard < SHARDS; shard++) {
            assertThat(seeds.get(2 * shard)).doesNotHaveDuplicates().isEqualTo(seeds.get(2 * shard + 1));
        }
    }

    private static List<Long> seeds(Sampler sampler, int number, Shard shard, long step) {
        return new ArrayList<>(sampler.batches(number, shard, step).stream()
                .map(Batch::seeds)
                .flatMapToLong(java.util.Arrays::stream)
                .boxed()
                .toList());
    }
}
