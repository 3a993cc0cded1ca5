package dev.grft.spark.work;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.Axis;
import dev.grft.Penalty;
import dev.grft.Selection;
import dev.grft.Slices;
import dev.grft.config.Settings;
import dev.grft.data.Batch;
import dev.grft.data.Example;
import dev.grft.data.ImageRecipe;
import dev.grft.data.Pixels;
import dev.grft.data.Preprocess;
import dev.grft.spark.cluster.Device;
import dev.grft.spark.images.ExampleShards;
import dev.grft.spark.images.Shard;
import dev.grft.spark.verbs.OnSpark;
import dev.grft.spark.verbs.Tiny;
import dev.grft.train.GradientSource;
import dev.grft.train.Initial;
import dev.grft.train.LearnerState;
import dev.grft.train.Network;
import dev.grft.train.Replica;
import dev.grft.train.StepGradient;
import dev.grft.tuning.FrozenStages;
import dev.grft.tuning.SliceTuning;
import dev.grft.tuning.Tuning;
import dev.grft.vit.Keep;
import dev.grft.vit.VitConfig;
import dev.grft.vit.Weights;
import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.CpuKernels;
import dev.grft.vit.kernels.Kernels;
import dev.grft.vit.kernels.Machine;
import java.io.File;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.SplittableRandom;
import org.apache.spark.api.java.JavaRDD;
import org.assertj.core.data.Offset;
import org.deeplearning4j.nn.conf.MultiLayerConfiguration;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Training from what the frozen stages make of each image, which is computed once. */
class FrozenCacheTest extends OnSpark {
    private static final int IMAGES = 24;
    private static final int EPOCHS = 3;
    private static final long ENOUGH = 1 << 20;

    /** Four blocks of 17 tokens: products too small and too odd for BLAS to treat all rows alike. */
    private static final VitConfig CONFIG = new VitConfig(16, 4, 24, 4, 3, 48, 3, 1e-6);

    private static final long OUTPUT = 4L * 17 * 24; // bytes
    private static final Preprocess PREPROCESS =
            new Preprocess(16, 16, Preprocess.Crop.CENTER, ImageRecipe.same(0.5f, 0.5f, 1));
    private static final Tuning LAST = rows("blocks.3.mlp.fc1.weight");

    private @Nullable FrozenCache cache;

    @AfterEach
    void nothingIsLeft() {
        if (cache != null) {
            cache.close();
        }
        assertThat(FrozenCache.taken()).isZero();
    }

    private static Tuning rows(String matrix) {
        return new SliceTuning(
                new Selection(List.of(new Slices(matrix, CONFIG.matrices().get(matrix), Axis.ROW, 1, 5))));
    }

    private static List<Example> examples() {
        List<Example> examples = new ArrayList<>();
        SplittableRandom random = new SplittableRandom(4);
        for (int id = 0; id < IMAGES; id++) {
            byte[] rgb = new byte[3 * 16 * 16];
            random.nextBytes(rgb);
            examples.add(new Example(id, id % 3, "image " + id, new Pixels(16, 16, rgb)));
        }
        return examples;
    }

    private static Settings settings(String... sets) {
        List<String> all =
                new ArrayList<>(List.of("training.batchSize=8", "training.shards=2", "training.microBatch=3"));
        all.addAll(List.of(sets));
        return Tiny.settings(all);
    }

    private static Sampler sampler(Settings settings) {
        return new Sampler(PREPROCESS, settings.augmentation().toAugment(5), Balance.NONE, settings.training(), 5, 0);
    }

    private static MultiLayerConfiguration configuration(Settings settings) {
        return Network.configuration(LAST.layout(CONFIG), settings.training(), Penalty.NONE, 9, 3);
    }

    private static float[] trained() {
        float[] trained = new float[LAST.layout(CONFIG).size()];
        SplittableRandom random = new SplittableRandom(6);
        for (int i = 0; i < trained.length; i++) {
            trained[i] = (float) (0.1 * random.nextDouble() - 0.05);
        }
        return trained;
    }

    private FrozenCache cache(long most) {
        FrozenStages stages = Objects.requireNonNull(FrozenStages.of(
                CONFIG, LAST.layout(CONFIG), settings().augmentation().toAugment(5), 0, false));
        FrozenCache made = FrozenCache.of(context, stages, new FrozenCache.Disk(most, 0));
        cache = made;
        return made;
    }

    /** Kernels that note how many tokens each block's GELU has had, in one network. */
    private static Kernels counting(List<Long> tokens) {
        Kernels kernels = new CpuKernels();
        return (Kernels) Proxy.newProxyInstance(
                Kernels.class.getClassLoader(), new Class<?>[] {Kernels.class}, (proxy, method, arguments) -> {
                    if (method.getName().equals("gelu")) {
                        tokens.add(((Array) arguments[1]).size(0));
                    }
                    try {
                        return method.invoke(kernels, arguments);
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
                });
    }

    @Test
    void frozenBlocksComputeEachImageOnceAndAlone(@TempDir Path folder) {
        Settings settings = settings("training.shards=1", "training.microBatch=32");
        Sampler sampler = sampler(settings).from(cache(ENOUGH));
        List<Long> tokens = new ArrayList<>();
        try (Shard shard = ExampleShards.in(folder.resolve("shard").toFile(), examples());
                Weights weights = Weights.copyOf(CONFIG, Initial.vit(CONFIG, 1), DataType.FLOAT);
                Replica replica = new Replica(weights, LAST, configuration(settings), counting(tokens), Keep.ALL)) {
            replica.load(trained());
            long[] forwards = new long[EPOCHS];
            for (int epoch = 0; epoch < EPOCHS; epoch++) {
                tokens.clear();
                for (int step = 3 * epoch; step < 3 * epoch + 3; step++) {
                    replica.gradient(sampler.batches(0, shard, step).iterator());
                }
                assertThat(tokens)
                        .filteredOn(n -> n == 8)
                        .as("batches of the last block")
                        .hasSize(3);
                forwards[epoch] = tokens.stream().filter(n -> n == 17).count();
            }
            assertThat(forwards).containsExactly(3 * IMAGES, 0, 0); // three frozen blocks
        }
    }

    @Test
    void pixelsAreNotReadOnceTheOutputsAreKept(@TempDir Path folder) throws IOException {
        Settings settings = settings("training.shards=1", "training.microBatch=32");
        Sampler sampler = sampler(settings).from(cache(ENOUGH));
        File file = folder.resolve("shard").toFile();
        try (Shard shard = ExampleShards.in(file, examples());
                Weights weights = Weights.copyOf(CONFIG, Initial.vit(CONFIG, 1), DataType.FLOAT);
                Replica replica = new Replica(weights, LAST, configuration(settings), new CpuKernels(), Keep.ALL)) {
            replica.load(trained());
            for (int step = 0; step < 3; step++) {
                replica.gradient(sampler.batches(0, shard, step).iterator());
            }
            Files.write(file.toPath(), new byte[0]); // a read of pixels would fail
            List<Batch> again = sampler.batches(0, shard, 4).stream().toList();
            assertThat(replica.gradient(again.iterator()).examples()).isEqualTo(8);
        }
    }

    @Test
    void aFifthOfADiskStaysFree() {
        FrozenCache.Disk disk = new FrozenCache.Disk(1000, FrozenCache.FREE);
        FrozenCache.TOLD.set(false);
        assertThat(disk.take(folder(300), 100)).isTrue();
        assertThat(FrozenCache.TOLD).isFalse();
        assertThat(disk.take(folder(299), 100)).isFalse();
        assertThat(FrozenCache.TOLD).as("a warning").isTrue();
        assertThat(FrozenCache.taken()).isEqualTo(100);
        assertThat(disk.take(folder(1000), 901)).as("more than the limit").isFalse();
        disk.give(100);
    }

    /** Returns a folder of a disk of 1,000 bytes, of which so many are free. */
    private static File folder(long free) {
        return new File("folder") {
            private static final long serialVersionUID = 1L;

            @Override
            public long getTotalSpace() {
                return 1000;
            }

            @Override
            public long getUsableSpace() {
                return free;
            }
        };
    }

    private static JavaRDD<Shard> shards() {
        return ExampleShards.of(context.parallelize(List.of(0, 1), 2)
                .flatMap(shard -> examples().stream()
                        .filter(example -> example.id() % 2 == shard)
                        .iterator()));
    }

    /** Returns the gradients of the steps of some epochs, and the parameters after steps that the shards make alone. */
    private static List<float[]> training(Settings settings, @Nullable FrozenCache from) {
        return training(settings, from, false);
    }

    private static List<float[]> training(Settings settings, @Nullable FrozenCache from, boolean standing) {
        List<float[]> gradients = new ArrayList<>();
        JavaRDD<Shard> shards = shards();
        try (ModelBroadcast model = ModelBroadcast.of(context, CONFIG, Initial.vit(CONFIG, 1));
                Replicas.Recipe recipe = new Replicas.Recipe(
                        context, model, LAST, configuration(settings), true, Device.of(context, settings.engine()))) {
            Sampler sampler = sampler(settings);
            Sampler all = from == null ? sampler : sampler.from(from);
            try (GradientSource rounds =
                    Rounds.of(new Reach(problem -> {}), standing, context, shards, all, recipe, 12)) {
                for (int step = 0; step < EPOCHS * IMAGES / 8; step++) {
                    StepGradient gradient = rounds.gradient(step, trained());
                    assertThat(gradient.examples()).isEqualTo(8);
                    gradients.add(gradient.gradient());
                }
                gradients.add(rounds.localSteps(LearnerState.start(trained()), 3, 0)
                        .state()
                        .trained());
            }
        }
        return gradients;
    }

    @ParameterizedTest
    @ValueSource(strings = {"fp32", "bf16"})
    void aTrainingHasTheSameBitsWhateverIsKept(String precision) {
        if (!precision.equals("fp32")) {
            Machine.needBf16();
        }
        Settings settings = settings("engine.precision=" + precision);
        List<float[]> withoutRoom = training(settings, cache(0));
        assertThat(FrozenCache.taken()).isZero();
        nothingIsLeft();
        List<float[]> withSomeRoom = training(settings, cache(7 * OUTPUT));
        assertThat(FrozenCache.taken()).isEqualTo(7 * OUTPUT);
        nothingIsLeft();
        List<float[]> withRoom = training(settings, cache(ENOUGH));
        assertThat(FrozenCache.taken()).isEqualTo(IMAGES * OUTPUT);
        nothingIsLeft();
        List<float[]> ahead = training(settings, cache(ENOUGH), true); // standing tasks prepare batches ahead
        nothingIsLeft();
        List<float[]> inOtherParts =
                training(settings("engine.precision=" + precision, "engine.recompute=true"), cache(ENOUGH));

        List<float[]> batches = training(settings, null); // all stages compute a batch at a time
        for (int i = 0; i < withRoom.size(); i++) {
            assertThat(withRoom.get(i)).as("step %s", i).isEqualTo(withoutRoom.get(i));
            assertThat(withSomeRoom.get(i)).as("step %s", i).isEqualTo(withoutRoom.get(i));
            assertThat(ahead.get(i)).as("step %s", i).isEqualTo(withoutRoom.get(i));
            assertThat(inOtherParts.get(i)).as("step %s", i).isEqualTo(withoutRoom.get(i));
            for (int j = 0; j < withRoom.get(i).length; j++) {
                assertThat(withRoom.get(i)[j]).isCloseTo(batches.get(i)[j], Offset.offset(1e-4f));
            }
        }
        assertThat(Arrays.equals(withRoom.get(0), withRoom.get(1))).isFalse();
    }
}
