package dev.grft.ml;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.grft.UserError;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.spark.verbs.OnTiny;
import dev.grft.spark.verbs.Tiny;
import dev.grft.spark.verbs.Verbs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.apache.spark.ml.Pipeline;
import org.apache.spark.ml.PipelineModel;
import org.apache.spark.ml.PipelineStage;
import org.apache.spark.ml.evaluation.BinaryClassificationEvaluator;
import org.apache.spark.ml.evaluation.MulticlassClassificationEvaluator;
import org.apache.spark.ml.feature.IndexToString;
import org.apache.spark.ml.feature.StringIndexer;
import org.apache.spark.ml.linalg.Vector;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.ml.tuning.CrossValidator;
import org.apache.spark.ml.tuning.CrossValidatorModel;
import org.apache.spark.ml.tuning.ParamGridBuilder;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.functions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class GrftClassifierTest extends OnTiny {
    private static Path run; // of the verbs, with the same settings and images
    private static GrftClassificationModel model; // which tests only read

    @BeforeAll
    static void trainOnce() throws IOException {
        run = folderOfAll.resolve("run");
        Tiny.does(spark, shared.sets(run), false, Verbs::train);
        Tiny.does(
                spark,
                shared.sets(run),
                false,
                verbs -> verbs.predict(
                        shared.test().toString(), run.resolve("predicted").toString(), List.of()));
        model = classifier().fit(files(shared.train()));
    }

    /** Returns an estimator with the settings of {@link Tiny#sets}, some as parameters. */
    private static GrftClassifier classifier() {
        return new GrftClassifier()
                .setPretrained(shared.pretrained().toString())
                .setImageCol("content")
                .setCount(2)
                .setEpochs(3)
                .setBatchSize(6)
                .setShards(3)
                .setSettings(
                        "probe.epochs=5",
                        "selection.matrices=[patch_embed.proj, attn.qkv, attn.proj, mlp.fc1, mlp.fc2]",
                        "training.checkpointEvery=2",
                        "augmentation.crop=true",
                        "augmentation.flip=true",
                        "engine.kernels=cpu");
    }

    private static Dataset<Row> files(Path images) {
        return spark.read()
                .format("binaryFile")
                .option("recursiveFileLookup", "true")
                .load(images.toString())
                .selectExpr("path", "content", "element_at(split(path, '/'), -2) AS label");
    }

    private static Map<String, String> saved(GrftClassificationModel model, Path folder) throws IOException {
        model.write().overwrite().save(folder.toString());
        return Tiny.tensors(folder.resolve("delta.safetensors"));
    }

    private static Map<String, String> ofVerbs() {
        return Tiny.tensors(run.resolve("delta.safetensors"));
    }

    /** Returns the first number of each label, by StringIndexer in the order of the alphabet. */
    private static StringIndexer indexer() {
        return new StringIndexer().setInputCol("label").setOutputCol("number").setStringOrderType("alphabetAsc");
    }

    @Test
    void theDeltaHasTheBitsOfTheVerbs() throws Exception {
        assertThat(saved(model, folder.resolve("files"))).isEqualTo(ofVerbs());
        assertThat(model.labels()).containsExactly("blue", "green", "red");
    }

    @Test
    void labelsMayBeBooleans() {
        Dataset<Row> images = files(shared.train()).withColumn("label", functions.expr("label = 'red'"));

        GrftClassificationModel trained = classifier().setMethod("linear").fit(images);

        assertThat(trained.labels()).containsExactly("false", "true");
        assertThatThrownBy(() -> classifier()
                        .setMethod("linear")
                        .fit(images.withColumn("label", functions.expr("nullif(label, true)"))))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("has no label; remove the row, or is labelCol right?");
    }

    /** The area under the curve is that of the pairs, by the second probability. */
    @Test
    void theEvaluatorsOfSparkReadTheColumns() {
        Dataset<Row> images = files(shared.train()).withColumn("label", functions.expr("label = 'red'"));
        Dataset<Row> labeled = classifier()
                .setMethod("linear")
                .fit(images)
                .transform(images.withColumn("number", functions.expr("double(label)")));
        List<Row> rows = labeled.select("number", "prediction", "probability").collectAsList();

        double pairs = 0;
        double above = 0;
        for (Row red : rows) {
            for (Row other : rows) {
                if (red.getDouble(0) > other.getDouble(0)) {
                    pairs++;
                    double difference = red.<Vector>getAs(2).apply(1)
                            - other.<Vector>getAs(2).apply(1);
                    above += (1 + Math.signum(difference)) / 2;
                }
            }
        }
        assertThat(new BinaryClassificationEvaluator()
                        .setLabelCol("number")
                        .setRawPredictionCol("probability")
                        .evaluate(labeled))
                .isEqualTo(above / pairs, within(1e-12));
        for (String metric : List.of("f1", "weightedPrecision", "logLoss", "accuracy")) {
            assertThat(new MulticlassClassificationEvaluator()
                            .setLabelCol("number")
                            .setMetricName(metric)
                            .evaluate(labeled))
                    .isBetween(0.0, 1.0);
        }
    }

    @Test
    void weightsOfRowsCountInTheLossWhateverTheirScale() throws Exception {
        Dataset<Row> images = files(shared.train());
        Map<String, String> ones = saved(
                classifier().setWeightCol("weight").fit(images.withColumn("weight", functions.lit(4))),
                folder.resolve("ones"));
        assertThat(ones).isEqualTo(ofVerbs());

        Dataset<Row> unequal = images.withColumn("weight", functions.expr("if(label = 'red', 0.5, 2.0)"));
        Map<String, String> weighted =
                saved(classifier().setWeightCol("weight").fit(unequal), folder.resolve("weighted"));
        Dataset<Row> shuffled = unequal.repartition(5).orderBy(functions.rand(7));
        assertThat(weighted.get("head.weight")).isNotEqualTo(ofVerbs().get("head.weight"));
        assertThat(saved(classifier().setWeightCol("weight").fit(shuffled), folder.resolve("again")))
                .isEqualTo(weighted);
    }

    @Test
    void aWeightThatIsNoneIsRefused() {
        Dataset<Row> images = files(shared.train());
        assertThatThrownBy(() -> fitWeighted(images, "-1.0"))
                .isInstanceOf(UserError.class)
                .hasMessageEndingWith(": has the weight -1.0, needs a number of 0 or more; is weightCol right?");
        assertThatThrownBy(() -> fitWeighted(images, "label"))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("needs a number; set weightCol");
        assertThatThrownBy(() -> fitWeighted(images, "if(label = 'red', null, 1)"))
                .isInstanceOf(UserError.class)
                .hasMessageEndingWith(": has no weight; give it one, remove the row, or is weightCol right?");
        assertThatThrownBy(() -> fitWeighted(images, "0"))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("all images have weight 0");
    }

    private static void fitWeighted(Dataset<Row> images, String weight) {
        classifier()
                .setSettings("engine.kernels=cpu", "training.headInit=fresh", "selection.loss=fresh")
                .setWeightCol("weight")
                .fit(images.withColumn("weight", functions.expr(weight)));
    }

    @Test
    void rowsDividedAndOrderedInAnotherWayGiveTheSameBits() throws Exception {
        Dataset<Row> shuffled = files(shared.train()).repartition(5).orderBy(functions.rand(7));

        assertThat(saved(classifier().fit(shuffled), folder.resolve("shuffled")))
                .isEqualTo(ofVerbs());
    }

    @Test
    void imagesThatSparkHasDecodedGiveTheSameBits() throws Exception {
        Dataset<Row> images = spark.read()
                .format("image")
                .option("recursiveFileLookup", "true")
                .load(shared.train().toString())
                .selectExpr("image", "element_at(split(image.origin, '/'), -2) AS label");

        assertThat(saved(classifier().setImageCol("image").fit(images), folder.resolve("images")))
                .isEqualTo(ofVerbs());
    }

    @Test
    void imagesWithoutANameGoByTheirBytesAndMayComeTwice() throws Exception {
        Dataset<Row> images = files(shared.train()).select("content", "label");
        Dataset<Row> twice = images.union(images.limit(4));
        twice.write().parquet(folder.resolve("twice").toString());
        Dataset<Row> parquet = spark.read().parquet(folder.resolve("twice").toString());

        Map<String, String> one = saved(classifier().setMethod("linear").fit(twice), folder.resolve("one"));
        Map<String, String> other =
                saved(classifier().setMethod("linear").fit(parquet.repartition(3)), folder.resolve("other"));
        assertThat(other).isEqualTo(one);
    }

    @Test
    void predictionsAreThoseOfTheVerb() {
        Map<String, List<Double>> ofVerb = new TreeMap<>();
        for (Row row : spark.read().parquet(run.resolve("predicted").toString()).collectAsList()) {
            ofVerb.put(row.getString(0), List.of((double) row.getFloat(3), (double) row.getFloat(4), (double)
                    row.getFloat(5)));
        }

        List<Row> rows = model.transform(files(shared.test())).collectAsList();

        assertThat(rows).hasSize(9);
        for (Row row : rows) {
            String path = row.<String>getAs("path");
            String name = path.substring(path.indexOf("/test/") + 6);
            Vector probabilities = row.getAs("probability");
            assertThat(probabilities.size()).isEqualTo(3);
            for (int k = 0; k < 3; k++) {
                assertThat(probabilities.apply(k)).isCloseTo(ofVerb.get(name).get(k), within(1e-6));
            }
            assertThat(row.<Double>getAs("prediction")).isEqualTo(probabilities.argmax());
        }
    }

    @Test
    void aSavedModelIsSmallAndTheSameWhenItIsRead() throws Exception {
        Path place = folder.resolve("model");
        model.save(place.toString());

        GrftClassificationModel read = GrftClassificationModel.load(place.toString());

        assertThat(read.uid()).isEqualTo(model.uid());
        assertThat(read.imageCol().parent()).isEqualTo(model.uid());
        assertThat(read.transform(files(shared.test())).collectAsList())
                .isEqualTo(model.transform(files(shared.test())).collectAsList());
        assertThat(Files.size(place.resolve("delta.safetensors")))
                .isLessThan(Files.size(shared.pretrained().resolve("model.safetensors")) / 2);
        assertThat(Files.readString(place.resolve("model.json")))
                .contains(shared.pretrained().toString())
                .contains(model.pretrainedSha256());
        assertThatThrownBy(() -> model.save(place.toString())).isInstanceOf(IOException.class);
    }

    @Test
    void aFolderWithoutASavedModelIsRefused() throws Exception {
        Path place = folder.resolve("model");

        assertThatThrownBy(() -> GrftClassificationModel.load(place.toString()))
                .isInstanceOf(UserError.class)
                .hasMessage(
                        "file:" + place + ": there is no such folder, expected what GrftClassificationModel.save has"
                                + " written; check the path");
        assertThatThrownBy(() -> GrftClassifier.load(place.toString()))
                .isInstanceOf(UserError.class)
                .hasMessage(
                        "file:" + place + ": there is no such folder, expected what GrftClassifier.save has written;"
                                + " check the path");
        Files.createDirectories(place);
        assertThatThrownBy(() -> GrftClassificationModel.load(place.toString()))
                .isInstanceOf(UserError.class)
                .hasMessage("file:" + place
                        + ": has no folder metadata, expected what GrftClassificationModel.save has written;"
                        + " check the path");
        model.write().overwrite().save(place.toString());
        assertThatThrownBy(() -> GrftClassifier.load(place.toString()))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith("file:" + place + ": is not a saved GrftClassifier (")
                .hasMessageContaining("GrftClassificationModel")
                .hasMessageEndingWith("); check the path");
    }

    @Test
    void aSavedModelFindsItsCheckpointFromAnyFolder() throws Exception {
        Path relative =
                Path.of("").toAbsolutePath().relativize(shared.pretrained().toAbsolutePath());
        Path place = folder.resolve("relative");
        model.copy(new ParamMap()).setPretrained(relative.toString()).save(place.toString());

        GrftClassificationModel read = GrftClassificationModel.load(place.toString());
        assertThat(read.getOrDefault(read.pretrained()))
                .isEqualTo("file:" + shared.pretrained().toAbsolutePath());
    }

    @Test
    void aModelOfAnotherVersionOrPretrainedIsRefused() throws Exception {
        Path place = folder.resolve("model");
        model.save(place.toString());
        String json = Files.readString(place.resolve("model.json"));
        Path other = Tiny.pretrained(folder.resolve("other"), 2);

        GrftClassificationModel moved =
                GrftClassificationModel.load(place.toString()).setPretrained(other.toString());
        assertThatThrownBy(() -> moved.transform(files(shared.test())))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("the delta was trained on the file with " + model.pretrainedSha256());
        Files.writeString(place.resolve("model.json"), json.replace("\"version\" : \"1\"", "\"version\" : \"2\""));
        assertThatThrownBy(() -> GrftClassificationModel.load(place.toString()))
                .isInstanceOf(UserError.class)
                .hasMessage(
                        "%s: has format 'grft.model', version '2', needs grft.model, version 1; use the version of"
                                + " the program that saved it",
                        place.resolve("model.json"));
    }

    @Test
    void aPipelineWithItIsFittedSavedAndRead() throws Exception {
        Pipeline pipeline = new Pipeline().setStages(new PipelineStage[] {
            indexer(),
            classifier().setMethod("linear").setLabelCol("number"),
            new IndexToString().setInputCol("prediction").setOutputCol("name")
        });
        pipeline.save(folder.resolve("pipeline").toString());

        PipelineModel fitted =
                Pipeline.load(folder.resolve("pipeline").toString()).fit(files(shared.train()));
        fitted.save(folder.resolve("fitted").toString());
        PipelineModel read = PipelineModel.load(folder.resolve("fitted").toString());

        Dataset<Row> labeled = read.transform(files(shared.test()));
        assertThat(labeled.select("name").distinct().collectAsList())
                .allMatch(row -> List.of("blue", "green", "red").contains(row.getString(0)));
        double accuracy = new MulticlassClassificationEvaluator()
                .setLabelCol("number")
                .setMetricName("accuracy")
                .evaluate(labeled);
        assertThat(accuracy)
                .isEqualTo(labeled.filter("name = label").count() / 9.0)
                .isGreaterThan(0.5);
    }

    @Test
    @Tag("thorough")
    void aCrossValidatorChoosesAmongParametersInParallel() throws Exception {
        GrftClassifier classifier = classifier()
                .setMethod("bitfit")
                .setEpochs(1)
                .setLabelCol("number")
                .setRunDirectory(folder.resolve("runs").toString());
        ParamMap[] grid = new ParamGridBuilder()
                .addGrid(classifier.learningRate(), new double[] {1e-30, 1e-2})
                .build();
        CrossValidator validator = new CrossValidator()
                .setEstimator(classifier)
                .setEstimatorParamMaps(grid)
                .setEvaluator(new MulticlassClassificationEvaluator()
                        .setLabelCol("number")
                        .setMetricName("logLoss"))
                .setNumFolds(2)
                .setParallelism(2)
                .setSeed(1);

        CrossValidatorModel best =
                validator.fit(indexer().fit(files(shared.train())).transform(files(shared.train())));

        assertThat(best.avgMetrics()).hasSize(2);
        assertThat(best.avgMetrics()[0]).isNotEqualTo(best.avgMetrics()[1]);
        try (Stream<Path> runs = Files.list(folder.resolve("runs"))) {
            assertThat(runs).hasSize(5); // two folds by two rates, and the best on all rows
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"grft", "full"})
    void lambdaIsThePenaltyOfTheMethod(String method) {
        Settings resolved = classifier().setMethod(method).setLambda(0.5).resolved();
        assertThat(Config.forMethod(resolved, method).penalty().lambda()).isEqualTo(0.5);
        assertThat(Config.unused(resolved, method)).isNull();
    }

    @Test
    void validationRowsChooseTheEpoch() throws Exception {
        Dataset<Row> all = files(shared.train())
                .withColumn("held", functions.lit(false))
                .union(files(shared.test()).withColumn("held", functions.lit(true)));

        GrftClassificationModel chosen =
                classifier().setValidationIndicatorCol("held").setPatience(1).fit(all);

        assertThat(chosen.delta().provenance()).contains("\"epoch_chosen_on\":\"validation\"");
        GrftClassificationModel weighted = classifier()
                .setValidationIndicatorCol("held")
                .setPatience(1)
                .setWeightCol("weight")
                .fit(all.withColumn("weight", functions.expr("if(held, null, 1)")));
        assertThat(saved(weighted, folder.resolve("weighted")))
                .as("validation needs no weights")
                .isEqualTo(saved(chosen, folder.resolve("chosen")));
        assertThatThrownBy(() -> classifier().setValidationIndicatorCol("held").fit(all))
                .hasMessageEndingWith("validationIndicatorCol and patience go together; set both, or neither");
    }

    @Test
    void brokenImagesEndTheJobAreSkippedOrStayWithNulls() {
        Dataset<Row> some = files(shared.test())
                .withColumn(
                        "content",
                        functions.expr("CASE WHEN path LIKE '%red/0.png' THEN CAST('no image' AS BINARY)"
                                + " WHEN path LIKE '%red/1.png' THEN NULL ELSE content END"));
        GrftClassificationModel copy = model.copy(ParamMap.empty());

        assertThat(copy.setHandleInvalid("skip").transform(some).count()).isEqualTo(7);
        assertThat(copy.setHandleInvalid("keep")
                        .transform(some)
                        .filter("prediction IS NULL")
                        .count())
                .isEqualTo(2);
        Dataset<Row> failing = copy.setHandleInvalid("error").transform(some);
        assertThatThrownBy(failing::collectAsList)
                .hasStackTraceContaining("remove the row, or set handleInvalid to skip or keep");
        assertThatThrownBy(() -> copy.setHandleInvalid("drop").transform(some))
                .hasMessageContaining("handleInvalid must be one of error, skip, keep, got 'drop'");
        assertThat(model.getOrDefault(model.handleInvalid())).isEqualTo("error");
    }

    @Test
    void wrongParametersAreRefusedBeforeAnythingRuns() {
        Dataset<Row> frame = files(shared.train());
        assertThatThrownBy(() -> classifier().setEpochs(0).transformSchema(frame.schema()))
                .isInstanceOf(UserError.class)
                .hasMessageMatching("grft_\\w+: training.epochs must be >= 1, got 0");
        assertThatThrownBy(() -> classifier().setSettings("training.epoch=3").fit(frame))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("unknown key training.epoch; did you mean training.epochs?");
        assertThatThrownBy(() -> new GrftClassifier().setImageCol("content").fit(frame))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("pretrained is not set");
        assertThatThrownBy(() -> classifier()
                        .setSettings("evaluation.protocol=gps-paper")
                        .fit(frame))
                .hasMessageContaining("evaluation.protocol must be validation");
    }

    @Test
    void wrongColumnsAreRefusedBeforeAnythingRuns() {
        Dataset<Row> frame = files(shared.train());
        GrftClassifier other = classifier();
        assertThatThrownBy(() -> other.setImageCol("photo").fit(frame))
                .isInstanceOf(UserError.class)
                .hasMessageMatching("grft_\\w+: there is no column photo, only path, content, label; set imageCol");
        assertThatThrownBy(() -> other.setImageCol("path").fit(frame))
                .hasMessageContaining("column path is string, needs binary, a struct with a binary field bytes");
        assertThatThrownBy(() ->
                        other.setImageCol("content").setLabelCol("content").fit(frame))
                .hasMessageContaining("column content is binary, needs string, boolean or a number; set labelCol");
        assertThatThrownBy(() -> other.setLabelCol("label").fit(frame.select("path", "content", "label", "label")))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("there are 2 columns label; set labelCol");
        assertThatThrownBy(() ->
                        other.setLabelCol("label").setPredictionCol("path").fit(frame))
                .hasMessageContaining("column path exists already; drop it or set another predictionCol");
        assertThatThrownBy(() -> model.transform(frame.drop("content")))
                .hasMessageContaining("there is no column content");
        assertThatThrownBy(() -> classifier()
                        .setValidationIndicatorCol("label")
                        .setPatience(1)
                        .fit(frame))
                .hasMessageContaining("column label is string, needs boolean; set validationIndicatorCol");
    }

    @Test
    void wrongLabelsAreRefusedWithTheRow() {
        Dataset<Row> frame = files(shared.train());
        assertThatThrownBy(() -> classifier().fit(frame.withColumn("label", functions.expr("double(0.5)"))))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("labels must be whole numbers from 0 to below 100000, got 0.5");
        assertThatThrownBy(() -> classifier().fit(frame.withColumn("label", functions.expr("nullif(label, 'red')"))))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("/red/0.png has no label; remove the row, or is labelCol right?");
    }

    @Test
    void theSessionGoesOnAsItWas() {
        Map<String, String> before = new TreeMap<>();
        spark.conf().getAll().foreach(entry -> before.put(entry._1(), entry._2()));

        spark.sparkContext().setJobGroup("mine", "my work", true);

        classifier().setMethod("linear").fit(files(shared.train()));

        assertThat(spark.sparkContext().getLocalProperty("spark.jobGroup.id")).isEqualTo("mine");
        assertThat(spark.sparkContext().getLocalProperty("spark.job.description"))
                .isEqualTo("my work");
        spark.sparkContext().clearJobGroup();
        Map<String, String> after = new TreeMap<>();
        spark.conf().getAll().foreach(entry -> after.put(entry._1(), entry._2()));
        assertThat(after).isEqualTo(before);
        assertThat(spark.sparkContext().isStopped()).isFalse();
        assertThat(spark.sparkContext().getPersistentRDDs().size()).isZero();
    }

    @Test
    void everyParameterHasADocAndIsCopied() {
        GrftClassifier one = classifier();

        GrftClassifier copy = one.copy(new ParamMap().put(one.epochs(), 7));

        assertThat(one.params()).hasSize(26).allMatch(param -> !param.doc().isEmpty());
        assertThat(copy.explainParams()).contains("training.epochs: passes over the images (current: 7)");
        assertThat(copy.uid()).isEqualTo(one.uid());
        assertThat(Arrays.toString(copy.getOrDefault(copy.settings()))).contains("probe.epochs=5");
    }
}
