package dev.grft.vit.kernels;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.onednn.Functions;
import dev.grft.vit.kernels.onednn.Packed;
import java.util.Random;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.ShortPointer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.factory.Nd4j;

/** Products in bfloat16 against those of rounded numbers in double, and attention against that in FLOAT. */
@Tag("kernels")
class Bf16KernelsTest {
    private static final int M = 70;
    private static final int OUT = 50;
    private static final int IN = 40;
    private static final boolean ROUNDED = Boolean.getBoolean("grft.torch"); // LibTorch rounds each product
    private static final double TOLERANCE = ROUNDED ? 0.02 : 1e-5;

    private final Kernels kernels = Machine.narrow();
    private final Kernels floats = Machine.floats();
    private final Random random = new Random(5);
    private final Array x = normal(M, IN);
    private final Array w = normal(OUT, IN);

    @BeforeAll
    static void needAvx512() {
        Machine.needBf16();
    }

    @AfterEach
    void free() {
        kernels.free();
    }

    @Test
    void linearMultipliesRoundedNumbersAndSumsInFloat() {
        try (Packed packed = new Packed()) {
            Array y = Machine.zeros(DataType.FLOAT, M, OUT);
            INDArray exact = rounded(x).mmul(rounded(w).transpose());
            for (Packed of : new Packed[] {packed, null}) {
                kernels.linear(x, w, of, null, y);
                close(y, exact, TOLERANCE);
                Array bias = normal(1, OUT);
                kernels.linear(x, w, of, bias.reshape(OUT), y);
                close(y, exact.addRowVector(wide(bias)), TOLERANCE);
                Array narrow = Machine.zeros(DataType.BFLOAT16, M, OUT);
                kernels.linear(Machine.copy(x, DataType.BFLOAT16), w, of, bias.reshape(OUT), narrow);
                Array once = Machine.copy(y, DataType.BFLOAT16);
                close(narrow, wide(once), ROUNDED ? TOLERANCE : 1e-30);
            }
        }
    }

    @Test
    void itsGradientMultipliesRoundedNumbersToo() {
        try (Packed packed = new Packed()) {
            Array dy = normal(M, OUT);
            Array dx = Machine.zeros(DataType.FLOAT, M, IN);
            kernels.linearBackward(dy, w, packed, dx);
            close(dx, rounded(dy).mmul(rounded(w)), TOLERANCE);
            kernels.linearBackward(dy, w, null, dx);
            close(dx, rounded(dy).mmul(rounded(w)), TOLERANCE);
        }
    }

    @Test
    void aWeightThatChangesIsReadAnewEachTime() {
        Array y = Machine.zeros(DataType.FLOAT, M, OUT);
        kernels.linear(x, w, null, null, y);
        kernels.add(Machine.copy(w, DataType.FLOAT), w);
        kernels.linear(x, w, null, null, y);
        close(y, rounded(x).mmul(rounded(w).transpose()), TOLERANCE);
    }

    @Test
    void ofAWeightThatChangesFewRowsAreMultipliedInFloat() {
        Array few = normal(3, IN);
        Array y = Machine.zeros(DataType.FLOAT, 3, OUT);
        kernels.linear(few, w, null, null, y);
        close(y, wide(few).mmul(wide(w).transpose()), 1e-5);
    }

    @Test
    void aPackedWeightIsMadeOnceAndServesBatchesOfEachSize() {
        Packed packed = new Packed();
        for (int m : new int[] {1, 8, 70, 300}) {
            Array some = normal(m, IN);
            Array y = Machine.zeros(DataType.FLOAT, m, OUT);
            kernels.linear(some, w, packed, null, y);
            close(y, rounded(some).mmul(rounded(w).transpose()), TOLERANCE);
        }
        assertThat(packed.bytes()).isBetween(2L * OUT * IN, 8L * OUT * IN);
        kernels.linearBackward(normal(M, OUT), w, packed, Machine.zeros(DataType.FLOAT, M, IN));
        assertThat(packed.bytes()).isGreaterThanOrEqualTo((ROUNDED ? 2L : 4L) * OUT * IN);
        packed.close();
        assertThat(packed.bytes()).isZero();
    }

    @Test
    void attentionIsThatInFloatButForRounding() {
        for (int queries : new int[] {13, 1}) {
            int examples = 3;
            int heads = 4;
            int t = 13;
            int d = 32;
            Array qkv = normal(examples * t, 3 * d);
            Array dout = normal(examples * queries, d);
            Array[] ours = pass(kernels, qkv, dout, heads, examples, queries, true);
            Array[] exact = pass(floats, qkv, dout, heads, examples, queries, true);
            Array[] again = pass(kernels, qkv, dout, heads, examples, queries, false);
            for (int i = 0; i < 2; i++) {
                double error = wide(ours[i]).sub(wide(exact[i])).norm2Number().doubleValue();
                assertThat(error / wide(exact[i]).norm2Number().doubleValue()).isLessThan(1e-2);
                assertThat(error).isPositive();
                same(again[i], ours[i]);
            }
        }
    }

    @Test
    void attentionOfLongSequencesComputesAHeadAtATime() {
        int tokens = 1500; // of which one head has more weights than are computed at once
        Array qkv = normal(tokens, 3 * 16);
        Array dout = normal(tokens, 16);
        Array[] kept = pass(kernels, qkv, dout, 4, 1, tokens, true);
        Array[] again = pass(kernels, qkv, dout, 4, 1, tokens, false);
        for (int i = 0; i < 2; i++) {
            same(again[i], kept[i]);
        }
    }

    @Test
    void sizesThatChangeDoNotFillTheMemory() {
        Functions functions = new Functions();
        FloatPointer floats = new FloatPointer(2000L);
        ShortPointer shorts = new ShortPointer(2000L);
        for (int n = 1; n <= 2000; n++) {
            functions.narrow(floats, shorts, n);
        }
        assertThat(functions.prepared()).isBetween(1, 512);
        functions.close();
        assertThat(functions.prepared()).isZero();
        functions.narrow(floats, shorts, 3);
        functions.close();
    }

    /** Asserts the same bits; LibTorch computes attention in another way if its weights are not kept. */
    private static void same(Array actual, Array expected) {
        double error = wide(actual).sub(wide(expected)).norm2Number().doubleValue();
        assertThat(error / wide(expected).norm2Number().doubleValue()).isLessThanOrEqualTo(ROUNDED ? 0.03 : 0);
    }

    private static Array[] pass(
            Kernels kernels, Array qkv, Array dout, int heads, int examples, int queries, boolean keep) {
        long t = qkv.size(0) / examples;
        Array weights =
                keep ? Machine.zeros(kernels.between(DataType.FLOAT), (long) examples * heads * queries, t) : null;
        Array out = Machine.zeros(DataType.FLOAT, dout.shape());
        Array dqkv = Machine.zeros(DataType.FLOAT, qkv.shape());
        kernels.attention(qkv, heads, examples, weights, out);
        kernels.attentionBackward(dout, qkv, weights, heads, examples, dqkv);
        return new Array[] {out, dqkv};
    }

    @Test
    void otherKernelsComputeTheSameBits() {
        Array first = Machine.zeros(DataType.FLOAT, M, OUT);
        Array second = Machine.zeros(DataType.FLOAT, M, OUT);
        Kernels others = Machine.narrow();
        try (Packed packed = new Packed();
                Packed other = new Packed()) {
            kernels.linear(x, w, packed, null, first);
            others.linear(Machine.copy(x, DataType.FLOAT), Machine.copy(w, DataType.FLOAT), other, null, second);
        } finally {
            others.free();
        }
        assertThat(second.floats()).isEqualTo(first.floats());
    }

    private Array normal(int rows, int columns) {
        float[] values = new float[rows * columns];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return Machine.array(DataType.FLOAT, values, rows, columns);
    }

    /** Returns the numbers rounded to bfloat16, to nearest even, as DOUBLE. */
    private static INDArray rounded(Array array) {
        float[] values = array.floats();
        for (int i = 0; i < values.length; i++) {
            int bits = Float.floatToIntBits(values[i]);
            values[i] = Float.intBitsToFloat((bits + 0x7fff + (bits >>> 16 & 1)) & 0xffff0000);
        }
        return wide(Machine.array(DataType.FLOAT, values, array.shape()));
    }

    /** Returns a copy in DOUBLE. */
    private static INDArray wide(Array array) {
        return Nd4j.createFromArray(array.doubles()).reshape(array.shape());
    }

    private static void close(Array actual, INDArray expected, double tolerance) {
        INDArray difference = wide(actual).sub(expected);
        double scale = expected.norm2Number().doubleValue() / Math.sqrt((double) expected.length());
        assertThat(difference.normmaxNumber().doubleValue() / scale).isLessThan(tolerance);
    }
}
