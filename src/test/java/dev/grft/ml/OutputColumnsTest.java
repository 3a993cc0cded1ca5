package dev.grft.ml;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.grft.Delta;
import dev.grft.UserError;
import dev.grft.checkpoint.Checkpoint;
import dev.grft.data.Batch;
import dev.grft.data.Example;
import dev.grft.data.Preprocess;
import dev.grft.data.decode.ImageDecoder;
import dev.grft.spark.verbs.OnTiny;
import dev.grft.spark.verbs.Tiny;
import dev.grft.tuning.Tuning;
import dev.grft.vit.Activation;
import dev.grft.vit.Bindings;
import dev.grft.vit.Keep;
import dev.grft.vit.Pooling;
import dev.grft.vit.Variant;
import dev.grft.vit.Vit;
import dev.grft.vit.VitConfig;
import dev.grft.vit.Weights;
import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.CpuKernels;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.ml.Pipeline;
import org.apache.spark.ml.PipelineStage;
import org.apache.spark.ml.attribute.AttributeGroup;
import org.apache.spark.ml.classification.LogisticRegression;
import org.apache.spark.ml.clustering.KMeans;
import org.apache.spark.ml.evaluation.BinaryClassificationEvaluator;
import org.apache.spark.ml.evaluation.MulticlassClassificationEvaluator;
import org.apache.spark.ml.feature.StringIndexer;
import org.apache.spark.ml.linalg.Vector;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.functions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The columns that models write, as Spark's own classifiers write them. */
class OutputColumnsTest extends OnTiny {
    private static GrftClassificationModel three; // classes; tests only read it
    private static GrftClassificationModel two;

    @BeforeAll
    static void trainOnce() {
        three = classifier().fit(images(shared.train()));
        two = classifier().fit(images(shared.train()).withColumn("label", functions.expr("label = 'red'")));
    }

    private static GrftClassifier classifier() {
        return new GrftClassifier()
                .setPretrained(shared.pretrained().toString())
                .setImageCol("content")
                .setMethod("bitfit")
                .setEpochs(2)
                .setBatchSize(6)
                .setShards(2)
                .setSettings("training.headInit=fresh", "engine.kernels=cpu");
    }

    private static Dataset<Row> images(Path folder) {
        return spark.read()
                .format("binaryFile")
                .option("recursiveFileLookup", "true")
                .load(folder.toString())
                .selectExpr("path", "content", "element_at(split(path, '/'), -2) AS label");
    }

    @Test
    void theRawPredictionsAreLogitsOfTheProbabilities() {
        for (Row row : three.transform(images(shared.test())).collectAsList()) {
            Vector raw = row.getAs("rawPrediction");
            Vector probability = row.getAs("probability");
            double sum = 0;
            for (double each : raw.toArray()) {
                sum += Math.exp(each);
            }
            for (int k = 0; k < 3; k++) {
                assertThat(probability.apply(k)).isCloseTo(Math.exp(raw.apply(k)) / sum, within(1e-6));
            }
            assertThat(row.<Double>getAs("prediction")).isEqualTo(raw.argmax());
        }
    }

    /** That evaluator looks at the second raw prediction alone. */
    @Test
    void ofTwoClassesTheSecondRawPredictionRisesWithItsProbability() {
        Dataset<Row> labeled = two.transform(images(shared.test()))
                .withColumn("number", functions.expr("double(element_at(split(path, '/'), -2) = 'red')"));
        for (Row row : labeled.collectAsList()) {
            Vector raw = row.getAs("rawPrediction");
            double odds = row.<Vector>getAs("probability").apply(1)
                    / row.<Vector>getAs("probability").apply(0);
            assertThat(raw.apply(0)).isCloseTo(-raw.apply(1), within(1e-12));
            assertThat(2 * raw.apply(1)).isCloseTo(Math.log(odds), within(1e-4));
        }
        BinaryClassificationEvaluator area = new BinaryClassificationEvaluator().setLabelCol("number");
        assertThat(area.evaluate(labeled))
                .isEqualTo(area.setRawPredictionCol("probability").evaluate(labeled));
        double logLoss = labeled.collectAsList().stream()
                .mapToDouble(row ->
                        -Math.log(row.<Vector>getAs("probability").apply((int) (double) row.<Double>getAs("number"))))
                .average()
                .orElseThrow();
        assertThat(new MulticlassClassificationEvaluator()
                        .setLabelCol("number")
                        .setMetricName("logLoss")
                        .evaluate(labeled))
                .isCloseTo(logLoss, within(1e-9));
    }

    @Test
    void anEmptyNameOfAColumnWritesNone() {
        GrftClassificationModel none = three.copy(ParamMap.empty())
                .setPredictionCol("")
                .setProbabilityCol("")
                .setRawPredictionCol("");
        Dataset<Row> images = images(shared.test());
        assertThat(none.transform(images).columns()).containsExactly("path", "content", "label");
        assertThat(none.transform(images).count()).isEqualTo(9);
        Row first = none.setRawPredictionCol("logits").transform(images).first();
        assertThat(first.<Vector>getAs("logits").size()).isEqualTo(3);
        assertThat(three.transform(images).columns())
                .containsExactly("path", "content", "label", "prediction", "probability", "rawPrediction");
        assertThatThrownBy(() -> none.setProbabilityCol("logits").transform(images))
                .isInstanceOf(UserError.class)
                .hasMessageEndingWith("column logits exists already; drop it or set another rawPredictionCol");
    }

    @Test
    void thresholdsDivideTheProbabilitiesByTheRuleOfSpark() {
        GrftClassificationModel model = three.copy(ParamMap.empty());
        double[] thresholds = {0.9, 0.5, 0.1};
        for (Row row :
                model.setThresholds(thresholds).transform(images(shared.test())).collectAsList()) {
            double[] scaled = row.<Vector>getAs("probability").toArray().clone();
            for (int k = 0; k < 3; k++) {
                scaled[k] /= thresholds[k];
            }
            int best = 0;
            for (int k = 1; k < 3; k++) {
                best = scaled[k] > scaled[best] ? k : best;
            }
            assertThat(row.<Double>getAs("prediction")).isEqualTo(best);
        }
        assertThat(model.setThresholds(1, 0, 1).transform(images(shared.test())).collectAsList())
                .allMatch(row -> row.<Double>getAs("prediction") == 1);
        assertThatThrownBy(() -> model.setThresholds(0.5, 0.5).transform(images(shared.test())))
                .isInstanceOf(UserError.class)
                .hasMessageEndingWith(
                        ": thresholds has 2 values, there are 3 classes; set one for each, in the order of labels()");
        Dataset<Row> numbered = images(shared.train()).withColumn("label", functions.expr("length(label) - 3"));
        for (Dataset<Row> images : List.of(images(shared.train()), numbered)) { // known once the labels are listed
            assertThatThrownBy(() -> classifier()
                            .setThresholds(0.5, 0.5)
                            .setPretrained("/no/such/checkpoint")
                            .fit(images))
                    .isInstanceOf(UserError.class)
                    .hasMessageEndingWith(
                            ": thresholds has 2 values, there are 3 classes; set one for each, in the order of labels()");
        }
        Dataset<Row> indexed = new StringIndexer()
                .setInputCol("label")
                .setOutputCol("number")
                .fit(images(shared.train()))
                .transform(images(shared.train()));
        assertThatThrownBy(() -> classifier()
                        .setLabelCol("number")
                        .setThresholds(0.5, 0.5)
                        .transformSchema(indexed.schema()))
                .isInstanceOf(UserError.class)
                .hasMessageContaining(": thresholds has 2 values, there are 3 classes");
        for (double[] wrong : new double[][] {{0, 0, 1}, {-1, 1, 1}, {Double.NaN, 1, 1}}) {
            assertThatThrownBy(() -> classifier().setThresholds(wrong).fit(images(shared.train())))
                    .isInstanceOf(UserError.class)
                    .hasMessageContaining(": thresholds must be numbers >= 0, at most one of them 0, got [");
        }
    }

    @Test
    void thresholdsOfTheEstimatorAreThoseOfItsModelAndAreSaved() throws Exception {
        GrftClassificationModel model = classifier()
                .setMethod("linear")
                .setThresholds(1, 1, 0.5)
                .setEmbeddingCol("features")
                .fit(images(shared.train()));
        model.save(folder.resolve("model").toString());
        GrftClassificationModel read =
                GrftClassificationModel.load(folder.resolve("model").toString());
        assertThat(read.getOrDefault(read.thresholds())).containsExactly(1, 1, 0.5);
        assertThat(read.transform(images(shared.test())).collectAsList())
                .isEqualTo(model.transform(images(shared.test())).collectAsList());
    }

    /** Of the network with the delta, computed here by its layers alone. */
    @Test
    void theEmbeddingIsWhatTheHeadReads() throws Exception {
        GrftClassificationModel model = three.copy(ParamMap.empty()).setEmbeddingCol("features");
        Dataset<Row> labeled = model.transform(images(shared.test()));
        List<Row> rows = labeled.collectAsList();
        int width = Tiny.CONFIG.width();
        assertThat(AttributeGroup.fromStructField(labeled.schema().apply("features"))
                        .size())
                .isEqualTo(width);

        Checkpoint pretrained =
                Checkpoint.load(new Configuration(), shared.pretrained().toString(), 0);
        Delta delta = three.delta().delta();
        Preprocess preprocess = new Preprocess(8, 8, Preprocess.Crop.SQUASH, pretrained.recipe());
        List<Example> examples = new ArrayList<>();
        for (Row row : rows) {
            byte[] bytes = row.getAs("content");
            examples.add(new Example(
                    examples.size(),
                    Example.UNLABELED,
                    "image",
                    preprocess.prepare(new ImageDecoder().decode(bytes, "image"))));
        }
        Batch batch = Batch.of(examples, preprocess);
        CpuKernels kernels = new CpuKernels();
        Tuning tuning = Tuning.of(delta);
        var config = pretrained.config().withHead(3, delta.task());
        try (Weights weights = Weights.copyOf(
                        pretrained.config().withClasses(0),
                        pretrained.tensors(),
                        Array.DataType.FLOAT,
                        kernels.memory());
                Weights withHead = weights.withHead(3, delta.task());
                Vit vit = new Vit(withHead, tuning.trainable(), kernels, Keep.NOTHING)) {
            Array trained = kernels.memory()
                    .allocate(Array.DataType.FLOAT, vit.layout().size())
                    .write(tuning.trained(tuning.layout(config), delta));
            vit.bind(new Bindings(vit.layout().views(trained), null));
            Array images = kernels.memory()
                    .allocate(Array.DataType.FLOAT, batch.size(), 3, 8, 8)
                    .write(batch.images());
            float[][] features = vit.features(images).matrix();
            float[][] logits = vit.forward(images).matrix();
            for (int i = 0; i < rows.size(); i++) {
                double[] embedding = rows.get(i).<Vector>getAs("features").toArray();
                double[] raw = rows.get(i).<Vector>getAs("rawPrediction").toArray();
                assertThat(embedding).hasSize(width);
                for (int d = 0; d < width; d++) {
                    assertThat(embedding[d]).isCloseTo(features[i][d], within(1e-6));
                }
                for (int k = 0; k < 3; k++) {
                    assertThat(raw[k]).isCloseTo(logits[i][k], within(1e-6));
                }
            }
            images.close();
            trained.close();
        }
    }

    @Test
    void otherEstimatorsLearnFromTheEmbedding() {
        Dataset<Row> images = images(shared.train()).withColumn("number", functions.expr("double(label = 'red')"));
        GrftClassificationModel embedding = three.copy(ParamMap.empty())
                .setPredictionCol("")
                .setProbabilityCol("")
                .setRawPredictionCol("")
                .setEmbeddingCol("features");

        Dataset<Row> labeled = new Pipeline()
                .setStages(new PipelineStage[] {
                    embedding,
                    new LogisticRegression().setLabelCol("number"),
                    new KMeans().setK(3).setSeed(1).setPredictionCol("cluster")
                })
                .fit(images)
                .transform(images);

        assertThat(labeled.filter("prediction = number").count()).isGreaterThanOrEqualTo(16);
        assertThat(labeled.select("cluster").distinct().count()).isEqualTo(3);
    }

    /** Such as DINOv2: the head reads the class token and the mean of the others. */
    @Test
    void theEmbeddingIsAllThatTheHeadReads() {
        Variant form = new Variant(true, 0, 1, false, true, Activation.GELU, Pooling.CLASS_TOKEN_AND_MEAN);
        VitConfig config = new VitConfig(8, 4, 16, 2, 2, 32, 0, 1e-6, form);
        GrftClassificationModel model = classifier()
                .setPretrained(
                        Tiny.pretrained(folder.resolve("dinov2"), config, 3).toString())
                .setEmbeddingCol("features")
                .fit(images(shared.train()));
        Delta delta = model.delta().delta();
        Dataset<Row> labeled = model.transform(images(shared.test()));
        assertThat(AttributeGroup.fromStructField(labeled.schema().apply("features"))
                        .size())
                .isEqualTo(32);
        for (Row row : labeled.collectAsList()) {
            Vector features = row.getAs("features");
            assertThat(features.size()).isEqualTo(32);
            for (int k = 0; k < 3; k++) {
                double logit = delta.headBias()[k];
                for (int f = 0; f < 32; f++) {
                    logit += delta.headWeight()[k * 32 + f] * features.apply(f);
                }
                assertThat(row.<Vector>getAs("rawPrediction").apply(k)).isCloseTo(logit, within(1e-5));
            }
        }
    }

    @Test
    void modelsOfOtherTasksWriteTheEmbeddingToo() {
        Dataset<Row> images = images(shared.train()).withColumn("value", functions.expr("double(length(label))"));
        GrftRegressionModel model = new GrftRegressor()
                .setPretrained(shared.pretrained().toString())
                .setImageCol("content")
                .setLabelCol("value")
                .setMethod("linear")
                .setSettings("training.headInit=fresh", "engine.kernels=cpu")
                .setEmbeddingCol("features")
                .fit(images);
        assertThat(model.transform(images).columns())
                .containsExactly("path", "content", "label", "value", "prediction", "features");
        GrftMultiLabelModel several = new GrftMultiLabelClassifier()
                .setPretrained(shared.pretrained().toString())
                .setImageCol("content")
                .setLabelCol("labels")
                .setMethod("linear")
                .setSettings("training.headInit=fresh", "engine.kernels=cpu")
                .setEmbeddingCol("features")
                .fit(images.withColumn("labels", functions.expr("array(label)")));
        assertThat(several.hasParam("rawPredictionCol")).isFalse();
        // A linear probe trains the head alone: all heads read the same.
        List<Row> features = model.transform(images).select("path", "features").collectAsList();
        assertThat(several.transform(images).select("path", "features").collectAsList())
                .isEqualTo(features);
        assertThat(features).hasSize(18).allSatisfy(row -> {
            assertThat(row.<Vector>getAs("features").size()).isEqualTo(16);
            assertThat(row.<Vector>getAs("features").numNonzeros()).isPositive();
        });
    }
}
