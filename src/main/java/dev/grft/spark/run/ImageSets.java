package dev.grft.spark.run;

import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.config.DataSettings;
import dev.grft.config.Settings;
import dev.grft.data.BrokenImages;
import dev.grft.data.Labels;
import dev.grft.data.PassedOver;
import dev.grft.data.Preprocess;
import dev.grft.report.Progress;
import dev.grft.spark.cluster.Causes;
import dev.grft.spark.cluster.Closing;
import dev.grft.spark.cluster.Gauges;
import dev.grft.spark.images.FrameSource;
import dev.grft.spark.images.ImageFormat;
import dev.grft.spark.images.ImageReader;
import dev.grft.spark.images.ImageSource;
import dev.grft.spark.images.Images;
import dev.grft.spark.images.Inputs;
import dev.grft.spark.images.Pictures;
import dev.grft.spark.images.ReadOptions;
import dev.grft.spark.images.Source;
import dev.grft.spark.tables.NamedTable;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.StructType;
import org.jspecify.annotations.Nullable;

/**
 * The sets of images of an application. Each set is read once, whichever run reads it first, and stays on the executors until the
 * application ends.
 */
final class ImageSets implements AutoCloseable {
    private static final int NOTES = 20; // printed of a set

    private final SparkSession spark;
    private final Map<String, FrameSource> frames;
    private final Map<String, NamedTable> tables = new HashMap<>(); // by what stands in place of a path
    private final RunDirectory directory;
    private final Datasets datasets;
    private final Progress progress;
    private final Gauges gauges;
    private final int batch;
    private final Map<String, Images> images = new HashMap<>(); // by paths and preparation
    private final Map<String, Inputs> listed = new HashMap<>(); // by path, until the images are read
    private final Map<String, Inputs> unlabeled = new HashMap<>(); // by path
    private final Map<String, Inputs.Listing> listings = new HashMap<>(); // by path
    private final Map<List<String>, String> identities = new HashMap<>(); // by paths
    private final KnownImages known;

    /**
     * Returns no sets yet.
     *
     * @param frames data frames, by what the settings have in place of a path
     * @param directory gets {@code data.json}, {@code images.json}, {@code broken-images.json} and what was labeled
     * @param datasets gets what is read
     * @param batch size of the largest batch that a pass of the application takes
     */
    ImageSets(
            SparkSession spark,
            Map<String, FrameSource> frames,
            RunDirectory directory,
            Datasets datasets,
            Progress progress,
            Gauges gauges,
            int batch) {
        this.spark = spark;
        this.frames = new HashMap<>(frames);
        this.directory = directory;
        this.datasets = datasets;
        this.progress = progress;
        this.gauges = gauges;
        this.known = new KnownImages(directory);
        this.batch = batch;
    }

    /**
     * Returns the images at some paths.
     *
     * @param key of the configuration that names them
     * @param known the classes that they may have; null if these are all classes that there are
     * @param steps whether they are read for the steps of a training alone
     */
    Images read(
            Settings settings,
            String key,
            List<String> paths,
            @Nullable Labels known,
            Preprocess preprocess,
            boolean steps) {
        String p = String.join(" and ", paths);
        boolean standardized = known == null && settings.data().toTask() == Task.REGRESSION;
        return images.computeIfAbsent(p + '\n' + preprocess + '\n' + standardized, prepared -> {
            double started = System.nanoTime() / 1e9;
            progress.say("reading the images of %s", p);
            List<Source> sources = sources(settings, key, paths);
            ImageSource source = new ImageSource(paths, sources);
            Images read = reader(settings, preprocess).read(source, known, steps);
            check(settings, key, p, read);
            if (paths.stream().noneMatch(path -> frames.containsKey(path) && !tables.containsKey(path))) {
                this.known.note(listing(settings, key, paths), source.content(read.digest()));
            }
            boolean one = paths.size() == 1; // else they are counted together
            for (int i = 0; i < paths.size(); i++) {
                reports(
                        settings,
                        key,
                        paths.get(i),
                        sources.get(i).columns(),
                        one ? read.count() : -1,
                        one ? read.digest() : null);
            }
            paths.forEach(listed::remove);
            gauges.skipped(read.broken().count());
            if (!directory.describes(key, read.digest(), read.passedOver())) {
                Map<String, Object> summary = new LinkedHashMap<>(Map.of("path", p));
                if (!snapshots(paths).isEmpty()) {
                    summary.put("snapshots", snapshots(paths));
                }
                summary.putAll(Pictures.summary(read));
                directory.describe(key, summary);
            }
            progress.say(
                    "read %d images of %s, %s, %s, in %.1f s",
                    read.count(),
                    read.labels().counted(),
                    read.broken().count() == 0 ? "0 broken" : read.broken(),
                    read.passedOver(),
                    System.nanoTime() / 1e9 - started);
            return read;
        });
    }

    private List<Source> sources(Settings settings, String key, List<String> paths) {
        return paths.stream()
                .<Source>map(path -> {
                    FrameSource frame = frame(settings, path);
                    return frame != null ? frame : listed(settings, key, path).open(spark);
                })
                .toList();
    }

    /** Reports what is read at a path, unless it is a data frame without a name. */
    private void reports(
            Settings settings,
            String key,
            String path,
            @Nullable StructType columns,
            long count,
            @Nullable String digest) {
        if (NamedTable.is(path)) {
            datasets.rows(table(path), count, digest);
        } else if (!frames.containsKey(path)) {
            datasets.images(listed(settings, key, path), columns, count, digest);
        }
    }

    /** Returns the data frame that stands in place of a path; null if it is a path. */
    private @Nullable FrameSource frame(Settings settings, String path) {
        return !NamedTable.is(path)
                ? frames.get(path)
                : frames.computeIfAbsent(path, p -> FrameSource.of(p, table(p).rows(), readOptions(settings.data())));
    }

    /** Returns a table; every verb of the application reads the same snapshot. */
    private NamedTable table(String path) {
        return tables.computeIfAbsent(path, p -> NamedTable.open(spark, p));
    }

    /** Returns the snapshots of the tables among some paths, by path. */
    Map<String, String> snapshots(List<String> paths) {
        Map<String, String> snapshots = new TreeMap<>();
        for (String path : paths) {
            String snapshot = NamedTable.is(path) ? table(path).snapshot() : null;
            if (snapshot != null) {
                snapshots.put(path, snapshot);
            }
        }
        return snapshots;
    }

    /** Returns what lies at a path; every verb of the application that comes before the reading sees the same. */
    private Inputs listed(Settings settings, String key, String path) {
        return listed.computeIfAbsent(
                path, p -> Inputs.at(spark.sessionState().newHadoopConf(), key, p, readOptions(settings.data())));
    }

    /** Returns the images at a path or of a table, without labels, to be read in the order of the files. They are listed, not opened. */
    RunImages.Unlabeled unlabeled(Settings settings, String path) {
        ReadOptions options = readOptions(settings.data()).unlabeled();
        if (NamedTable.is(path)) {
            datasets.rows(table(path), -1, null);
            String snapshot = snapshots(List.of(path)).get(path);
            return new RunImages.Unlabeled(
                    snapshot == null ? null : Inputs.digest(path, snapshot),
                    () -> FrameSource.of(path, table(path).rows(), options));
        }
        Inputs found = Inputs.at(spark.sessionState().newHadoopConf(), null, path, options);
        datasets.images(found, null, -1, null);
        unlabeled.put(path, found);
        return new RunImages.Unlabeled(found.listing().times(), () -> {
            Source.Stored source = found.open(spark);
            datasets.images(found, source.columns(), -1, null); // they are counted as they are read
            return source;
        });
    }

    /** Returns a reader that takes any number of broken images; {@link #check} refuses them once the report is written. */
    private ImageReader reader(Settings settings, Preprocess preprocess) {
        return new ImageReader(spark, preprocess, 1, settings.training().shards(), batch);
    }

    private void check(Settings settings, String key, String path, Images read) {
        try {
            checkBroken(settings, key, path, read.broken(), read.passedOver());
        } catch (UserError e) {
            read.close();
            throw e;
        }
    }

    /** Returns whether images at some of these paths have weights of their own. */
    boolean weighted(List<String> paths) {
        return paths.stream()
                .anyMatch(path -> frames.containsKey(path) && frames.get(path).weighted());
    }

    /** Reports the broken images and what may be a mistake, and refuses them if they are too many. */
    private void checkBroken(Settings settings, String key, String path, BrokenImages broken, PassedOver passedOver) {
        sayNotes(passedOver);
        directory.reportBroken(key, path, broken);
        FrameSource frame = frames.get(path);
        broken.check(settings.data().maxBroken(), path, frame == null ? "" : frame.remedyOfBroken());
    }

    private void sayNotes(PassedOver passedOver) {
        passedOver.notes().stream().limit(NOTES).forEach(note -> progress.say("note: %s", note));
    }

    /** Reports the broken ones of the images that were read before the labeling failed, and refuses them if they are too many. */
    void checkPredicted(Settings settings, String output, String path, BrokenImages broken, PassedOver passedOver) {
        sayNotes(passedOver);
        reportPredicted(output, path, broken, null);
        broken.check(settings.data().maxBroken(), path);
    }

    /** Reports all images that were labeled into an output, and refuses them if too many are broken. */
    void describePredicted(Settings settings, String output, String path, BrokenImages broken, PassedOver passedOver) {
        sayNotes(passedOver);
        try {
            broken.check(settings.data().maxBroken(), path);
        } catch (UserError e) {
            reportPredicted(output, path, broken, null);
            throw e;
        }
        Inputs found = unlabeled.get(path);
        if (found != null) {
            datasets.images(found, null, broken.total(), null);
        } else if (NamedTable.is(path)) {
            datasets.rows(table(path), broken.total(), null);
        }
        Map<String, Object> summary = new LinkedHashMap<>();
        summary.put("path", path);
        summary.put("images", broken.total() - broken.count());
        summary.put("broken", broken.count());
        summary.put("passedOver", passedOver.count());
        summary.put("passedOverBy", passedOver.reasons());
        summary.put("notes", passedOver.notes());
        summary.put("classes", Map.of());
        reportPredicted(output, path, broken, summary);
    }

    /** Reports to the run directory, which may be read-only: the table counts, and hours of labeling do not end with an error here. */
    private void reportPredicted(
            String output, String path, BrokenImages broken, @Nullable Map<String, Object> summary) {
        try {
            directory.reportPredicted(output, path, broken, summary);
        } catch (RuntimeException e) {
            progress.say("note: the images of %s are not reported in the run directory: %s", output, Causes.said(e));
        }
    }

    /**
     * Returns a digest of what the images at some paths are. They are not read, unless they may be a copy of a set in the run
     * directory.
     */
    String identity(Settings settings, String key, List<String> paths) {
        String identity = identities.get(paths);
        if (identity == null) {
            Inputs.Listing listing = listing(settings, key, paths);
            identity = known.identity(listing, () -> {
                progress.say(
                        "%s: names and sizes are those of images that were read before, but times or place differ;"
                                + " reading the images to see whether they are the same",
                        String.join(" and ", paths));
                ImageSource source = new ImageSource(paths, sources(settings, key, paths));
                return source.content(ImageReader.digest(source));
            });
            identities.put(paths, identity);
            paths.stream()
                    .filter(path -> NamedTable.is(path)
                            || listed.containsKey(path)) // else they were reported when they were read
                    .forEach(path -> reports(settings, key, path, null, -1, null));
        }
        return identity;
    }

    private Inputs.Listing listing(Settings settings, String key, List<String> paths) {
        return Inputs.Listing.of(paths.stream()
                .map(path -> listings.computeIfAbsent(path, p -> {
                    String snapshot = snapshots(List.of(p)).get(p);
                    if (snapshot != null) { // another one of the same table may hold the same rows
                        return new Inputs.Listing(Inputs.digest(p, snapshot), Inputs.digest(p));
                    }
                    FrameSource frame = frame(settings, p);
                    return frame == null
                            ? listed(settings, key, p).listing()
                            : new Inputs.Listing(frame.listing(), frame.listing());
                }))
                .toList());
    }

    /** Returns how images are found at a path. */
    static ReadOptions readOptions(DataSettings data) {
        return new ReadOptions(
                ImageFormat.valueOf(data.format().toUpperCase(Locale.ROOT)),
                data.imageColumn(),
                data.labelColumn(),
                data.root(),
                data.toTask());
    }

    /** Frees what the executors keep. */
    @Override
    public void close() {
        List<Images> all = List.copyOf(images.values());
        images.clear();
        Closing.all(all);
    }
}
