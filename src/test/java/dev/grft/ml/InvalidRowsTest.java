package dev.grft.ml;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.UserError;
import dev.grft.spark.verbs.OnTiny;
import dev.grft.spark.verbs.Tiny;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.functions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Rows without a label, without an image, or with a broken one. */
class InvalidRowsTest extends OnTiny {
    private static <E extends GrftEstimator<E, ?>> E estimator(E of) {
        return of.setPretrained(shared.pretrained().toString())
                .setImageCol("content")
                .setMethod("bitfit")
                .setEpochs(1)
                .setBatchSize(6)
                .setShards(2)
                .setSettings("training.headInit=fresh", "engine.kernels=cpu");
    }

    private static Dataset<Row> images() {
        return spark.read()
                .format("binaryFile")
                .option("recursiveFileLookup", "true")
                .load(shared.train().toString())
                .selectExpr("path", "content", "element_at(split(path, '/'), -2) AS label")
                .selectExpr("*", "double(length(label)) AS value", "array(label) AS labels");
    }

    /** One row in each class has no label, another no image and a third a broken one. */
    private static Dataset<Row> some() {
        return images().withColumn("label", functions.expr("if(path LIKE '%/0.png', NULL, label)"))
                .withColumn(
                        "value",
                        functions.expr(
                                "if(path LIKE '%red/0.png', double('NaN'), if(path LIKE '%/0.png', NULL, value))"))
                .withColumn("labels", functions.expr("if(path LIKE '%/0.png', NULL, labels)"))
                .withColumn(
                        "content",
                        functions.expr("CASE WHEN path LIKE '%/1.png' THEN NULL"
                                + " WHEN path LIKE '%/2.png' THEN CAST('no image' AS BINARY) ELSE content END"));
    }

    private static Map<String, String> tensors(GrftModel<?> model, Path folder) throws Exception {
        model.save(folder.toString());
        return Tiny.tensors(folder.resolve("delta.safetensors"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"skip", "keep"})
    void aTrainingWithoutThemIsThatOfTheOtherRows(String word) throws Exception {
        Dataset<Row> whole =
                some().filter("NOT path RLIKE '/[01].png$'"); // with the broken ones, which keep their places

        for (GrftEstimator<?, ?> estimator : List.of(
                estimator(new GrftClassifier()),
                estimator(new GrftRegressor()).setLabelCol("value"),
                estimator(new GrftMultiLabelClassifier()).setLabelCol("labels"))) {
            String name = estimator.getClass().getSimpleName();
            GrftModel<?> expected = estimator
                    .setSettings("training.headInit=fresh", "engine.kernels=cpu", "data.maxBroken=1")
                    .fit(whole);
            GrftModel<?> model =
                    estimator.copy(ParamMap.empty()).setHandleInvalid(word).fit(some());
            assertThat(tensors(model, folder.resolve(name + "-some")))
                    .as(name)
                    .isEqualTo(tensors(expected, folder.resolve(name + "-whole")));
            assertThat(model.transform(some()).count()).isEqualTo(word.equals("skip") ? 12 : 18);
        }
    }

    @Test
    void theSummaryCountsThem() {
        GrftTrainingSummary summary = estimator(new GrftClassifier())
                .setHandleInvalid("skip")
                .fit(some())
                .summary();
        assertThat(summary.images()).isEqualTo(9);
        assertThat(summary.skippedRows()).isEqualTo(6); // three without a label, three without an image
        assertThat(summary.brokenImages()).isEqualTo(3);
        GrftTrainingSummary whole = estimator(new GrftClassifier())
                .setMethod("linear")
                .fit(images())
                .summary();
        assertThat(whole.images()).isEqualTo(18);
        assertThat(whole.skippedRows()).isZero();
        assertThat(whole.brokenImages()).isZero();
    }

    @Test
    void aShareOfBrokenImagesThatWasSetStillEndsATraining() {
        Dataset<Row> broken = images().withColumn(
                        "content", functions.expr("if(path LIKE '%/2.png', CAST('no image' AS BINARY), content)"));
        GrftClassifier estimator = estimator(new GrftClassifier()).setHandleInvalid("skip");
        assertThat(estimator
                        .setSettings("engine.kernels=cpu", "data.maxBroken=0.2")
                        .fit(broken)
                        .summary()
                        .brokenImages())
                .isEqualTo(3);
        assertThatThrownBy(() -> estimator
                        .setSettings("engine.kernels=cpu", "data.maxBroken=0.01") // the default, but set
                        .fit(broken))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("(16.6667 %) are broken [");
    }

    /** Whatever is no label to one part of the program is none to the others. */
    @Test
    void everyKindOfMissingLabelIsLeftOut() {
        for (String label : List.of("'\t'", "'\u2003'", "' '", "NULL")) {
            GrftClassifier estimator = estimator(new GrftClassifier()).setMethod("linear");
            Dataset<Row> some =
                    images().withColumn("label", functions.expr("if(path LIKE '%/0.png', " + label + ", label)"));
            assertThatThrownBy(() -> estimator.fit(some)).hasMessageContaining("3 of 18 rows have none in label");
            assertThat(estimator.setHandleInvalid("skip").fit(some).summary().images())
                    .as(label)
                    .isEqualTo(15);
        }
        for (String label : List.of("array(label, NULL)", "array(' ')", "CAST(NULL AS ARRAY<STRING>)")) {
            GrftMultiLabelClassifier estimator = estimator(new GrftMultiLabelClassifier())
                    .setMethod("linear")
                    .setLabelCol("labels")
                    .setHandleInvalid("skip");
            Dataset<Row> some =
                    images().withColumn("labels", functions.expr("if(path LIKE '%/0.png', " + label + ", labels)"));
            assertThat(estimator.fit(some).summary().images()).as(label).isEqualTo(15);
        }
    }

    /** In ANSI mode Spark refuses to cast NaN to a whole number. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aNumberThatIsNoneIsAMissingLabel(boolean ansi) {
        spark.conf().set("spark.sql.ansi.enabled", ansi);
        try {
            for (String number : List.of("double('NaN')", "double('Infinity')", "float('-Infinity')")) {
                Dataset<Row> some = images().withColumn("value", functions.expr("value - 3"))
                        .withColumn("value", functions.expr("if(path LIKE '%/0.png', " + number + ", value)"));
                for (GrftEstimator<?, ?> estimator :
                        List.of(estimator(new GrftClassifier()), estimator(new GrftRegressor()))) {
                    estimator.setLabelCol("value").setMethod("linear");
                    assertThatThrownBy(() -> estimator.fit(some))
                            .as(number)
                            .isInstanceOf(UserError.class)
                            .hasMessageContaining("3 of 18 rows have none in value; set handleInvalid to skip");
                    assertThat(estimator
                                    .setHandleInvalid("skip")
                                    .fit(some)
                                    .summary()
                                    .images())
                            .as(number)
                            .isEqualTo(15);
                }
            }
            assertThatThrownBy(() -> estimator(new GrftClassifier())
                            .setLabelCol("value")
                            .fit(images().withColumn("value", functions.expr("1e300"))))
                    .hasMessageContaining("labels must be whole numbers from 0");
        } finally {
            spark.conf().unset("spark.sql.ansi.enabled");
        }
    }

    @Test
    void ofSeveralColumnsTheEmptyOnesAreNamed() {
        Dataset<Row> some = images().withColumn("more", functions.expr("if(path LIKE '%/0.png', NULL, value)"))
                .withColumn("third", functions.expr("if(path LIKE '%/1.png', double('NaN'), value)"));
        GrftRegressor estimator = estimator(new GrftRegressor()).setLabelCols("value", "more", "third");
        assertThatThrownBy(() -> estimator.fit(some))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("6 of 18 rows have none in more, third; set handleInvalid");
    }

    @Test
    void aStreamIsRefused() {
        Dataset<Row> stream = spark.readStream().schema(images().schema()).parquet(folder.toString());
        GrftClassifier estimator = estimator(new GrftClassifier());
        assertThatThrownBy(() -> estimator.fit(stream))
                .isInstanceOf(UserError.class)
                .hasMessage(estimator.uid()
                        + ": the frame is a stream, which never ends; train on a frame of spark.read()");
    }

    @Test
    void theyEndATrainingWithTheColumnTheCountAndWhatToDo() {
        Dataset<Row> unlabeled = images().withColumn("label", functions.expr("if(path LIKE '%/0.png', NULL, label)"));
        assertThatThrownBy(() -> estimator(new GrftClassifier()).fit(unlabeled))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith("the data frame: ")
                .hasMessageEndingWith(
                        "/blue/0.png has no label; remove the row, or is labelCol right? 3 of 18 rows have"
                                + " none in label; set handleInvalid to skip to train without them");
        Dataset<Row> noValue = images().withColumn("value", functions.expr("if(path LIKE '%/0.png', NULL, value)"));
        assertThatThrownBy(() ->
                        estimator(new GrftRegressor()).setLabelCol("value").fit(noValue))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("3 of 18 rows have none in value; set handleInvalid to skip");
        Dataset<Row> broken = images().withColumn("content", functions.expr("if(path LIKE '%/0.png', NULL, content)"));
        assertThatThrownBy(() -> estimator(new GrftClassifier()).fit(broken))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith("the data frame: 3 of 18 images (16.6667 %) are broken [")
                .hasMessageContaining("/blue/0.png: empty")
                .hasMessageEndingWith("mend or remove them, or raise data.maxBroken; is imageCol right? Set"
                        + " handleInvalid to skip, without data.maxBroken, to train without them");
    }

    @Test
    void nothingLeftToTrainOnIsRefused() {
        Dataset<Row> none = images().withColumn("label", functions.expr("nullif(label, label)"));
        assertThatThrownBy(() ->
                        estimator(new GrftClassifier()).setHandleInvalid("skip").fit(none))
                .isInstanceOf(UserError.class)
                .hasMessage(
                        "the data frame: there are no rows with a label and an image; check the table, query or filter, or are imageCol"
                                + " and labelCol right?");
        Dataset<Row> empty = images().withColumn("content", functions.expr("CAST('no image' AS BINARY)"));
        assertThatThrownBy(() ->
                        estimator(new GrftClassifier()).setHandleInvalid("skip").fit(empty))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith("the data frame: 18 of 18 images (100.0 %) are broken [")
                .hasMessageEndingWith("expected at least one that can be read: mend some or give others");
        Dataset<Row> missing = images().withColumn("content", functions.expr("nullif(content, content)"));
        assertThatThrownBy(() ->
                        estimator(new GrftClassifier()).setHandleInvalid("skip").fit(missing))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("there are no rows with a label and an image");
    }

    @Test
    void aRowThatCannotBeTransformedIsNamedWithItsColumn() {
        GrftClassificationModel model =
                estimator(new GrftClassifier()).setMethod("linear").fit(images());
        Dataset<Row> empty = some().filter("NOT path LIKE '%/2.png'");
        assertThatThrownBy(() -> model.transform(empty).collectAsList())
                .hasStackTraceContaining("/1.png is broken in column content: empty; remove the row, or set"
                        + " handleInvalid to skip or keep");
        Dataset<Row> nameless = some().orderBy("path").coalesce(1).drop("path");
        assertThatThrownBy(() -> model.transform(nameless).collectAsList())
                .hasStackTraceContaining("row 1 of partition 0 is broken in column content: empty");
    }
}
