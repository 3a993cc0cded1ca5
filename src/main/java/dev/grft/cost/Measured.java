package dev.grft.cost;

import static dev.grft.cost.Limit.number;
import static dev.grft.cost.Limit.text;

import dev.grft.config.Settings;
import dev.grft.data.Augment;
import dev.grft.data.ImageRecipe;
import dev.grft.data.Pixels;
import dev.grft.data.Preprocess;
import dev.grft.vit.VitConfig;
import dev.grft.vit.kernels.Backend;
import org.apache.hadoop.conf.Configuration;
import org.jspecify.annotations.Nullable;

/**
 * The rates of a plan: those that are given, and the others measured on this machine.
 *
 * @param driver trains a probe's head
 * @param words where each rate comes from, a line each
 * @param photos that the sizes and measured rates are of
 * @param kept bytes of a prepared image on the disk of an executor
 */
record Measured(Executor executor, Phases.Driver driver, String words, String photos, long kept) {

    /** Of the rate of square products, what the products of a step reach (see {@code src/site/markdown/cost.md}). */
    private static final double OF_SQUARES = 0.9;

    static Measured of(Configuration hadoop, Wish wish, CostModel costs, Settings settings, ImageRecipe recipe) {
        VitConfig config = costs.config();
        int here = Runtime.getRuntime().availableProcessors();
        Preprocess plain = settings.data().toPreprocess(config.imageSize(), recipe);
        Preprocess preprocess = settings.cropsAtRandom()
                ? plain.withSources(settings.augmentation().cropSource())
                : plain;
        Photos photos = Photos.of(hadoop, wish.photo());
        Pixels first = photos.decoded(0);
        Pixels source = preprocess.source(first);
        int threads = Math.min(here, wish.coresOfExecutor());
        Augment augment = settings.augmentation().toAugment(settings.run().seed());
        int blas = settings.engine().blasThreads();
        int tasks = Math.max(1, Math.min(here / blas, wish.tasksAtOnce()));
        boolean cpu = wish.gflops() == null && !wish.gpu();
        Executor executor = wish.executor(
                cpu ? OF_SQUARES * Backend.gflops(tasks, blas, settings.engine().precision()) : 0,
                wish.decode() != null ? 0 : Rates.decoding(photos, preprocess, threads),
                wish.prepare() != null ? 0 : Rates.preparing(photos, preprocess, augment, threads),
                wish.round() != null && wish.images() == null
                        ? 0
                        : Rates.update(config, costs.trained(), settings.training()));
        double gflops = executor.gflops();
        Feed feed = executor.feed();
        int drivers = Math.max(1, here / blas);
        Phases.Driver driver = // whatever executors compute in
                new Phases.Driver(wish.images() == null ? 1 : Backend.gflops(drivers, blas, "fp32"), drivers);
        String computing = wish.gpu()
                ? text(
                        "%s TFLOP/s of the GPU of an executor, given. Nothing was measured on a GPU: norms, GELU and softmax count as on"
                                + " CPUs",
                        number(gflops / 1e3))
                : text(
                        "%s GFLOP/s of a task, %s",
                        number(gflops),
                        cpu ? "nine tenths of what square products reach here, " + tasks + " at once" : "given");
        String words = line("computing", computing)
                + line(
                        "decoding",
                        text("%s images/s of a core, %s", number(feed.decoding()), from(wish.decode(), photos.what())))
                + line(
                        "preparing",
                        text(
                                "%s images/s of a core for a step, without reading them, %s",
                                number(feed.step()), from(wish.prepare(), photos.what())))
                + (wish.images() == null
                        ? ""
                        : line(
                                "driver",
                                text(
                                        "%d threads of %s GFLOP/s train the head of a probe, measured here in fp32",
                                        drivers, number(driver.gflops()))))
                + line("rounds", executor.round().toString());
        long side = config.imageSize();
        return new Measured(
                executor, driver, words, photos.what(), 3 * side * side + (source == null ? 0 : source.rgb().length));
    }

    private static String from(@Nullable Double given, String photos) {
        return given != null ? "given" : "measured here for " + photos;
    }

    private static String line(String what, String words) {
        return text("%-10s %s%n", what, words);
    }
}
