package dev.grft.spark.run;

import dev.grft.Delta;
import dev.grft.UserError;
import dev.grft.checkpoint.Checkpoint;
import dev.grft.checkpoint.DeltaFile;
import dev.grft.checkpoint.Storage;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.data.Augment;
import dev.grft.data.Labels;
import dev.grft.data.Preprocess;
import dev.grft.report.Metrics;
import dev.grft.report.Progress;
import dev.grft.report.Tracking;
import dev.grft.spark.cluster.Device;
import dev.grft.spark.cluster.Gauges;
import dev.grft.spark.cluster.LostCluster;
import dev.grft.spark.cluster.Stopped;
import dev.grft.spark.cluster.Watch;
import dev.grft.spark.images.FrameSource;
import dev.grft.spark.images.ImageFormat;
import dev.grft.spark.images.ImageReader;
import dev.grft.spark.images.ImageSource;
import dev.grft.spark.images.Images;
import dev.grft.spark.images.Inputs;
import dev.grft.spark.images.Pictures;
import dev.grft.spark.images.ReadOptions;
import dev.grft.spark.images.Source;
import dev.grft.spark.work.Inference;
import dev.grft.spark.work.ModelBroadcast;
import dev.grft.spark.work.Replicas;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;
import org.jspecify.annotations.Nullable;

/**
 * One application on a cluster and what its verbs share: Spark, the run directory, the pretrained model, the images. Each is
 * opened when it is first asked for, and once.
 */
public final class Session implements AutoCloseable {
    private final SparkSession spark;
    private final boolean ours;
    private final Settings settings;
    private final Storage storage;
    private final RunDirectory directory;
    private final Progress progress;
    private final PrintStream out;
    private final Opened opened;
    private final Map<String, FrameSource> frames; // by what the settings have in place of a path

    /** What is opened once, for all settings of an application. */
    private static final class Opened {
        final Map<String, Images> images = new HashMap<>();
        final Map<String, String> listings = new HashMap<>();
        final Set<String> made = new HashSet<>();
        final Map<String, Object> computed = new HashMap<>();
        final List<String> artefacts = Collections.synchronizedList(new ArrayList<>());

        /** Gets what is said of images. */
        final RunDirectory directory;

        @Nullable
        Checkpoint pretrained;

        @Nullable
        ModelBroadcast model;

        @Nullable
        Device device;

        final Watch watch;
        final Gauges gauges = Gauges.registered(Replicas::bytes);
        final Tracking tracking;

        /** Whether any method takes random crops of images, which are the same for all. */
        final boolean cropping;

        Opened(Settings settings, RunDirectory directory, Watch watch, Tracking tracking) {
            this.cropping = settings.cropsAtRandom()
                    || settings.methods().keySet().stream()
                            .anyMatch(
                                    method -> Config.forMethod(settings, method).cropsAtRandom());
            this.directory = directory;
            this.watch = watch;
            this.tracking = tracking;
        }
    }

    private Session(
            SparkSession spark,
            boolean ours,
            Settings settings,
            Map<String, FrameSource> frames,
            PrintStream out,
            PrintStream err) {
        this.spark = spark;
        this.ours = ours;
        this.settings = settings;
        this.storage = new Storage(hadoop());
        this.directory = new RunDirectory(
                storage, settings.run().directory(), settings.tuning().method());
        this.progress = ours ? Progress.ofProcess() : new Progress(err);
        this.out = out;
        this.opened = new Opened(
                settings,
                directory,
                new Watch(context(), settings.engine().timeoutSeconds()),
                new Tracking(
                        settings.tracking(),
                        storage,
                        progress,
                        spark.sparkContext().appName()));
        this.frames = frames;
    }

    private Session(Session of, Settings settings, RunDirectory directory) {
        this.spark = of.spark;
        this.ours = false;
        this.settings = settings;
        this.storage = of.storage;
        this.directory = directory;
        this.progress = of.progress;
        this.out = of.out;
        this.opened = of.opened;
        this.frames = of.frames;
    }

    /** Returns this session with the settings of one method, in the same run directory; not to be closed. */
    Session forMethod(String method) {
        return new Session(this, Config.forMethod(settings, method), directory);
    }

    /** Returns this session with other settings of the same model and images, in a run directory of its own; not to be closed. */
    Session with(Settings others) {
        return new Session(
                this,
                others,
                new RunDirectory(
                        storage, others.run().directory(), others.tuning().method()));
    }

    /**
     * Returns a session of its own Spark application, with what {@code spark-submit} has configured. Prints results to
     * standard output and progress to standard error.
     */
    public static Session open(Settings settings, String verb) {
        SparkSession spark = SparkSession.builder()
                .config(configuration())
                .appName("grft " + verb + " " + settings.run().directory())
                .getOrCreate();
        return new Session(spark, true, settings, Map.of(), System.out, System.err);
    }

    /**
     * Returns what {@code spark-submit} has configured. Unless it says otherwise, a gradient of up to two million numbers comes with
     * the message that its task has ended; Spark's limit of 1 MiB would have the driver fetch it as a block: 12 ms more of a round in local mode.
     */
    static SparkConf configuration() {
        return new SparkConf().setIfMissing("spark.task.maxDirectResultSize", "8m");
    }

    /** Returns a session in a Spark application of somebody else, who will end it. */
    static Session in(SparkSession spark, Settings settings, PrintStream out, PrintStream err) {
        return new Session(spark, false, settings, Map.of(), out, err);
    }

    /** Returns the same, with data frames in place of some paths of images; the model is shared with other such sessions. */
    static Session in(
            SparkSession spark, Settings settings, Map<String, FrameSource> frames, PrintStream out, PrintStream err) {
        return new Session(spark, false, settings, frames, out, err);
    }

    SparkSession spark() {
        return spark;
    }

    JavaSparkContext context() {
        return JavaSparkContext.fromSparkContext(spark.sparkContext());
    }

    Configuration hadoop() {
        return spark.sparkContext().hadoopConfiguration();
    }

    Settings settings() {
        return settings;
    }

    Storage storage() {
        return storage;
    }

    RunDirectory directory() {
        return directory;
    }

    Progress progress() {
        return progress;
    }

    /** Returns the meter of a phase that handles {@code total} images; the phase's jobs are called by its name. */
    Progress.Meter phase(String name, long total) {
        context().setJobDescription(name);
        return progress.phase(name, total);
    }

    /** Returns what Spark's metrics system is told. */
    Gauges gauges() {
        return opened.gauges;
    }

    /** Returns the application for passes over images. */
    Inference.On on() {
        return new Inference.On(context(), device(), settings);
    }

    /** Returns the pretrained model with a delta, ready to look at images. */
    Inference inference(Delta delta) {
        return Inference.of(on(), model(delta.labels().size()), preprocess(), delta);
    }

    /** Returns what a tracking server is told of a folder with a delta; {@code goesOn}: as its run of an earlier application. */
    Tracking.Run tracked(Path folder, boolean goesOn) {
        return opened.tracking.run(folder, settings, goesOn);
    }

    /** Returns who ends the jobs of this application. */
    Watch watch() {
        return opened.watch;
    }

    /**
     * Does some work.
     *
     * @throws UserError what the user can mend
     * @throws LostCluster if the cluster is gone
     * @throws Stopped if {@link #watch} was told to stop
     */
    void run(Runnable work) {
        opened.tracking.outcome(Tracking.Outcome.FAILED);
        try {
            work.run();
            opened.tracking.outcome(Tracking.Outcome.FINISHED);
        } catch (Exception e) { // Spark throws checked exceptions undeclared
            RuntimeException meaning = opened.watch.meaning(e);
            if (meaning instanceof Stopped) {
                opened.tracking.outcome(Tracking.Outcome.KILLED);
            }
            throw meaning;
        }
    }

    /** Returns the paths of the artefacts that were made in this application so far; a view. */
    List<String> made() {
        return opened.artefacts;
    }

    /** Notes an artefact outside the run directory that was made now. */
    void made(String path) {
        opened.artefacts.add(path);
    }

    /** Returns where results are printed: standard output. */
    PrintStream out() {
        return out;
    }

    /**
     * Returns what tasks compute with, found out once.
     *
     * @throws UserError if it is not what the settings require
     */
    Device device() {
        Device found = opened.device;
        if (found == null) {
            found = Device.of(context(), settings.engine());
            progress.say(
                    "computing on %s",
                    found.kind() == null ? "CPUs and GPUs" : found.kind().several());
            opened.device = found;
        }
        return found;
    }

    Augment augment() {
        return settings.augmentation().toAugment(settings.run().seed());
    }

    /**
     * Returns the pretrained model.
     *
     * @throws UserError if none is configured, or it cannot be read
     */
    Checkpoint pretrained() {
        if (opened.pretrained == null) {
            String path = settings.model().pretrained();
            if (path == null) {
                throw new UserError(
                        "model.pretrained is not set; give the folder of a checkpoint with model.safetensors"
                                + " and config.json, such as --set model.pretrained=conf/demo/vit-demo");
            }
            opened.pretrained = Checkpoint.load(hadoop(), path, settings.model().imageSize());
        }
        return opened.pretrained;
    }

    /** Returns the pretrained weights on their way to the executors, with a head of as many zeros as there are classes. */
    ModelBroadcast model(int classes) {
        if (opened.model == null || opened.model.config().classes() != classes) {
            closeModel();
            Checkpoint checkpoint = pretrained();
            opened.model = frames.isEmpty()
                    ? ModelBroadcast.of(context(), checkpoint.config().withClasses(classes), checkpoint.tensors())
                    : ModelBroadcast.shared(context(), checkpoint, classes);
        }
        return opened.model;
    }

    /** Returns the pretrained model with a delta merged into it, on its way to the executors; to be closed. */
    ModelBroadcast moved(Delta delta) {
        Checkpoint moved = pretrained().merged(delta);
        return ModelBroadcast.of(context(), moved.config(), moved.tensors());
    }

    /** Returns how images are prepared: as the checkpoint says, where the settings do not say otherwise. */
    Preprocess preprocess() {
        Checkpoint checkpoint = pretrained();
        return preprocess(
                checkpoint.config().imageSize(), checkpoint.cropFraction(), checkpoint.mean(), checkpoint.std());
    }

    /**
     * Returns how images are prepared for a network of that input, unless the settings say otherwise. Where nothing is cropped at random
     * only the middle of each is resized and kept.
     */
    Preprocess preprocess(int imageSize, double cropFraction, float[] mean, float[] std) {
        Settings.Data data = settings.data();
        int resize = data.resize() > 0 ? data.resize() : (int) Math.floor(imageSize / cropFraction);
        Preprocess whole = new Preprocess(imageSize, resize, data.toCrop(), or(data.mean(), mean), or(data.std(), std));
        return opened.cropping ? whole : whole.middle();
    }

    private static float[] or(@Nullable List<Double> given, float[] otherwise) {
        if (given == null) {
            return otherwise;
        }
        float[] floats = new float[given.size()];
        for (int i = 0; i < floats.length; i++) {
            floats[i] = given.get(i).floatValue();
        }
        return floats;
    }

    /** Returns the training images, prepared for the pretrained model; with {@code data.trainOnValidation} all of them. */
    Images trainingImages() {
        return trainingImages(preprocess());
    }

    /**
     * Returns the training images, prepared in some other way.
     *
     * @throws UserError also if they are fewer than the shards, each of which has a part in every step
     */
    Images trainingImages(Preprocess preprocess) {
        Integer classes = settings.data().classes();
        Images read =
                images("data.train", trainingPaths(), classes == null ? null : Labels.numbered(classes), preprocess);
        int shards = settings.training().shards();
        if (read.count() < shards) {
            throw UserError.of(
                    "training.shards is %d, but data.train has %d images; use fewer shards than images",
                    shards, read.count());
        }
        return read;
    }

    /**
     * Returns the validation images, whose classes must be among those of a head. They are held out only if {@code
     * data.trainOnValidation} is false.
     */
    Images validationImages(Labels known) {
        return images("data.validation", List.of(validationPath()), known, preprocess());
    }

    /** Returns the test images, whose classes must be among those of a head. */
    Images testImages(Labels known) {
        return testImages(known, preprocess());
    }

    /** Returns the test images, prepared in some other way. */
    Images testImages(Labels known, Preprocess preprocess) {
        return images("data.test", List.of(testPath()), known, preprocess);
    }

    /** Returns a digest of what the training images are, without opening them. */
    String trainingListing() {
        List<String> parts = new ArrayList<>();
        parts.add(String.valueOf(settings.data().classes()));
        for (String path : trainingPaths()) {
            parts.add(listing("data.train", path));
        }
        return Inputs.digest(parts.toArray(String[]::new));
    }

    /** Returns a digest of what the validation images are, without opening them. */
    String validationListing() {
        return listing("data.validation", validationPath());
    }

    /** Returns a digest of what the test images are, without opening them. */
    String testListing() {
        return listing("data.test", testPath());
    }

    /** Returns {@link Inputs#listing} of a path, found out once. */
    private String listing(String key, String path) {
        String known = opened.listings.get(path);
        if (known == null) {
            FrameSource frame = frames.get(path);
            known = frame == null ? Inputs.listing(hadoop(), key, path, readOptions()) : frame.listing();
            opened.listings.put(path, known);
        }
        return known;
    }

    private List<String> trainingPaths() {
        String train = given("data.train", settings.data().train());
        return settings.data().trainOnValidation() ? List.of(train, validationPath()) : List.of(train);
    }

    private String validationPath() {
        return given("data.validation", settings.data().validation());
    }

    private String testPath() {
        return given("data.test", settings.data().test());
    }

    private static String given(String key, @Nullable String path) {
        if (path == null) {
            throw UserError.of(
                    "%s is not set; give the folder of the images, the Parquet or tar files, or a file that names them",
                    key);
        }
        return path;
    }

    /** Returns the images at some paths, read once. */
    private Images images(String key, List<String> paths, @Nullable Labels known, Preprocess preprocess) {
        return opened.images.computeIfAbsent(String.join(" and ", paths), p -> {
            double started = System.nanoTime() / 1e9;
            progress.say("reading the images of %s", p);
            ImageSource source =
                    ImageSource.of(paths, paths.stream().map(this::source).toList());
            Images read = reader(preprocess).read(source, known);
            check(key, p, read);
            opened.gauges.skipped(read.broken().count());
            if (!opened.directory.describes(key, read.digest())) {
                Map<String, Object> summary = new LinkedHashMap<>(Map.of("path", p));
                summary.putAll(Pictures.summary(read));
                opened.directory.describe(key, summary);
            }
            progress.say(
                    "read %d images of %d classes%s in %.1f s",
                    read.count(),
                    read.labels().size(),
                    read.broken().count() == 0 ? "" : ", " + read.broken(),
                    System.nanoTime() / 1e9 - started);
            return read;
        });
    }

    private Source source(String path) {
        FrameSource frame = frames.get(path);
        return frame == null ? ImageSource.open(spark, path, readOptions()) : frame;
    }

    /** Returns the images at a path, without labels; the caller closes them. */
    Images unlabeledImages(String key, String path) {
        Images read = reader(preprocess()).unlabeled(path, readOptions());
        check(key, path, read);
        return read;
    }

    /** Returns a reader that takes any number of broken images; {@link #check} refuses them once the report is written. */
    private ImageReader reader(Preprocess preprocess) {
        return new ImageReader(spark, preprocess, 1, settings.training().shards());
    }

    /** Returns how images are found at a path. */
    ReadOptions readOptions() {
        Settings.Data data = settings.data();
        return new ReadOptions(
                ImageFormat.valueOf(data.format().toUpperCase(Locale.ROOT)),
                data.imageColumn(),
                data.labelColumn(),
                data.root());
    }

    /** Reports the broken images, and refuses them if they are too many. */
    private void check(String key, String path, Images read) {
        try {
            opened.directory.reportBroken(key, path, read.broken());
            read.broken().check(settings.data().maxBroken(), path);
        } catch (UserError e) {
            read.close();
            throw e;
        }
    }

    /**
     * Refuses a missing delta.
     *
     * @param purpose what it is wanted for, such as {@code to merge}
     */
    void requireDelta(Path path, String purpose) {
        if (!storage.exists(path)) {
            throw UserError.of("%s: there is no delta %s; train first", path, purpose);
        }
    }

    /**
     * Returns a delta of the pretrained model.
     *
     * @throws UserError if it belongs to another
     */
    Delta delta(Path path) {
        Delta delta = DeltaFile.read(hadoop(), path).delta();
        DeltaFile.requirePretrained(delta, pretrained());
        return delta;
    }

    /** Returns the metrics of the run as they are now. */
    Metrics metrics() {
        return Metrics.at(storage, directory.path("metrics.json"));
    }

    /**
     * Returns an artefact: as it is, if it was made of the same inputs; else made now. Made once, forced or not.
     *
     * @param force whether to make it anyway
     */
    <T> T artefact(Path path, String inputs, boolean force, Supplier<T> read, Supplier<T> make) {
        boolean now = opened.made.contains(path + inputs);
        if ((now || !force) && directory.isMade(path, inputs)) {
            if (!now) {
                progress.say("%s has been made of the same inputs; --force makes it again", path);
            }
            return read.get();
        }
        T made = make.get();
        directory.made(path, inputs);
        opened.made.add(path + inputs);
        opened.artefacts.add(path.toString());
        return made;
    }

    /** Returns what was computed of these inputs in this application, for whatever run directory; now, if it was not. */
    <T> T once(String inputs, Class<T> type, Supplier<T> compute) {
        Object known = opened.computed.get(inputs);
        if (known == null) {
            T computed = compute.get();
            opened.computed.put(inputs, computed);
            return computed;
        }
        return type.cast(known);
    }

    private void closeModel() {
        if (opened.model != null) {
            opened.model.close();
            opened.model = null;
        }
    }

    /** Frees what it holds on the executors and ends the application. */
    @Override
    public void close() {
        if (!spark.sparkContext().isStopped()) { // else it went with the cluster
            opened.images.values().forEach(Images::close);
            closeModel();
        }
        opened.images.clear();
        opened.watch.close();
        opened.tracking.close();
        if (ours) {
            spark.stop();
        }
    }
}
