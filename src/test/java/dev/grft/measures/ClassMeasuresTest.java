package dev.grft.measures;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.management.ThreadMXBean;
import dev.grft.UserError;
import dev.grft.checkpoint.file.Golden;
import dev.grft.checkpoint.file.Safetensors;
import dev.grft.data.Labels;
import dev.grft.data.Target;
import java.lang.management.ManagementFactory;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.nd4j.evaluation.classification.Evaluation;
import org.nd4j.linalg.factory.Nd4j;

class ClassMeasuresTest {
    private static final int IMAGES = 600;

    /** Returns probabilities with many ties, which favor the class itself more or less, so that some classes are never predicted. */
    private static float[] probabilities(Random random, int classes, int label) {
        float[] probabilities = new float[classes];
        float sum = 0;
        for (int k = 0; k < classes; k++) {
            probabilities[k] = 1 + random.nextInt(4) + (k == label ? random.nextInt(4) : 0) - (k % 7 == 3 ? 0.5f : 0);
            sum += probabilities[k];
        }
        for (int k = 0; k < classes; k++) {
            probabilities[k] /= sum;
        }
        return probabilities;
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 3, 7, 100, 101, 150})
    void theMeasuresOfClassesAreThoseOfDl4jToTheLastBit(int classes) throws Exception {
        Labels labels = Labels.numbered(classes);
        Measures<ClassJudgment> measures = new ClassMeasures(labels);
        ClassJudgment.Piece judging = new ClassJudgment.Piece();
        Evaluation evaluation = new Evaluation(labels.names());
        Random random = new Random(classes);
        float[][] targets = new float[IMAGES][classes];
        float[][] predictions = new float[IMAGES][];
        for (int i = 0; i < IMAGES; i++) {
            int label = Math.max(0, random.nextInt(classes) - 2); // some classes have no images
            targets[i][label] = 1;
            predictions[i] = probabilities(random, classes, label);
            judging.add(i, "image " + i, Target.ofClass(label), predictions[i]);
        }
        measures.add(judging.end());
        evaluation.eval(Nd4j.create(targets), Nd4j.create(predictions));

        JsonNode json = new ObjectMapper().readTree(measures.json("grft", "digest", null));

        assertThat(json.path("accuracy").asDouble())
                .isEqualTo(evaluation.accuracy())
                .isGreaterThan(0);
        for (int k = 0; k < classes; k++) {
            JsonNode of = json.path("classes").path(labels.name(k));
            assertThat(of.path("precision").asDouble()).isEqualTo(evaluation.precision(k));
            assertThat(of.path("recall").asDouble()).isEqualTo(evaluation.recall(k));
            assertThat(of.path("f1").asDouble()).isEqualTo(evaluation.f1(k));
        }
        long[][] counts = new long[classes][classes];
        if (classes <= 100) {
            assertThat(json.has("confusion_cells")).isFalse();
            assertThat(json.path("confusion")).hasSize(classes);
            for (int i = 0; i < classes; i++) {
                assertThat(json.path("confusion").path(i)).hasSize(classes);
                for (int j = 0; j < classes; j++) {
                    counts[i][j] = json.path("confusion").path(i).path(j).asLong();
                }
            }
        } else {
            assertThat(json.has("confusion")).isFalse();
            long before = -1;
            for (JsonNode cell : json.path("confusion_cells")) {
                long at = (long) cell.path(0).asInt() * classes + cell.path(1).asInt();
                assertThat(at).as("in order, each once").isGreaterThan(before);
                assertThat(cell.path(2).asLong()).isPositive();
                counts[cell.path(0).asInt()][cell.path(1).asInt()] =
                        cell.path(2).asLong();
                before = at;
            }
        }
        for (int i = 0; i < classes; i++) {
            for (int j = 0; j < classes; j++) {
                assertThat(counts[i][j])
                        .as("%s taken for %s", i, j)
                        .isEqualTo(evaluation.getConfusionMatrix().getCount(i, j));
            }
        }
    }

    /** Returns the judgments of the images [from, to) of a golden file. */
    private static Judgments<ClassJudgment> judged(Safetensors golden, int from, int to) {
        float[] all = golden.tensor("probabilities").floats();
        int[] labels = golden.tensor("labels").ints();
        int classes = all.length / labels.length;
        ClassJudgment.Piece judging = new ClassJudgment.Piece();
        for (int i = from; i < to; i++) {
            judging.add(
                    i,
                    "image " + i,
                    Target.ofClass(labels[i]),
                    Arrays.copyOfRange(all, i * classes, (i + 1) * classes));
        }
        return judging.end();
    }

    /** Cases with ties, a class without images and one that is never predicted, and certain predictions. */
    @ParameterizedTest
    @ValueSource(strings = {"two", "seven", "sharp", "tied"})
    void theMeasuresAreThoseOfScikitLearnAndTorchmetrics(String name) throws Exception {
        ObjectMapper mapper = new ObjectMapper();
        JsonNode golden =
                mapper.readTree(Golden.path("measures/measures.json").toFile()).path(name);
        Safetensors images = Golden.read("measures/" + name + ".safetensors");
        int classes = golden.path("classes").size();
        Measures<ClassJudgment> measures = new ClassMeasures(Labels.numbered(classes));

        measures.add(judged(images, 0, images.tensor("labels").ints().length));

        JsonNode json = mapper.readTree(measures.json("grft", "digest", null));
        double error = json.path("auroc_error").asDouble();
        double near = name.equals("tied") ? 1e-12 : Math.min(1e-4, error + 1e-12); // equal ones are alone in a bin
        assertThat(measures.values()).hasSize(classes > 5 ? 11 : 10);
        measures.values().forEach((measure, value) -> {
            assertThat(json.path(measure.key()).asDouble()).isEqualTo(value);
            assertThat(value)
                    .as(measure.key())
                    .isEqualTo(golden.path(measure.key()).asDouble(-1), within(measure == Measure.AUROC ? near : 1e-6));
        });
        for (int k = 0; k < classes; k++) {
            JsonNode expected = golden.path("classes").path(k);
            JsonNode of = json.path("classes").path(Integer.toString(k));
            assertThat(of.path("precision").asDouble())
                    .isEqualTo(expected.path(0).asDouble(), within(1e-12));
            assertThat(of.path("recall").asDouble()).isEqualTo(expected.path(1).asDouble(), within(1e-12));
            assertThat(of.path("f1").asDouble()).isEqualTo(expected.path(2).asDouble(), within(1e-12));
            assertThat(of.path("auroc").isNull()).isEqualTo(expected.path(3).isNull());
            assertThat(of.path("auroc").asDouble()).isEqualTo(expected.path(3).asDouble(), within(10 * near));
        }
        assertThat(json.path("calibration")).hasSize(15);
    }

    @Test
    void theMeasuresDoNotDependOnThePiecesThatImagesAreIn() {
        Safetensors images = Golden.read("measures/sharp.safetensors");
        Measures<ClassJudgment> whole = new ClassMeasures(Labels.numbered(12));
        Measures<ClassJudgment> pieces = new ClassMeasures(Labels.numbered(12));

        whole.add(judged(images, 0, 500));
        for (int from = 0; from < 500; from += 125) {
            pieces.add(judged(images, from, from + 125));
        }

        assertThat(pieces.json("grft", "digest", null)).isEqualTo(whole.json("grft", "digest", null));
    }

    @Test
    void ofImagesOfOneClassAndOfNoNumbersThereIsNoArea() throws Exception {
        Measures<ClassJudgment> measures = new ClassMeasures(Labels.numbered(3));
        ClassJudgment.Piece judging = new ClassJudgment.Piece();
        judging.add(0, "a", Target.ofClass(1), new float[] {0.2f, 0.5f, 0.3f});
        measures.add(judging.end());
        assertThat(measures.line()).contains("AUROC undefined").contains("accuracy 1.0000");
        assertThat(measures.values()).containsEntry(Measure.BALANCED_ACCURACY, 1.0);
        assertThat(new ObjectMapper()
                        .readTree(measures.json("grft", "digest", null))
                        .path("auroc")
                        .isNull())
                .isTrue();

        ClassJudgment.Piece diverged = new ClassJudgment.Piece();
        diverged.add(1, "b", Target.ofClass(0), new float[] {Float.NaN, Float.NaN, Float.NaN});
        measures.add(diverged.end());
        assertThat(measures.values().get(Measure.AUROC)).isNaN();
        assertThat(measures.values().get(Measure.ECE)).isNaN();
        assertThat(measures.values().get(Measure.LOSS)).isNaN();
    }

    @Test
    void theAreaOfTooManyClassesCannotBeWatched() {
        Measure.AUROC.requireOf(1_000);
        Measure.LOSS.requireOf(1_001);

        assertThatThrownBy(() -> Measure.AUROC.requireOf(1_001))
                .isInstanceOf(UserError.class)
                .hasMessage(
                        "training.watch is auroc, which is computed for up to 1,000 classes, but there are 1,001; choose"
                                + " another measure");
    }

    @Test
    void manyClassesAndImagesNeedNeitherTheSquareOfTheClassesNorAFileOfThatSize() throws Exception {
        int classes = 21_843;
        int images = 200_000;
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        Measures<ClassJudgment> measures = new ClassMeasures(Labels.numbered(classes));
        float[] two = {0.75f, 0.25f};
        float[] at = new float[classes];
        ClassJudgment.Piece judging = new ClassJudgment.Piece();
        for (int k = 0; k < 97; k++) { // of each label one right and one wrong
            at[k] = two[0];
            judging.add(k, "right", Target.ofClass(k), at);
            judging.add(k, "wrong", Target.ofClass(classes - 1 - k), at);
            at[k] = 0;
        }
        Judgments<ClassJudgment> some = judging.end();
        long before = threads.getThreadAllocatedBytes(Thread.currentThread().getId());

        for (int i = 0; i < images; i += 2 * 97) {
            measures.add(some);
        }
        String json = measures.json("grft", "digest", null);

        long allocated = threads.getThreadAllocatedBytes(Thread.currentThread().getId()) - before;
        assertThat(allocated).as("K x K counts would be 2 GB").isLessThan(200_000_000L);
        assertThat(json.length()).isLessThan(4_000_000);
        assertThat(measures.values().get(Measure.ACCURACY)).isEqualTo(0.5);
        assertThat(measures.values()).doesNotContainKey(Measure.AUROC);
        assertThat(measures.line()).endsWith(", no AUROC of more than 1,000 classes");
        assertThat(new ObjectMapper().readTree(json).path("confusion_cells")).hasSize(2 * 97);
    }
}
