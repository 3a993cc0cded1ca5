package dev.grft.report;

import dev.grft.MatrixShape;
import dev.grft.UserError;
import dev.grft.config.Settings;
import dev.grft.config.TrainingSettings;
import dev.grft.train.Network;
import dev.grft.tuning.Activations;
import dev.grft.tuning.FrozenStages;
import dev.grft.tuning.Method;
import dev.grft.tuning.Operations;
import dev.grft.tuning.Tuning;
import dev.grft.tuning.WholeTuning;
import dev.grft.vit.Keep;
import dev.grft.vit.Layout;
import dev.grft.vit.TrainedArray;
import dev.grft.vit.Vit;
import dev.grft.vit.VitConfig;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * What a step of a training would cost: time, memory and bytes, for any number of executors. A model that was fitted to
 * measurements (see {@code src/site/markdown/cost.md}), not a measurement.
 *
 * <p>A step is a round: the trained parameters go out, gradients come back, the driver adds them up and steps. With a job of Spark for each
 * step, a gradient comes from each shard; with standing tasks, from each executor. Only the computation depends on the size of
 * the model; everything else on how many numbers train, and on the shards or executors.
 */
public final class CostModel {
    /** A round of Spark with one shard and nothing in it, and what each shard adds to it, seconds. */
    private static final double ROUND = 0.02;

    private static final double SHARD = 0.002;

    private static final double STANDING = 0.004; // a round of standing tasks, seconds
    private static final double EXECUTOR = 0.001; // what each executor adds to it

    /** Driver: to write a trained parameter out and to update it; to read and add one of a shard's gradient. Seconds. */
    private static final double UPDATE = 25e-9;

    private static final double GATHER = 15e-9;

    /** Driver of standing tasks: to send a trained parameter to an executor, to read and add one of its sum. Seconds. */
    private static final double TRADE = 7e-9;

    /** What a JVM with Spark holds beside weights, networks and images, bytes. */
    private static final double JVM = 450e6;

    private static final int BYTES = Float.BYTES;

    /** What the heap of a driver holds beside vectors of parameters, bytes: Spark, and what a listing of images takes. */
    private static final double DRIVER = 200e6;

    /** Threads in which Spark reads results, each with two serialized copies. */
    private static final int READERS = 4;

    /** Vectors of trained parameters that the driver's learner holds in native memory: parameters, gradient, updater, working array. */
    private static final int LEARNER = 5;

    private final VitConfig config;
    private final Operations operations;
    private final long trained; // all of them, with the head
    private final long ofTask; // sums with pretrained values that a task holds, and those values for weight decay
    private final int learner; // vectors that the driver's learner holds in native memory
    private final long pretrained; // numbers beside them, for weight decay
    private final long summed; // numbers of the gradients that are summed for scores; 0 if none
    private final int returned; // vectors that a shard returns
    private final boolean standing; // whether tasks stay, in place of a job for each step
    private final boolean recompute;
    private final int batch;
    private final int shards;
    private final int examplesAtOnce; // examples that a task computes at once
    private final Tuning tuning;
    private final boolean parts; // whether a task adds up gradients of its parts
    private final @Nullable FrozenStages frozen;
    private final int still; // blocks that compute one image at a time
    private final int scored; // images of a batch whose scores have a backward, through all blocks; 0 if none have
    private final Activations memory;
    private final List<Keep.OfBlock> kept; // of each block, for the backward; empty if none has one

    /**
     * Returns the costs of training slices.
     *
     * @param config the model, with its head
     * @param slices trained parameters of each matrix that has some
     * @param recompute whether activations are computed again in the backward
     * @param batch examples of a step
     * @param shards parts of the step
     */
    public CostModel(VitConfig config, Map<String, Long> slices, boolean recompute, int batch, int shards) {
        this(
                config,
                slices,
                head(config) + sum(slices),
                0,
                0,
                1,
                false,
                recompute,
                batch,
                shards,
                batch,
                false,
                LEARNER,
                0,
                new WholeTuning(),
                null,
                0,
                0,
                new Activations(config, false),
                Collections.nCopies(config.depth(), Keep.OfBlock.EVERYTHING));
    }

    private CostModel(
            VitConfig config,
            Map<String, Long> slices,
            long trained,
            long ofTask,
            long summed,
            int returned,
            boolean standing,
            boolean recompute,
            int batch,
            int shards,
            int examplesAtOnce,
            boolean parts,
            int learner,
            long pretrained,
            Tuning tuning,
            @Nullable FrozenStages frozen,
            int still,
            int scored,
            Activations memory,
            List<Keep.OfBlock> kept) {
        this.config = config;
        this.operations = new Operations(config, slices, recompute);
        this.trained = trained;
        this.ofTask = ofTask;
        this.learner = learner;
        this.pretrained = pretrained;
        this.tuning = tuning;
        this.summed = summed;
        this.returned = returned;
        this.standing = standing;
        this.recompute = recompute;
        this.batch = batch;
        this.shards = shards;
        this.examplesAtOnce = examplesAtOnce;
        this.parts = parts;
        this.frozen = frozen;
        this.still = still;
        this.scored = scored;
        this.memory = memory;
        this.kept = List.copyOf(kept);
    }

    /** Returns the costs of the method, batch and shards of some settings. */
    public static CostModel of(VitConfig config, Settings settings) {
        Method method = Method.of(settings.tuning().method());
        TrainingSettings training = settings.training();
        Tuning tuning = method.tuning(new Sketch(config, settings));
        Layout layout = tuning.layout(config);
        Predicate<TrainedArray> whole = array -> config.tensors().containsKey(array.name());
        Predicate<TrainedArray> decaying = array -> Network.needsPretrained(array, training);
        Map<String, Long> matrices = new LinkedHashMap<>();
        layout.arrays().forEach((name, array) -> matrices.put(name, array.size()));
        matrices.keySet().retainAll(config.matrices().keySet());
        boolean sums = method.needs() == Method.Needs.SCORES
                || (method.needs() == Method.Needs.SLICES
                        && settings.selection().sumsGradients());
        FrozenStages frozen = FrozenStages.of(
                config, layout, settings.augmentation().toAugment(settings.run().seed()), training.dropPath(), false);
        return new CostModel(
                config,
                method.needs() == Method.Needs.SLICES
                        ? new Sketch(config, settings).selection().sizes()
                        : matrices,
                layout.size(),
                layout.size(whole) + (training.syncEvery() == 1 ? 0 : layout.size(decaying)),
                sums ? entries(config.matrices(settings.selection().eligible())) : 0,
                returned(training),
                settings.engine().standing(),
                settings.engine().recompute(),
                training.batchSize(),
                training.shards(),
                training.examplesAtOnce(),
                training.examplesAtOnce() < training.examplesOfShard()
                        || settings.data().balance().equals("sampler"),
                LEARNER + (training.ema() == null ? 0 : 1),
                layout.size(decaying),
                tuning,
                frozen,
                frozen == null || showsWholeBatches(settings) ? 0 : Math.min(config.depth(), frozen.count() - 1),
                Fit.scoresForward(settings) ? 0 : settings.selection().imagesOfBatch(),
                Fit.activations(config, settings),
                layout.frozenStages() > config.depth() ? List.of() : Vit.kept(config, tuning.trainable()));
    }

    /** Returns whether networks in training also compute frozen blocks for whole batches: of mirror images, or on executors of a mixed cluster. */
    private static boolean showsWholeBatches(Settings settings) {
        boolean validates = settings.training().patience() != null
                || settings.evaluation().protocol().equals(Settings.Evaluation.GPS_PAPER);
        return settings.engine().mixed() || (validates && settings.evaluation().flip());
    }

    private static long head(VitConfig config) {
        return (long) config.classes() * (config.features() + 1);
    }

    private static long sum(Map<String, Long> numbers) {
        return numbers.values().stream().mapToLong(Long::longValue).sum();
    }

    private static long entries(Map<String, MatrixShape> matrices) {
        return matrices.values().stream().mapToLong(MatrixShape::size).sum();
    }

    /**
     * A machine and its network.
     *
     * @param gflops 10^9 operations a second that the large products of one task reach, all tasks at work
     * @param tasks tasks of an executor at a time
     * @param gigabits 10^9 bits a second of each machine's network; infinite within one machine
     */
    public record Machine(double gflops, int tasks, double gigabits) {
        public Machine {
            if (!(gflops > 0) || tasks < 1 || !(gigabits > 0)) {
                throw UserError.of(
                        "a plan's --gflops, --tasks and --gigabits must be > 0, got %s, %d and %s",
                        gflops, tasks, gigabits);
            }
        }
    }

    /**
     * What a step would cost.
     *
     * @param seconds of a step, the sum of the four parts
     * @param computing seconds of the slowest executor
     * @param network seconds that the driver's connection is busy
     * @param spark seconds that it takes to start and end a round
     * @param driver seconds in which the driver writes, reads, adds and updates trained parameters
     * @param executorBytes resident memory of an executor
     * @param bytesIn what the driver receives
     * @param bytesOut what the executors receive
     */
    public record Step(
            double seconds,
            double computing,
            double network,
            double spark,
            double driver,
            double executorBytes,
            double bytesIn,
            double bytesOut) {}

    /** Returns what a step would cost on this many executors. */
    public Step step(int executors, Machine machine) {
        return step(executors, machine, 0);
    }

    /** Returns the same of epochs after the first, in which executors read what the {@linkplain #frozen frozen} stages have made of each image. */
    public Step laterStep(int executors, Machine machine) {
        return step(executors, machine, frozen == null ? 0 : frozen.count() - 1);
    }

    private Step step(int executors, Machine machine, int read) {
        int most = (batch + shards - 1) / shards; // examples of a shard
        int atOnce = executors * machine.tasks();
        int waves = (shards + atOnce - 1) / atOnce;
        double computing = waves * operations.step(most, read) / (machine.gflops() * 1e9);
        double vector = (double) BYTES * trained();
        int sums = standing ? Math.min(executors, shards) : shards; // that come to the driver
        double bytesIn = vector * sums;
        double bytesOut = vector * (standing ? sums : executors);
        // Executors pass pieces of a broadcast on to each other, so the driver sends it about twice. Standing tasks get
        // theirs from the driver.
        double sent = standing ? bytesOut : vector * Math.min(2, executors);
        double network = (bytesIn + sent) * 8 / (machine.gigabits() * 1e9);
        double spark = standing ? STANDING + EXECUTOR * sums : ROUND + SHARD * shards;
        double driver = trained() * (UPDATE + (standing ? TRADE : GATHER) * sums);
        double memory = JVM
                + (double) weights() // what the tasks share
                + (double) machine.tasks() * (activations(Math.min(most, examplesAtOnce), recompute) + 4 * vector);
        return new Step(
                computing + network + spark + driver, computing, network, spark, driver, memory, bytesIn, bytesOut);
    }

    /**
     * What a process must have.
     *
     * @param heap bytes of Java's heap
     * @param overhead bytes beside the heap
     */
    public record Needs(long heap, long overhead) {}

    /**
     * Returns what an executor must have. Heap: a JVM with Spark, two of the parts in which the weights come by broadcast, twice while one is
     * put together, the trained vector twice, and for each task its batch and its gradient, which is serialized twice. Beside it: the copy of the
     * weights that the tasks share, activations and trained parameters of each task, and as much as a JVM with Spark holds.
     *
     * @param tasks at a time
     * @param examples of the largest batch of a task that has a backward
     * @param seen of the largest batch that has none
     */
    public Needs needs(int tasks, int examples, int seen) {
        return new Needs(
                (long) JVM
                        + 4L * BYTES * config.backboneParameters() / config.depth()
                        + 2L * returned * vector()
                        + tasks * (3L * returned * vector() + heapOfTask(Math.max(examples, seen))),
                (long) JVM + beside(tasks, examples, seen));
    }

    /** Returns what the driver of a cluster must have: the pretrained weights twice; the vectors of a step, and those that shards return. */
    public Needs driver() {
        return new Needs(driverHeap((long) shards + 2L * Math.min(READERS, shards)), (long) JVM + learner());
    }

    /** Returns what the one process of local mode must have, in which tasks return references. */
    public Needs local(int tasks, int examples, int seen) {
        return new Needs(
                driverHeap(shards) + tasks * heapOfTask(Math.max(examples, seen)),
                (long) JVM + beside(tasks, examples, seen) + learner());
    }

    /** Returns the bytes that the shards of a round return to the driver. */
    public long gathered() {
        return (long) shards * returned * vector();
    }

    /** Returns the same of a training with so many trained parameters. */
    public static long gathered(TrainingSettings training, long trained) {
        return (long) training.shards() * returned(training) * BYTES * trained;
    }

    /** Returns the vectors that a shard returns: a gradient, or parameters and the updater's state after local steps. */
    private static int returned(TrainingSettings training) {
        return training.syncEvery() == 1 ? 1 : 3;
    }

    /**
     * Returns the driver's heap. The weights are held twice while they are read. A training holds its present vector; there is room for one more,
     * since the collector needs as much free space in one piece.
     */
    private long driverHeap(long vectors) {
        long weights = BYTES * config.backboneParameters();
        return (long) DRIVER + Math.max(2 * weights, weights + (2 + learner - LEARNER + vectors * returned) * vector());
    }

    /** Returns the heap of a task: its images, what frozen stages make of them, and a gradient of all eligible matrices if those are summed. */
    private long heapOfTask(int images) {
        long pixels = (long) VitConfig.CHANNELS * config.imageSize() * config.imageSize();
        return BYTES * (images * (pixels + (frozen == null ? 0 : frozen.length())) + summed);
    }

    private long beside(int tasks, int examples, int seen) {
        long backward =
                Math.max(activations(examples, recompute), memory.training(Math.min(examples, scored), recompute));
        long batches = Math.max(backward + sums(), memory.forward(seen));
        int vectors = (parts ? 5 : 4) + (returned > 1 ? 2 : 0); // local steps have an updater with vectors of its own
        return weights() + tasks * (batches + vectors * vector() + BYTES * ofTask);
    }

    /** Returns what tasks that share so many bytes beside the heap have for activations and sums each; in local mode also the learner's. */
    long room(long bytes, int tasks) {
        return (bytes - (long) JVM - learner() - beside(tasks, 0, 0)) / tasks;
    }

    /** Returns what {@link #room} returns at least, whatever trains. */
    static long least(VitConfig config, long bytes, int tasks) {
        long all = BYTES * config.parameters();
        return (bytes - (long) JVM - (LEARNER + 3) * all) / tasks - 9 * all;
    }

    /** Returns the bytes of the gradients that are summed for scores. */
    long sums() {
        return BYTES * summed;
    }

    private long learner() {
        return learner * vector() + BYTES * pretrained;
    }

    /** Returns the bytes of a trained vector. */
    private long vector() {
        return BYTES * trained;
    }

    /** Returns the stages whose outputs executors keep, unless they have GPUs; null if none are kept. */
    public @Nullable FrozenStages frozen() {
        return frozen;
    }

    /** Returns how many numbers train, the head included. */
    public long trained() {
        return trained;
    }

    /** Returns the operations of the large products of a step of the frozen network: forward, gradients of inputs, attention. */
    public double products(int examples) {
        return operations.products(examples);
    }

    /** Returns the operations of the products of the trained slices: forward, their gradient, the gradient of the input. */
    public double sliceProducts(int examples) {
        return operations.sliceProducts(examples);
    }

    /** Returns the operations of the forward's products with weight matrices, a third of those of a step that trains all. */
    public double linearProducts(int examples) {
        return operations.linearProducts(examples);
    }

    /** Returns the bytes of the weights that tasks share; bfloat16 adds two copies of half the size. */
    private long weights() {
        return (memory.bf16() ? 2L : 1L) * BYTES * config.backboneParameters();
    }

    /** Returns what a network in this training keeps of a batch and works with, in bytes. */
    long activations(int examples, boolean again) {
        return memory.training(examples, again, still, kept)
                + BYTES * tuning.held(name -> (long) operations.rows(name, examples), again);
    }

    /**
     * Returns what executors keep of frozen stages and what epochs after the first then cost; an empty text if they keep nothing.
     *
     * @param most bytes that an executor keeps
     */
    public String later(List<Integer> executors, Machine machine, long most) {
        return frozen == null || most < frozen.bytes()
                ? ""
                : CostTable.later(this, frozen, most, batch, executors, machine);
    }

    /** Returns a table: a line for each number of executors. */
    public String table(List<Integer> executors, Machine machine) {
        return CostTable.of(this, batch, shards, executors, machine);
    }

    /** Returns what to change where this many executors would not help, or an empty text. */
    public String advice(int executors, Machine machine) {
        return CostTable.advice(this, shards, executors, machine);
    }
}
