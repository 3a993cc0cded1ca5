package dev.grft.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.Axis;
import dev.grft.Budget;
import dev.grft.Delta;
import dev.grft.Grft;
import dev.grft.MatrixShape;
import dev.grft.Orientation;
import dev.grft.Scores;
import dev.grft.Task;
import dev.grft.checkpoint.file.Safetensors;
import dev.grft.data.Seeds;
import dev.grft.tuning.BuiltInScore;
import dev.grft.tuning.Score;
import dev.grft.tuning.Tiny;
import dev.grft.vit.Frozen;
import dev.grft.vit.Keep;
import dev.grft.vit.Weights;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.CpuKernels;
import java.util.Arrays;
import java.util.Map;
import java.util.stream.DoubleStream;
import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Scores of the tiny model, in float, against PyTorch's in double. */
class ScorerTest {
    private static final Map<String, MatrixShape> ELIGIBLE = Tiny.CONFIG.matrices();
    private static final Safetensors SCORES = Tiny.read("scores.safetensors");

    @Test
    void scoresByExampleAreTorchsHoweverExamplesAreDealtOut() {
        assertScores("example", BuiltInScore.PER_EXAMPLE, 1);
    }

    @Test
    void scoresByBatchAreTorchs() {
        assertScores("batch", BuiltInScore.PER_BATCH, 3);
    }

    @Test
    void theSummedGradientSquaredAtLastIsTorchs() {
        try (Weights weights = Tiny.headless(DataType.FLOAT)) {
            Scorer scorer = scorer(weights, ELIGIBLE, BuiltInScore.SUMMED_GRADIENT);
            scorer.addLoss(Tiny.batch(0, 2));
            scorer.addLoss(Tiny.batch(2, 6));
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
            value = BuiltInScore.class,
            names = {"PER_EXAMPLE", "ABSOLUTE", "GRADIENT_WEIGHT"})
    void scoresOfWholeGradientsAreSumsOverTheExamples(BuiltInScore rule) {
        Map<String, float[]> tensors = Tiny.tensors();
        try (Weights weights = Tiny.headless(DataType.FLOAT)) {
            Scores expected = Scores.zero(ELIGIBLE);
            for (int b = 0; b < 6; b++) {
                Scorer one = scorer(weights, ELIGIBLE, BuiltInScore.SUMMED_GRADIENT);
                one.addLoss(Tiny.batch(b, b + 1));
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
            scorer.addLoss(Tiny.batch(0, 2));
            scorer.addLoss(Tiny.batch(2, 6));

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
            Scorer scorer = scorer(weights, ELIGIBLE, BuiltInScore.PER_EXAMPLE);
            scorer.addLoss(Tiny.batch(0, 6));
            assertThat(Grft.select(scorer.scores(), orientation, new Budget.PerMatrix(2), Tiny.CONFIG.parameters()))
                    .isEqualTo(Tiny.selection(orientation.toString()));
        }
    }

    @Test
    void aMatrixThatDoesNotCompeteIsLeftOutAndTheOthersKeepTheirScores() {
        Map<String, MatrixShape> some = Map.of("blocks.1.attn.qkv.weight", new MatrixShape(72, 24));
        try (Weights weights = Tiny.headless(DataType.FLOAT)) {
            Scorer scorer = scorer(weights, some, BuiltInScore.PER_EXAMPLE);
            scorer.addLoss(Tiny.batch(0, 6));
            assertThat(scorer.scores().shapes()).isEqualTo(some);
            assertScores("example", scorer.scores());
        }
    }

    @Test
    void scoringLeavesTheWeightsBitForBit() {
        try (Weights weights = Tiny.headless(DataType.FLOAT)) {
            Map<String, float[]> before = Frozen.copy(weights);
            for (BuiltInScore rule : BuiltInScore.values()) {
                Scorer scorer = scorer(weights, ELIGIBLE, rule);
                scorer.addLoss(Tiny.batch(0, 6));
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
            Scorer scorer = scorer(weights, Map.of(fc1, ELIGIBLE.get(fc1)), BuiltInScore.SUMMED_GRADIENT);
            scorer.addContrastive(Tiny.batch(images, labels), 0.07);
            assertThat(scorer.summed()).containsOnlyKeys(fc1);
            Tiny.assertClose(fc1, Tiny.doubles(scorer.summed().get(fc1)), expected, 2e-5);
        }
    }

    @Test
    void aScorerThatBeginsWithAnothersSumsEndsInTheBitsOfOneThatHasSeenAll() {
        try (Weights weights = Tiny.headless(DataType.FLOAT)) {
            Scorer all = scorer(weights, ELIGIBLE, BuiltInScore.SUMMED_GRADIENT);
            Scorer first = scorer(weights, ELIGIBLE, BuiltInScore.SUMMED_GRADIENT);
            Scorer second = scorer(weights, ELIGIBLE, BuiltInScore.SUMMED_GRADIENT);
            for (int at = 0; at < 4; at++) {
                all.addLoss(Tiny.batch(at, at + 1));
                first.addLoss(Tiny.batch(at, at + 1));
            }
            first.summed().forEach(second::begin);
            for (int at = 4; at < 6; at++) {
                all.addLoss(Tiny.batch(at, at + 1));
                second.addLoss(Tiny.batch(at, at + 1));
            }

            assertThat(second.summed()).containsOnlyKeys(ELIGIBLE.keySet());
            all.summed()
                    .forEach((matrix, sum) ->
                            assertThat(second.summed().get(matrix)).as(matrix).isEqualTo(sum));
            assertThatThrownBy(() ->
                            scorer(weights, ELIGIBLE, BuiltInScore.PER_EXAMPLE).begin("head.weight", new float[1]))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("no gradient of head.weight is summed");
        }
    }

    /** PyTorch divides sums by sums, too; see {@link BuiltInScore#RELATIVE_GRADIENT}. */
    @Test
    void relativeGradientsAreTorchs() {
        try (Weights weights = Tiny.headless(DataType.FLOAT)) {
            Scorer scorer = scorer(weights, ELIGIBLE, BuiltInScore.RELATIVE_GRADIENT);
            scorer.addLoss(Tiny.batch(0, 2));
            scorer.addLoss(Tiny.batch(2, 6));
            assertScores(
                    SCORES,
                    "relative-gradient",
                    BuiltInScore.RELATIVE_GRADIENT.finished(scorer.scores(), Tiny::tensors),
                    2e-4);
        }
    }

    @Test
    void weightsTimesActivationsAreTorchsWithoutABackward() {
        try (Weights weights = Tiny.headless(DataType.FLOAT)) {
            Scorer scorer = scorer(weights, ELIGIBLE, BuiltInScore.WEIGHT_ACTIVATION, Keep.NOTHING);
            scorer.addActivations(Tiny.batch(0, 2));
            scorer.addActivations(Tiny.batch(2, 6));
            assertScores(
                    SCORES,
                    "weight-activation",
                    BuiltInScore.WEIGHT_ACTIVATION.finished(scorer.scores(), Tiny::tensors),
                    1e-4);
        }
    }

    /** A second implementation of the draw decides the labels; the scores are then the same bits. */
    @Test
    void theFisherScoreIsThatOfClassesDrawnFromTheModelsProbabilities() {
        double[] logits = Tiny.GOLDEN.tensor("logits").doubles();
        long[] ids = {7, 2, 90, 4, 5, 1};
        try (Weights weights = Tiny.headless(DataType.FLOAT)) {
            int[] drawn = new int[6];
            for (int b = 0; b < 6; b++) {
                double at = Seeds.random(42, ids[b], 1).nextDouble();
                double[] p =
                        Arrays.stream(logits, b * 5, b * 5 + 5).map(Math::exp).toArray();
                double total = Arrays.stream(p).sum();
                double below = 0;
                while (at >= (below + p[drawn[b]]) / total) {
                    below += p[drawn[b]++];
                }
            }
            Scorer labeled = scorer(weights, ELIGIBLE, BuiltInScore.PER_EXAMPLE);
            labeled.addLoss(Tiny.batch(Tiny.batch(0, 6).images(), drawn));
            Scorer scorer = scorer(weights, ELIGIBLE, BuiltInScore.FISHER);
            scorer.addSampled(Tiny.batch(0, 6), ids, 42);

            assertThat(drawn).isNotEqualTo(Tiny.batch(0, 6).labels());
            for (String matrix : ELIGIBLE.keySet()) {
                assertThat(scorer.scores().rows(matrix))
                        .isEqualTo(labeled.scores().rows(matrix));
            }
        }
    }

    @Test
    void theFisherScoreIsExpectedToBeTorchs() {
        int seeds = 400;
        String matrix = "blocks.1.mlp.fc1.weight";
        try (Weights weights = Tiny.headless(DataType.FLOAT)) {
            Scorer scorer = scorer(weights, Map.of(matrix, ELIGIBLE.get(matrix)), BuiltInScore.FISHER);
            for (int seed = 0; seed < seeds; seed++) {
                scorer.addSampled(Tiny.batch(0, 6), new long[] {0, 1, 2, 3, 4, 5}, seed);
            }
            double expected = Arrays.stream(
                            SCORES.tensor("score.fisher.rows." + matrix).doubles())
                    .sum();
            double mean = Arrays.stream(scorer.scores().rows(matrix)).sum() / seeds;
            assertThat(mean).isCloseTo(expected, Percentage.withPercentage(8)); // about 2.5 of its standard errors
        }
    }

    @Test
    void aClassIsDrawnWhereItsProbabilityLies() {
        float[] logits = {(float) Math.log(1), (float) Math.log(2), (float) Math.log(5)};

        assertThat(DoubleStream.of(0, 0.12, 0.13, 0.37, 0.38, 0.999999).mapToInt(at -> Scorer.drawn(logits, at)))
                .containsExactly(0, 0, 1, 1, 2, 2);
        assertThat(Scorer.drawn(new float[] {200, -200}, 0.5)).isZero();
    }

    private static Scorer scorer(Weights weights, Map<String, MatrixShape> eligible, Score rule) {
        return scorer(weights, eligible, rule, Keep.ALL);
    }

    private static Scorer scorer(Weights weights, Map<String, MatrixShape> eligible, Score rule, Keep keep) {
        Map<String, float[]> tensors = Tiny.tensors();
        return new Scorer(
                weights,
                eligible,
                rule,
                tensors.get(Delta.HEAD_WEIGHT),
                tensors.get(Delta.HEAD_BIAS),
                Task.SINGLE_LABEL,
                new CpuKernels(),
                keep);
    }

    /** Asserts the scores of six examples, the first {@code first} of which are a batch, the others another. */
    private static void assertScores(String kind, Score rule, int first) {
        try (Weights weights = Tiny.headless(DataType.FLOAT)) {
            Scorer scorer = scorer(weights, ELIGIBLE, rule);
            scorer.addLoss(Tiny.batch(0, first));
            scorer.addLoss(Tiny.batch(first, 6));
            assertScores(kind, scorer.scores());
        }
    }

    private static void assertScores(String kind, Scores scores) {
        assertScores(Tiny.GOLDEN, kind, scores, 1e-4);
    }

    private static void assertScores(Safetensors golden, String kind, Scores scores, double relative) {
        assertThat(scores.examples()).isEqualTo(6);
        for (String matrix : scores.shapes().keySet()) {
            for (Axis axis : Axis.values()) {
                String name = "score." + kind + "." + (axis == Axis.ROW ? "rows." : "columns.") + matrix;
                double[] expected = golden.tensor(name).doubles();
                double[] actual = scores.of(matrix, axis);
                assertThat(actual).as(name).hasSameSizeAs(expected);
                for (int i = 0; i < expected.length; i++) {
                    // Float rounding of each gradient, relative to the largest score where a gradient cancels to
                    // little.
                    double tolerance = relative * expected[i]
                            + 1e-6 * Arrays.stream(expected).max().orElseThrow();
                    assertThat(Math.abs(actual[i] - expected[i]))
                            .as("%s, entry %s", name, i)
                            .isLessThan(tolerance);
                }
            }
        }
    }
}
