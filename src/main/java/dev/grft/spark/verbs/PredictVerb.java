package dev.grft.spark.verbs;

import dev.grft.Delta;
import dev.grft.UserError;
import dev.grft.data.Labels;
import dev.grft.report.Progress;
import dev.grft.spark.images.Images;
import dev.grft.spark.run.Run;
import dev.grft.spark.work.Inference;
import dev.grft.spark.work.ModelBroadcast;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.RuntimeConfig;
import org.apache.spark.sql.SaveMode;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;
import scala.Tuple2;

/**
 * Labels images: a table with a row for each, in the order of their names: {@code name}, {@code label}, {@code probability} of
 * that label, and the probability of each class in a column {@code p_CLASS}. Instead of these, {@code top} is an array of the
 * likeliest classes with their probabilities if {@code predict.topK} is set or a delta has more than 100 classes; in CSV it is
 * text in JSON. Of several deltas each has these columns but the name's, which begin with what the delta is called and an
 * underscore.
 */
final class PredictVerb extends Verb {
    private static final long ROWS = 100_000; // in a file
    private static final String CASE_SENSITIVE = "spark.sql.caseSensitive";
    private static final String FILE = "delta.safetensors";
    private static final Pattern NAMED = Pattern.compile("([\\w.-]+)=(.+)");
    private static final String TOP = "top";
    private static final ArrayType LIKELIEST = DataTypes.createArrayType(
            DataTypes.createStructType(List.of(
                    DataTypes.createStructField("label", DataTypes.StringType, false),
                    DataTypes.createStructField("probability", DataTypes.FloatType, false))),
            false);

    /** What a delta says: its columns begin with {@code prefix}; {@code top} classes stand in an array, 0: each in a column. */
    private record Task(String prefix, Delta delta, int top) {}

    /** The classes of a delta and how many of them stand in an array, as tasks take them along. */
    private record Said(Labels labels, int top) implements Serializable {}

    PredictVerb(Run run, boolean force) {
        super(run, force);
    }

    /**
     * Writes the predictions of one delta or several, in one pass over the images.
     *
     * @param images path of the images
     * @param output path of the table, a folder as Spark writes them: of CSV files with a header if it ends with {@code .csv},
     *     else of Parquet
     * @param deltas each the path of a delta or of its run directory, or {@code NAME=PATH}; none: the run's own
     */
    void predict(String images, String output, List<String> deltas) {
        Path path = new Path(output);
        if (!force && session.storage().exists(path)) {
            throw UserError.of("%s: exists already; choose another --output or give --force", output);
        }
        List<Task> tasks = new ArrayList<>();
        if (deltas.isEmpty()) {
            tasks.add(task("", delta(run.directory().path(FILE))));
        }
        deltas.forEach(delta -> tasks.add(named(delta)));
        Set<String> prefixes = new HashSet<>();
        for (Task task : tasks) {
            if (!prefixes.add(task.prefix)) {
                throw UserError.of(
                        "--delta: two deltas are called %s; give --delta NAME=PATH",
                        task.prefix.replaceFirst("_$", ""));
            }
        }
        try (Images read = run.images().unlabeled("predict", images)) {
            write(read, tasks, output);
        }
        run.artifacts().made(output);
    }

    /** Returns a delta by its name, or else that of its file, or of the folder of a file that is called like all others. */
    private Task named(String text) {
        Matcher named = NAMED.matcher(text);
        Path given = new Path(named.matches() ? named.group(2) : text);
        Path file = session.storage().isDirectory(given) ? new Path(given, FILE) : given;
        String own = file.getName().equals(FILE)
                ? file.getParent().getName()
                : file.getName().replaceFirst("\\.safetensors$", "");
        return task((named.matches() ? named.group(1) : own) + "_", delta(file));
    }

    private Task task(String prefix, Delta delta) {
        return new Task(
                prefix, delta, settings.predict().classesInArray(delta.labels().size()));
    }

    private Delta delta(Path path) {
        run.artifacts().requireDelta(path, "to predict with");
        return run.models().delta(path);
    }

    private void write(Images images, List<Task> tasks, String output) {
        Progress.Meter meter = session.phase("predict", images.count());
        int files = (int) (1 + images.count() / ROWS);
        List<Said> said = tasks.stream()
                .map(task -> new Said(Labels.inOrder(task.delta.labels()), task.top))
                .collect(Collectors.toCollection(ArrayList::new));
        List<Delta> deltas = tasks.stream().map(Task::delta).toList();
        ModelBroadcast model = run.models().broadcast(deltas.get(0).labels().size());
        Inference inference = deltas.size() == 1
                ? run.inference(deltas.get(0))
                : Inference.of(run.engine(model.config()), model, run.images().preprocess(), deltas);
        inference.withProbabilities(
                images,
                meter,
                one -> new Tuple2<>(one.id, row(one, said)),
                rows -> write(rows.sortBy(Tuple2::_1, true, files).map(Tuple2::_2), tasks, output));
        session.progress()
                .say(
                        "predicted %d images%s into %s",
                        images.count(), tasks.size() == 1 ? "" : " by " + tasks.size() + " deltas", output);
    }

    private void write(JavaRDD<Row> rows, List<Task> tasks, String output) {
        RuntimeConfig conf = session.spark().conf();
        String before = conf.get(CASE_SENSITIVE);
        conf.set(CASE_SENSITIVE, true); // the names of two classes may differ in case only
        try {
            Dataset<Row> table = session.spark().createDataFrame(rows, schema(tasks));
            if (output.endsWith(".csv")) {
                inText(table, tasks)
                        .write()
                        .mode(SaveMode.Overwrite)
                        .option("header", "true")
                        .option("escape", "\"") // RFC 4180: a quote within quotes is doubled
                        .option("ignoreLeadingWhiteSpace", "false")
                        .option("ignoreTrailingWhiteSpace", "false")
                        .csv(output);
            } else {
                table.write().mode(SaveMode.Overwrite).parquet(output);
            }
        } finally {
            conf.set(CASE_SENSITIVE, before);
        }
    }

    /** Returns the table with its arrays as text in JSON, because CSV has no arrays. */
    private static Dataset<Row> inText(Dataset<Row> table, List<Task> tasks) {
        Dataset<Row> text = table;
        for (Task task : tasks) {
            if (task.top > 0) {
                String column = task.prefix + TOP;
                text = text.withColumn(column, functions.to_json(text.col("`" + column + "`")));
            }
        }
        return text;
    }

    private static Row row(Inference.Output one, List<Said> said) {
        List<Object> cells = new ArrayList<>();
        cells.add(one.name);
        int from = 0;
        for (Said by : said) {
            Labels of = by.labels;
            float[] probabilities = Arrays.copyOfRange(one.values, from, from + of.size());
            int best = Labels.likeliest(probabilities);
            cells.add(of.name(best));
            cells.add(probabilities[best]);
            if (by.top > 0) {
                cells.add(Arrays.stream(Labels.likeliest(probabilities, by.top))
                        .mapToObj(k -> RowFactory.create(of.name(k), probabilities[k]))
                        .toArray(Row[]::new));
            } else {
                for (float probability : probabilities) {
                    cells.add(probability);
                }
            }
            from += of.size();
        }
        return RowFactory.create(cells.toArray());
    }

    private static StructType schema(List<Task> tasks) {
        List<StructField> fields = new ArrayList<>();
        fields.add(DataTypes.createStructField("name", DataTypes.StringType, false));
        for (Task task : tasks) {
            fields.add(DataTypes.createStructField(task.prefix + "label", DataTypes.StringType, false));
            fields.add(DataTypes.createStructField(task.prefix + "probability", DataTypes.FloatType, false));
            if (task.top > 0) {
                fields.add(DataTypes.createStructField(task.prefix + TOP, LIKELIEST, false));
                continue;
            }
            task.delta
                    .labels()
                    .forEach(name -> fields.add(
                            DataTypes.createStructField(task.prefix + "p_" + name, DataTypes.FloatType, false)));
        }
        return DataTypes.createStructType(fields);
    }
}
