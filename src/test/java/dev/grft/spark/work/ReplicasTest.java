package dev.grft.spark.work;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.Penalty;
import dev.grft.config.Settings;
import dev.grft.spark.cluster.Device;
import dev.grft.spark.verbs.OnSpark;
import dev.grft.spark.verbs.Tiny;
import dev.grft.train.Initial;
import dev.grft.train.Network;
import dev.grft.train.Replica;
import dev.grft.tuning.SliceTuning;
import dev.grft.vit.VitConfig;
import dev.grft.vit.Weights;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ReplicasTest extends OnSpark {
    private static final VitConfig CONFIG = Tiny.CONFIG.withClasses(3);

    private static ModelBroadcast model(long seed) {
        return ModelBroadcast.of(context, CONFIG, Initial.vit(CONFIG, seed));
    }

    private static Replicas.Recipe recipe(ModelBroadcast model) {
        Settings settings = Tiny.settings(List.of());
        SliceTuning tuning = SliceTuning.headOnly();
        return new Replicas.Recipe(
                model,
                tuning,
                Network.configuration(tuning.layout(CONFIG), settings.training(), Penalty.NONE, 1, 1),
                true,
                new Device("cpu", 1, false));
    }

    private static Replica network(Replicas.Recipe recipe) {
        return Replicas.with(recipe, replica -> replica);
    }

    private static Weights weights(ModelBroadcast model) {
        return Replicas.withWeights(model, weights -> weights);
    }

    @Test
    void manyTasksOfAJvmShareOneNativeCopyOfTheWeights() {
        try (ModelBroadcast model = model(1)) {
            List<Integer> seen = context.parallelize(
                            IntStream.range(0, 12).boxed().toList(), 12)
                    .map(task -> Replicas.withWeights(model, System::identityHashCode))
                    .collect();

            assertThat(seen).hasSize(12).containsOnly(System.identityHashCode(weights(model)));
            assertThat(weights(model).bytes()).isEqualTo(4 * CONFIG.parameters());
        }
    }

    @Test
    void anotherModelTakesThePlaceOfThePresentOne() {
        try (ModelBroadcast first = model(1);
                ModelBroadcast second = model(2)) {
            Weights old = weights(first);
            assertThat(old.bytes()).isPositive();

            Weights present = weights(second);

            assertThat(present).isNotSameAs(old);
            assertThat(old.bytes()).as("of the first model").isZero();
            assertThat(present.bytes()).as("of the second model").isPositive();
            assertThat(weights(first).bytes())
                    .as("of the first model, asked for again")
                    .isPositive();
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

        Weights weights = Replicas.withWeights(model, inUse -> {
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
            assertThat(network(recipe)).as("let go for the other recipe").isNotIn(first, two[0], two[1]);
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
    void aNetworkOverWeightsThatWereLetGoIsNotUsedAgain() {
        try (ModelBroadcast model = model(1);
                ModelBroadcast other = model(2)) {
            Replicas.Recipe recipe = recipe(model);

            Replica late = Replicas.with(
                    recipe,
                    replica -> { // as two applications do that share a JVM
                        weights(other);
                        weights(model);
                        return replica;
                    });

            assertThat(network(recipe)).isNotSameAs(late);
        }
    }
}
