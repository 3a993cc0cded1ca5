package dev.grft.cost;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.Penalty;
import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.bench.Setup;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.data.Batch;
import dev.grft.data.FrozenOutputs;
import dev.grft.train.Deltas;
import dev.grft.train.Network;
import dev.grft.train.Replica;
import dev.grft.tuning.Activations;
import dev.grft.tuning.FrozenStages;
import dev.grft.tuning.Method;
import dev.grft.tuning.SliceTuning;
import dev.grft.tuning.Tuning;
import dev.grft.vit.Keep;
import dev.grft.vit.VitConfig;
import dev.grft.vit.Weights;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.CpuKernels;
import dev.grft.vit.kernels.Machine;
import dev.grft.vit.kernels.Memory;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.IntStream;
import org.apache.hadoop.conf.Configuration;
import org.assertj.core.api.Assertions;
import org.assertj.core.data.Percentage;
import org.deeplearning4j.nn.conf.MultiLayerConfiguration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CostModelTest {
    private static final VitConfig BASE = VitConfig.preset("vit_base_patch16_224", 100);
    private static final Executor MACHINE = new Executor(100, 2, 10);

    private static Settings settings(String... sets) {
        return Config.load(List.of(), List.of(sets), new Configuration());
    }

    private static CostModel costs(int batch, int shards) {
        return CostModel.of(
                BASE,
                settings("training.batchSize=" + batch, "training.shards=" + shards, "selection.preset=vtab-rows"));
    }

    @Test
    void countsTheOperationsOfAViT() {
        // timm and fvcore count 17.6e9 multiplications for an image of ViT-B/16. Of the last block the class
        // token alone is computed here, whose keys and values take a product of a vector for each of 12 heads.
        double d = 768;
        double linear = 197 * 11 * 12 * d * d + (1 + 12 + 12) * d * d + 9 * d * d + 196 * 768 * d;
        CostModel costs = new CostModel(BASE, Map.of(), false, 1, 1);
        assertThat(costs.linearProducts(1)).isCloseTo(2 * linear, Percentage.withPercentage(1e-9));
        double attention = (11 * 197 + 12) * 197 * d;
        double embedding = 196 * 768 * d;
        assertThat(costs.products(1))
                .isCloseTo(2 * (2 * linear - embedding + 6 * attention), Percentage.withPercentage(1e-9));
    }

    /** Two operations a multiplication: the forward once, gradients of inputs and of weights where a gradient passes. */
    @Test
    void aBackwardEndsAtTheFirstBlockThatTrains() {
        double d = 768;
        double last = (1 + 12 + 12) * d * d + 9 * d * d;
        double embedding = 196 * 768 * d;
        double linear = 197 * 11 * 12 * d * d + last + embedding;
        double attention = (11 * 197 + 12) * 197 * d;
        double forward = 2 * linear + 4 * attention;
        CostModel full = CostModel.of(BASE, settings("tuning.method=full"));
        assertThat(full.products(1) + full.sliceProducts(1))
                .as("96 GF: no gradient of pixels")
                .isCloseTo(3 * forward - 2 * embedding, Percentage.withPercentage(1e-9));
        CostModel block = CostModel.of(BASE, settings("tuning.method=last-layers", "tuning.lastLayers.blocks=1"));
        assertThat(block.products(1))
                .as("32 GF")
                .isCloseTo(forward + 2 * last + 8 * 12 * 197 * d, Percentage.withPercentage(1e-9));
        CostModel head = CostModel.of(BASE, settings("tuning.method=linear"));
        assertThat(head.products(1)).isCloseTo(forward, Percentage.withPercentage(1e-9));
    }

    /** Not those that GRFT would select in all blocks. */
    @Test
    void lastLayersCostTheirOwnSlices() {
        CostModel last = CostModel.of(BASE, settings("tuning.method=last-layers", "tuning.lastLayers.blocks=1"));
        double rows = 197 + 3; // qkv of all tokens, the rest of the class token

        assertThat(last.sliceProducts(1)).isBetween(0.0, 6 * 4 * 12 * rows * 3072);
        assertThat(last.sliceProducts(1))
                .isLessThan(CostModel.of(BASE, settings()).sliceProducts(1));
    }

    @Test
    void aBudgetForTheWholeNetworkIsPlannedInAllBlocks() {
        String[] share = {"selection.budget.count=null", "selection.budget.fraction=0.01"};
        CostModel part = CostModel.of(BASE, settings(share));
        CostModel all = CostModel.of(BASE, settings("selection.budget.count=10"));

        assertThat(part.sliceProducts(1)).isCloseTo(all.sliceProducts(1), Percentage.withPercentage(50));
        assertThat(part.memory().executor(1, 8, 8).overhead())
                .as("with what the widest matrix works with")
                .isGreaterThan(CostModel.of(BASE, settings("selection.budget.count=1"))
                        .memory()
                        .executor(1, 8, 8)
                        .overhead());
    }

    /** Each has three products: forward, its gradient, the gradient of its input. */
    @Test
    void whatAMethodAddsHasThreeProductsOfEachMatrix() {
        double d = 768;
        double tokens = 197 * 11;
        double sides = (tokens + 25 / 3.0) * 4 * d + (tokens + 1) * (2 + 5 + 5) * d; // of qkv, then proj, fc1, fc2
        assertThat(CostModel.of(BASE, settings("tuning.method=lora", "tuning.lora.rank=16"))
                        .sliceProducts(2))
                .isCloseTo(2 * 6 * 16 * sides, Percentage.withPercentage(1e-9));
        double adapters = 2 * 6 * (tokens + 1) * (2 * 64 * d + d + 64); // two in each block, with their biases
        assertThat(CostModel.of(BASE, settings("tuning.method=adapter", "tuning.adapter.size=64"))
                        .sliceProducts(1))
                .isCloseTo(adapters, Percentage.withPercentage(0.1));
    }

    /** Later epochs read what frozen blocks have made of the images: nothing is prepared. */
    @Test
    void outputsThatAreReadNeedNoImages() {
        CostModel costs = CostModel.of(
                BASE, settings("augmentation.crop=false", "augmentation.flip=false", "tuning.method=last-layers"));
        Executor feeding = new Executor(100, false, 2, 10, new Feed(2, 2, 100, 500), Round.COUNTED);
        assertThat(costs.step(1, feeding).feeding()).isPositive();
        assertThat(costs.laterStep(1, feeding).feeding()).isZero();
        assertThat(costs.laterStep(1, feeding).computing())
                .isLessThan(costs.step(1, feeding).computing() / 10);
    }

    @Test
    void fourRowsOfEachMatrixAreThePublishedShare() {
        CostModel costs = costs(32, 4);
        long head = 100 * 769;
        assertThat(costs.trained() - head).isEqualTo(4L * (768 * (1 + 36) + 12 * 3072));
        assertThat((costs.trained() - head) / (double) BASE.backboneParameters())
                .isCloseTo(0.0030, Percentage.withPercentage(2));
        assertThat(costs.sliceProducts(2)).isEqualTo(2 * costs.sliceProducts(1));
        assertThat(CostModel.of(BASE, settings("tuning.biases=true", "selection.preset=vtab-rows"))
                                .trained()
                        - costs.trained())
                .isEqualTo(768 * (1 + 12 * 9));
    }

    /** What each method trains in a ViT-B/16 of 100 classes beside the head, counted by hand. */
    @ParameterizedTest
    @CsvSource({
        "grft, 258048", // 4 rows of each matrix of a block
        "random, 258048",
        "magnitude, 258048",
        "linear, 0",
        "full, 85798656",
        "bitfit, 102912",
    })
    void aMethodIsCountedByWhatItTrains(String method, long beside) {
        CostModel costs = CostModel.of(BASE, settings("tuning.method=" + method, "selection.budget.count=4"));
        assertThat(costs.trained() - 100 * 769).isEqualTo(beside);
    }

    @Test
    void fullTrainingNeedsItsVectorsOnDriverAndExecutors() {
        CostModel slices = costs(32, 4);
        CostModel full = CostModel.of(BASE, settings("tuning.method=full", "training.shards=4"));
        long vector = 4 * full.trained();
        assertThat(full.trained()).isEqualTo(BASE.parameters());
        assertThat(full.memory().gathered()).isEqualTo(4 * vector).isGreaterThan(1L << 30);
        // One process holds the weights, the first and the present vector, and a gradient of each of 4 shards.
        assertThat(full.memory().local(2, 8, 32).heap()).isBetween(7 * vector, 7 * vector + 300_000_000L);
        assertThat(full.memory().local(2, 8, 32).heap())
                .as("the default of jobs/submit.sh")
                .isLessThan(3L << 30);
        // The learner has 5 vectors, a task 4 and the sums with the pretrained weights.
        assertThat(full.memory().local(2, 8, 32).overhead()
                        - slices.memory().local(2, 8, 32).overhead())
                .isBetween((long) (14.5 * vector), 15 * vector);
        assertThat(full.memory().driver().heap() - full.memory().local(2, 8, 32).heap())
                .isGreaterThan(7 * vector);
        assertThat(full.memory().executor(2, 8, 32).heap()
                        - slices.memory().executor(2, 8, 32).heap())
                .isBetween((long) (7.9 * vector), 8 * vector);
    }

    @Test
    void weightDecayNeedsThePretrainedValuesOfWhatDecays() {
        long matrices = 4
                * BASE.matrices().values().stream()
                        .mapToLong(shape -> shape.size())
                        .sum();
        long slices = 4 * 258048;
        for (String round : List.of("training.syncEvery=1", "training.syncEvery=4")) {
            boolean local = round.endsWith("4");
            assertThat(more("full", round, false)).as(round).containsExactly(counted(matrices, local));
            assertThat(more("grft", round, false)).as(round).containsExactly(counted(slices, local));
            assertThat(more("bitfit", round, false)).as(round).containsExactly(0, 0, 0);
            assertThat(more("bitfit", round, true)).as(round).containsExactly(counted(4 * 102912, local));
            assertThat(more("lora", round, true)).as("LoRA has none").containsExactly(0, 0, 0);
        }
    }

    /** Returns what the driver, two tasks and one process with both hold of pretrained values; tasks if they make steps of their own. */
    private static Long[] counted(long pretrained, boolean local) {
        return new Long[] {pretrained, local ? 2 * pretrained : 0, local ? 3 * pretrained : pretrained};
    }

    /** Returns the bytes beside the heap that weight decay adds to the driver, to an executor of two tasks, to one process of two tasks. */
    private static long[] more(String method, String round, boolean all) {
        CostModel[] costs = new CostModel[2];
        for (int decays = 0; decays < 2; decays++) {
            costs[decays] = CostModel.of(
                    BASE,
                    settings(
                            "tuning.method=" + method,
                            "selection.budget.count=4",
                            round,
                            "training.decayAll=" + all,
                            "training.weightDecay=" + decays));
        }
        return new long[] {
            costs[1].memory().driver().overhead() - costs[0].memory().driver().overhead(),
            costs[1].memory().executor(2, 8, 32).overhead()
                    - costs[0].memory().executor(2, 8, 32).overhead(),
            costs[1].memory().local(2, 8, 32).overhead()
                    - costs[0].memory().local(2, 8, 32).overhead()
        };
    }

    @Test
    void summedGradientsLieOnTheHeapOfTheirTask() {
        long eligible = 4
                * BASE.matrices().values().stream()
                        .mapToLong(shape -> shape.size())
                        .sum();
        for (String set : List.of("tuning.method=gps", "selection.score=summed-gradient")) {
            long more =
                    CostModel.of(BASE, settings(set)).memory().local(2, 8, 32).heap()
                            - costs(32, 4).memory().local(2, 8, 32).heap();
            assertThat(more).as(set).isBetween((long) (1.9 * eligible), (long) (2.1 * eligible));
        }
    }

    private static CostModel byJobs() {
        return CostModel.of(BASE, settings("engine.rounds=jobs", "training.batchSize=64", "training.shards=64"));
    }

    @Test
    void executorsShareTheComputationAndNothingElse() {
        CostModel costs = byJobs();
        CostModel.Step one = costs.step(1, MACHINE);
        CostModel.Step eight = costs.step(8, MACHINE);
        assertThat(eight.computing()).isCloseTo(one.computing() / 8, Percentage.withPercentage(1e-6));
        assertThat(eight.driver()).isEqualTo(one.driver());
        assertThat(eight.bytesIn()).isEqualTo(64 * 4.0 * costs.trained());
        assertThat(eight.bytesOut()).isEqualTo(8 * one.bytesOut());
        assertThat(eight.seconds()).isEqualTo(eight.computing() + eight.network() + eight.spark() + eight.driver());
        // more tasks than shards change nothing
        assertThat(costs.step(64, MACHINE).computing())
                .isEqualTo(costs.step(32, MACHINE).computing());
    }

    @Test
    void ofStandingTasksTheDriverAddsUpASumOfEachExecutor() {
        CostModel costs = CostModel.of(BASE, settings("training.batchSize=64", "training.shards=64"));
        CostModel.Step eight = costs.step(8, MACHINE);
        assertThat(eight.bytesIn()).isEqualTo(8 * 4.0 * costs.trained());
        assertThat(eight.bytesOut()).isEqualTo(eight.bytesIn());
        assertThat(eight.driver()).isLessThan(0.2 * byJobs().step(8, MACHINE).driver());
        assertThat(eight.spark()).isLessThan(0.2 * byJobs().step(8, MACHINE).spark());
        assertThat(costs.step(200, MACHINE).bytesIn()).as("no more than shards").isEqualTo(64 * 4.0 * costs.trained());
    }

    @Test
    void aBatchInPartsTakesTheMemoryOfAPartAndAVectorMore() {
        String batch = "training.batchSize=256";
        CostModel whole = CostModel.of(BASE, settings(batch, "training.microBatch=64"));
        CostModel parts = CostModel.of(BASE, settings(batch, "training.microBatch=8"));
        double activations =
                new Activations(BASE, false).training(64, false) - new Activations(BASE, false).training(8, false);
        double slices = 4.0 * 4 * (64 - 8) * 197; // a number for each of a matrix
        double less =
                whole.step(1, MACHINE).executorBytes() - parts.step(1, MACHINE).executorBytes();
        assertThat(less).isCloseTo(MACHINE.tasks() * (activations + slices), Percentage.withPercentage(1e-6));
        assertThat(parts.memory().executor(2, 8, 8).overhead()
                        - whole.memory().executor(2, 8, 8).overhead())
                .isEqualTo(2 * 4 * parts.trained());
        CostModel averaged = CostModel.of(BASE, settings(batch, "training.microBatch=64", "training.ema=0.9"));
        assertThat(averaged.memory().driver().overhead()
                        - whole.memory().driver().overhead())
                .isEqualTo(4 * whole.trained());
    }

    @Test
    void nothingButComputationAndMemoryGrowsWithTheModel() {
        VitConfig large = VitConfig.preset("vit_large_patch16_224", 100);
        CostModel small = new CostModel(
                BASE, Map.of("blocks.0.mlp.fc1.weight", 23_100L), false, 8, 2); // as many as the larger head
        CostModel big = new CostModel(large, Map.of("blocks.0.mlp.fc1.weight", 23_100L - 25_600), false, 8, 2);
        assertThat(big.trained()).isEqualTo(small.trained());
        CostModel.Step a = small.step(2, MACHINE);
        CostModel.Step b = big.step(2, MACHINE);
        assertThat(b.driver()).isEqualTo(a.driver());
        assertThat(b.network()).isEqualTo(a.network());
        assertThat(b.computing()).isGreaterThan(3 * a.computing());
        assertThat(b.executorBytes()).isGreaterThan(a.executorBytes() + 4 * 2e8);
    }

    @Test
    void whatTrainsInTheLastBlocksIsCountedThere() {
        String[] still = {"augmentation.crop=false", "augmentation.flip=false"};
        CostModel last = CostModel.of(
                BASE, settings(still[0], still[1], "tuning.method=last-layers", "tuning.lastLayers.blocks=2"));
        CostModel all = CostModel.of(BASE, settings(still));
        assertThat(last.memory().frozen()).isEqualTo(new FrozenStages(11, 197 * 768));
        assertThat(all.memory().frozen()).isNull();
        assertThat((double) last.trained()).isCloseTo((double) all.trained(), Percentage.withPercentage(10));
    }

    @Test
    void recomputationTradesTimeForMemory() {
        CostModel kept = costs(8, 1);
        CostModel again =
                CostModel.of(BASE, settings("training.batchSize=8", "training.shards=1", "engine.recompute=true"));
        double activations = new Activations(BASE, false).training(8, false);
        assertThat((double) new Activations(BASE, false).training(8, true)).isLessThan(activations / 3);
        assertThat(again.step(1, MACHINE).computing())
                .isBetween(
                        1.2 * kept.step(1, MACHINE).computing(),
                        1.5 * kept.step(1, MACHINE).computing());
    }

    @ParameterizedTest
    @CsvSource({
        "ALL,224,false", "INPUTS,224,false", "NOTHING,224,false", "ALL,512,false",
                "NOTHING,512,false", // which keep no attention
        "ALL,224,true", "INPUTS,224,true", "NOTHING,224,true", "ALL,512,true", "NOTHING,512,true"
    })
    void memoryIsCountedAsNetworksHoldIt(Keep keep, int size, boolean bf16) {
        if (bf16) {
            Machine.needBf16();
        }
        VitConfig config = VitConfig.preset("vit_tiny_patch16_" + size, 10);
        int examples = 2;
        SliceTuning tuning = new SliceTuning(Setup.selection(config, 1));
        MultiLayerConfiguration configuration =
                Network.configuration(tuning.layout(config), settings().training(), Penalty.NONE, 1, 1);
        try (Weights weights = Weights.zeros(config, DataType.FLOAT, Memory.ND4J)) {
            Replica replica = new Replica(weights, tuning, configuration, new CpuKernels(bf16), keep);
            replica.load(new float[tuning.layout(config).size()]);
            Batch batch =
                    Batch.of(List.of(Setup.example(config, 0), Setup.example(config, 1)), Setup.preprocess(config));
            if (keep == Keep.NOTHING) {
                replica.probabilities(batch);
            } else {
                replica.gradient(batch);
            }
            Activations activations = new Activations(config, bf16);
            double counted = keep == Keep.NOTHING
                    ? activations.forward(examples)
                    : activations.training(examples, keep == Keep.INPUTS);
            assertThat((double) replica.bytes()).isCloseTo(counted, Percentage.withPercentage(10));
        }
    }

    /** What adapters and LoRA keep and work with beside the frozen network. */
    @ParameterizedTest
    @CsvSource({
        "ALL, tuning.method=adapter",
        "INPUTS, tuning.method=adapter",
        "ALL, tuning.method=adapter tuning.adapter.form=houlsby tuning.adapter.size=64",
        "INPUTS, tuning.method=adapter tuning.adapter.form=houlsby tuning.adapter.size=64",
        "ALL, tuning.method=lora tuning.lora.dropout=0.1 tuning.lora.targets=[mlp.fc2]",
        "INPUTS, tuning.method=lora tuning.lora.dropout=0.1 tuning.lora.targets=[mlp.fc2]",
        "ALL, tuning.method=lora tuning.lora.dropout=0.1",
        "ALL, tuning.method=lora",
        "ALL, tuning.method=bitfit",
        "INPUTS, tuning.method=bitfit",
        "ALL, tuning.method=linear augmentation.flip=true",
        "INPUTS, tuning.method=linear augmentation.flip=true",
        "ALL, tuning.method=last-layers tuning.lastLayers.blocks=3 augmentation.flip=true",
        "INPUTS, tuning.method=last-layers tuning.lastLayers.blocks=3 augmentation.flip=true",
        "ALL, tuning.method=lora tuning.lora.targets=[attn.qkv]"
    })
    void whatAMethodAddsToAStepIsCounted(Keep keep, String sets) {
        VitConfig config = VitConfig.preset("vit_tiny_patch16_224", 10);
        Settings settings = settings(sets.split(" "));
        Tuning tuning = Method.of(settings.tuning().method()).tuning(new Sketch(config, settings));
        MultiLayerConfiguration configuration =
                Network.configuration(tuning.layout(config), settings.training(), Penalty.NONE, 1, 1);
        try (Weights weights = Weights.zeros(config, DataType.FLOAT, Memory.ND4J)) {
            Replica replica = new Replica(weights, tuning, configuration, new CpuKernels(), keep);
            replica.load(new float[tuning.layout(config).size()]);
            replica.gradient(
                    Batch.of(List.of(Setup.example(config, 0), Setup.example(config, 1)), Setup.preprocess(config)));

            CostModel costs = CostModel.of(config, settings);
            double parameters = 2 * 4.0 * costs.trained(); // and their gradient
            assertThat(replica.bytes() - parameters)
                    .isCloseTo(
                            (double) costs.memory().activations(2, keep == Keep.INPUTS), Percentage.withPercentage(5));
        }
    }

    /** What lies on a GPU is what a network over the shared weights holds, here on a CPU. */
    @ParameterizedTest
    @CsvSource({"grft", "full", "lora"})
    void aGpuHoldsTheWeightsAndWhatANetworkHolds(String method) {
        VitConfig config = VitConfig.preset("vit_tiny_patch16_224", 1000);
        Settings settings = settings(
                "tuning.method=" + method,
                "training.batchSize=2",
                "training.shards=1",
                "selection.batchSize=1",
                "evaluation.batchSize=1");
        Tuning tuning = Method.of(method).tuning(new Sketch(config, settings));
        MultiLayerConfiguration configuration =
                Network.configuration(tuning.layout(config), settings.training(), Penalty.NONE, 1, 1);
        try (Weights weights = Weights.zeros(config, DataType.FLOAT, Memory.ND4J);
                Replica replica = new Replica(weights, tuning, configuration, new CpuKernels(), Keep.ALL)) {
            replica.load(new float[tuning.layout(config).size()]);
            replica.gradient(
                    Batch.of(List.of(Setup.example(config, 0), Setup.example(config, 1)), Setup.preprocess(config)));

            double held = weights.bytes() + replica.bytes();
            assertThat(held)
                    .isCloseTo(
                            (double) CostModel.of(config, settings).memory().onGpu(1, 2, 1),
                            Percentage.withPercentage(5));
        }
    }

    /** BitFit needs no input of a map, and blocks that no gradient reaches need nothing. */
    @Test
    void whatNoGradientReadsIsNotKept() {
        long all = CostModel.of(BASE, settings("tuning.method=full")).memory().activations(8, false);
        long biases =
                CostModel.of(BASE, settings("tuning.method=bitfit")).memory().activations(8, false);
        long last = CostModel.of(
                        BASE,
                        settings("tuning.method=last-layers", "tuning.lastLayers.blocks=3", "augmentation.flip=true"))
                .memory()
                .activations(8, false);
        assertThat((double) biases).isBetween(0.7 * all, 0.8 * all);
        assertThat((double) last).isBetween(0.25 * all, 0.4 * all);
    }

    /** Frozen blocks compute one image at a time, as a training from their outputs does; if 0 blocks train, the head does. */
    @ParameterizedTest
    @CsvSource({"ALL,0", "ALL,1", "ALL,4", "ALL,11", "INPUTS,0", "INPUTS,1", "INPUTS,4", "INPUTS,11"})
    void frozenBlocksKeepWhatIsOfOneImage(Keep keep, int blocks) {
        VitConfig config = VitConfig.preset("vit_tiny_patch16_224", 10);
        Settings settings = settings(
                "augmentation.crop=false",
                "augmentation.flip=false",
                "tuning.method=" + (blocks == 0 ? "linear" : "last-layers"),
                "tuning.lastLayers.blocks=" + Math.max(1, blocks));
        Tuning tuning = Method.of(settings.tuning().method()).tuning(new Sketch(config, settings));
        CostModel costs = CostModel.of(config, settings);
        FrozenStages frozen = Objects.requireNonNull(costs.memory().frozen());
        int examples = 6;
        Batch images = Batch.of(
                IntStream.range(0, examples)
                        .mapToObj(id -> Setup.example(config, id))
                        .toList(),
                Setup.preprocess(config));
        float[][] pixels = new float[examples][];
        int each = images.images().length / examples;
        Arrays.setAll(pixels, b -> Arrays.copyOfRange(images.images(), b * each, (b + 1) * each));
        Batch batch = Batch.frozen(
                images.targets(),
                new float[examples],
                new long[examples],
                config.imageSize(),
                new FrozenOutputs(new float[examples][], pixels, frozen.length(), (b, output) -> {}));
        MultiLayerConfiguration configuration =
                Network.configuration(tuning.layout(config), settings.training(), Penalty.NONE, 1, 1);
        try (Weights weights = Weights.zeros(config, DataType.FLOAT, Memory.ND4J);
                Replica replica = new Replica(weights, tuning, configuration, new CpuKernels(), keep)) {
            replica.load(new float[tuning.layout(config).size()]);
            replica.gradient(batch);
            double parameters = 2 * 4.0 * costs.trained(); // and their gradient
            assertThat(replica.bytes() - parameters)
                    .isCloseTo(
                            (double) costs.memory().activations(examples, keep == Keep.INPUTS),
                            Percentage.withPercentage(8));
        }
    }

    @Test
    void frozenBlocksComputeMirrorImagesOfAValidationByTheBatch() {
        String[] still = {
            "augmentation.crop=false", "augmentation.flip=false", "tuning.method=last-layers", "evaluation.flip=true"
        };
        long alone = CostModel.of(BASE, settings(still)).memory().activations(8, false);
        long batches = CostModel.of(
                        BASE,
                        settings(still[0], still[1], still[2], still[3], "data.validation=v", "training.patience=3"))
                .memory()
                .activations(8, false);
        assertThat(batches).isGreaterThan(3 * alone);
    }

    @Test
    void severalDeltasOfATaskTakeTheWorkingArraysOfOne() {
        VitConfig config = VitConfig.preset("vit_tiny_patch16_224", 10);
        SliceTuning tuning = new SliceTuning(Setup.selection(config, 1));
        float[] trained = new float[tuning.layout(config).size()];
        try (Weights weights = Weights.zeros(config.withClasses(0), DataType.FLOAT, Memory.ND4J);
                Deltas deltas = new Deltas(weights, new CpuKernels())) {
            for (int i = 0; i < 8; i++) {
                deltas.load("delta " + i, tuning, 10, Task.SINGLE_LABEL, trained);
            }
            long ofDeltas = deltas.bytes();
            deltas.probabilities(
                    Batch.of(List.of(Setup.example(config, 0), Setup.example(config, 1)), Setup.preprocess(config)));

            assertThat((double) deltas.bytes() - ofDeltas)
                    .isCloseTo((double) new Activations(config, false).forward(2), Percentage.withPercentage(15));
        }
    }

    @Test
    void saysWhatToChange() {
        assertThat(Limit.sentence(costs(32, 4), 64, MACHINE)).contains("raise training.shards");
        assertThat(Limit.sentence(costs(64, 64), 2, MACHINE)).startsWith("Computing limits: ");
        assertThat(Limit.sentence(costs(64, 64), 32, new Executor(20_000, 2, 1)))
                .contains("training.syncEvery");
    }

    @Test
    void aPlanSaysWhatFrozenBlocksKeepAndWhatEpochsAfterTheFirstCost() {
        String[] still = {
            "augmentation.crop=false",
            "augmentation.flip=false",
            "tuning.method=last-layers",
            "tuning.lastLayers.blocks=3"
        };
        CostModel costs = CostModel.of(BASE, settings(still));
        double first = costs.step(1, MACHINE).computing();
        assertThat(costs.laterStep(1, MACHINE).computing())
                .isBetween(first / 3.2, first / 2.4); // of 12 forwards and 3 backwards 3 each, one block of them small
        assertThat(costs.later(List.of(1, 4), MACHINE, 10L << 30).lines())
                .hasSize(5)
                .first()
                .isEqualTo(
                        "Nothing trains in the first 9 blocks, and images are not augmented. Executors keep what comes out on their"
                                + " disks: 605,184 bytes for each image. The 10 GiB of an executor (engine.frozenCacheGiB) have room for 17,742"
                                + " images. Epochs after the first then take:");
        assertThat(costs.later(List.of(1), MACHINE, 0)).isEmpty();

        CostModel linear = CostModel.of(BASE, settings(still[0], still[1], "tuning.method=linear"));
        assertThat(linear.laterStep(1, MACHINE).computing()).isZero();

        CostModel augmented = CostModel.of(BASE, settings("augmentation.flip=true", still[2], still[3]));
        assertThat(augmented.later(List.of(1), MACHINE, 10L << 30)).isEmpty();
        assertThat(augmented.laterStep(1, MACHINE)).isEqualTo(augmented.step(1, MACHINE));
    }

    @Test
    void theTableHasALineForEachNumberOfExecutors() {
        assertThat(costs(32, 4).table(List.of(1, 2, 4), MACHINE).lines()).hasSize(6);
    }

    @Test
    void refusesAMachineThatCannotBe() {
        Assertions.assertThatThrownBy(() -> new Executor(0, 1, 1))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("--gflops");
    }

    @Test
    void aStandingTaskHoldsOneBatchMore() {
        MemoryModel standing =
                CostModel.of(BASE, settings("engine.rounds=standing")).memory();
        MemoryModel jobs = CostModel.of(BASE, settings("engine.rounds=jobs")).memory();
        long image = 4L * 3 * 224 * 224;
        assertThat(standing.executor(2, 8, 4).heap() - jobs.executor(2, 8, 4).heap())
                .isEqualTo(2 * 8 * image);
        assertThat(standing.local(2, 8, 12).heap() - jobs.local(2, 8, 12).heap())
                .as("a batch of the evaluation is larger")
                .isEqualTo(2 * 4 * image);
    }
}
