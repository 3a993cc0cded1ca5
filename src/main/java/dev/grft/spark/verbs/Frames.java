package dev.grft.spark.verbs;

import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.checkpoint.artifact.DeltaFile;
import dev.grft.checkpoint.artifact.TrainingHistory;
import dev.grft.checkpoint.file.Storage;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.spark.images.FrameColumns;
import dev.grft.spark.images.FrameSource;
import dev.grft.spark.images.Inputs;
import dev.grft.spark.run.Run;
import dev.grft.spark.run.Session;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.IntConsumer;
import org.apache.hadoop.fs.Path;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.SparkSession;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Trains on the rows of data frames, in the session that they belong to, by what the verbs train with. */
public final class Frames {
    /** What settings and messages have in place of the path of the training images. */
    public static final String TRAIN = "the data frame";

    /** What they have in place of the path of the validation images. */
    public static final String VALIDATION = "the validation rows of the data frame";

    private static final Logger LOG = LoggerFactory.getLogger(Frames.class);

    private Frames() {}

    /**
     * What a training has left.
     *
     * @param history of its epochs
     * @param directory its run directory; null if that is gone
     * @param rows of both frames
     * @param images that it trained on
     * @param broken images among the rows
     */
    public record Trained(
            DeltaFile delta,
            TrainingHistory history,
            @Nullable String directory,
            long rows,
            long images,
            long broken) {}

    /**
     * Trains, and returns what came of it. The frame's session goes on as it was.
     *
     * @param settings of the run; {@code data.train} and {@code data.validation} do not count
     * @param runs folder that gets a run directory of its own for each training, in which an interrupted one goes on; null
     *     for none that stays
     * @param validation null if there is none
     * @param classes names of the classes that the labels number, null if there are none
     * @param found gets the number of classes once the labels are listed, before anything trains
     * @param progress gets what the verbs print to standard error
     * @throws UserError as the verbs
     */
    public static Trained train(
            Settings settings,
            @Nullable String runs,
            Dataset<?> training,
            @Nullable Dataset<?> validation,
            FrameColumns columns,
            @Nullable List<String> classes,
            IntConsumer found,
            PrintStream progress) {
        Map<String, FrameSource> frames = new HashMap<>();
        FrameSource source = new FrameSource(TRAIN, training, columns, classes);
        frames.put(TRAIN, source);
        if (validation != null) {
            frames.put(VALIDATION, new FrameSource(VALIDATION, validation, columns.withoutWeight(), classes));
        }
        if (columns.task() == Task.SINGLE_LABEL) {
            found.accept(source.found());
        }
        SparkSession spark = training.sparkSession();
        Map<String, @Nullable Object> own = new HashMap<>();
        own.put("data.train", TRAIN);
        own.put("data.validation", validation == null ? null : VALIDATION);
        if (runs != null) {
            own.put("run.directory", runs + "/" + identity(settings, frames));
            return train(spark, Config.with(settings, TRAIN, own), frames, source, true, progress);
        }
        Path temporary = temporary();
        try {
            own.put("run.directory", temporary.toString());
            own.put("lineage.uri", null); // what it writes is gone afterwards
            return train(spark, Config.with(settings, TRAIN, own), frames, source, false, progress);
        } finally {
            new Storage(spark.sparkContext().hadoopConfiguration()).delete(temporary);
        }
    }

    private static Trained train(
            SparkSession spark,
            Settings settings,
            Map<String, FrameSource> frames,
            FrameSource source,
            boolean stays,
            PrintStream progress) {
        try (Session session = Session.in(spark, settings, frames, progress, progress)) {
            return session.call(() -> {
                if (stays) {
                    session.claim();
                }
                Run run = session.main();
                DeltaFile delta = new TrainVerb(run.forMethod(run.method()), false).delta();
                long broken = run.directory().broken("data.train");
                return new Trained(
                        delta,
                        history(
                                session.storage(),
                                new Path(run.directory().method(run.method().word()))),
                        stays ? run.settings().run().directory() : null,
                        frames.values().stream().mapToLong(FrameSource::size).sum(),
                        source.size() - broken,
                        broken + run.directory().broken("data.validation"));
            });
        }
    }

    /** Returns the history in a folder; an empty one if it cannot be read, for the training is done. */
    static TrainingHistory history(Storage storage, Path folder) {
        try {
            return TrainingHistory.in(storage, folder);
        } catch (RuntimeException e) {
            LOG.warn("{}: the history cannot be read, so the summary has no epochs; the model is whole", folder, e);
            return new TrainingHistory(List.of(), 0);
        }
    }

    private static String identity(Settings settings, Map<String, FrameSource> frames) {
        StringBuilder listings = new StringBuilder();
        new TreeMap<>(frames).values().forEach(frame -> listings.append(frame.listing()));
        String trained = Config.fingerprint(settings, List.of(""), Set.of("tracking", "lineage"));
        return Inputs.digest(trained, listings.toString()).substring(0, 16);
    }

    private static Path temporary() {
        try {
            return new Path(Files.createTempDirectory("grft-").toUri());
        } catch (IOException e) {
            throw new UncheckedIOException("no temporary directory can be made; set java.io.tmpdir", e);
        }
    }
}
