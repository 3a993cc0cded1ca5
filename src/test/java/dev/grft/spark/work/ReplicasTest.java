package dev.grft.spark.work;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.Penalty;
import dev.grft.Task;
import dev.grft.bench.Setup;
import dev.grft.config.Settings;
import dev.grft.data.Batch;
import dev.grft.spark.cluster.Device;
import dev.grft.spark.cluster.NativeMemory;
import dev.grft.spark.verbs.OnSpark;
import dev.grft.spark.verbs.Tiny;
import dev.grft.train.Initial;
import dev.grft.train.Network;
import dev.grft.train.Replica;
import dev.grft.tuning.SliceTuning;
import dev.grft.vit.VitConfig;
import dev.grft.vit.Weights;
import dev.grft.vit.kernels.Memory;
import java.io.ByteArrayOutputStream;
import java.io.ObjectOutputStream;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class ReplicasTest extends OnSpark {
    private static final VitConfig CONFIG = Tiny.CONFIG.withClasses(3);

    private static final Batch BATCH = Batch.of(List.of(Setup.example(CONFIG, 0)), Setup.preprocess(CONFIG));

    private static ModelBroadcast model(long seed) {
        return ModelBroadcast.of(context, CONFIG, Initial.vit(CONFIG, seed));
    }

    private static Replicas.Recipe recipe(ModelBroadcast model) {
        Settings settings = Tiny.settings(List.of());
        SliceTuning tuning = SliceTuning.headOnly();
        return new Replicas.Recipe(
                context,
                model,
                tuning,
                Network.configuration(tuning.layout(model.config()), settings.training(), Penalty.NONE, 1, 1),
                true,
                new Device("cpu", 1, false));
    }

    private static Replica network(Replicas.Recipe recipe) {
        return Replicas.with(recipe, replica -> replica);
    }

    private static Weights weights(ModelBroadcast model) {
        return Replicas.withWeights(model, Memory.ND4J, weights -> weights);
    }

    @Test
    void manyTasksOfAJvmShareOneNativeCopyOfTheWeights() {
        try (ModelBroadcast model = model(1)) {
            List<Integer> seen = context.parallelize(
                            IntStream.range(0, 12).boxed().toList(), 12)
                    .map(task -> Replicas.withWeights(model, Memory.ND4J, System::identityHashCode))
                    .collect();

            assertThat(seen).hasSize(12).containsOnly(System.identityHashCode(weights(model)));
            assertThat(weights(model).bytes()).isEqualTo(4 * CONFIG.backboneParameters());
        }
    }

    @AfterEach
    void memoryIsNotShortAnyMore() {
        Replicas.left(NativeMemory::left);
    }

    @Test
    void severalModelsStayWhileThereIsMemory() {
        try (ModelBroadcast first = model(1);
                ModelBroadcast second = model(2)) {
            Weights old = weights(first);
            Weights present = weights(second);

            assertThat(present).isNotSameAs(old);
            assertThat(weights(first)).isSameAs(old);
            assertThat(weights(second)).isSameAs(present);
        }
    }

    @Test
    void whatWasNotUsedForLongestGoesWhenMemoryIsShort() {
        try (ModelBroadcast first = model(1);
                ModelBroadcast second = model(2);
                ModelBroadcast third = model(3)) {
            Weights one = weights(first);
            Weights two = weights(second);
            weights(first);
            Replicas.left(wanted -> two.bytes() > 0 ? -1 : Long.MAX_VALUE); // until the second is gone

            Weights three = weights(third);

            assertThat(two.bytes()).as("of the second, not used for longest").isZero();
            assertThat(one.bytes()).isPositive();
            assertThat(weights(second).bytes()).as("asked for again").isPositive();
            Replicas.left(wanted -> -1);
            Replicas.withWeights(first, Memory.ND4J, inUse -> {
                assertThat(weights(second).bytes()).as("used last").isPositive();
                assertThat(three.bytes()).isZero();
                assertThat(inUse.bytes()).as("in use").isPositive();
                return 0;
            });
        }
    }

    @Test
    void headsOfAnySizeStandOnOneCopyOfTheWeights() {
        try (ModelBroadcast three = model(1)) {
            ModelBroadcast many = three.withHead(1000, Task.SINGLE_LABEL);
            long before = Replicas.copies();

            for (int batch = 0; batch < 8; batch++) {
                assertThat(network(recipe(three)).layout().size()).isEqualTo(3 * (CONFIG.width() + 1));
                assertThat(network(recipe(many)).layout().size()).isEqualTo(1000 * (CONFIG.width() + 1));
            }

            assertThat(Replicas.copies() - before).isEqualTo(1);
        }
    }

    @Test
    void theNetworksOfARecipeGoWhenItsWorkIsOver() {
        try (ModelBroadcast model = model(1)) {
            weights(model);
            long before = Replicas.withoutScratch();
            Replicas.Recipe recipe = recipe(model);
            network(recipe);
            long with = Replicas.withoutScratch();

            recipe.close();

            assertThat(Replicas.withoutScratch())
                    .isLessThan(with)
                    .as("or less, if the garbage collector finds models of other tests")
                    .isLessThanOrEqualTo(before);
            assertThatThrownBy(() -> network(recipe)).hasMessageStartingWith("the work is over");
        }
    }

    @Test
    void aRecipeIsSentOnceNotWithEachJob() throws Exception {
        try (ModelBroadcast model = model(1)) {
            ByteArrayOutputStream closure = new ByteArrayOutputStream();
            try (ObjectOutputStream out = new ObjectOutputStream(closure)) {
                out.writeObject(recipe(model));
            }

            assertThat(closure.size()).isLessThan(4096);
        }
    }

    @Test
    void aModelThatIsClosedLeavesTheMemory() {
        ModelBroadcast model = model(1);
        Weights weights = weights(model);

        model.close();

        assertThat(weights.bytes()).isZero();
    }

    @Test
    void theWeightsStayAsLongAsATaskWorksWithThem() {
        ModelBroadcast model = model(1);

        Weights weights = Replicas.withWeights(model, Memory.ND4J, inUse -> {
            model.close();
            assertThat(inUse.bytes()).as("in use").isPositive();
            return inUse;
        });

        assertThat(weights.bytes()).as("after the last task").isZero();
    }

    @Test
    void aNetworkIsUsedAgainButNotByTwoTasksAtOnce() {
        try (ModelBroadcast model = model(1)) {
            Replicas.Recipe recipe = recipe(model);

            Replica first = network(recipe);

            assertThat(network(recipe)).isSameAs(first);
            Replica[] two = Replicas.with(recipe, one -> Replicas.with(recipe, other -> new Replica[] {one, other}));
            assertThat(two[0]).isNotSameAs(two[1]);
            assertThat(network(recipe(model))).isNotIn(two[0], two[1]);
            assertThat(network(recipe)).as("stays beside the other recipe").isIn(two[0], two[1]);
        }
    }

    @Test
    void theNetworkOfATaskThatFailedIsNotUsedAgain() {
        try (ModelBroadcast model = model(1)) {
            Replicas.Recipe recipe = recipe(model);
            Replica[] failed = new Replica[1];

            assertThatThrownBy(() -> Replicas.with(recipe, replica -> {
                        failed[0] = replica;
                        throw new IllegalStateException("half-way");
                    }))
                    .hasMessage("half-way");

            assertThat(network(recipe)).isNotSameAs(failed[0]);
        }
    }

    @Test
    void aNetworkGoesWithTheWeightsThatWereTakenBackMeanwhile() {
        ModelBroadcast model = model(1);
        Replicas.Recipe recipe = recipe(model);
        long before = Replicas.withoutScratch();

        Replicas.with(recipe, replica -> {
            model.close();
            return replica.probabilities(BATCH);
        });

        assertThat(Replicas.withoutScratch()).isLessThanOrEqualTo(before);
        assertThatThrownBy(() -> network(recipe)).hasMessageStartingWith("the work is over");
    }
}
