package dev.grft.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.Axis;
import dev.grft.Budget;
import dev.grft.Delta;
import dev.grft.Grft;
import dev.grft.MatrixShape;
import dev.grft.Orientation;
import dev.grft.Score;
import dev.grft.Scores;
import dev.grft.checkpoint.file.Safetensors;
import dev.grft.tuning.Tiny;
import dev.grft.vit.Frozen;
import dev.grft.vit.Keep;
import dev.grft.vit.Weights;
import dev.grft.vit.kernels.CpuKernels;
import java.util.Arrays;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.nd4j.linalg.api.buffer.DataType;

/** Scores of the tiny model, in float, against PyTorch's in double. */
class ScorerTest {
    private static final Map<String, MatrixShape> ELIGIBLE = Tiny.CONFIG.matrices();

    @Test
    void scoresByExampleAreTorchsHoweverExamplesAreDealtOut() {
        assertScores("example", Score.PER_EXAMPLE, 1);
    }

    @Test
    void scoresByBatchAreTorchs() {
        assertScores("batch", Score.PER_BATCH, 3);
    }

    @Test
    void theSummedGradientSquaredAtLastIsTorchs() {
        try (Weights weights = Tiny.headless(DataType.FLOAT)) {
            Scorer scorer = scorer(weights, ELIGIBLE, Score.SUMMED_GRADIENT);
            scorer.addCrossEntropy(Tiny.batch(0, 2));
            scorer.addCrossEntropy(Tiny.batch(2, 6));
            Scores scores = Scores.zero(ELIGIBLE);
            scorer.summed().forEach((matrix, gradient) -> {
                MatrixShape shape = ELIGIBLE.get(matrix);
                double[] rows = new double[shape.out()];
                double[] columns = new double[shape.in()];
                for (int i = 0; i < gradient.length; i++) {
                    rows[i / shape.in()] += (double) gradient[i] * gradient[i];
                    columns[i % shape.in()] += (double) gradient[i] * gradient[i];
                }
                scores.add(matrix, rows, columns);
            });
            scores.countExamples(6);
            assertScores("summed", scores);
            assertThatThrownBy(scorer::scores)
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessage("the summed gradient is squared after all parts are summed");
        }
    }

    /** The gradient of one example is what a scorer of the summed gradient has seen of it alone. */
    @ParameterizedTest
    @EnumSource(
            value = Score.class,
            names = {"PER_EXAMPLE", "ABSOLUTE", "GRADIENT_WEIGHT"})
    void scoresOfWholeGradientsAreSumsOverTheExamples(Score rule) {
        Map<String, float[]> tensors = Tiny.tensors();
        try (Weights weights = Tiny.headless(DataType.FLOAT)) {
            Scores expected = Scores.zero(ELIGIBLE);
            for (int b = 0; b < 6; b++) {
                Scorer one = scorer(weights, ELIGIBLE, Score.SUMMED_GRADIENT);
                one.addCrossEntropy(Tiny.batch(b, b + 1));
                one.summed().forEach((matrix, gradient) -> {
                    MatrixShape shape = ELIGIBLE.get(matrix);
                    double[] rows = new double[shape.out()];
                    double[] columns = new double[shape.in()];
                    for (int i = 0; i < gradient.length; i++) {
                        double g = gradient[i];
                        double w = tensors.get(matrix)[i];
                        double score = switch (rule) {
                            case ABSOLUTE -> Math.abs(g);
                            case GRADIENT_WEIGHT -> g * w * g * w;
                            default -> g * g;
                        };
                        rows[i / shape.in()] += score;
                        columns[i % shape.in()] += score;
                    }
                    expected.add(matrix, rows, columns);
                });
            }

            Scorer scorer = scorer(weights, ELIGIBLE, rule);
            scorer.addCrossEntropy(Tiny.batch(0, 2));
            scorer.addCrossEntropy(Tiny.batch(2, 6));

            assertThat(scorer.scores().examples()).isEqualTo(6);
            for (String matrix : ELIGIBLE.keySet()) {
                for (Axis axis : Axis.values()) {
                    Tiny.assertClose(
                            matrix + " " + axis, scorer.scores().of(matrix, axis), expected.of(matrix, axis), 2e-5);
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = Orientation.class,
            names = {"ROW", "COLUMN", "MIN_AXIS"})
    void theSelectionIsTorchs(Orientation orientation) {
        try (Weights weights = Tiny.headless(DataType.FLOAT)) {
            Scorer scorer = scorer(weights, ELIGIBLE, Score.PER_EXAMPLE);
            scorer.addCrossEntropy(Tiny.batch(0, 6));
            assertThat(Grft.select(scorer.scores(), orientation, new Budget.PerMatrix(2), Tiny.CONFIG.parameters()))
                    .isEqualTo(Tiny.selection(orientation.toString()));
        }
    }

    @Test
    void aMatrixThatDoesNotCompeteIsLeftOutAndTheOthersKeepTheirScores() {
        Map<String, MatrixShape> some = Map.of("blocks.1.attn.qkv.weight", new MatrixShape(72, 24));
        try (Weights weights = Tiny.headless(DataType.FLOAT)) {
            Scorer scorer = scorer(weights, some, Score.PER_EXAMPLE);
            scorer.addCrossEntropy(Tiny.batch(0, 6));
            assertThat(scorer.scores().shapes()).isEqualTo(some);
            assertScores("example", scorer.scores());
        }
    }

    @Test
    void scoringLeavesTheWeightsBitForBit() {
        try (Weights weights = Tiny.headless(DataType.FLOAT)) {
            Map<String, float[]> before = Frozen.copy(weights);
            for (Score rule : Score.values()) {
                Scorer scorer = scorer(weights, ELIGIBLE, rule);
                scorer.addCrossEntropy(Tiny.batch(0, 6));
                scorer.addContrastive(Tiny.batch(0, 6), 0.07);
            }
            Tiny.assertSameBits(Frozen.copy(weights), before);
        }
    }

    @Test
    void theGradientOfTheContrastiveLossIsTorchsTimesTheNumberOfAnchors() {
        Safetensors golden = Tiny.read("contrastive.safetensors");
        String fc1 = "blocks.1.mlp.fc1.weight";
        float[] first = golden.tensor("input.view1").floats();
        float[] images = Arrays.copyOf(first, 2 * first.length);
        System.arraycopy(golden.tensor("input.view2").floats(), 0, images, first.length, first.length);
        int[] classes = golden.tensor("labels").ints();
        int[] labels = new int[12];
        for (int a = 0; a < 12; a++) {
            labels[a] = classes[a % 6];
        }
        double[] expected = Arrays.stream(golden.tensor("grad." + fc1).doubles())
                .map(g -> 12 * g) // torch takes the mean over the anchors
                .toArray();
        try (Weights weights = Tiny.headless(DataType.FLOAT)) {
            Scorer scorer = scorer(weights, Map.of(fc1, ELIGIBLE.get(fc1)), Score.SUMMED_GRADIENT);
            scorer.addContrastive(Tiny.batch(images, labels), 0.07);
            assertThat(scorer.summed()).containsOnlyKeys(fc1);
            Tiny.assertClose(fc1, Tiny.doubles(scorer.summed().get(fc1)), expected, 2e-5);
        }
    }

    @Test
    void aScorerThatBeginsWithAnothersSumsEndsInTheBitsOfOneThatHasSeenAll() {
        try (Weights weights = Tiny.headless(DataType.FLOAT)) {
            Scorer all = scorer(weights, ELIGIBLE, Score.SUMMED_GRADIENT);
            Scorer first = scorer(weights, ELIGIBLE, Score.SUMMED_GRADIENT);
            Scorer second = scorer(weights, ELIGIBLE, Score.SUMMED_GRADIENT);
            for (int at = 0; at < 4; at++) {
                all.addCrossEntropy(Tiny.batch(at, at + 1));
                first.addCrossEntropy(Tiny.batch(at, at + 1));
            }
            first.summed().forEach(second::begin);
            for (int at = 4; at < 6; at++) {
                all.addCrossEntropy(Tiny.batch(at, at + 1));
                second.addCrossEntropy(Tiny.batch(at, at + 1));
            }

            assertThat(second.summed()).containsOnlyKeys(ELIGIBLE.keySet());
            all.summed()
                    .forEach((matrix, sum) ->
                            assertThat(second.summed().get(matrix)).as(matrix).isEqualTo(sum));
            assertThatThrownBy(
                            () -> scorer(weights, ELIGIBLE, Score.PER_EXAMPLE).begin("head.weight", new float[1]))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("no gradient of head.weight is summed");
        }
    }

    private static Scorer scorer(Weights weights, Map<String, MatrixShape> eligible, Score rule) {
        Map<String, float[]> tensors = Tiny.tensors();
        return new Scorer(
                weights,
                eligible,
                rule,
                tensors.get(Delta.HEAD_WEIGHT),
                tensors.get(Delta.HEAD_BIAS),
                new CpuKernels(),
                Keep.ALL);
    }

    /** Asserts the scores of six examples, the first {@code first} of which are a batch, the others another. */
    private static void assertScores(String kind, Score rule, int first) {
        try (Weights weights = Tiny.headless(DataType.FLOAT)) {
            Scorer scorer = scorer(weights, ELIGIBLE, rule);
            scorer.addCrossEntropy(Tiny.batch(0, first));
            scorer.addCrossEntropy(Tiny.batch(first, 6));
            assertScores(kind, scorer.scores());
        }
    }

    private static void assertScores(String kind, Scores scores) {
        assertThat(scores.examples()).isEqualTo(6);
        for (String matrix : scores.shapes().keySet()) {
            for (Axis axis : Axis.values()) {
                String name = "score." + kind + "." + (axis == Axis.ROW ? "rows." : "columns.") + matrix;
                double[] expected = Tiny.GOLDEN.tensor(name).doubles();
                double[] actual = scores.of(matrix, axis);
                assertThat(actual).as(name).hasSameSizeAs(expected);
                for (int i = 0; i < expected.length; i++) {
                    // Float rounding of each gradient, relative to the largest score where a gradient cancels to
                    // little.
                    double tolerance = 1e-4 * expected[i]
                            + 1e-6 * Arrays.stream(expected).max().orElseThrow();
                    assertThat(Math.abs(actual[i] - expected[i]))
                            .as("%s, entry %s", name, i)
                            .isLessThan(tolerance);
                }
            }
        }
    }
}
