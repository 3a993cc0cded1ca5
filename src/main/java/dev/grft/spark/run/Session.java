package dev.grft.spark.run;

import dev.grft.UserError;
import dev.grft.checkpoint.Checkpoint;
import dev.grft.checkpoint.file.Storage;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.report.Progress;
import dev.grft.report.Tracking;
import dev.grft.report.lineage.Lineage;
import dev.grft.spark.cluster.Causes;
import dev.grft.spark.cluster.Closing;
import dev.grft.spark.cluster.Exit;
import dev.grft.spark.cluster.Gauges;
import dev.grft.spark.cluster.LostCluster;
import dev.grft.spark.cluster.Stopped;
import dev.grft.spark.cluster.Watch;
import dev.grft.spark.images.FrameSource;
import dev.grft.spark.images.ImageColumn;
import dev.grft.spark.work.Reach;
import dev.grft.spark.work.Replicas;
import java.io.PrintStream;
import java.net.BindException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;
import org.jspecify.annotations.Nullable;

/**
 * One application on a cluster: Spark, progress, timeouts, metrics and tracking, and what all its {@linkplain Run runs} share. What it
 * opens it closes.
 */
public final class Session implements AutoCloseable {
    private static final String LINEAGE_LISTENER = "io.openlineage.spark";

    private final SparkSession spark;
    private final boolean ours;
    private final Storage storage;
    private final Progress progress;
    private final PrintStream out;
    private final Watch watch;
    private final Gauges gauges;
    private final Reach reach;
    private final Tracking tracking;
    private final Lineage lineage;
    private final Datasets datasets;
    private final boolean cropping;
    private final Models models;
    private final ImageSets imageSets;
    private final Artifacts.Made made = new Artifacts.Made();
    private final Set<String> said = ConcurrentHashMap.newKeySet();
    private final Run main;
    private final Map<Path, Lease> leases = new ConcurrentHashMap<>(); // by file

    private Session(
            SparkSession spark,
            boolean ours,
            Settings settings,
            Lineage lineage,
            Map<String, FrameSource> frames,
            PrintStream out,
            PrintStream err) {
        this.spark = spark;
        this.ours = ours;
        this.storage = new Storage(hadoop(), this::requireClaim);
        this.progress = ours ? Progress.ofProcess() : new Progress(err);
        this.out = out;
        this.watch = new Watch(context(), settings.engine().timeoutSeconds());
        watch.whenWaiting(note -> progress.say("note: %s", note));
        this.reach = new Reach(line -> progress.say("%s", line));
        this.gauges = Gauges.registered(Replicas::bytes);
        this.tracking = new Tracking(
                settings.tracking(), storage, progress, spark.sparkContext().appName());
        this.lineage = lineage;
        this.datasets = new Datasets(spark, storage, lineage);
        this.cropping = cropsAtRandom(settings);
        this.models = new Models(context(), settings, datasets, progress, !frames.isEmpty());
        RunDirectory directory = RunDirectory.of(storage, settings);
        this.imageSets = new ImageSets(spark, frames, directory, datasets, progress, gauges, largestBatch(settings));
        this.main = new Run(this, settings);
    }

    /** Returns whether any method takes random crops of images, which are the same for all methods. */
    private static boolean cropsAtRandom(Settings settings) {
        return all(settings).anyMatch(Settings::cropsAtRandom);
    }

    /** Returns the size of the largest batch of a pass by any method. */
    private static int largestBatch(Settings settings) {
        return all(settings)
                .mapToInt(of ->
                        Math.max(of.selection().batchSize(), of.evaluation().batchSize()))
                .max()
                .orElseThrow();
    }

    /** Returns the settings and those of each method that has some of its own. */
    private static Stream<Settings> all(Settings settings) {
        return Stream.concat(
                Stream.of(settings),
                settings.methods().keySet().stream().map(method -> Config.forMethod(settings, method)));
    }

    /**
     * Returns a session of its own Spark application, with what {@code spark-submit} has configured, or in that of its {@linkplain Exit#host host}. Prints
     * results to standard output and progress to standard error.
     */
    public static Session open(Settings settings, String verb) {
        SparkSession host = Exit.host();
        if (host != null) {
            return in(host, verb, settings, System.out, System.err);
        }
        SparkConf conf = configuration();
        Lineage lineage = lineage(conf, verb, settings);
        if (conf.get("spark.extraListeners", "").contains(LINEAGE_LISTENER)) {
            lineage.asParent().forEach(conf::set);
        }
        SparkSession spark;
        try {
            spark = SparkSession.builder()
                    .config(conf)
                    .appName(name(conf, "grft " + verb + " " + settings.run().directory()))
                    .getOrCreate();
        } catch (Exception e) { // Spark throws checked exceptions undeclared
            throw refused(e);
        }
        return new Session(spark, true, settings, lineage, Map.of(), System.out, System.err);
    }

    /** Returns the error of settings with which Spark does not start; the failure itself if it is another. */
    static RuntimeException refused(Exception failure) {
        String message = String.valueOf(failure.getMessage());
        return failure instanceof IllegalArgumentException
                        || failure instanceof BindException
                        || message.contains("Master URL")
                ? new UserError(
                        "Spark does not start with these settings: "
                                + message.lines().findFirst().orElse("")
                                + "; change --master, --conf or the file of --spark-conf",
                        failure)
                : Causes.rethrown(failure);
    }

    /** Returns the name that the user gave the application, or {@code otherwise}: {@code spark-submit} gives it the main class's. */
    static String name(SparkConf conf, String otherwise) {
        String name = conf.get("spark.app.name", "");
        return name.isEmpty() || name.equals("dev.grft.cli.Main") ? otherwise : name;
    }

    /**
     * Returns what {@code spark-submit} has configured, and defaults for what it has not.
     *
     * <ul>
     *   <li>A gradient of up to two million values comes with the message that its task has ended. Spark's limit of 1 MiB would have the
     *       driver fetch it as a block: 12 ms more of a round in local mode.
     *   <li>The heap of the driver alone limits what it gathers. Spark's limit of 1 GiB is less than four gradients of a whole ViT-B/16.
     *   <li>Of tables whose files are Parquet a few rows are decoded at a time, since they hold images.
     *   <li>In local mode a task that runs out of memory fails. Spark would end the process, and with it the message to the user.
     * </ul>
     */
    public static SparkConf configuration() {
        SparkConf conf = new SparkConf()
                .setIfMissing("spark.task.maxDirectResultSize", "8m")
                .setIfMissing("spark.driver.maxResultSize", "0")
                .setIfMissing(ImageColumn.ROWS_AT_A_TIME, ImageColumn.AT_A_TIME);
        String master = conf.get("spark.master", "");
        return master.equals("local") || master.startsWith("local[")
                ? conf.setIfMissing("spark.executor.killOnFatalError.depth", "0")
                : conf;
    }

    /** Returns a session in a Spark application that it does not end. */
    public static Session in(SparkSession spark, Settings settings, PrintStream out, PrintStream err) {
        return in(spark, "work", settings, out, err);
    }

    private static Session in(SparkSession spark, String verb, Settings settings, PrintStream out, PrintStream err) {
        return new Session(
                spark, false, settings, lineage(spark.sparkContext().getConf(), verb, settings), Map.of(), out, err);
    }

    private static Lineage lineage(SparkConf conf, String verb, Settings settings) {
        return new Lineage(settings.lineage(), settings.run().directory(), verb, key -> conf.get(key, null));
    }

    /** Returns the same, with data frames in place of some paths of images; the model is shared with other such sessions. */
    public static Session in(
            SparkSession spark, Settings settings, Map<String, FrameSource> frames, PrintStream out, PrintStream err) {
        return new Session(
                spark, false, settings, lineage(spark.sparkContext().getConf(), "fit", settings), frames, out, err);
    }

    /** The right to write in a folder. */
    @FunctionalInterface
    public interface Claim extends AutoCloseable {
        /** Gives the folder back. */
        @Override
        void close();
    }

    /**
     * Takes the run directory for this driver, until the session closes. Does nothing if it has it.
     *
     * @throws UserError if another driver is at work there, or the pretrained model lies there
     */
    public void claim() {
        claim(main);
    }

    /**
     * Takes the directory of a run for this driver, until the claim or the session is closed. Does nothing if it has it.
     *
     * @throws UserError if another driver is at work there, or the pretrained model lies there
     */
    public Claim claim(Run run) {
        requireElsewhere(storage, run);
        return claim(Lease.Place.ofRun(run.directory().path()));
    }

    /**
     * Requires that the directory of a run is not that of its pretrained model.
     *
     * @throws UserError if it is
     */
    public static void requireElsewhere(Storage storage, Run run) {
        String pretrained = run.settings().model().pretrained();
        if (pretrained != null) {
            Checkpoint.requireElsewhere(
                    storage, pretrained, "run.directory", run.directory().toString());
        }
    }

    /**
     * Takes a folder that a verb writes, until the session closes.
     *
     * @param file of the lease, beside the folder
     * @throws UserError if another driver writes the same folder
     */
    public void claimOutput(Path file, Path folder) {
        claim(Lease.Place.ofOutput(file, folder));
    }

    private Claim claim(Lease.Place place) {
        if (leases.containsKey(place.file())) {
            return () -> {};
        }
        Lease taken = Lease.take(
                new Storage(hadoop()), // whose writes need no claim
                place,
                Lease.Driver.of(spark.sparkContext()),
                main.settings().engine().leaseSeconds(),
                line -> progress.say("%s", line),
                watch::check,
                watch::fail);
        leases.put(place.file(), taken);
        watch.whenStopped(() -> leases.values().forEach(Lease::ending));
        return () -> {
            leases.remove(place.file());
            taken.close();
        };
    }

    /**
     * Requires that no other driver has taken over a folder that this one has claimed. The {@link #storage} does so before it changes a file.
     *
     * @throws UserError if one has
     */
    public void requireClaim() {
        leases.values().forEach(Lease::check);
    }

    /** Returns the run of the settings that the session was opened with. */
    public Run main() {
        return main;
    }

    public SparkSession spark() {
        return spark;
    }

    public JavaSparkContext context() {
        return JavaSparkContext.fromSparkContext(spark.sparkContext());
    }

    public Configuration hadoop() {
        return spark.sparkContext().hadoopConfiguration();
    }

    public Storage storage() {
        return storage;
    }

    public Progress progress() {
        return progress;
    }

    /** Prints a line of progress unless the session has printed it before. */
    void sayOnce(String line) {
        if (said.add(line)) {
            progress.say("%s", line);
        }
    }

    /** Returns the meter of a phase that handles {@code total} images; the phase's jobs are called by its name. */
    public Progress.Meter phase(String name, long total) {
        context().setJobDescription(name);
        return progress.phase(name, total);
    }

    /** Returns where results are printed: standard output. */
    public PrintStream out() {
        return out;
    }

    /** Returns what Spark's metrics system reads. */
    public Gauges gauges() {
        return gauges;
    }

    /** Returns whether tasks of trainings can stay for many steps. */
    public Reach reach() {
        return reach;
    }

    Tracking tracking() {
        return tracking;
    }

    /** Returns what describes the data that is read and written. */
    public Datasets datasets() {
        return datasets;
    }

    /** Returns what ends the jobs of this application. */
    public Watch watch() {
        return watch;
    }

    public Models models() {
        return models;
    }

    ImageSets imageSets() {
        return imageSets;
    }

    /** Returns whether any method of the application crops images at random. */
    boolean cropping() {
        return cropping;
    }

    /** Returns what the application has made so far. */
    Artifacts.Made madeByNow() {
        return made;
    }

    /** Returns the paths of the artifacts that the application has made so far; a view. */
    public List<String> made() {
        return made.paths();
    }

    /** Does some work, as {@link #call} does. */
    public void run(Runnable work) {
        call(() -> {
            work.run();
            return true;
        });
    }

    /**
     * Does some work and returns its result. The first begins what is reported to OpenLineage.
     *
     * @throws UserError what the user can mend
     * @throws LostCluster if the cluster is gone
     * @throws Stopped if {@link #watch} has stopped the work
     */
    public <T> T call(Supplier<T> work) {
        lineage.start(
                new Storage(hadoop()), // whose writes need no claim
                progress,
                Map.of(
                        "application",
                        spark.sparkContext().applicationId(),
                        "directory",
                        storage.qualified(main.directory().path()).toString()),
                spark.version());
        ended(
                Tracking.Outcome.FAILED,
                Lineage.End.FAIL,
                "out of memory or a failure of the JVM"); // if no exception tells more
        try {
            T result = work.get();
            ended(Tracking.Outcome.FINISHED, Lineage.End.COMPLETE, null);
            return result;
        } catch (Exception e) { // Spark throws checked exceptions undeclared
            RuntimeException meaning = watch.meaning(e);
            String why = meaning.getMessage() == null ? meaning.toString() : meaning.getMessage();
            if (meaning instanceof Stopped) {
                ended(Tracking.Outcome.KILLED, Lineage.End.ABORT, why);
            } else {
                ended(Tracking.Outcome.FAILED, Lineage.End.FAIL, why);
            }
            throw meaning;
        }
    }

    private void ended(Tracking.Outcome outcome, Lineage.End end, @Nullable String why) {
        tracking.outcome(outcome);
        lineage.ended(end, why);
    }

    /** Frees what it holds on the executors and ends the application. All of it ends, whatever part of it fails. */
    @Override
    public void close() {
        List<AutoCloseable> parts = new ArrayList<>();
        if (!spark.sparkContext().isStopped()) { // else they went with the cluster
            parts.addAll(List.of(imageSets, models));
        }
        parts.add(lineage::finish); // so that both ends are sent at once
        parts.addAll(List.of(watch, gauges, tracking, lineage));
        parts.addAll(leases.values());
        if (ours) {
            parts.add(spark::stop);
        }
        Closing.all(parts);
    }
}
