package dev.grft.ml;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.grft.spark.verbs.OnTiny;
import dev.grft.spark.work.Replicas;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.spark.ml.linalg.Vector;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.streaming.DataStreamWriter;
import org.apache.spark.sql.streaming.StreamingQuery;
import org.apache.spark.sql.streaming.StreamingQueryProgress;
import org.apache.spark.sql.streaming.Trigger;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Models in queries of Structured Streaming. */
class StreamingTest extends OnTiny {
    private static GrftClassificationModel model;

    @BeforeAll
    static void trainOnce() {
        model = new GrftClassifier()
                .setPretrained(shared.pretrained().toString())
                .setImageCol("content")
                .setMethod("bitfit")
                .setEpochs(1)
                .setBatchSize(6)
                .setShards(2)
                .setSettings("training.headInit=fresh", "engine.kernels=cpu")
                .fit(images(shared.train()));
    }

    private static Dataset<Row> images(Path folder) {
        return spark.read()
                .format("binaryFile")
                .option("recursiveFileLookup", "true")
                .load(folder.toString())
                .selectExpr("path", "content", "element_at(split(path, '/'), -2) AS label");
    }

    /** Returns a stream of the files of a folder, which has some. */
    private static Dataset<Row> stream(Path arriving) {
        String files = arriving.toString();
        return spark.readStream()
                .format("binaryFile")
                .schema(spark.read().format("binaryFile").load(files).schema())
                .load(files);
    }

    /** Returns the probabilities of each image of a batch, by its path. */
    private static Map<String, double[]> probabilities(Dataset<Row> labeled) {
        Map<String, double[]> all = new TreeMap<>();
        for (Row row : labeled.select("path", "probability").collectAsList()) {
            assertThat(all.put(row.getString(0), row.<Vector>getAs(1).toArray()))
                    .isNull();
        }
        return all;
    }

    private StreamingQuery finished(Dataset<Row> stream, String name) throws Exception {
        return finished(model, stream, name);
    }

    private StreamingQuery finished(GrftClassificationModel labeler, Dataset<Row> stream, String name)
            throws Exception {
        DataStreamWriter<Row> writer = labeler.transform(stream)
                .select("path", "prediction", "probability")
                .writeStream()
                .format("parquet")
                .option("path", folder.resolve(name).toString())
                .option(
                        "checkpointLocation",
                        folder.resolve(name + "-checkpoint").toString())
                .trigger(Trigger.AvailableNow());
        StreamingQuery query = writer.start();
        assertThat(query.awaitTermination(120_000)).isTrue();
        assertThat(query.exception().isEmpty()).isTrue();
        return query;
    }

    private static long batches(StreamingQuery query) {
        return Arrays.stream(query.recentProgress())
                .filter(progress -> progress.numInputRows() > 0)
                .map(StreamingQueryProgress::batchId)
                .distinct()
                .count();
    }

    private Dataset<Row> stream() {
        return spark.readStream()
                .format("binaryFile")
                .schema(spark.read()
                        .format("binaryFile")
                        .load(shared.test() + "/red")
                        .schema())
                .option("recursiveFileLookup", "true")
                .option("maxFilesPerTrigger", "2")
                .load(shared.test().toString());
    }

    private void assertSame(Map<String, double[]> streamed) {
        Map<String, double[]> expected = probabilities(model.transform(images(shared.test())));
        assertThat(streamed).hasSize(9).containsOnlyKeys(expected.keySet());
        streamed.forEach((path, values) -> {
            for (int k = 0; k < values.length; k++) {
                assertThat(values[k]).isCloseTo(expected.get(path)[k], within(1e-6));
            }
        });
    }

    @Test
    void filesThatArriveAreLabeledInMicroBatches() throws Exception {
        StreamingQuery query = finished(stream(), "labeled");

        assertThat(batches(query)).isEqualTo(5); // 9 images, 2 at a time
        assertSame(probabilities(spark.read().parquet(folder.resolve("labeled").toString())));
    }

    @Test
    void rowsOfParquetWithImagesAreLabeledToo() throws Exception {
        Dataset<Row> images = images(shared.test());
        images.repartition(3).write().parquet(folder.resolve("rows").toString());
        Dataset<Row> stream = spark.readStream()
                .schema(images.schema())
                .option("maxFilesPerTrigger", "1")
                .parquet(folder.resolve("rows").toString());

        StreamingQuery query = finished(stream, "labeled");

        assertThat(batches(query)).isEqualTo(3);
        assertSame(probabilities(spark.read().parquet(folder.resolve("labeled").toString())));
    }

    /** A photo that cannot be read would end the query again after each restart. */
    @ParameterizedTest
    @CsvSource({"skip,1", "keep,2"})
    void aBrokenImageDoesNotEndAQuery(String word, int rows) throws Exception {
        Path arriving = Files.createDirectories(folder.resolve("arriving"));
        Files.copy(shared.test().resolve("red/0.png"), arriving.resolve("0.png"));
        Files.writeString(arriving.resolve("1.png"), "no image");
        Dataset<Row> stream = stream(arriving);
        assertThatThrownBy(() -> finished(stream, "error"))
                .hasStackTraceContaining("/1.png is broken in column content");

        finished(model.copy(ParamMap.empty()).setHandleInvalid(word), stream, "labeled");

        Dataset<Row> labeled = spark.read().parquet(folder.resolve("labeled").toString());
        assertThat(labeled.count()).isEqualTo(rows);
        assertThat(labeled.filter("prediction IS NULL").count()).isEqualTo(rows - 1);
    }

    /** What a later query adds comes to the rows of its own: the stream resumes from its checkpoint. */
    @Test
    void aQueryThatResumesLabelsOnlyWhatIsNew() throws Exception {
        Path arriving = Files.createDirectories(folder.resolve("arriving"));
        Files.copy(shared.test().resolve("red/0.png"), arriving.resolve("0.png"));
        Dataset<Row> stream = stream(arriving);
        finished(stream, "labeled");
        Files.copy(shared.test().resolve("blue/0.png"), arriving.resolve("1.png"));

        StreamingQuery query = finished(stream, "labeled");

        assertThat(batches(query)).isEqualTo(1);
        assertThat(spark.read().parquet(folder.resolve("labeled").toString()).count())
                .isEqualTo(2);
    }

    @Test
    void microBatchesShareTheModel() throws Exception {
        probabilities(model.transform(images(shared.test())));
        long copies = Replicas.copies();
        List<Long> bytes = new ArrayList<>();
        StreamingQuery query = model.transform(stream())
                .writeStream()
                .foreachBatch((rows, id) -> {
                    assertThat(probabilities(rows)).isNotEmpty();
                    bytes.add(Replicas.bytes());
                })
                .option("checkpointLocation", folder.resolve("checkpoint").toString())
                .trigger(Trigger.AvailableNow())
                .start();
        assertThat(query.awaitTermination(120_000)).isTrue();
        assertThat(query.exception().isEmpty()).isTrue();

        assertThat(bytes).as("batches").hasSize(5);
        // The head of a frame, a few hundred bytes, stays until the frame is collected.
        assertThat(bytes.get(4) - bytes.get(0))
                .as("native memory of models: %s", bytes)
                .isLessThan(bytes.get(0) / 2);
        assertThat(Replicas.copies() - copies).as("copies of the weights").isZero();
    }
}
