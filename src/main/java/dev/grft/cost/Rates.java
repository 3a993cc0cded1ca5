package dev.grft.cost;

import dev.grft.Penalty;
import dev.grft.config.TrainingSettings;
import dev.grft.data.Augment;
import dev.grft.data.Batch;
import dev.grft.data.Example;
import dev.grft.data.Pixels;
import dev.grft.data.Preprocess;
import dev.grft.data.Target;
import dev.grft.train.Learner;
import dev.grft.train.LearnerState;
import dev.grft.train.Network;
import dev.grft.train.StepGradient;
import dev.grft.tuning.SliceTuning;
import dev.grft.vit.Layout;
import dev.grft.vit.VitConfig;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.IntConsumer;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** What this machine does in a second of a core, measured with as many threads at once as an executor has. */
final class Rates {
    private static final long NANOS = 500_000_000L; // of a measurement, and of a warm-up before it
    private static final int MOST_PARAMETERS = 4_000_000; // of a measured vector: more take as long each

    private static final ThreadMXBean CLOCK = ManagementFactory.getThreadMXBean();

    private Rates() {}

    /** Returns the photos a second that a thread decodes and resizes, as an executor does with each image once. */
    static double decoding(Photos photos, Preprocess preprocess, int threads) {
        return perSecond(threads, at -> {
            Pixels image = photos.decoded(at);
            preprocess.prepare(image);
            preprocess.source(image);
        });
    }

    /** Returns the prepared images a second that a thread augments and normalizes, as a task does in each step after it has read them. */
    static double preparing(Photos photos, Preprocess preprocess, Augment augment, int threads) {
        Pixels image = photos.decoded(0);
        Example example =
                new Example(0, Target.ofClass(0), "photo", preprocess.prepare(image), preprocess.source(image), 1);
        List<Example> one = List.of(example);
        return perSecond(threads, at -> Batch.augmented(one, preprocess, augment, new long[] {at}, 1));
    }

    /** Returns the seconds in which the driver writes a trained parameter out and updates it. */
    static double update(VitConfig config, long parameters, TrainingSettings training) {
        int width = config.features();
        int classes = (int) Math.max(1, Math.min(parameters, MOST_PARAMETERS) / (width + 1));
        SliceTuning head = SliceTuning.headOnly();
        Layout layout = head.layout(config.withClasses(classes));
        float[] vector = new float[layout.size()];
        try (Learner learner = new Learner(
                Network.configuration(layout, training, Penalty.NONE, 1000, 1), LearnerState.start(vector))) {
            StepGradient gradient = new StepGradient(new float[layout.size()], 1, 1);
            double steps = perSecond(1, at -> {
                learner.apply(gradient, training.clipNorm());
                learner.trained(vector);
            });
            return 1 / steps / layout.size();
        }
    }

    /** Returns how often a second each of some threads does something at once, after a while that does not count. */
    private static double perSecond(int threads, IntConsumer work) {
        ExecutorService pool = Executors.newFixedThreadPool(threads);
        try {
            return IntStream.range(0, threads)
                    .mapToObj(thread -> CompletableFuture.supplyAsync(() -> rate(work), pool))
                    .collect(Collectors.toCollection(ArrayList::new))
                    .stream()
                    .mapToDouble(CompletableFuture::join)
                    .average()
                    .orElseThrow();
        } catch (CompletionException e) {
            throw e.getCause() instanceof RuntimeException cause ? cause : e;
        } finally {
            pool.shutdownNow();
        }
    }

    private static double rate(IntConsumer work) {
        int warm = 0;
        for (long start = nanos(); nanos() - start < NANOS || warm == 0; warm++) {
            work.accept(warm);
        }
        int done = 0;
        long start = nanos();
        while (nanos() - start < NANOS || done == 0) {
            work.accept(warm + done++);
        }
        return done * 1e9 / (nanos() - start);
    }

    /** Returns the processor time of this thread, which other programs on the machine do not add to. */
    private static long nanos() {
        return CLOCK.isCurrentThreadCpuTimeSupported() ? CLOCK.getCurrentThreadCpuTime() : System.nanoTime();
    }
}
