package dev.grft.spark;

import dev.grft.Delta;
import dev.grft.UserError;
import dev.grft.data.Labels;
import dev.grft.report.Progress;
import java.util.ArrayList;
import java.util.List;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.sql.DataFrameWriter;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.RuntimeConfig;
import org.apache.spark.sql.SaveMode;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;

/**
 * Labels images: a table with a row for each, in the order of their names: {@code name}, {@code label}, {@code probability} of
 * that label, and the probability of each class in a column {@code p_CLASS}.
 */
final class Predicting {
    private static final long ROWS = 100_000; // in a file
    private static final String CASE_SENSITIVE = "spark.sql.caseSensitive";

    private final Session session;

    Predicting(Session session) {
        this.session = session;
    }

    /**
     * Writes the predictions of the run's delta.
     *
     * @param images path of the images
     * @param output path of the table, a folder as Spark writes them: of CSV files with a header if it ends with {@code .csv},
     *     else of Parquet
     * @param force whether an existing table is replaced
     */
    void predict(String images, String output, boolean force) {
        Path path = new Path(output);
        if (!force && session.storage().exists(path)) {
            throw UserError.of("%s: exists already; choose another --output or give --force", output);
        }
        Path deltaPath = session.directory().path("delta.safetensors");
        session.requireDelta(deltaPath, "to predict with");
        Delta delta = session.delta(deltaPath);
        Labels labels = Labels.inOrder(delta.labels());
        try (Images read = session.unlabeledImages("predict", images)) {
            write(read, delta, labels, output);
        }
    }

    private void write(Images images, Delta delta, Labels labels, String output) {
        Progress.Meter meter = session.phase("predict", images.count());
        int files = (int) (1 + images.count() / ROWS);
        Inference.of(session, delta)
                .withProbabilities(
                        images,
                        meter,
                        outputs -> write(
                                outputs.sortBy(one -> one.id, true, files).map(one -> row(one, labels)),
                                schema(labels),
                                output));
        session.progress().say("predicted %d images into %s", images.count(), output);
    }

    private void write(JavaRDD<Row> rows, StructType schema, String output) {
        RuntimeConfig conf = session.spark().conf();
        String before = conf.get(CASE_SENSITIVE);
        conf.set(CASE_SENSITIVE, true); // the names of two classes may differ in case only
        try {
            DataFrameWriter<Row> table =
                    session.spark().createDataFrame(rows, schema).write().mode(SaveMode.Overwrite);
            if (output.endsWith(".csv")) {
                table.option("header", "true").csv(output);
            } else {
                table.parquet(output);
            }
        } finally {
            conf.set(CASE_SENSITIVE, before);
        }
    }

    private static Row row(Inference.Output one, Labels labels) {
        int best = Labels.likeliest(one.values);
        Object[] cells = new Object[3 + labels.size()];
        cells[0] = one.name;
        cells[1] = labels.name(best);
        cells[2] = one.values[best];
        for (int k = 0; k < labels.size(); k++) {
            cells[3 + k] = one.values[k];
        }
        return RowFactory.create(cells);
    }

    private static StructType schema(Labels labels) {
        List<StructField> fields = new ArrayList<>();
        fields.add(DataTypes.createStructField("name", DataTypes.StringType, false));
        fields.add(DataTypes.createStructField("label", DataTypes.StringType, false));
        fields.add(DataTypes.createStructField("probability", DataTypes.FloatType, false));
        labels.names()
                .forEach(name -> fields.add(DataTypes.createStructField("p_" + name, DataTypes.FloatType, false)));
        return DataTypes.createStructType(fields);
    }
}
