package dev.grft.ml;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.grft.UserError;
import dev.grft.checkpoint.artifact.TrainingHistory;
import dev.grft.checkpoint.artifact.TrainingHistory.Epoch;
import dev.grft.spark.verbs.Frames;
import dev.grft.spark.verbs.OnTiny;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.Test;

class TrainingSummaryTest extends OnTiny {
    private static GrftClassifier classifier() {
        return new GrftClassifier()
                .setPretrained(shared.pretrained().toString())
                .setImageCol("content")
                .setMethod("bitfit")
                .setEpochs(4)
                .setBatchSize(4) // of 18 images: no epoch ends with a step
                .setShards(2)
                .setSettings("training.headInit=fresh", "engine.kernels=cpu");
    }

    private static Dataset<Row> images(String filter) {
        return spark.read()
                .format("binaryFile")
                .option("recursiveFileLookup", "true")
                .load(shared.train().toString())
                .selectExpr(
                        "path", "content", "element_at(split(path, '/'), -2) AS label", "path LIKE '%/0.png' AS held")
                .filter(filter);
    }

    @Test
    void theLossOfEachEpochIsTheMeanOfItsSteps() throws Exception {
        GrftClassificationModel model =
                classifier().setRunDirectory(folder.resolve("runs").toString()).fit(images("true"));

        assertThat(model.hasSummary()).isTrue();
        GrftTrainingSummary summary = model.summary();
        assertThat(summary.totalIterations()).isEqualTo(18); // 4 * 18 / 4
        List<Double> losses = losses(Path.of(summary.runDirectory()));
        int[] ends = {5, 9, 14, 18}; // epochs end with the first step that has shown all images again
        assertThat(summary.objectiveHistory()).hasSize(4);
        for (int e = 0; e < 4; e++) {
            double mean = losses.subList(e == 0 ? 0 : ends[e - 1], ends[e]).stream()
                    .mapToDouble(loss -> loss)
                    .average()
                    .orElseThrow();
            assertThat(summary.objectiveHistory()[e]).as("epoch %s", e + 1).isCloseTo(mean, within(1e-9));
        }
        assertThat(summary.bestEpoch()).isEqualTo(4);
        assertThat(summary.validationMeasures()).isEmpty();
        assertThat(summary.trained()).isEqualTo(model.trained());
        assertThat(summary.seconds()).isBetween(0.01, 600.0);
        assertThat(model.copy(ParamMap.empty()).summary()).isSameAs(summary);
    }

    private static List<Double> losses(Path run) throws Exception {
        List<Double> losses = new ArrayList<>();
        for (String line : Files.readAllLines(run.resolve("history.jsonl"))) {
            Matcher loss = Pattern.compile("\"loss\":([0-9.eE+-]+)").matcher(line);
            assertThat(loss.find()).isTrue();
            losses.add(Double.parseDouble(loss.group(1)));
        }
        return losses;
    }

    @Test
    void rowsForValidationAreMeasuredAfterEachEpoch() {
        GrftClassificationModel model =
                classifier().setValidationIndicatorCol("held").setPatience(4).fit(images("true"));

        GrftTrainingSummary summary = model.summary();
        assertThat(summary.objectiveHistory()).hasSize(4);
        assertThat(summary.validationMeasures()).contains("accuracy", "loss");
        double[] accuracies = summary.validationHistory("accuracy");
        assertThat(accuracies).hasSize(4);
        double best = accuracies[summary.bestEpoch() - 1];
        assertThat(Arrays.stream(accuracies).max()).hasValue(best);
        Dataset<Row> labeled = model.transform(images("held")).selectExpr("label", "prediction");
        long right = labeled.collectAsList().stream()
                .filter(row -> row.getString(0).equals(model.labels()[(int) row.getDouble(1)]))
                .count();
        assertThat(best).isEqualTo(right / 3.0);
        assertThat(summary.validationHistory("no measure")).containsOnly(Double.NaN);
        assertThat(summary.runDirectory()).isNull();
    }

    /** Such as when a history was damaged, or some epochs were not measured. */
    @Test
    void theBestEpochIsTheLastThatWasBetter() {
        Map<String, Double> measured = Map.of("accuracy", 0.5);
        List<Epoch> epochs = List.of(
                new Epoch(1, 1, measured, false),
                new Epoch(2, 1, measured, true),
                new Epoch(3, 1, measured, false),
                new Epoch(4, 1, Map.of(), false));
        assertThat(summary(epochs).bestEpoch()).isEqualTo(2);
        assertThat(summary(epochs.subList(3, 4)).bestEpoch()).isEqualTo(4);
    }

    private static GrftTrainingSummary summary(List<Epoch> epochs) {
        Frames.Trained trained = new Frames.Trained(null, new TrainingHistory(epochs, 9), null, 9, 9, 0);
        return new GrftTrainingSummary(trained, 1, 0, 1);
    }

    @Test
    void aLinearProbeMakesNoSteps() {
        GrftTrainingSummary summary =
                classifier().setMethod("linear").fit(images("true")).summary();

        assertThat(summary.objectiveHistory()).isEmpty();
        assertThat(summary.totalIterations()).isZero();
        assertThat(summary.bestEpoch()).isZero();
        assertThat(summary.trained()).isEqualTo(3 * 16 + 3);
    }

    @Test
    void aModelThatWasReadHasNone() throws Exception {
        classifier()
                .setMethod("linear")
                .fit(images("true"))
                .save(folder.resolve("model").toString());

        GrftClassificationModel read =
                GrftClassificationModel.load(folder.resolve("model").toString());
        assertThat(read.hasSummary()).isFalse();
        assertThatThrownBy(read::summary)
                .isInstanceOf(UserError.class)
                .hasMessageContaining("has no training summary; only the model that fit returns has one");
    }
}
