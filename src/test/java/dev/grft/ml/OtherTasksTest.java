package dev.grft.ml;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.UserError;
import dev.grft.measures.Measure;
import dev.grft.spark.verbs.OnTiny;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.spark.ml.Pipeline;
import org.apache.spark.ml.PipelineModel;
import org.apache.spark.ml.PipelineStage;
import org.apache.spark.ml.evaluation.RegressionEvaluator;
import org.apache.spark.ml.linalg.Vector;
import org.apache.spark.ml.param.Param;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.functions;
import org.junit.jupiter.api.Test;

/** Several labels of an image, and values, as stages of Spark ML. */
class OtherTasksTest extends OnTiny {
    private static final String[] SETTINGS = {"engine.kernels=cpu", "training.headInit=fresh"};

    private static Dataset<Row> images(Path folder) {
        return spark.read()
                .format("binaryFile")
                .option("recursiveFileLookup", "true")
                .load(folder.toString())
                .selectExpr("path", "content", "element_at(split(path, '/'), -2) AS color")
                .selectExpr(
                        "*",
                        "if(color = 'blue', array(), array(color, 'warm')) AS labels",
                        "if(color = 'blue', 10.0, if(color = 'green', 20.0, 30.0)) AS value",
                        "length(color) AS letters",
                        "path LIKE '%/0.png' AS held");
    }

    private static <E extends GrftEstimator<E, ?>> E estimator(E of) {
        return of.setPretrained(shared.pretrained().toString())
                .setImageCol("content")
                .setMethod("bitfit")
                .setEpochs(15)
                .setBatchSize(6)
                .setShards(3)
                .setLearningRate(0.02)
                .setSettings(SETTINGS);
    }

    @Test
    void settingsMayNameWhatBelongsToTheTask() {
        assertThat(estimator(new GrftRegressor())
                        .setSettings("training.watch=mae")
                        .resolved()
                        .watched(1))
                .isEqualTo(Measure.MAE);
        assertThat(estimator(new GrftMultiLabelClassifier())
                        .setSettings("training.watch=hamming-loss")
                        .resolved()
                        .watched(2))
                .isEqualTo(Measure.HAMMING_LOSS);
    }

    @Test
    void severalLabelsAreArraysAndComeBackAsArrays() throws IOException {
        GrftMultiLabelClassifier classifier =
                estimator(new GrftMultiLabelClassifier()).setLabelCol("labels").setValidationIndicatorCol("held");
        GrftMultiLabelModel model = classifier.fit(images(shared.train()));

        assertThat(model.labels()).containsExactly("green", "red", "warm");
        assertThat(model.numClasses()).isEqualTo(3);
        assertThat(Arrays.stream(model.thresholds())).allMatch(threshold -> threshold > 0 && threshold < 1);
        List<Row> rows = model.transform(images(shared.test())).collectAsList();
        int right = 0;
        for (Row row : rows) {
            List<String> said = row.getList(row.fieldIndex("prediction"));
            Vector probabilities = row.getAs("probability");
            List<String> above = new ArrayList<>();
            for (int k = 0; k < 3; k++) {
                if (probabilities.apply(k) >= model.thresholds()[k]) {
                    above.add(model.labels()[k]);
                }
            }
            assertThat(said).isEqualTo(above);
            right += said.equals(row.getList(row.fieldIndex("labels"))) ? 1 : 0;
        }
        assertThat(right).isGreaterThanOrEqualTo(rows.size() - 3);

        Path saved = folder.resolve("model");
        model.save(saved.toString());
        GrftMultiLabelModel read = GrftMultiLabelModel.load(saved.toString());
        assertThat(read.thresholds()).isEqualTo(model.thresholds());
        assertThat(read.delta()).isEqualTo(model.delta());
        assertThat(read.copy(org.apache.spark.ml.param.ParamMap.empty())
                        .setProbabilityCol("")
                        .transform(images(shared.test()))
                        .columns())
                .contains("prediction")
                .doesNotContain("probability");
        classifier.save(folder.resolve("estimator").toString());
        assertThat(GrftMultiLabelClassifier.load(folder.resolve("estimator").toString())
                        .extractParamMap()
                        .toSeq()
                        .length())
                .isEqualTo(classifier.extractParamMap().toSeq().length());
    }

    @Test
    void oneValueIsANumberThatSparksEvaluatorReads() throws IOException {
        GrftRegressor regressor = estimator(new GrftRegressor()).setLabelCol("value");
        PipelineModel pipeline =
                new Pipeline().setStages(new PipelineStage[] {regressor}).fit(images(shared.train()));
        pipeline.save(folder.resolve("pipeline").toString());

        Dataset<Row> predicted =
                PipelineModel.load(folder.resolve("pipeline").toString()).transform(images(shared.test()));

        RegressionEvaluator evaluator = new RegressionEvaluator().setLabelCol("value");
        assertThat(evaluator.setMetricName("r2").evaluate(predicted)).isGreaterThan(0.5);
        GrftRegressionModel model = (GrftRegressionModel) pipeline.stages()[0];
        assertThat(model.targets()).containsExactly("value");
        assertThat(model).hasToString(model.uid() + ": 1 targets, " + model.trained() + " trained parameters");
        assertThat(predicted.columns()).doesNotContain("probability");
    }

    @Test
    void severalValuesAreAVector() {
        GrftRegressionModel model = estimator(new GrftRegressor())
                .setLabelCols("value", "letters")
                .setEpochs(2)
                .fit(images(shared.train()));

        assertThat(model.targets()).containsExactly("value", "letters");
        Row first = model.transform(images(shared.test())).first();
        assertThat(first.<Vector>getAs("prediction").size()).isEqualTo(2);
    }

    @Test
    void everyParameterHasADoc() {
        for (GrftEstimator<?, ?> of : List.of(new GrftRegressor(), new GrftMultiLabelClassifier())) {
            assertThat(Arrays.stream(of.params()).map(Param::name))
                    .contains("labelCol", "predictionCol", "pretrained", "weightCol");
            assertThat(of.params()).allMatch(param -> !param.doc().isBlank());
        }
        assertThat(Arrays.stream(new GrftRegressor().params()).map(Param::name))
                .contains("labelCols")
                .doesNotContain("probabilityCol");
    }

    @Test
    void columnsWhoseNamesWouldBeReadAsOthersAreRefused() {
        for (String name : List.of("value,letters", " value")) {
            Dataset<Row> frame = images(shared.train()).withColumn(name, functions.lit(1.0));
            assertThatThrownBy(() ->
                            estimator(new GrftRegressor()).setLabelCol(name).fit(frame))
                    .isInstanceOf(UserError.class)
                    .hasMessageContaining("the column of labels '" + name + "' must have no comma and no blanks");
        }
    }

    @Test
    void labelsOfAnotherKindAreRefused() {
        assertThatThrownBy(() -> estimator(new GrftMultiLabelClassifier())
                        .setLabelCol("value")
                        .fit(images(shared.train())))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("column value is ");
        assertThatThrownBy(() ->
                        estimator(new GrftRegressor()).setLabelCol("color").fit(images(shared.train())))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("color");
    }
}
