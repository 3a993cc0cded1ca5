package dev.grft.measures;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.Task;
import dev.grft.checkpoint.file.Golden;
import dev.grft.checkpoint.file.Safetensors;
import dev.grft.data.Labels;
import dev.grft.data.Target;
import dev.grft.report.Predictions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** The measures of several labels and of values. */
class TaskMeasuresTest {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    private static final class Image {
        final Target target;
        final float[] outputs;

        Image(Target target, float[] outputs) {
            this.target = target;
            this.outputs = outputs;
        }
    }

    private static JsonNode golden(String task) throws Exception {
        return MAPPER.readTree(Golden.path("measures/tasks.json").toFile()).path(task);
    }

    private static float[] row(float[] all, int i, int length) {
        return Arrays.copyOfRange(all, i * length, (i + 1) * length);
    }

    private static List<Image> sets() {
        Safetensors golden = Golden.read("measures/sets.safetensors");
        float[] probabilities = golden.tensor("probabilities").floats();
        int[] shown = golden.tensor("shown").ints();
        int classes = golden.tensor("thresholds").floats().length;
        List<Image> images = new ArrayList<>();
        for (int i = 0; i < shown.length / classes; i++) {
            int at = i * classes;
            int[] of =
                    IntStream.range(0, classes).filter(k -> shown[at + k] == 1).toArray();
            images.add(new Image(Target.ofClasses(of), row(probabilities, i, classes)));
        }
        return images;
    }

    private static List<Image> values() {
        Safetensors golden = Golden.read("measures/values.safetensors");
        float[] predicted = golden.tensor("predicted").floats();
        float[] actual = golden.tensor("actual").floats();
        return IntStream.range(0, actual.length / 2)
                .mapToObj(i -> new Image(Target.ofValues(row(actual, i, 2)), row(predicted, i, 2)))
                .toList();
    }

    /** Adds the images in pieces of some size. */
    private static <J extends Judgment> Measures<J> add(Measures<J> measures, List<Image> images, int piece) {
        for (int from = 0; from < images.size(); from += piece) {
            Judging<J> judging = measures.judging().begin();
            for (int i = from; i < Math.min(images.size(), from + piece); i++) {
                judging.add(i, "image " + i, images.get(i).target, images.get(i).outputs);
            }
            measures.add(judging.end());
        }
        return measures;
    }

    private static void agree(Map<Measure, Double> values, JsonNode golden, double areas) {
        assertThat(values).isNotEmpty();
        values.forEach((measure, value) -> assertThat(value)
                .as(measure.key())
                .isEqualTo(
                        golden.path(measure.key()).asDouble(-1),
                        within(measure == Measure.MAP || measure == Measure.AUROC ? areas : 1e-7)));
    }

    @Test
    void theMeasuresOfSeveralLabelsAreThoseOfScikitLearn() throws Exception {
        JsonNode golden = golden("sets");
        float[] thresholds =
                Golden.read("measures/sets.safetensors").tensor("thresholds").floats();
        Measures<?> measures =
                add(Measures.of(Labels.numbered(Task.MULTI_LABEL, thresholds.length), thresholds, null), sets(), 500);

        JsonNode json = MAPPER.readTree(measures.json("grft", "digest", null));

        double error = json.path("map_error").asDouble();
        assertThat(error).isLessThan(2e-3);
        assertThat(measures.values()).hasSize(20);
        agree(measures.values(), golden, 2e-4);
        for (int k = 0; k < thresholds.length; k++) {
            JsonNode of = json.path("classes").path(Integer.toString(k));
            JsonNode expected = golden.path("classes").path(k);
            assertThat(of.path("average_precision").isNull())
                    .isEqualTo(expected.path(0).isNull())
                    .isEqualTo(k == thresholds.length - 1);
            assertThat(of.path("average_precision").asDouble())
                    .isEqualTo(expected.path(0).asDouble(), within(1e-3));
            assertThat(of.path("auroc").asDouble()).isEqualTo(expected.path(1).asDouble(), within(1e-3));
            assertThat(of.path("ece").asDouble()).isEqualTo(expected.path(2).asDouble(), within(1e-8));
            assertThat((float) of.path("threshold").asDouble()).isEqualTo(thresholds[k]);
        }
        assertThat(json.path("task").asText()).isEqualTo("multi-label");
        assertThat(json.path("precision_recall").size()).isBetween(50, 100);
        assertThat(measures.line())
                .startsWith("mAP 0.")
                .contains("macro F1 at the thresholds")
                .contains("loss");
    }

    @Test
    void calibrationIsOfAllPairsOfAnImageAndAClass() throws Exception {
        SetMeasures measures = new SetMeasures(Labels.numbered(Task.MULTI_LABEL, 2), null);
        List<Image> images = List.of(
                new Image(Target.ofClasses(0), new float[] {0.75f, 0}),
                new Image(Target.ofClasses(), new float[] {0.75f, 0}),
                new Image(Target.ofClasses(1), new float[] {0.78125f, 1}));

        JsonNode json = MAPPER.readTree(add(measures, images, 2).json("grft", "digest", null));

        // three of 0.76 on average, of which one is shown; the others are right
        assertThat(measures.values().get(Measure.ECE)).isEqualTo((0.75 + 0.75 + 0.78125 - 1) / 6);
        assertThat(json.at("/classes/0/ece").asDouble()).isEqualTo((0.75 + 0.75 + 0.78125 - 1) / 3);
        assertThat(json.at("/classes/1/ece").asDouble()).isZero();
        assertThat(json.path("calibration")).hasSize(15);
        assertThat(json.at("/calibration/0").toString()).isEqualTo("[2,0.0,0.0]");
        assertThat(json.at("/calibration/11").toString()).isEqualTo("[3,0.7604166666666666,0.3333333333333333]");
        assertThat(json.at("/calibration/14").toString()).isEqualTo("[1,1.0,1.0]");
    }

    @Test
    void ofManyClassesThereIsTheCalibrationOfAllTogetherWhichIsFewBytesOfAPiece() throws Exception {
        int classes = 21_843;
        SetMeasures measures = new SetMeasures(Labels.numbered(Task.MULTI_LABEL, classes), null);
        SetJudgment.Piece piece = new SetJudgment.Piece(classes, null);
        float[] probabilities = new float[classes];
        Arrays.fill(probabilities, 0.25f);
        for (int i = 0; i < 100; i++) {
            piece.add(i, "", Target.ofClasses(i), probabilities);
        }
        Judgments<SetJudgment> some = piece.end();
        for (int i = 0; i < 2_000; i++) { // 4,368,600,000 pairs
            measures.add(some);
        }

        assertThat(some.reliability.length).isLessThan(100);
        assertThat(measures.values().get(Measure.ECE)).isEqualTo(0.25 - 1.0 / classes, within(1e-12));
        assertThat(MAPPER.readTree(measures.json("grft", "digest", null))
                        .at("/classes/0")
                        .has("ece"))
                .isFalse();
    }

    @Test
    void withoutThresholdsThereAreNoMeasuresAtThem() {
        Measures<?> measures = add(Measures.of(Labels.numbered(Task.MULTI_LABEL, 8)), sets(), 500);

        assertThat(measures.values()).hasSize(12).doesNotContainKey(Measure.TUNED_MACRO_F1);
    }

    @Test
    void theMeasuresOfValuesAreThoseOfScikitLearnThoughTheirMeanIsLarge() throws Exception {
        JsonNode golden = golden("values");
        Measures<?> measures =
                add(Measures.of(Labels.inOrder(Task.REGRESSION, List.of("small", "large"))), values(), 400);

        JsonNode json = MAPPER.readTree(measures.json("grft", "digest", "a note"));

        agree(measures.values(), golden, 0);
        String[] keys = {"rmse", "mae", "r2"};
        for (int t = 0; t < 2; t++) {
            JsonNode of = json.path("targets").path(t == 0 ? "small" : "large");
            for (int i = 0; i < keys.length; i++) {
                assertThat(of.path(keys[i]).asDouble())
                        .as(keys[i])
                        .isEqualTo(golden.path("targets").path(t).path(i).asDouble(), within(1e-11));
            }
            int plotted = 0;
            for (JsonNode cell : of.path("scatter").path("cells")) {
                plotted += cell.path(2).asInt();
            }
            assertThat(plotted).isEqualTo(400);
            assertThat(of.path("residuals").path("counts")).hasSize(40);
        }
        assertThat(json.path("note").asText()).isEqualTo("a note");
        assertThat(measures.line()).startsWith("RMSE 0.").contains("R² 0.");
    }

    @Test
    void thePiecesThatImagesAreInChangeNoBit() {
        float[] thresholds = new float[8];
        Arrays.fill(thresholds, 0.3f);
        for (int piece : new int[] {1, 7, 125}) {
            assertThat(add(Measures.of(Labels.numbered(Task.MULTI_LABEL, 8), thresholds, null), sets(), piece)
                            .json("grft", "digest", null))
                    .isEqualTo(add(Measures.of(Labels.numbered(Task.MULTI_LABEL, 8), thresholds, null), sets(), 500)
                            .json("grft", "digest", null));
            assertThat(add(Measures.of(Labels.numbered(Task.REGRESSION, 2)), values(), piece)
                            .json("grft", "digest", null))
                    .isEqualTo(add(Measures.of(Labels.numbered(Task.REGRESSION, 2)), values(), 400)
                            .json("grft", "digest", null));
        }
    }

    /** Returns the average precision by sorting, of equal probabilities all or none. */
    private static double naive(List<Image> images, int k) {
        double sum = 0;
        int shown = 0;
        for (Image image : images) {
            if (image.target.has(k)) {
                shown++;
                long above = images.stream()
                        .filter(other -> other.outputs[k] >= image.outputs[k])
                        .count();
                sum += (double) images.stream()
                                .filter(other -> other.target.has(k) && other.outputs[k] >= image.outputs[k])
                                .count()
                        / above;
            }
        }
        return sum / shown;
    }

    private static List<Image> drawn(int classes, int images, double sharpness) {
        Random random = new Random(classes);
        List<Image> all = new ArrayList<>();
        for (int i = 0; i < images; i++) {
            int[] shown = IntStream.range(0, classes)
                    .filter(k -> random.nextInt(5) == 0)
                    .toArray();
            Target target = Target.ofClasses(shown);
            float[] probabilities = new float[classes];
            for (int k = 0; k < classes; k++) {
                double logit = sharpness * (random.nextGaussian() - 1 + (target.has(k) ? 1.5 : 0));
                probabilities[k] = (float) (1 / (1 + Math.exp(-logit)));
            }
            all.add(new Image(target, probabilities));
        }
        return all;
    }

    @Test
    void averagePrecisionIsNotFartherFromThatOfTheProbabilitiesThanItsErrorSays() {
        for (int classes : new int[] {1, 3, 100, 1_000}) {
            for (double sharpness : new double[] {1, 20}) {
                List<Image> images = drawn(classes, 150, sharpness);
                OddsHistogram odds = odds(classes, images);
                for (int k = 0; k < Math.min(classes, 20); k++) {
                    double error = odds.averagePrecisionError(k);
                    assertThat(odds.averagePrecision(k)).isEqualTo(naive(images, k), within(error + 1e-12));
                    if (sharpness == 1) { // of sharp ones many are 1 to the last bit
                        assertThat(error).as("of %s classes", classes).isLessThan(classes < 1_000 ? 0.02 : 0.06);
                    }
                }
            }
        }
    }

    private static OddsHistogram odds(int classes, List<Image> images) {
        SetJudgment.Piece piece = new SetJudgment.Piece(classes, null);
        for (int i = 0; i < images.size(); i++) {
            piece.add(i, "", images.get(i).target, images.get(i).outputs);
        }
        Judgments<SetJudgment> some = piece.end();
        OddsHistogram odds = new OddsHistogram(classes);
        odds.addOthers(some);
        for (SetJudgment judgment : some.all) {
            for (int i = 0; i < judgment.shown.length; i++) {
                odds.add(judgment.shown[i], judgment.ofShown[i]);
            }
        }
        return odds;
    }

    private static double f1(List<Image> images, int k, float threshold) {
        long right = 0;
        long said = 0;
        long shown = 0;
        for (Image image : images) {
            boolean here = image.outputs[k] >= threshold;
            said += here ? 1 : 0;
            shown += image.target.has(k) ? 1 : 0;
            right += here && image.target.has(k) ? 1 : 0;
        }
        return 2.0 * right / (said + shown);
    }

    @Test
    void noOtherThresholdHasABetterF1() {
        List<Image> images = drawn(5, 300, 2);
        List<Float> best = add(Measures.of(Labels.numbered(Task.MULTI_LABEL, 5)), images, 100)
                .bestThresholds();

        for (int k = 0; k < 5; k++) {
            int at = k;
            double most = images.stream()
                    .mapToDouble(image -> f1(images, at, image.outputs[at]))
                    .max()
                    .orElseThrow();
            assertThat(f1(images, k, best.get(k)))
                    .isEqualTo(most, within(0.01))
                    .isGreaterThan(f1(images, k, 0.5f) - 0.01);
            float threshold = best.get(k);
            assertThat(images).as("between two images").noneMatch(image -> image.outputs[at] == threshold);
        }
    }

    @Test
    void aThresholdLiesHalfwayByTheOddsAndIsAHalfOfAClassWithoutImages() {
        List<Image> images = List.of(
                new Image(Target.ofClasses(0), new float[] {0.9f, 0.1f}), // odds 9
                new Image(Target.ofClasses(), new float[] {0.1f, 0.2f})); // odds 1/9

        List<Float> best = add(Measures.of(Labels.numbered(Task.MULTI_LABEL, 2)), images, 2)
                .bestThresholds();

        assertThat(best.get(0)).isEqualTo(0.5f, within(0.04f)); // the middle of bins, which are even in an octave
        assertThat(best.get(1)).isEqualTo(0.5f);
    }

    @Test
    void aSureMistakeCostsWhatAFloatCanSay() {
        SetMeasures measures = new SetMeasures(Labels.numbered(Task.MULTI_LABEL, 2), null);
        add(measures, List.of(new Image(Target.ofClasses(), new float[] {1, 0})), 1);

        assertThat(measures.values().get(Measure.LOSS)).isEqualTo(25 * Math.log(2) / 2, within(1e-12));
        assertThat(measures.values().get(Measure.MAP)).isNaN();
    }

    @Test
    void whatNoNumbersSayIsUndefined() {
        SetMeasures sets = new SetMeasures(Labels.numbered(Task.MULTI_LABEL, 2), null);
        add(sets, List.of(new Image(Target.ofClasses(0), new float[] {0.5f, Float.NaN})), 1);
        assertThat(sets.values().get(Measure.LOSS)).isNaN();
        assertThat(sets.values().get(Measure.MAP)).isNaN();
        assertThat(sets.values().get(Measure.ECE)).isNaN();

        ValueMeasures values = new ValueMeasures(Labels.numbered(Task.REGRESSION, 2), null);
        add(values, List.of(new Image(Target.ofValues(1, 2), new float[] {1, Float.POSITIVE_INFINITY})), 1);
        assertThat(values.values().get(Measure.R2)).isNaN();
        assertThat(values.json("grft", "digest", null)).contains("\"rmse\" : null");
    }

    @Test
    void aTargetOfOneValueHasNoPartInTheMeanOfR2() {
        ValueMeasures values = new ValueMeasures(Labels.numbered(Task.REGRESSION, 2), null);
        add(
                values,
                List.of(
                        new Image(Target.ofValues(1, 5), new float[] {1, 4}),
                        new Image(Target.ofValues(3, 5), new float[] {2, 4})),
                2);

        assertThat(values.values().get(Measure.R2)).isEqualTo(0.5);
    }

    @Test
    void theLinesForPeopleNameClassesAndTargets() throws Exception {
        ObjectNode line = MAPPER.createObjectNode();
        new SetJudgment(1, "a", Target.ofClasses(0, 2), new float[] {0.75f, 0.5f, 0.25f}, null)
                .put(Labels.inOrder(List.of("cat", "dog", "hat")), line);
        assertThat(line.path("labels").toString()).isEqualTo("[\"cat\",\"hat\"]");
        assertThat(line.path("predicted").toString()).isEqualTo("[\"cat\",\"dog\"]");

        ObjectNode values = MAPPER.createObjectNode();
        ValueJudgment judgment = new ValueJudgment(1, "a", new float[] {1, 2}, new float[] {1.5f, 1}, null);
        judgment.put(Labels.inOrder(List.of("age", "weight")), values);
        assertThat(values.toString())
                .isEqualTo("{\"values\":{\"age\":1.0,\"weight\":2.0},\"predicted\":{\"age\":1.5,\"weight\":1.0},"
                        + "\"loss\":0.625}");
    }

    @Test
    void theWorstErrorIsThatOfTheMostDeviationsWhateverTheUnits() {
        float[] deviations = {10, 5_000}; // years and dollars
        ValueJudgment years = new ValueJudgment(1, "a", new float[] {40, 1}, new float[] {70, 1}, deviations);
        ValueJudgment dollars = new ValueJudgment(2, "b", new float[] {40, 1}, new float[] {40, 5_001}, deviations);

        assertThat(years.loss()).isLessThan(dollars.loss());
        assertThat(years.mistake()).isEqualTo(Math.sqrt(9 / 2.0));
        assertThat(dollars.mistake()).isEqualTo(Math.sqrt(1 / 2.0));
        Predictions predictions = new Predictions(Labels.inOrder(Task.REGRESSION, List.of("age", "income")), 2);
        predictions.add(dollars);
        predictions.add(years);
        assertThat(predictions.mistakesJson(Map.of()))
                .startsWith(
                        "[{\"id\":1,\"name\":\"a\",\"values\":{\"age\":40.0,\"income\":1.0},\"predicted\":{\"age\":70.0,"
                                + "\"income\":1.0},\"loss\":450.0,\"deviations\":2.1213");
    }

    @Test
    void whatIsWatchedBelongsToTheTask() {
        for (Task task : Task.values()) {
            assertThat(Measure.watchable(task)).contains(Measure.main(task, 1_000), Measure.main(task, 1_001));
        }
        assertThat(Measure.main(Task.REGRESSION, 1_001)).isEqualTo(Measure.RMSE);
        assertThat(Measure.main(Task.MULTI_LABEL, 1_000)).isEqualTo(Measure.MAP);
        assertThat(Measure.main(Task.MULTI_LABEL, 1_001)).isEqualTo(Measure.MICRO_F1);
        assertThat(Measure.RMSE.better(0.5, 1)).isTrue();
        assertThat(Measure.R2.better(0.5, 1)).isFalse();
        assertThat(Measure.HAMMING_LOSS.better(0.5, 1)).isTrue();
    }
}
