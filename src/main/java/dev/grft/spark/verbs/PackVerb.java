package dev.grft.spark.verbs;

import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.data.LabelForm;
import dev.grft.spark.cluster.Causes;
import dev.grft.spark.cluster.Parcels;
import dev.grft.spark.images.Encoded;
import dev.grft.spark.images.FrameSource;
import dev.grft.spark.images.ImageSource;
import dev.grft.spark.images.Inputs;
import dev.grft.spark.images.ReadOptions;
import dev.grft.spark.images.Source;
import dev.grft.spark.images.Source.Named;
import dev.grft.spark.run.Run;
import dev.grft.spark.tables.FolderNote;
import dev.grft.spark.tables.NamedTable;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.Set;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.jspecify.annotations.Nullable;
import scala.Tuple2;

/**
 * Packs images into Parquet, which is listed and read faster than a file for each: {@code image}, a struct of the {@code bytes}
 * as they were and the {@code path}; and {@code label}, the name of the class. The rows are in the order of the names, in files
 * of a constant number of them: the same images make the same files, and the same training. Images are not decoded; what is
 * missing has a row without bytes.
 */
final class PackVerb extends Verb {
    /** Images in a file. */
    static final int IN_A_FILE = 4096;

    /** What the folder was packed of; readers of Parquet pass over it. */
    private static final String NOTE = FolderNote.PACKED;

    private static final String IMAGE = "image";
    private static final String LABEL = "label";
    private static final Pattern FILES = Pattern.compile("images-\\d+-of-\\d+\\.parquet");
    private static final String INPUTS = "inputs";

    private final int inAFile;

    PackVerb(Run run, boolean force) {
        this(run, force, IN_A_FILE);
    }

    PackVerb(Run run, boolean force, int inAFile) {
        super(run, force);
        this.inAFile = inAFile;
    }

    /**
     * Packs what lies at a path, or the rows of a table or query. Does nothing if that has been done.
     *
     * @param images a path, {@code table:NAME} or {@code sql:SELECT ...}
     * @param output the folder that gets the files, see {@link OutputFolder}
     */
    void pack(String images, String output, boolean labeled) {
        ReadOptions options = labeled
                ? run.images().readOptions()
                : run.images().readOptions().unlabeled();
        Found found = NamedTable.is(images) ? table(images, options) : files(images, options);
        String inputs = Inputs.digest("pack", found.identity, noted(options), Integer.toString(inAFile));
        OutputFolder folder = new OutputFolder(session, output, NOTE, FILES);
        if (isPacked(folder, inputs, output)) { // which may be read-only
            return;
        }
        folder.claim();
        if (isPacked(folder, inputs, output)) { // by another driver meanwhile
            return;
        }
        folder.requireOwn();
        long started = System.nanoTime();
        ImageSource source = new ImageSource(List.of(images), List.of(found.source.get()));
        List<Named> named = source.named(true);
        source.passedOver().notes().forEach(note -> session.progress().say("note: %s", note));
        long bytes =
                folder.write(part -> write(source, named, options.labels(), part), said(images, inputs, named.size()));
        run.artifacts().made(output, named.size(), schema(options.labels()));
        session.progress()
                .say(
                        "packed %d images into %d files of %.1f MB in all, %s, in %.1f s",
                        named.size(),
                        files(named.size()),
                        bytes / 1e6,
                        source.passedOver(),
                        (System.nanoTime() - started) / 1e9);
    }

    /** What is to be packed: what identifies it, and its images, which are not read yet. */
    private record Found(String identity, Supplier<Source> source) {}

    private Found files(String path, ReadOptions options) {
        Inputs listed = Inputs.at(session.hadoop(), "--images", path, options);
        session.datasets().images(listed, null, -1, null);
        return new Found(listed.listing().times(), () -> listed.open(session.spark()));
    }

    /** Returns the rows of a table or query. Its snapshot identifies them; without one they are read for it. */
    private Found table(String name, ReadOptions options) {
        NamedTable table = NamedTable.open(session.spark(), name);
        session.datasets().rows(table, -1, null);
        FrameSource rows = FrameSource.of(name, table.rows(), options);
        String snapshot = table.snapshot();
        return new Found(snapshot == null ? rows.listing() : Inputs.digest(name, snapshot), () -> rows);
    }

    /**
     * Returns whether nothing is to do, and says so.
     *
     * @throws UserError if something else is there
     */
    private boolean isPacked(OutputFolder folder, String inputs, String output) {
        if (force || !folder.exists()) {
            return false;
        }
        folder.requireNote();
        if (!inputs.equals(packedOf(folder.note()))) {
            throw UserError.of(
                    "%s: exists already and was not packed from these images; choose another --output or give --force",
                    output);
        }
        folder.tidy();
        session.progress().say("%s is up to date with its images; --force packs them again", output);
        session.datasets().unchanged(output);
        return true;
    }

    /** Returns the options in the words that the notes of packed folders were made of: others would pack them again. */
    private static String noted(ReadOptions options) {
        return String.format(
                "Form[format=%s, imageColumn=%s, labelColumn=%s, root=%s%s]",
                options.format(),
                options.imageColumn(),
                options.labelColumn(),
                options.root(),
                options.task() == Task.SINGLE_LABEL ? "" : ", task=" + options.task());
    }

    private static @Nullable Object packedOf(@Nullable FolderNote note) {
        return note == null ? null : note.said().get(INPUTS);
    }

    private static Map<String, Object> said(String images, String inputs, int count) {
        Map<String, Object> said = new LinkedHashMap<>();
        said.put("path", images);
        said.put("images", count);
        said.put(INPUTS, inputs);
        return said;
    }

    private int files(int images) {
        return (images + inAFile - 1) / inAFile;
    }

    /** Returns the bytes of the files. */
    private long write(ImageSource source, List<Named> named, @Nullable LabelForm form, OutputFolder.Part part) {
        List<Slice> slices = new ArrayList<>();
        for (int first = 0; first < named.size(); first += inAFile) {
            slices.add(new Slice(first, named.subList(first, Math.min(named.size(), first + inAFile))));
        }
        String place = source.place();
        JavaRDD<Row> rows = source.encoded(named, null, slices.size(), inAFile)
                .zipPartitions(
                        Parcels.of(session.context(), slices),
                        (images, slice) -> new Rows(place, images, slice.next(), form));
        session.context().setJobDescription("Packing the " + named.size() + " images of " + place);
        try {
            return Causes.unwrapped(() -> {
                part.save(
                        part.spark()
                                .createDataFrame(rows, schema(form))
                                .write()
                                .format("parquet")
                                .option("maxRecordsPerFile", 0) // a file for each slice
                                .option("compression", "none") // images are compressed already
                                .option("parquet.enable.dictionary", "false")
                                .option("parquet.block.size", 32 << 20) // what a task holds at a time
                                .option("parquet.page.size.row.check.min", 1) // else it looks after 100 images, and
                                .option("parquet.page.size.row.check.max", 1), // then as if others were as large
                        String.format(Locale.ROOT, "images-%%05d-of-%05d", slices.size()));
                return part.sizes().values().stream().mapToLong(Long::longValue).sum();
            });
        } finally {
            Parcels.release(rows);
        }
    }

    /** The labels of the images that a file gets. */
    private static final class Slice implements Serializable {
        private static final long serialVersionUID = 1L;

        final int first; // rank
        final @Nullable String[] labels;

        Slice(int first, List<Named> images) {
            this.first = first;
            this.labels = images.stream().map(image -> image.label).toArray(String[]::new);
        }
    }

    /** Returns the columns: the image, and the label as text, the labels as a list of strings, or a number or boolean for each column of the form. */
    private static StructType schema(@Nullable LabelForm form) {
        StructType image =
                new StructType().add("bytes", DataTypes.BinaryType, true).add("path", DataTypes.StringType, false);
        StructType columns = new StructType().add(IMAGE, image, false);
        if (form == null) {
            return columns;
        }
        if (!form.byColumn()) {
            return columns.add(
                    LABEL,
                    form.task() == Task.SINGLE_LABEL
                            ? DataTypes.StringType
                            : DataTypes.createArrayType(DataTypes.StringType, false),
                    false);
        }
        Set<String> taken = new HashSet<>(Set.of(IMAGE));
        for (String column : form.columns()) {
            if (!taken.add(column.toLowerCase(Locale.ROOT))) {
                throw UserError.of(
                        "data.labelColumn: the column %s differs from another column, or from the column %s of the images,"
                                + " only in upper and lower case; rename it",
                        column, IMAGE);
            }
            columns = columns.add(
                    column, form.task() == Task.REGRESSION ? DataTypes.FloatType : DataTypes.BooleanType, false);
        }
        return columns;
    }

    /** The rows of a file, one for each image that was listed. */
    private static final class Rows implements Iterator<Row> {
        private final String place; // for messages
        private final Iterator<Tuple2<Long, Encoded>> images; // by rank
        private final Slice slice;
        private final @Nullable LabelForm form;
        private int done;

        Rows(String place, Iterator<Tuple2<Long, Encoded>> images, Slice slice, @Nullable LabelForm form) {
            this.place = place;
            this.images = images;
            this.slice = slice;
            this.form = form;
        }

        @Override
        public boolean hasNext() {
            return done < slice.labels.length;
        }

        @Override
        public Row next() {
            if (!hasNext()) {
                throw new NoSuchElementException();
            }
            Tuple2<Long, Encoded> image = images.hasNext() ? images.next() : null;
            if (image == null || image._1() != slice.first + done) {
                throw new UserError(place + ": could not read all images that were listed; keep the images unchanged"
                        + " during a run");
            }
            List<Object> cells = new ArrayList<>();
            cells.add(RowFactory.create(image._2().file(), image._2().name()));
            String label = slice.labels[done++];
            if (form != null) {
                add(Objects.requireNonNull(label), form, cells);
            }
            return RowFactory.create(cells.toArray());
        }

        private static void add(String label, LabelForm form, List<Object> cells) {
            switch (form.task()) {
                case SINGLE_LABEL -> cells.add(label);
                case MULTI_LABEL -> {
                    List<String> shown = LabelForm.parts(label);
                    if (form.byColumn()) {
                        form.columns().forEach(column -> cells.add(shown.contains(column)));
                    } else {
                        cells.add(shown.toArray(String[]::new));
                    }
                }
                case REGRESSION -> LabelForm.parts(label).forEach(value -> cells.add(Float.valueOf(value)));
            }
        }
    }
}
