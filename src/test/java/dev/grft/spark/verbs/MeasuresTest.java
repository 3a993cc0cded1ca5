package dev.grft.spark.verbs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.management.ThreadMXBean;
import dev.grft.data.Labels;
import dev.grft.spark.work.Judgment;
import java.lang.management.ManagementFactory;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.nd4j.evaluation.classification.Evaluation;
import org.nd4j.linalg.factory.Nd4j;

class MeasuresTest {
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
    void theMeasuresAreThoseOfDl4jToTheLastBit(int classes) throws Exception {
        Labels labels = Labels.numbered(classes);
        Measures measures = new Measures(labels);
        Evaluation evaluation = new Evaluation(labels.names(), Math.min(5, classes));
        Random random = new Random(classes);
        float[][] targets = new float[IMAGES][classes];
        float[][] predictions = new float[IMAGES][];
        for (int i = 0; i < IMAGES; i++) {
            int label = Math.max(0, random.nextInt(classes) - 2); // some classes have no images
            targets[i][label] = 1;
            predictions[i] = probabilities(random, classes, label);
            measures.add(new Judgment(i, "image " + i, label, predictions[i]));
        }
        evaluation.eval(Nd4j.create(targets), Nd4j.create(predictions));

        JsonNode json = new ObjectMapper().readTree(measures.json("grft", "digest"));

        assertThat(json.path("accuracy").asDouble())
                .isEqualTo(evaluation.accuracy())
                .isGreaterThan(0);
        double f1 = 0;
        for (int k = 0; k < classes; k++) {
            JsonNode of = json.path("classes").path(labels.name(k));
            assertThat(of.path("precision").asDouble()).isEqualTo(evaluation.precision(k));
            assertThat(of.path("recall").asDouble()).isEqualTo(evaluation.recall(k));
            assertThat(of.path("f1").asDouble()).isEqualTo(evaluation.f1(k));
            f1 += evaluation.f1(k);
        }
        assertThat(json.path("macro_f1").asDouble()).isEqualTo(f1 / classes);
        assertThat(json.has("top5_accuracy")).isEqualTo(classes > 5);
        if (classes > 5) {
            assertThat(json.path("top5_accuracy").asDouble())
                    .isEqualTo(evaluation.topNAccuracy())
                    .isGreaterThan(0);
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

    @Test
    void manyClassesAndImagesNeedNeitherTheSquareOfTheClassesNorAFileOfThatSize() throws Exception {
        int classes = 21_843;
        int images = 200_000;
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        Measures measures = new Measures(Labels.numbered(classes));
        float[] two = {0.75f, 0.25f};
        float[] at = new float[classes];
        Judgment[] judgments = new Judgment[2 * 97]; // of each label one right and one wrong
        for (int k = 0; k < 97; k++) {
            at[k] = two[0];
            judgments[2 * k] = new Judgment(k, "right", k, at);
            judgments[2 * k + 1] = new Judgment(k, "wrong", classes - 1 - k, at);
            at[k] = 0;
        }
        long before = threads.getThreadAllocatedBytes(Thread.currentThread().getId());

        for (int i = 0; i < images; i++) {
            measures.add(judgments[i % judgments.length]);
        }
        String json = measures.json("grft", "digest");

        long allocated = threads.getThreadAllocatedBytes(Thread.currentThread().getId()) - before;
        assertThat(allocated).as("K x K counts would be 2 GB").isLessThan(200_000_000L);
        assertThat(json.length()).isLessThan(4_000_000);
        assertThat(measures.accuracy()).isEqualTo(0.5, within(0.001));
        assertThat(new ObjectMapper().readTree(json).path("confusion_cells")).hasSize(2 * 97);
    }
}
