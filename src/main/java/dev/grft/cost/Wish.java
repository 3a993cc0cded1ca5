package dev.grft.cost;

import dev.grft.Checks;
import dev.grft.UserError;
import dev.grft.config.Settings;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What is planned for. A rate that is null is measured on this machine, but never that of a GPU.
 *
 * @param model a checkpoint, or the name of a size such as {@code vit_base_patch16_224}
 * @param settings of the training
 * @param classes of the head
 * @param executors numbers of executors
 * @param tasks of an executor at a time; null: 2 on CPUs; on a GPU 1, and Spark's settings do not say so
 * @param gflops 10^9 operations a second of one task's large products, on CPUs
 * @param tflops 10^12 operations a second of a GPU's large products; null to plan for CPUs
 * @param cores of an executor; null: one for each task, on CPUs {@code engine.blasThreads} for each
 * @param gigabits 10^9 bits a second of each machine's network
 * @param decode images a second that a core decodes
 * @param prepare images a second that a core prepares for a step
 * @param round milliseconds of a round beside computing, images and the network
 * @param images of the training; null if their number is not known
 * @param photo a size such as {@code 500x375}, or the path of a photo, to measure with
 */
public record Wish(
        String model,
        Settings settings,
        int classes,
        List<Integer> executors,
        @Nullable Integer tasks,
        @Nullable Double gflops,
        @Nullable Double tflops,
        @Nullable Integer cores,
        double gigabits,
        @Nullable Double decode,
        @Nullable Double prepare,
        @Nullable Double round,
        @Nullable Long images,
        String photo) {
    private static final double LEAST_RATE = 1e-3; // images a second of a core
    private static final double MOST_RATE = 1e9;
    private static final int MOST_CLASSES = 1_000_000;
    private static final int MOST_EXECUTORS = 1_000_000;
    private static final long MOST_IMAGES = Integer.MAX_VALUE; // each has a place in a list

    public Wish {
        executors = List.copyOf(executors);
        if (classes < 1 || executors.isEmpty() || executors.stream().anyMatch(n -> n < 1)) {
            throw UserError.of("--classes and --executors must be >= 1, got %d and %s", classes, executors);
        }
        if (classes > MOST_CLASSES || executors.stream().anyMatch(n -> n > MOST_EXECUTORS)) {
            throw UserError.of(
                    "a plan is for up to %,d --classes and %,d --executors, got %d and %s",
                    MOST_CLASSES, MOST_EXECUTORS, classes, executors);
        }
        if (images != null && (images < 1 || images > MOST_IMAGES)) {
            throw UserError.of("--images must be in [1, %,d], got %d", MOST_IMAGES, images);
        }
        if (gflops != null && tflops != null) {
            throw UserError.of(
                    "--gflops is the rate of a task on CPUs and --tflops that of a GPU: give one of them, got %s and %s",
                    gflops, tflops);
        }
        rate("--decode", decode);
        rate("--prepare", prepare);
        Checks.notBlank("--photo", photo);
        int atOnce = tasks(tasks, tflops);
        int blas = settings.engine().blasThreads();
        Feed feed = feed(cores, cores(tasks, tflops, blas), tasks, tflops, 1, 1);
        new Executor(rate(gflops, tflops, 1), tflops != null, atOnce, gigabits, feed, round(round, 0)); // refuses
        if (tflops == null && cores != null && cores < (long) atOnce * blas) {
            throw UserError.of(
                    "--cores must be >= %,d: each of the %d tasks of an executor (--tasks) computes on %d (engine.blasThreads), got %d",
                    (long) atOnce * blas, atOnce, blas, cores);
        }
    }

    private static void rate(String option, @Nullable Double rate) {
        if (rate != null) {
            Checks.require(
                    rate >= LEAST_RATE && rate <= MOST_RATE,
                    option,
                    "in [0.001, 1000000000] images a second of a core",
                    rate);
        }
    }

    private static int cores(@Nullable Integer tasks, @Nullable Double tflops, int blas) {
        return (int) Math.min(
                Integer.MAX_VALUE, Math.max(1L, (long) tasks(tasks, tflops) * (tflops != null ? 1 : blas)));
    }

    private static int tasks(@Nullable Integer tasks, @Nullable Double tflops) {
        return tasks != null ? tasks : tflops != null ? 1 : 2;
    }

    private static double rate(@Nullable Double gflops, @Nullable Double tflops, double measured) {
        return tflops != null ? 1e3 * tflops : gflops != null ? gflops : measured;
    }

    /** Without a number of tasks on a GPU, Spark does not share it: one task computes, and all cores decode. */
    private static Feed feed(
            @Nullable Integer cores,
            int least,
            @Nullable Integer tasks,
            @Nullable Double tflops,
            double decoding,
            double preparing) {
        int all = cores != null ? cores : least;
        int decoders = tflops != null && tasks == null ? all : Math.min(tasks(tasks, tflops), all);
        return new Feed(all, decoders, decoding, preparing);
    }

    private static Round round(@Nullable Double millis, double update) {
        return new Round(millis == null ? null : millis / 1e3, update);
    }

    boolean gpu() {
        return tflops != null;
    }

    int tasksAtOnce() {
        return tasks(tasks, tflops);
    }

    /** Returns the cores of an executor. */
    int coresOfExecutor() {
        return feed(1, 1).cores();
    }

    private Feed feed(double decoding, double preparing) {
        int least = cores(tasks, tflops, settings.engine().blasThreads());
        return feed(cores, least, tasks, tflops, decoding, preparing);
    }

    /** Returns an executor with the rates that are given, and measured ones in place of the others. */
    Executor executor(double measuredGflops, double decoding, double preparing, double update) {
        Feed feed = feed(decode != null ? decode : decoding, prepare != null ? prepare : preparing);
        return new Executor(
                rate(gflops, tflops, measuredGflops), gpu(), tasksAtOnce(), gigabits, feed, round(round, update));
    }
}
