package dev.grft.cost;

import dev.grft.config.Config;
import dev.grft.config.SelectionSettings;
import dev.grft.config.Settings;
import dev.grft.tuning.Activations;
import dev.grft.tuning.BuiltInScore;
import dev.grft.tuning.Method;
import dev.grft.tuning.Score;
import dev.grft.vit.VitConfig;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.function.IntToLongFunction;
import org.jspecify.annotations.Nullable;

/**
 * The largest batches that memory allows. A batch size that changes only the last bits is an upper limit. What a forward computes is kept
 * for the backward if it fits; otherwise a step takes a third longer.
 *
 * <p>Depends only on the settings, the model's sizes and the limit of memory: all executors and all runs with the same limit do the same.
 */
public final class Fit {
    private final VitConfig config;
    private final Settings wished;
    private final boolean recompute;
    private final int scored;
    private final int seen;
    private final @Nullable Integer microBatch;

    private Fit(
            VitConfig config, Settings wished, boolean recompute, int scored, int seen, @Nullable Integer microBatch) {
        this.config = config;
        this.wished = wished;
        this.recompute = recompute;
        this.scored = scored;
        this.seen = seen;
        this.microBatch = microBatch;
    }

    /** Returns what the settings wish for, where no limit is known. */
    public static Fit unlimited(VitConfig config, Settings wished) {
        return new Fit(
                config,
                wished,
                wished.engine().recompute(),
                wished.selection().batchSize(),
                wished.evaluation().batchSize(),
                null);
    }

    /**
     * Returns what fits. If not even one image does, it is what the settings wish for: {@code check} says what to change.
     *
     * @param config the model, with its head
     * @param bytes of native memory, which a process has beside its heap
     * @param tasks that share it
     */
    public static Fit of(VitConfig config, Settings wished, long bytes, int tasks) {
        return of(config, wished, bytes, tasks, false);
    }

    /** Returns the same of tasks that share so many bytes of a GPU, on which nothing of the driver or the JVM lies. */
    public static Fit onGpu(VitConfig config, Settings wished, long bytes, int tasks) {
        return of(config, wished, bytes, tasks, true);
    }

    private static Fit of(VitConfig config, Settings wished, long bytes, int tasks, boolean gpu) {
        Fit all = unlimited(config, wished);
        Activations memory = activations(config, wished);
        int stepped = wished.training().examplesAtOnce();
        long bound = 2 * memory.training(stepped, wished.engine().recompute());
        if (all.fits(MemoryModel.least(config, bytes, tasks), bound)) { // it need not be known what trains
            return all;
        }
        MemoryModel costs = MemoryModel.of(config, wished);
        long room = gpu ? costs.roomOnGpu(bytes, tasks) : costs.room(bytes, tasks);
        BatchBytes step = gpu ? costs::activationsOnGpu : costs::activations;
        if (all.fits(room, step.of(stepped, all.recompute)) || memory.training(1, true) > room) {
            return all;
        }
        SelectionSettings selection = wished.selection();
        boolean wish = !selection.dependsOnBatches();
        boolean again = wished.engine().recompute()
                || step.of(stepped, false) > room
                || scoreBytes(config, wished, wish ? 1 : selection.imagesOfBatch(), false) > room;
        int scored = wish
                ? largest(selection.batchSize(), room, n -> scoreBytes(config, wished, n, again))
                : selection.batchSize();
        int seen = largest(wished.evaluation().batchSize(), room, memory::forward);
        int fitting = step.of(stepped, again) <= room
                ? stepped
                : largest(stepped, room - costs.sumOfParts(), n -> step.of(n, again));
        boolean pairs = wished.augmentation().mixing().mixes();
        int whole = pairs ? fitting - fitting % 2 : fitting;
        return new Fit(config, wished, again, scored, seen, fitting == stepped || whole == 0 ? null : whole);
    }

    /** The bytes of a batch of a step, whose backward computes activations again or not. */
    private interface BatchBytes {
        long of(int examples, boolean again);
    }

    /** Returns whether these batches and a step's activations fit in so many bytes. */
    private boolean fits(long room, long step) {
        int images = wished.selection().imagesOfBatch();
        return step <= room
                && scoreBytes(config, wished, images, recompute) <= room
                && activations(config, wished).forward(seen) <= room;
    }

    static Activations activations(VitConfig config, Settings settings) {
        return new Activations(config, settings.engine().precision().equals("bf16"));
    }

    /** Returns whether scoring has no backward. GPS has a score of its own, which has one. */
    static boolean scoresForward(Settings settings) {
        BuiltInScore score = BuiltInScore.find(settings.selection().score());
        return score != null
                && score.pass() == Score.Pass.ACTIVATIONS
                && Method.of(settings.tuning().method()).needs() != Method.Needs.SCORES;
    }

    private static long scoreBytes(VitConfig config, Settings settings, int images, boolean recompute) {
        return scoresForward(settings)
                ? activations(config, settings).forward(images)
                : activations(config, settings).training(images, recompute);
    }

    private static int largest(int wish, long room, IntToLongFunction bytes) {
        if (bytes.applyAsLong(wish) <= room) {
            return wish;
        }
        int fits = 1;
        int exceeds = wish;
        while (exceeds - fits > 1) {
            int middle = (fits + exceeds) >>> 1;
            if (bytes.applyAsLong(middle) <= room) {
                fits = middle;
            } else {
                exceeds = middle;
            }
        }
        return fits;
    }

    /** Returns how many images the largest batch has that has a backward. */
    public int withBackward() {
        int stepped = wished.training().examplesAtOnce();
        return scoresForward(wished) ? stepped : Math.max(settings().selection().imagesOfBatch(), stepped);
    }

    /** Returns how many images the largest batch has that has none. */
    public int withoutBackward() {
        return scoresForward(wished) ? Math.max(scored, seen) : seen;
    }

    /** Returns whether activations are computed again in the backward. */
    public boolean recompute() {
        return recompute;
    }

    /** Returns the settings with what fits in place of what they wish for. */
    public Settings settings() {
        Map<String, @Nullable Object> changes = new LinkedHashMap<>();
        changes.put("engine.recompute", recompute);
        changes.put("selection.batchSize", scored);
        changes.put("evaluation.batchSize", seen);
        return Config.with(wished, "memory", changes);
    }

    /** Returns a line that says what was not granted of the batches without a backward; null if all was. */
    public @Nullable String ofEvaluation() {
        return line("evaluation.batchSize", seen, wished.evaluation().batchSize());
    }

    /** Returns the same of the selection's batches. */
    public @Nullable String ofSelection() {
        return line("selection.batchSize", scored, wished.selection().batchSize());
    }

    /** Returns the same of keeping what a forward computes. */
    public @Nullable String ofBackward() {
        return recompute == wished.engine().recompute()
                ? null
                : "engine.recompute is true in place of false: activations of a batch do not fit in a task's memory; the results are the"
                        + " same";
    }

    /**
     * Returns the largest {@code training.microBatch} that fits; null if the configured one fits, or not even one image
     * does, or one pair of images that are mixed. It is only proposed, never applied, because the last bits of a training depend on it.
     */
    public @Nullable Integer microBatch() {
        return microBatch;
    }

    /** Returns a line that proposes it, or null. */
    public @Nullable String ofStep() {
        return microBatch == null
                ? null
                : String.format(
                        Locale.ROOT,
                        "a step's %d images at once do not fit in a task's memory: set training.microBatch=%d before the first training,"
                                + " which gives the same results to the last bits",
                        wished.training().examplesAtOnce(),
                        microBatch);
    }

    private static @Nullable String line(String key, int granted, int wish) {
        return granted == wish
                ? null
                : String.format(
                        Locale.ROOT, "%s is %d in place of %d: more do not fit in a task's memory", key, granted, wish);
    }
}
