package dev.grft.spark.verbs;

import dev.grft.checkpoint.Checkpoint;
import dev.grft.checkpoint.file.Dtype;
import dev.grft.checkpoint.file.Safetensors;
import dev.grft.checkpoint.file.Tensor;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.data.ImageRecipe;
import dev.grft.spark.run.Session;
import dev.grft.train.Initial;
import dev.grft.vit.VitConfig;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import javax.imageio.ImageIO;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.SparkContext;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.sql.SparkSession;
import scala.Option;

/** A ViT, images and settings so small that whole runs take seconds. */
public final class Tiny {
    /** All tests that make runs can be had with standing tasks: {@code -Dgrft.rounds=standing}. */
    private static final String ROUNDS = System.getProperty("grft.rounds", "auto");

    /** The sizes of the pretrained model. */
    public static final VitConfig CONFIG = new VitConfig(8, 4, 16, 2, 2, 32, 0, 1e-6);

    private static final List<String> CLASSES = List.of("blue", "green", "red");

    private Tiny() {}

    /** A pretrained model, 18 images to train on and 9 to test on, which several tests read. */
    public record Shared(Path pretrained, Path train, Path test) {
        /** Writes them into a folder. */
        public static Shared in(Path folder) throws IOException {
            return new Shared(
                    Tiny.pretrained(folder.resolve("pretrained"), 1),
                    images(folder.resolve("train"), 6, 2),
                    images(folder.resolve("test"), 3, 3));
        }

        /** Returns single keys for a run with these in a directory. */
        public List<String> sets(Path directory, String... more) {
            return Tiny.sets(pretrained, train, test, directory, more);
        }
    }

    /** What a verb has printed. */
    public record Printed(String out, String err) {}

    /**
     * Returns the Spark session of this process, with nothing cached. The test classes share it, as a start takes a second. It is
     * started anew only for another master, and ends with the process.
     */
    public static SparkSession spark(String master) {
        Option<SparkSession> running = SparkSession.getDefaultSession();
        if (running.isDefined() && running.get().sparkContext().master().equals(master)) {
            JavaSparkContext.fromSparkContext(running.get().sparkContext())
                    .getPersistentRDDs()
                    .values()
                    .forEach(cached -> cached.unpersist(true));
        } else {
            noSpark();
        }
        return SparkSession.builder()
                .master(master)
                .config("spark.ui.enabled", "false")
                .config("spark.driver.host", "127.0.0.1")
                .config("spark.driver.bindAddress", "127.0.0.1")
                .config("spark.sql.warehouse.dir", warehouse())
                .getOrCreate();
    }

    /** Returns where tables of Spark's own catalog lie, which each process has for itself. */
    private static String warehouse() {
        return Path.of(
                        System.getProperty("java.io.tmpdir"),
                        "grft-warehouse-" + ProcessHandle.current().pid())
                .toString();
    }

    /** Waits until listeners and the status tracker have heard all that has happened so far: Spark tells them a moment later. */
    public static void untilHeard(SparkContext spark) {
        try {
            spark.listenerBus().waitUntilEmpty(60_000);
        } catch (TimeoutException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Lets {@code listener} hear all that {@code body} does, and nothing that was before it. */
    public static <E extends Exception> void heardBy(SparkListener listener, SparkContext spark, Body<E> body)
            throws E {
        untilHeard(spark);
        spark.addSparkListener(listener);
        try {
            body.run();
            untilHeard(spark);
        } finally {
            spark.removeSparkListener(listener);
        }
    }

    /** What is done while a listener hears. */
    public interface Body<E extends Exception> {
        void run() throws E;
    }

    /** Stops Spark in this process, for a test that starts it in its own way. */
    public static void noSpark() {
        Option<SparkSession> running = SparkSession.getDefaultSession();
        if (running.isDefined()) {
            running.get().stop();
        }
    }

    /** Writes a pretrained model that has seen nothing, and returns its folder. */
    public static Path pretrained(Path folder, long seed) {
        return pretrained(folder, CONFIG, seed);
    }

    /** Writes one of other sizes. */
    public static Path pretrained(Path folder, VitConfig config, long seed) {
        Checkpoint.of(
                        "tiny",
                        "vit_tiny_patch4_8",
                        config,
                        Initial.vit(config, seed),
                        ImageRecipe.same(0.5f, 0.5f, 1),
                        List.of())
                .save(new Configuration(), folder.toString(), Dtype.F32);
        return folder;
    }

    /** Writes noisy images of three colors, the classes' names, and returns their folder. */
    public static Path images(Path folder, int ofEachClass, long seed) throws IOException {
        SplittableRandom random = new SplittableRandom(seed);
        for (int k = 0; k < CLASSES.size(); k++) {
            Path ofClass = Files.createDirectories(folder.resolve(CLASSES.get(k)));
            for (int i = 0; i < ofEachClass; i++) {
                BufferedImage image = new BufferedImage(10, 9, BufferedImage.TYPE_INT_RGB);
                for (int p = 0; p < 90; p++) {
                    int rgb = 0;
                    for (int channel = 2; channel >= 0; channel--) {
                        rgb = rgb << 8 | (channel == 2 - k ? 120 : 60) + random.nextInt(100);
                    }
                    image.setRGB(p % 10, p / 10, rgb);
                }
                ImageIO.write(image, "png", ofClass.resolve(i + ".png").toFile());
            }
        }
        return folder;
    }

    /** Returns single keys for a run of 9 steps over 18 images in 3 shards. */
    public static List<String> sets(Path pretrained, Path train, Path test, Path directory, String... more) {
        List<String> sets = new ArrayList<>(List.of(
                "run.directory=" + directory,
                "model.pretrained=" + pretrained,
                "data.train=" + train,
                "data.test=" + test,
                "selection.budget.count=2",
                "selection.matrices=[patch_embed.proj, attn.qkv, attn.proj, mlp.fc1, mlp.fc2]",
                "probe.epochs=5",
                "training.epochs=3",
                "training.batchSize=6",
                "training.shards=3",
                "training.checkpointEvery=2",
                "training.keep=100",
                "augmentation.crop=true",
                "augmentation.flip=true",
                "engine.kernels=cpu"));
        sets.add("engine.rounds=" + ROUNDS);
        sets.addAll(Arrays.asList(more));
        return sets;
    }

    public static Settings settings(List<String> sets) {
        return Config.load(List.of(), sets, new Configuration());
    }

    /** Does a verb in a session of its own and returns what it has printed. */
    public static Printed does(SparkSession spark, List<String> sets, boolean force, Consumer<Verbs> verb) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        try (Session session = Session.in(
                spark,
                settings(sets),
                new PrintStream(out, true, StandardCharsets.UTF_8),
                new PrintStream(err, true, StandardCharsets.UTF_8))) {
            verb.accept(new Verbs(session, force));
        }
        return new Printed(out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
    }

    /** Returns every tensor of a file as text that tells each bit. */
    public static Map<String, String> tensors(Path file) {
        Safetensors safetensors = Safetensors.read(new Configuration(), new org.apache.hadoop.fs.Path(file.toString()));
        Map<String, String> all = new TreeMap<>();
        for (String name : safetensors.names()) {
            Tensor tensor = safetensors.tensor(name);
            String numbers = switch (tensor.dtype()) {
                case F64 -> Arrays.toString(tensor.doubles());
                case I32 -> Arrays.toString(tensor.ints());
                default -> Arrays.toString(tensor.floats());
            };
            all.put(name, tensor.dtype() + " " + Arrays.toString(tensor.shape()) + " " + numbers);
        }
        return all;
    }
}
