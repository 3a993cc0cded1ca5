package dev.grft.spark.verbs;

import dev.grft.Delta;
import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.checkpoint.artifact.DeltaFile;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.data.BrokenImages;
import dev.grft.data.LabelForm;
import dev.grft.data.Labels;
import dev.grft.data.PassedOver;
import dev.grft.measures.SetJudgment;
import dev.grft.report.Progress;
import dev.grft.spark.cluster.Causes;
import dev.grft.spark.cluster.Parcels;
import dev.grft.spark.cluster.Tally;
import dev.grft.spark.images.Encoded;
import dev.grft.spark.images.ImageReader;
import dev.grft.spark.images.ImageSource;
import dev.grft.spark.images.Inputs;
import dev.grft.spark.images.Source;
import dev.grft.spark.run.OutputTable;
import dev.grft.spark.run.Run;
import dev.grft.spark.run.RunImages;
import dev.grft.spark.tables.FolderNote;
import dev.grft.spark.work.Inference;
import dev.grft.spark.work.Looking;
import dev.grft.spark.work.ModelBroadcast;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.SortedMap;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongConsumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.sql.DataFrameWriter;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.util.LongAccumulator;
import org.jspecify.annotations.Nullable;

/**
 * Labels images: a table with a row for each, in the order of the files that hold them: {@code name}, {@code label}, {@code probability} of
 * that label, and the probability of each class in a column {@code p_CLASS}. Instead of these, {@code top} is an array of the
 * likeliest classes with their probabilities if {@code predict.topK} is set or a delta has more than 100 classes; in CSV it is
 * text in JSON. Of several labels, {@code labels} is an array of the classes whose probability is not below their threshold, in place of
 * {@code label} and {@code probability}; of values, each target has a column {@code predicted_TARGET}. Of several deltas each has these columns but the name's, which begin with what the delta is called and an
 * underscore.
 */
final class PredictVerb extends Verb {
    private static final long ROWS = 100_000; // in a file
    private static final String FILE = "delta.safetensors";

    /** What the table was made of; readers pass over it. */
    private static final String NOTE = "_predicted.json";

    private static final String INPUTS = "inputs";

    private static final Pattern FILES = Pattern.compile("part-.*|_SUCCESS|_metadata|_common_metadata");
    private static final int TASKS_OF_CORE = 3;
    private static final int IN_A_TASK = 4096; // images
    private static final Pattern NAMED = Pattern.compile("([\\w.-]+)=(.+)");
    private static final String TOP = "top";
    private static final String LABELS = "labels";
    private static final ArrayType SET = DataTypes.createArrayType(DataTypes.StringType, false);
    private static final ArrayType LIKELIEST = DataTypes.createArrayType(
            DataTypes.createStructType(List.of(
                    DataTypes.createStructField("label", DataTypes.StringType, false),
                    DataTypes.createStructField("probability", DataTypes.FloatType, false))),
            false);

    /** What a delta at a path says: its columns begin with {@code prefix}; {@code top} classes stand in an array, 0: each in a column. */
    private record Told(String prefix, Path path, DeltaFile file, int top) {
        Delta delta() {
            return file.delta();
        }

        /** Returns whether there is an array of the likeliest classes. */
        boolean hasTop() {
            return top > 0 && delta().task() != Task.REGRESSION;
        }

        /** Returns what tasks take along. */
        Said said() {
            return new Said(Labels.of(delta()), top, file.thresholdArray());
        }
    }

    /** The outputs of a delta, how many of the classes stand in an array, and their thresholds, as tasks take them along. */
    private static final class Said implements Serializable {
        private static final long serialVersionUID = 1L;

        final Labels labels;
        private final int top;
        private final float @Nullable [] thresholds;

        Said(Labels labels, int top, float @Nullable [] thresholds) {
            this.labels = labels;
            this.top = top;
            this.thresholds = thresholds;
        }

        /** Adds the cells of an image. */
        void add(float[] outputs, List<Object> cells) {
            switch (labels.task()) {
                case SINGLE_LABEL -> {
                    int best = Labels.likeliest(outputs);
                    cells.add(labels.name(best));
                    cells.add(outputs[best]);
                    addProbabilities(outputs, cells);
                }
                case MULTI_LABEL -> {
                    cells.add(Arrays.stream(SetJudgment.predicted(outputs, thresholds))
                            .mapToObj(labels::name)
                            .toArray(String[]::new));
                    addProbabilities(outputs, cells);
                }
                case REGRESSION -> addEach(outputs, cells);
            }
        }

        private void addProbabilities(float[] probabilities, List<Object> cells) {
            if (top > 0) {
                cells.add(Arrays.stream(Labels.likeliest(probabilities, top))
                        .mapToObj(k -> RowFactory.create(labels.name(k), probabilities[k]))
                        .toArray(Row[]::new));
            } else {
                addEach(probabilities, cells);
            }
        }

        private static void addEach(float[] outputs, List<Object> cells) {
            for (float output : outputs) {
                cells.add(output);
            }
        }
    }

    PredictVerb(Run run, boolean force) {
        super(run, force);
    }

    /**
     * Writes the predictions of one delta or several, in one pass over the images.
     *
     * @param images path of the images
     * @param output path of the table, a folder as Spark writes them: of CSV files with a header if it ends with {@code .csv},
     *     else of Parquet; or {@code table:NAME}, a table of Spark's catalogs
     * @param existing what to do with a table of a catalog that is there
     * @param deltas each the path of a delta or of its run directory, or {@code NAME=PATH}; none: the run's own
     */
    void predict(String images, String output, OutputTable.Existing existing, List<String> deltas) {
        OutputTable table = OutputTable.of(session, output, existing, force);
        OutputFolder folder = new OutputFolder(session, table == null ? output : staged(output), NOTE, FILES);
        if (table == null) {
            requireOwn(folder, output);
        } else {
            table.requireFree();
        }
        List<Told> tasks = new ArrayList<>();
        if (deltas.isEmpty()) {
            tasks.add(told("", run.directory().path(FILE)));
        }
        deltas.forEach(delta -> tasks.add(named(delta)));
        Set<String> prefixes = new HashSet<>();
        for (Told task : tasks) {
            if (!prefixes.add(task.prefix)) {
                throw UserError.of(
                        "--delta: two deltas are called %s; give --delta NAME=PATH",
                        task.prefix.replaceFirst("_$", ""));
            }
        }
        boolean csv = table == null && new Path(output).getName().endsWith(".csv"); // also of out.csv/
        if (csv) {
            tasks.forEach(task -> requireTold(task, output));
        }
        if (table != null) {
            table.requireTakes(schema(tasks));
        }
        RunImages.Unlabeled found = run.images().unlabeled(images);
        String inputs = found.identity() == null ? null : inputs(found.identity(), tasks);
        if (table == null && isPredicted(folder, output, inputs)) {
            return;
        }
        Source.Stored source = found.source().get();
        folder.claim();
        if (table == null) {
            if (isPredicted(folder, output, inputs)) { // by another driver meanwhile
                return;
            }
            folder.requireOwn();
        }
        Map<String, Object> said = new LinkedHashMap<>();
        said.put("path", images);
        if (inputs != null) {
            said.put(INPUTS, inputs);
        }
        long rows = folder.write(
                part -> {
                    BrokenImages broken = write(images, output, source, tasks, csv, part);
                    said.put("images", broken.total() - broken.count());
                    said.put("broken", broken.count());
                    said.put("brokenImages", broken.reasons());
                    return broken.total() - broken.count();
                },
                said);
        if (table != null) { // whole by now, and not too many images are broken
            SortedMap<String, Long> files =
                    Objects.requireNonNull(folder.note()).files();
            table.save(staged(output), Objects.requireNonNull(files).keySet());
        }
        run.artifacts().made(output, rows, csv ? null : schema(tasks));
        session.progress()
                .say(
                        "predicted %d images%s into %s",
                        rows, tasks.size() == 1 ? "" : " by " + tasks.size() + " deltas", output);
    }

    /** Returns the folder that holds the rows of a table until they are complete. */
    private String staged(String output) {
        return run.directory()
                .path("predicted-" + Inputs.digest(output).substring(0, 16))
                .toString();
    }

    /** Refuses what this verb has not written, before any work. */
    private void requireOwn(OutputFolder folder, String output) {
        if (!force && folder.exists()) {
            folder.requireNote();
            if (inputsOf(folder) == null) {
                throw UserError.of("%s: exists already; choose another --output or give --force", output);
            }
        } else {
            folder.requireOwn();
        }
    }

    /**
     * Returns whether nothing is to do, and says so.
     *
     * @param inputs null if it is not known what the images are
     * @throws UserError if something else is there
     */
    private boolean isPredicted(OutputFolder folder, String output, @Nullable String inputs) {
        if (force || !folder.exists()) {
            return false;
        }
        folder.requireNote();
        folder.tidy();
        if (inputs == null || !inputs.equals(inputsOf(folder))) {
            throw UserError.of(
                    "%s: exists already and was not predicted from these inputs; choose another --output or give --force",
                    output);
        }
        session.progress().say("%s is up to date with its inputs; --force predicts again", output);
        session.datasets().unchanged(output);
        return true;
    }

    private static @Nullable Object inputsOf(OutputFolder folder) {
        FolderNote note = folder.note();
        return note == null ? null : note.said().get(INPUTS);
    }

    /** Returns a digest of all that the rows are made of. */
    private String inputs(String images, List<Told> tasks) {
        List<String> parts = new ArrayList<>(List.of(
                "predict",
                images,
                run.models().pretrained().identity(),
                run.images().preprocess().toString(),
                Config.fingerprint(
                        settings,
                        List.of(
                                "data",
                                "evaluation",
                                "predict",
                                "model.imageSize",
                                "engine.kernels",
                                "engine.precision"),
                        EvaluateVerb.WHICH_IMAGES)));
        tasks.forEach(
                task -> parts.addAll(List.of(task.prefix, session.storage().sha256(task.path))));
        return Inputs.digest(parts.toArray(String[]::new));
    }

    /** Refuses classes that CSV cannot tell apart; deltas of earlier builds may have some. */
    private static void requireTold(Told task, String output) {
        String barred = Labels.of(task.delta()).barred();
        if (barred != null) {
            throw UserError.of(
                    "--output %s: the class %s of the delta has %s in its name, which separates the classes of an image in CSV;"
                            + " write Parquet, an --output that does not end with .csv",
                    output, barred, LabelForm.BAR);
        }
    }

    /** Returns a delta by its name, or else that of its file, or of the folder of a file that is called like all others. */
    private Told named(String text) {
        Matcher named = NAMED.matcher(text);
        Path given = new Path(named.matches() ? named.group(2) : text);
        Path file = session.storage().isDirectory(given) ? new Path(given, FILE) : given;
        String own = file.getName().equals(FILE)
                ? file.getParent().getName()
                : file.getName().replaceFirst("\\.safetensors$", "");
        return told((named.matches() ? named.group(1) : own) + "_", file);
    }

    private Told told(String prefix, Path path) {
        DeltaFile file = delta(path);
        int outputs = file.delta().labels().size();
        return new Told(prefix, path, file, settings.predict().classesInArray(outputs));
    }

    private DeltaFile delta(Path path) {
        run.artifacts().requireDelta(path, "to predict with");
        DeltaFile file = run.models().delta(path);
        sayDifferences(path, file);
        return file;
    }

    private void sayDifferences(Path path, DeltaFile file) {
        Settings training = run.training(path, file);
        List<String> differences = training == null ? List.of() : run.images().differences(training);
        if (!differences.isEmpty()) {
            session.progress()
                    .say(
                            "note: %s was trained with %s; set the same to prepare images as in its training",
                            path, String.join(", ", differences));
        }
    }

    /** Reads the images in the order of their files, writes the row of each as it comes, and returns which have none, of how many. */
    private BrokenImages write(
            String images, String output, Source.Stored source, List<Told> tasks, boolean csv, OutputFolder.Part part) {
        long count = source.count();
        Progress.Meter meter = session.phase("predict", count);
        AtomicLong shown = new AtomicLong();
        LongConsumer show = handled -> {
            long more = handled - shown.getAndSet(handled);
            if (more > 0) {
                meter.add(more, "");
            }
        };
        double maxBroken = settings.data().maxBroken();
        Tally.Listener listener = (handled, broken, tally) -> {
            show.accept(handled);
            if (count < 0 || (double) broken / count <= maxBroken) { // else too many, whatever the others are
                return;
            }
            try {
                tally.brokenByNow(count).check(maxBroken, images);
            } catch (UserError e) {
                session.watch().fail(e);
            }
        };
        try (Looking looking = inference(tasks).looking();
                Tally tally = new Tally(session.context().sc(), listener)) {
            Tally.Counter counter = tally.counter(); // tasks take these along, not this object
            LongAccumulator leftTurned = session.context().sc().longAccumulator();
            List<Said> said = tasks.stream().map(Told::said).collect(Collectors.toCollection(ArrayList::new));
            JavaRDD<Encoded> encoded = source.inOrder(partitions(count, looking.batchSize()), looking.batchSize());
            JavaRDD<Row> rows = run.models()
                    .device()
                    .computes(encoded.mapPartitions(some -> rows(some, looking, counter, leftTurned, said)));
            try {
                Causes.unwrapped(() -> {
                    write(rows, tasks, csv, part);
                    return part;
                });
            } catch (RuntimeException e) {
                if (count >= 0) {
                    run.images().checkPredicted(output, images, tally.brokenByNow(count), source.passedOver());
                }
                throw e;
            } finally {
                Parcels.release(encoded);
            }
            show.accept(tally.handled());
            BrokenImages broken = tally.broken();
            if (broken.total() == 0) {
                throw ImageSource.none(images, source.passedOver());
            }
            if (count >= 0 && broken.total() != count) {
                throw UserError.of(
                        "%s: had %d images when they were listed, but %d when they were read; keep the images"
                                + " unchanged during a run",
                        images, count, broken.total());
            }
            PassedOver passed = new PassedOver();
            passed.add(source.passedOver());
            ImageReader.noteTurned(passed, leftTurned.value());
            run.images().describePredicted(output, images, broken, passed);
            if (broken.count() == broken.total()) {
                throw new UserError(
                        images + ": " + broken + "; expected at least one that can be read: mend some or give others");
            }
            session.progress()
                    .say(
                            "read %d images, %s, %s",
                            broken.total() - broken.count(),
                            broken.count() == 0 ? "0 broken" : broken,
                            source.passedOver());
            return broken;
        }
    }

    private Inference inference(List<Told> tasks) {
        List<Delta> deltas = tasks.stream().map(Told::delta).toList();
        ModelBroadcast model = run.models().broadcast(Labels.of(deltas.get(0)));
        return deltas.size() == 1
                ? run.inference(deltas.get(0))
                : Inference.of(run.engine(model.config()), model, run.images().preprocess(), deltas);
    }

    /** Returns the number of tasks: a few for each core, at most one for each batch, at least one for each 4,096 images. */
    private int partitions(long count, int batchSize) {
        long some = (long) TASKS_OF_CORE * session.context().defaultParallelism();
        return (int)
                (count < 0
                        ? some
                        : Math.max(count / IN_A_TASK + 1, Math.min(some, (count + batchSize - 1) / batchSize)));
    }

    private static Iterator<Row> rows(
            Iterator<Encoded> images,
            Looking looking,
            Tally.Counter counter,
            LongAccumulator leftTurned,
            List<Said> said) {
        Iterator<Looking.Seen<String>> seen = looking.over(images, image -> image, Encoded::name);
        return StreamSupport.stream(Spliterators.spliteratorUnknownSize(seen, Spliterator.ORDERED), false)
                .filter(one -> {
                    counter.handled(one.item, one.broken == null ? null : one.broken.reason());
                    leftTurned.add(one.leftTurned ? 1 : 0);
                    return one.broken == null;
                })
                .map(one -> row(one.item, Objects.requireNonNull(one.values), said))
                .iterator();
    }

    private static void write(JavaRDD<Row> rows, List<Told> tasks, boolean csv, OutputFolder.Part part) {
        Dataset<Row> table = part.spark().createDataFrame(rows, schema(tasks));
        DataFrameWriter<Row> writer = csv
                ? inText(table, tasks)
                        .write()
                        .format("csv")
                        .option("header", "true")
                        .option("escape", "\"") // RFC 4180: a quote within quotes is doubled
                        .option("ignoreLeadingWhiteSpace", "false")
                        .option("ignoreTrailingWhiteSpace", "false")
                : table.write().format("parquet");
        part.save(writer.option("maxRecordsPerFile", ROWS), "part-%05d");
    }

    /** Returns the table with its arrays as text, because CSV has none: the likeliest classes in JSON, the classes of an image between bars. */
    private static Dataset<Row> inText(Dataset<Row> table, List<Told> tasks) {
        Dataset<Row> text = table;
        for (Told task : tasks) {
            if (task.hasTop()) {
                String column = task.prefix + TOP;
                text = text.withColumn(column, functions.to_json(text.col("`" + column + "`")));
            }
            if (task.delta().task() == Task.MULTI_LABEL) {
                String column = task.prefix + LABELS;
                text = text.withColumn(
                        column, functions.concat_ws(Character.toString(LabelForm.BAR), text.col("`" + column + "`")));
            }
        }
        return text;
    }

    private static Row row(String name, float[] values, List<Said> said) {
        List<Object> cells = new ArrayList<>();
        cells.add(name);
        int from = 0;
        for (Said by : said) {
            int to = from + by.labels.size();
            by.add(Arrays.copyOfRange(values, from, to), cells);
            from = to;
        }
        return RowFactory.create(cells.toArray());
    }

    private static StructType schema(List<Told> tasks) {
        List<StructField> fields = new ArrayList<>();
        fields.add(DataTypes.createStructField("name", DataTypes.StringType, false));
        for (Told task : tasks) {
            String each = switch (task.delta().task()) {
                case SINGLE_LABEL -> {
                    fields.add(DataTypes.createStructField(task.prefix + "label", DataTypes.StringType, false));
                    fields.add(DataTypes.createStructField(task.prefix + "probability", DataTypes.FloatType, false));
                    yield "p_";
                }
                case MULTI_LABEL -> {
                    fields.add(DataTypes.createStructField(task.prefix + LABELS, SET, false));
                    yield "p_";
                }
                case REGRESSION -> "predicted_";
            };
            if (task.hasTop()) {
                fields.add(DataTypes.createStructField(task.prefix + TOP, LIKELIEST, false));
                continue;
            }
            task.delta()
                    .labels()
                    .forEach(name -> fields.add(
                            DataTypes.createStructField(task.prefix + each + name, DataTypes.FloatType, false)));
        }
        return DataTypes.createStructType(fields);
    }
}
