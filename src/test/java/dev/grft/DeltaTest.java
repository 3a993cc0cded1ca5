package dev.grft;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;

class DeltaTest {
    private static final MatrixShape SHAPE = new MatrixShape(3, 2);
    private static final Selection SELECTION =
            new Selection(List.of(new Slices("b", SHAPE, Axis.ROW, 2), new Slices("a", SHAPE, Axis.COLUMN, 0)));

    @Test
    void mergingAddsTheSlicesAndPutsTheHead() {
        Map<String, float[]> weights = weights();

        delta(10, 1).mergeInto(weights);

        assertThat(weights.get("a")).containsExactly(10, 1, 12, 3, 14, 5);
        assertThat(weights.get("b")).containsExactly(0, 1, 2, 3, 14, 15);
        assertThat(weights.get("frozen")).containsExactly(7, 8);
        assertThat(weights.get("bias")).containsExactly(11, 11);
        assertThat(weights.get("head.weight")).containsExactly(1, 2, 3, 4);
        assertThat(weights.get("head.bias")).containsExactly(5, 6);
        assertThat(weights).hasSize(6);
    }

    @Test
    void theMergedHeadIsACopyAndReplacesThePretrainedOne() {
        Map<String, float[]> weights = weights();
        weights.put("head.weight", new float[1000]);
        Delta delta = delta(10, 1);

        delta.mergeInto(weights);
        weights.get("head.weight")[0] = 99;

        assertThat(delta.headWeight()).containsExactly(1, 2, 3, 4);
    }

    @Property
    void aDeltaOfZeroLeavesEveryBitOfTheBackbone(@ForAll("anyBits") float[] a, @ForAll("anyBits") float[] b) {
        Map<String, float[]> weights = weights();
        weights.put("a", a.clone());
        weights.put("b", b.clone());

        delta(0, 0).mergeInto(weights);

        assertThat(bits(weights.get("a"))).containsExactly(bits(a));
        assertThat(bits(weights.get("b"))).containsExactly(bits(b));
    }

    @Property
    void mergingLeavesEveryBitOutsideTheSlices(@ForAll("anyBits") float[] a, @ForAll float value) {
        Map<String, float[]> weights = weights();
        weights.put("a", a.clone());

        delta(value, value).mergeInto(weights);

        int[] merged = bits(weights.get("a"));
        for (int frozen : new int[] {1, 3, 5}) { // column 1; column 0 is trained
            assertThat(merged[frozen]).isEqualTo(bits(a)[frozen]);
        }
    }

    @Property
    void aTrainedNumberIsOneFloatAdditionAwayFromThePretrainedOne(@ForAll float pretrained, @ForAll float value) {
        Map<String, float[]> weights = weights();
        requireNonNull(weights.get("b"))[4] = pretrained;

        delta(value, 0).mergeInto(weights);

        assertThat(weights.get("b")[4]).isEqualTo(value == 0 ? pretrained : pretrained + value);
    }

    @Test
    void trainedNumbersAreCountedWithAndWithoutTheHead() {
        assertThat(delta(1, 1).trainedWithoutHead()).isEqualTo(2 + 3 + 2);
        assertThat(delta(1, 1).trained()).isEqualTo(2 + 3 + 2 + 4 + 2);
    }

    @Test
    void valuesComeInTheOrderOfTheSelection() {
        assertThat(delta(1, 1).values().keySet()).containsExactly("b", "a");
        assertThat(delta(1, 1).values("a")).containsExactly(1, 1, 1);
    }

    @Test
    void equalityLooksIntoEveryPart() {
        Delta delta = delta(1, 2);

        assertThat(delta(1, 2)).isEqualTo(delta).hasSameHashCodeAs(delta);
        assertThat(delta(1, 3)).isNotEqualTo(delta);
        assertThat(delta(3, 2)).isNotEqualTo(delta);
        assertThat(headed(new float[] {1, 2, 3, 4}, new float[] {5, 6}, "00", "cat", "dog"))
                .isNotEqualTo(headed(new float[] {1, 2, 3, 0}, new float[] {5, 6}, "00", "cat", "dog"))
                .isNotEqualTo(headed(new float[] {1, 2, 3, 4}, new float[] {5, 0}, "00", "cat", "dog"))
                .isNotEqualTo(headed(new float[] {1, 2, 3, 4}, new float[] {5, 6}, "01", "cat", "dog"))
                .isNotEqualTo(headed(new float[] {1, 2, 3, 4}, new float[] {5, 6}, "00", "dog", "cat"))
                .isNotEqualTo(delta);
    }

    @Test
    void onOtherSlicesADeltaHasItsNumbersWhereItHasThemAndElseNone() {
        Selection wanted =
                new Selection(List.of(new Slices("a", SHAPE, Axis.COLUMN, 0, 1), new Slices("c", SHAPE, Axis.ROW, 1)));

        Delta on = delta(10, 1).on(wanted);

        assertThat(on.selection()).isEqualTo(wanted);
        assertThat(on.values("a")).containsExactly(10, 10, 10, 0, 0, 0);
        assertThat(on.values("c")).containsExactly(0, 0);
        assertThat(on.headWeight()).containsExactly(delta(10, 1).headWeight());
        assertThatThrownBy(() -> delta(10, 1).on(new Selection(List.of(new Slices("a", SHAPE, Axis.ROW, 0)))))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("1 columns of a [3, 2] and 1 rows of a [3, 2] do not lie along one axis of one matrix");
    }

    @Test
    void whatTrainsWholeGoesOnWithTheSlicesAndIsNotReleasedWithThem() {
        Selection again = new Selection(List.of(new Slices("a", SHAPE, Axis.COLUMN, 0)));

        Delta on = delta(10, 1).on(again);
        Delta released = delta(10, 1).released(again);

        assertThat(on.whole().get("bias")).containsExactly(delta(10, 1).whole().get("bias"));
        assertThat(released.whole()).isEmpty();
        assertThat(released.values().keySet()).containsExactly("b");
        assertThat(on.and(released, List.of("b", "a"))).isEqualTo(delta(10, 1));
    }

    @Test
    void twoDeltasTogetherMergeToWhatTheyMergeToOneAfterTheOther() {
        Delta all = delta(10, 1);
        Selection some = new Selection(List.of(new Slices("a", SHAPE, Axis.COLUMN, 0)));
        Selection others =
                new Selection(List.of(new Slices("a", SHAPE, Axis.COLUMN, 1), new Slices("b", SHAPE, Axis.ROW, 0, 2)));
        Delta held = new Delta(
                others,
                Map.of("a", new float[] {-0f, 5, 6}, "b", new float[] {7, 8, 9, 10}),
                all.headWeight(),
                all.headBias(),
                all.labels(),
                all.pretrainedSha256(),
                Map.of());
        Map<String, float[]> expected = weights();
        all.on(some).mergeInto(expected);
        held.mergeInto(expected);

        Delta both = all.on(some).and(held, List.of("a", "b", "c"));
        Map<String, float[]> merged = weights();
        both.mergeInto(merged);

        assertThat(List.copyOf(both.values().keySet())).containsExactly("a", "b");
        assertThat(both.selection().of("a").indices()).containsExactly(0, 1);
        assertThat(merged.get("a")).containsExactly(expected.get("a"));
        assertThat(merged.get("b")).containsExactly(expected.get("b"));
    }

    @Test
    void aDeltaTravelsBetweenMachines() throws Exception {
        assertThat(Copies.sent(delta(1, 2))).isEqualTo(delta(1, 2));
    }

    @Test
    void weightsOfAnotherModelAreRefusedAndLeftAlone() {
        Map<String, float[]> weights = weights();
        weights.put("bias", new float[3]);

        assertThatThrownBy(() -> delta(10, 1).mergeInto(weights))
                .isInstanceOf(UserError.class)
                .hasMessage("merge: bias has 3 parameters, the delta was trained on 2 parameters;"
                        + " merge into the pretrained file with SHA-256 00");

        assertThat(weights.get("b")).containsExactly(0, 1, 2, 3, 4, 5);
        assertThat(weights).doesNotContainKey("head.weight");
    }

    @Test
    void weightsWithoutATrainedMatrixAreRefused() {
        Map<String, float[]> weights = weights();
        weights.remove("a");

        assertThatThrownBy(() -> delta(10, 1).mergeInto(weights))
                .isInstanceOf(UserError.class)
                .hasMessage("merge: a is missing, the delta was trained on 6 parameters;"
                        + " merge into the pretrained file with SHA-256 00");
    }

    @Test
    void partsThatDoNotFitEachOtherAreRefused() {
        assertThatThrownBy(() -> sliced(Map.of("a", new float[3])))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("delta: 1 rows of b [3, 2] need 2 values, got 0");
        assertThatThrownBy(() -> sliced(Map.of("a", new float[2], "b", new float[2])))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("delta: 1 columns of a [3, 2] need 3 values, got 2");
        assertThatThrownBy(() -> sliced(Map.of("a", new float[3], "b", new float[2], "c", new float[1])))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("delta: values of a matrix that is not selected, in ");
        assertThatThrownBy(() -> headed(new float[4], new float[3], "00", "cat", "dog"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("delta: a head for 2 labels cannot have 4 weights and 3 biases");
        assertThatThrownBy(() -> headed(new float[3], new float[2], "00", "cat", "dog"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("delta: a head for 2 labels cannot have 3 weights and 2 biases");
        assertThatThrownBy(() -> headed(new float[0], new float[0], "00"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("delta: a head needs at least one label");
    }

    @Test
    void aParameterIsNotTrainedTwice() {
        assertThatThrownBy(() -> new Delta(
                        Selection.none(),
                        Map.of(),
                        new float[2],
                        new float[2],
                        List.of("cat", "dog"),
                        "00",
                        Map.of("head.bias", new float[2])))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("delta: head.bias is trained twice");
    }

    @Provide
    Arbitrary<float[]> anyBits() {
        return Arbitraries.integers()
                .edgeCases(edges -> edges.add(0x80000000, 0x7fc00001, 0x7f800000, 1)) // -0, a NaN, infinity, the least
                .map(Float::intBitsToFloat)
                .array(float[].class)
                .ofSize(6);
    }

    private static int[] bits(float[] numbers) {
        return IntStream.range(0, numbers.length)
                .map(i -> Float.floatToRawIntBits(numbers[i]))
                .toArray();
    }

    private static Map<String, float[]> weights() {
        Map<String, float[]> weights = new LinkedHashMap<>();
        weights.put("a", new float[] {0, 1, 2, 3, 4, 5});
        weights.put("b", new float[] {0, 1, 2, 3, 4, 5});
        weights.put("frozen", new float[] {7, 8});
        weights.put("bias", new float[] {10, 10});
        return weights;
    }

    private static Delta delta(float slices, float bias) {
        return new Delta(
                SELECTION,
                Map.of("a", new float[] {slices, slices, slices}, "b", new float[] {slices, slices}),
                new float[] {1, 2, 3, 4},
                new float[] {5, 6},
                List.of("cat", "dog"),
                "00",
                Map.of("bias", new float[] {bias, bias}));
    }

    private static Delta sliced(Map<String, float[]> values) {
        return new Delta(SELECTION, values, new float[2], new float[2], List.of("cat", "dog"), "00", Map.of());
    }

    private static Delta headed(float[] weight, float[] bias, String sha256, String... labels) {
        return new Delta(Selection.none(), Map.of(), weight, bias, List.of(labels), sha256, Map.of());
    }
}
