package dev.grft.bench;

import dev.grft.Axis;
import dev.grft.Selection;
import dev.grft.Slices;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.data.Batch;
import dev.grft.data.Example;
import dev.grft.data.ImageRecipe;
import dev.grft.data.Pixels;
import dev.grft.data.Preprocess;
import dev.grft.vit.VitConfig;
import dev.grft.vit.kernels.Backend;
import dev.grft.vit.kernels.Kernels;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.apache.hadoop.conf.Configuration;
import org.jspecify.annotations.Nullable;

/**
 * What is measured, and how often.
 *
 * @param model timm name
 * @param batch examples in a step
 * @param threads tasks of one thread each share a step, as with Spark; peers have as many for each product
 * @param warmUpSeconds for how long steps are done before they count, and three times at least
 * @param repetitions how often it counts
 * @param python the interpreter with the peers' libraries; null for none
 * @param peers of the works of peer.py those that are measured: where it is found in the name
 * @param precision {@code fp32} or {@code bf16}, of ours and of PyTorch
 */
public record Setup(
        String model,
        int batch,
        int threads,
        double warmUpSeconds,
        int repetitions,
        @Nullable Path python,
        Pattern peers,
        String precision) {
    private static final int CLASSES = 100;

    /** Returns the sizes of the model, with a head of as many classes as an average data set of VTAB-1k or FGVC. */
    VitConfig config() {
        return VitConfig.preset(model, CLASSES);
    }

    /** Returns what ours computes with. */
    Kernels kernels() {
        return Backend.kernels("cpu", precision);
    }

    /** Returns k, the number of rows of each matrix that train: the paper's 0.30 %. */
    int rows() {
        return 4;
    }

    /** Returns some rows of every matrix, the patch embedding included. */
    public static Selection selection(VitConfig config, int rows) {
        List<Slices> first = new ArrayList<>();
        config.matrices()
                .forEach((matrix, shape) -> first.add(new Slices(
                        matrix,
                        shape,
                        Axis.ROW,
                        IntStream.range(0, Math.min(rows, shape.out())).toArray())));
        return Selection.random(new Selection(first), 1);
    }

    /** Returns the defaults of a training. */
    public static Settings settings() {
        return Config.load(List.of(), List.of(), new Configuration());
    }

    /** Returns preprocessing of photos as timm's ViTs have it. */
    public static Preprocess preprocess(VitConfig config) {
        int resize = (int) (config.imageSize() / 0.9);
        return new Preprocess(config.imageSize(), resize, Preprocess.Crop.CENTER, ImageRecipe.same(0.5f, 0.5f, 1));
    }

    /** Returns a prepared image of noise. */
    public static Example example(VitConfig config, int id) {
        byte[] rgb = new byte[3 * config.imageSize() * config.imageSize()];
        new SplittableRandom(id).nextBytes(rgb);
        return new Example(
                id, id % config.classes(), "noise " + id, new Pixels(config.imageSize(), config.imageSize(), rgb));
    }

    /** Returns a batch of noise, dealt out to as many tasks as there are threads and examples. */
    List<Batch> shares() {
        List<Batch> shares = new ArrayList<>();
        int tasks = Math.min(threads, batch);
        for (int t = 0; t < tasks; t++) {
            shares.add(Batch.of(
                    IntStream.range(batch * t / tasks, batch * (t + 1) / tasks)
                            .mapToObj(id -> example(config(), id))
                            .toList(),
                    preprocess(config())));
        }
        return shares;
    }

    /** Returns the peers that do these works of peer.py, of those wanted; none without {@link #python}. One that does not start is left out. */
    List<Peer> peers(String... works) {
        List<Peer> peers = new ArrayList<>();
        for (String work : works) {
            peer(work).ifPresent(peers::add);
        }
        return peers;
    }

    /** Returns the peer that does a work of peer.py with further options, if there is Python and it starts. */
    Optional<Peer> peer(String... options) {
        if (python == null || !peers.matcher(options[0]).find()) {
            return Optional.empty();
        }
        try {
            return Optional.of(Peer.start(this, python, List.of(options)));
        } catch (IOException e) {
            System.err.println("left out: " + String.join(" ", options) + " (" + e.getMessage() + ")");
            return Optional.empty();
        }
    }
}
