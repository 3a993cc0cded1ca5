package dev.grft.spark;

import dev.grft.UserError;
import dev.grft.checkpoint.DeltaFile;
import dev.grft.checkpoint.Storage;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.hadoop.fs.Path;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.types.StructType;
import org.jspecify.annotations.Nullable;

/** Trains on the rows of data frames, in the session that they belong to, by what the verbs train with. */
public final class Frames {
    /** What settings and messages have in place of the path of the training images. */
    public static final String TRAIN = "the data frame";

    /** What they have in place of the path of the validation images. */
    public static final String VALIDATION = "the validation rows of the data frame";

    private Frames() {}

    /**
     * Which columns hold what.
     *
     * @param image see {@link ImageColumn}
     * @param label classes, text or numbers
     * @param name of each row; null for what the images name themselves, a column {@code path}, or the SHA-256 of their bytes
     */
    public record Columns(
            String image, String label, @Nullable String name) {}

    /**
     * Refuses a frame that {@link #train} would refuse for its columns.
     *
     * @param place what the frame is called in messages
     * @throws UserError if a column is missing or of another type
     */
    public static void check(String place, StructType schema, Columns columns) {
        check(place, schema, columns.image());
        FrameSource.checkLabel(place, schema, columns.label());
        if (columns.name() != null) {
            ImageColumn.type(schema, columns.name(), place, "set nameCol");
        }
    }

    /** Returns the column of that very name, dots and all. */
    public static Column column(String name) {
        return functions.col(ImageColumn.quoted(name));
    }

    /** Refuses a frame that has no column of images of that name. */
    public static void check(String place, StructType schema, String image) {
        ImageColumn.of(schema, image, place, "set imageCol");
    }

    /**
     * Trains, and returns the delta. The frame's session goes on as it was.
     *
     * @param settings of the run; {@code data.train} and {@code data.validation} do not count
     * @param runs folder that gets a run directory of its own for each training, in which an interrupted one goes on; null
     *     for none that stays
     * @param validation null if there is none
     * @param classes names of the classes that the labels number, null if there are none
     * @param progress gets what the verbs print to standard error
     * @throws UserError as the verbs
     */
    public static DeltaFile train(
            Settings settings,
            @Nullable String runs,
            Dataset<?> training,
            @Nullable Dataset<?> validation,
            Columns columns,
            @Nullable List<String> classes,
            PrintStream progress) {
        Map<String, FrameSource> frames = new HashMap<>();
        frames.put(TRAIN, new FrameSource(TRAIN, training, columns, classes));
        if (validation != null) {
            frames.put(VALIDATION, new FrameSource(VALIDATION, validation, columns, classes));
        }
        SparkSession spark = training.sparkSession();
        Map<String, @Nullable Object> own = new HashMap<>();
        own.put("data.train", TRAIN);
        own.put("data.validation", validation == null ? null : VALIDATION);
        if (runs != null) {
            own.put("run.directory", runs + "/" + identity(settings, frames));
            return train(spark, Config.with(settings, TRAIN, own), frames, progress);
        }
        Path temporary = temporary();
        try {
            own.put("run.directory", temporary.toString());
            return train(spark, Config.with(settings, TRAIN, own), frames, progress);
        } finally {
            new Storage(spark.sparkContext().hadoopConfiguration()).delete(temporary);
        }
    }

    private static DeltaFile train(
            SparkSession spark, Settings settings, Map<String, FrameSource> frames, PrintStream progress) {
        try (Session session = Session.in(spark, settings, frames, progress, progress)) {
            return new Training(session.forMethod(settings.tuning().method()), false).delta();
        }
    }

    private static String identity(Settings settings, Map<String, FrameSource> frames) {
        StringBuilder listings = new StringBuilder();
        new TreeMap<>(frames).values().forEach(frame -> listings.append(frame.listing()));
        return Inputs.digest(Config.toYaml(settings), listings.toString()).substring(0, 16);
    }

    private static Path temporary() {
        try {
            return new Path(Files.createTempDirectory("grft-").toUri());
        } catch (IOException e) {
            throw new UncheckedIOException("no temporary directory can be made; set java.io.tmpdir", e);
        }
    }
}
