package dev.grft.cost;

import dev.grft.config.Settings;
import dev.grft.config.TrainingSettings;
import dev.grft.tuning.Activations;
import dev.grft.tuning.FrozenStages;
import dev.grft.tuning.Operations;
import dev.grft.vit.Keep;
import dev.grft.vit.Vit;
import dev.grft.vit.VitConfig;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The memory that a training takes, in bytes: on the driver, on executors, and on their GPUs. Counted from sizes, and checked against networks on CPUs. */
public final class MemoryModel {
    /** What a JVM with Spark holds beside weights, networks and images, bytes. */
    private static final double JVM = 450e6;

    private static final int BYTES = Float.BYTES;

    /** What the heap of a driver holds beside vectors of parameters, bytes: Spark, and what a listing of images takes. */
    private static final double DRIVER = 200e6;

    /** Threads in which Spark reads results, each with two serialized copies. */
    private static final int READERS = 4;

    /** Vectors of trained parameters that a learner holds in native memory: parameters, gradient, updater, working array. */
    private static final int LEARNER = 5;

    /**
     * What networks keep of a batch.
     *
     * @param recompute whether activations are computed again in the backward
     * @param still blocks that compute one image at a time
     * @param scored images of a batch whose scores have a backward, through all blocks; 0 if none have
     * @param seen images of a batch of the evaluation
     * @param kept of each block, for the backward; empty if none has one
     */
    private record Passes(
            boolean recompute, int still, int scored, int seen, Activations activations, List<Keep.OfBlock> kept) {}

    /** What the driver holds of an image beside its features, bytes: its name and its target. */
    private static final int SEEN = 256;

    /**
     * Features of the linear probe in the driver's heap.
     *
     * @param bytes of them; 0 if there is no probe
     * @param kept whether they stay there while a model trains, for the probe of another seed
     */
    private record Probed(long bytes, boolean kept) {
        static final Probed NONE = new Probed(0, false);

        static Probed of(VitConfig config, Settings settings, long images) {
            long bytes = Phases.probed(config, settings, images) * (BYTES * config.features() + SEEN);
            return new Probed(bytes, settings.compare().seeds().size() > 1);
        }
    }

    private final VitConfig config;
    private final Trained trained;
    private final Division division;
    private final Passes passes;
    private final Probed probed;
    private final boolean averages; // whether the driver's learner keeps an average of the trained vector
    private final Operations operations;

    private MemoryModel(Trained trained, Division division, Passes passes, Probed probed, boolean averages) {
        this.config = trained.config();
        this.trained = trained;
        this.division = division;
        this.passes = passes;
        this.probed = probed;
        this.averages = averages;
        this.operations = new Operations(config, trained.matrices(), passes.recompute);
    }

    /** Returns the memory of a training by the method, batch and shards of some settings. */
    public static MemoryModel of(VitConfig config, Settings settings) {
        return of(Trained.of(config, settings), settings);
    }

    /** Returns the same with the features of so many training images, if something needs the linear probe. */
    public static MemoryModel of(VitConfig config, Settings settings, long images) {
        return of(Trained.of(config, settings), settings, Probed.of(config, settings, images));
    }

    static MemoryModel of(Trained trained, Settings settings) {
        return of(trained, settings, Probed.NONE);
    }

    private static MemoryModel of(Trained trained, Settings settings, Probed probed) {
        VitConfig config = trained.config();
        FrozenStages frozen = trained.frozen();
        boolean head = trained.tuning().layout(config).frozenStages() > config.depth();
        Passes passes = new Passes(
                settings.engine().recompute(),
                frozen == null || showsWholeBatches(settings) ? 0 : Math.min(config.depth(), frozen.count() - 1),
                Fit.scoresForward(settings) ? 0 : settings.selection().imagesOfBatch(),
                settings.evaluation().batchSize(),
                Fit.activations(config, settings),
                head ? List.of() : Vit.kept(config, trained.tuning().trainable()));
        return new MemoryModel(
                trained,
                Division.of(settings),
                passes,
                probed,
                settings.training().ema() != null);
    }

    /** Returns the memory of a training that trains slices, whose networks keep all that they can. */
    static MemoryModel slices(Trained trained, Division division, boolean recompute) {
        VitConfig config = trained.config();
        List<Keep.OfBlock> kept = Collections.nCopies(config.depth(), Keep.OfBlock.EVERYTHING);
        return new MemoryModel(
                trained,
                division,
                new Passes(recompute, 0, 0, 0, new Activations(config, false), kept),
                Probed.NONE,
                false);
    }

    MemoryModel with(Division other) {
        return new MemoryModel(trained, other, passes, probed, averages);
    }

    /** Returns whether networks in training also compute frozen blocks for whole batches: of mirror images, or on executors of a mixed cluster. */
    private static boolean showsWholeBatches(Settings settings) {
        boolean validates = settings.training().patience() != null
                || settings.evaluation().protocol().equals(Settings.Evaluation.GPS_PAPER);
        return settings.engine().mixed() || (validates && settings.evaluation().flip());
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
     * put together, the trained vector twice, and for each task its batch, with standing tasks the next one, and its gradient, which is
     * serialized twice. Beside it: the copy of the weights that the tasks share, activations and trained parameters of each task, and as much
     * as a JVM with Spark holds.
     *
     * @param tasks at a time
     * @param examples of the largest batch of a task that has a backward
     * @param seen of the largest batch that has none
     */
    public Needs executor(int tasks, int examples, int seen) {
        int returned = division.returned();
        return new Needs(
                (long) JVM
                        + 4L * BYTES * config.backboneParameters() / config.depth()
                        + 2L * returned * vector()
                        + tasks * (3L * returned * vector() + heapOfTask(inHeap(examples, seen))),
                (long) JVM + beside(tasks, examples, seen));
    }

    /** Returns what the driver of a cluster must have: the pretrained weights twice; the vectors of a step, and those that shards return; the probe's features. */
    public Needs driver() {
        int shards = division.shards();
        return new Needs(driverHeap((long) shards + 2L * Math.min(READERS, shards)), (long) JVM + learner());
    }

    /** Returns what the one process of local mode must have, in which tasks return references. */
    public Needs local(int tasks, int examples, int seen) {
        return new Needs(
                driverHeap(division.shards()) + tasks * heapOfTask(inHeap(examples, seen)),
                (long) JVM + beside(tasks, examples, seen) + learner());
    }

    /**
     * Returns what lies on a GPU that tasks share: one copy of the weights, and for each task its activations, the trained vector and its gradient.
     * Frozen blocks compute whole batches there. Vectors of a learner lie in the memory of its host.
     *
     * @param tasks on the GPU
     * @param examples of the largest batch of a task that has a backward
     * @param seen of the largest batch that has none
     */
    public long onGpu(int tasks, int examples, int seen) {
        int vectors = division.parts() ? 3 : 2; // the sum of the parts' gradients is one more
        return weights()
                + BYTES
                        * (config.parameters()
                                - config.backboneParameters()) // a head of zeros, which the networks share
                + tasks * (batches(examples, seen, 0) + vectors * vector() + BYTES * trained.whole());
    }

    /** Returns what the tasks on a GPU hold beside the heap of their host: after local steps a learner each, else nothing. */
    public long besideGpu(int tasks) {
        return division.returned() == 1 ? 0 : tasks * (LEARNER * vector() + BYTES * trained.decaying());
    }

    /** Returns the bytes that the shards of a round return to the driver. */
    public long gathered() {
        return (long) division.shards() * division.returned() * vector();
    }

    /** Returns the same of a training with so many trained parameters. */
    public static long gathered(TrainingSettings training, long trained) {
        return (long) training.shards() * Division.returned(training.syncEvery()) * BYTES * trained;
    }

    /** Returns the stages whose outputs executors keep, unless they have GPUs; null if none are kept. */
    public @Nullable FrozenStages frozen() {
        return trained.frozen();
    }

    /** Returns the bytes of the features of the linear probe in the driver's heap; 0 if there is no probe. */
    public long probed() {
        return probed.bytes;
    }

    /** Returns how many parameters train, the head included. */
    public long trained() {
        return trained.parameters();
    }

    /**
     * Returns the driver's heap. The weights are held twice while they are read, and once beside the features of the probe. A training holds its present vector; there is room for one more,
     * since the collector needs as much free space in one piece.
     */
    private long driverHeap(long vectors) {
        long weights = BYTES * config.backboneParameters();
        long held = 2 + (averages ? 1 : 0) + vectors * division.returned();
        long training = held * vector() + (probed.kept ? probed.bytes : 0);
        return (long) DRIVER + weights + Math.max(Math.max(weights, probed.bytes), training);
    }

    /** Returns the images that a task holds at most: beside the batch that it computes, a standing task holds one that is prepared for later. */
    private long inHeap(int examples, int seen) {
        return Math.max(division.standing() ? 2L * examples : examples, seen);
    }

    /** Returns the heap of a task: its images, what frozen stages make of them, and a gradient of all eligible matrices if those are summed. */
    private long heapOfTask(long images) {
        FrozenStages frozen = trained.frozen();
        long pixels = (long) VitConfig.CHANNELS * config.imageSize() * config.imageSize();
        return BYTES * (images * (pixels + (frozen == null ? 0 : frozen.length())) + trained.summed());
    }

    private long beside(int tasks, int examples, int seen) {
        // Local steps have an updater with vectors of its own, and weight decay of theirs needs pretrained values.
        boolean local = division.returned() > 1;
        int vectors = (division.parts() ? 5 : 4) + (local ? 2 : 0);
        long pretrained = trained.whole() + (local ? trained.decaying() : 0);
        return weights() + tasks * (batches(examples, seen, passes.still) + vectors * vector() + BYTES * pretrained);
    }

    /** Returns what a task needs for its largest batches. */
    private long batches(int examples, int seen, int still) {
        long scoring = passes.activations.training(Math.min(examples, passes.scored), passes.recompute);
        long backward = Math.max(activations(examples, passes.recompute, still), scoring);
        return Math.max(backward + sums(), passes.activations.forward(seen));
    }

    /** Returns what tasks that share so many bytes beside the heap have for activations each, beside the sums of scores; in local mode also the learner's. */
    long room(long bytes, int tasks) {
        return (bytes - (long) JVM - learner() - beside(tasks, 0, 0)) / tasks;
    }

    /** Returns what tasks that share so many bytes of a GPU have for activations each, beside the sums of scores. */
    long roomOnGpu(long bytes, int tasks) {
        return (bytes - onGpu(tasks, 0, 0)) / tasks;
    }

    /** Returns what {@link #room} and {@link #roomOnGpu} return at least, whatever trains. */
    static long least(VitConfig config, long bytes, int tasks) {
        long all = BYTES * config.parameters();
        return (bytes - (long) JVM - (LEARNER + 3) * all) / tasks - 9 * all;
    }

    /** Returns the bytes that a task needs more if it computes its batch in parts; 0 if it does so already. */
    long sumOfParts() {
        return division.parts() ? 0 : vector();
    }

    /** Returns the bytes of the gradients that are summed for scores. */
    long sums() {
        return BYTES * trained.summed();
    }

    private long learner() {
        return (LEARNER + (averages ? 1 : 0)) * vector() + BYTES * trained.decaying();
    }

    private long vector() {
        return trained.vector();
    }

    /** Returns the bytes of the weights that tasks share; bfloat16 adds two copies of half the size. */
    private long weights() {
        return (passes.activations.bf16() ? 2L : 1L) * BYTES * config.backboneParameters();
    }

    /** Returns what a network in this training keeps of a batch and works with, in bytes. */
    long activations(int examples, boolean again) {
        return activations(examples, again, passes.still);
    }

    /** Returns the same on a GPU. */
    long activationsOnGpu(int examples, boolean again) {
        return activations(examples, again, 0);
    }

    private long activations(int examples, boolean again, int still) {
        return passes.activations.training(examples, again, still, passes.kept)
                + BYTES * trained.tuning().held(name -> (long) operations.rows(name, examples), again);
    }

    /** Returns about what an executor takes in a step, with its JVM; on a GPU, what lies on that, with the batches of the selection and the evaluation. */
    double resident(int tasks, boolean gpu) {
        int examples = Math.min(division.examplesOfShard(), division.examplesAtOnce());
        return gpu
                ? onGpu(tasks, Math.max(examples, passes.scored), passes.seen)
                : JVM + (double) weights() + (double) tasks * (activations(examples, passes.recompute) + 4 * vector());
    }
}
