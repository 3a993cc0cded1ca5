package dev.grft.vit.kernels;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.vit.kernels.onednn.Functions;
import dev.grft.vit.kernels.onednn.Packed;
import java.util.Random;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.ShortPointer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.nd4j.linalg.api.buffer.DataType;
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
    private final INDArray x = normal(M, IN);
    private final INDArray w = normal(OUT, IN);

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
            INDArray y = Nd4j.create(DataType.FLOAT, M, OUT);
            INDArray exact = rounded(x).mmul(rounded(w).transpose());
            for (Packed of : new Packed[] {packed, null}) {
                kernels.linear(x, w, of, null, y);
                close(y, exact, TOLERANCE);
                INDArray bias = normal(1, OUT);
                kernels.linear(x, w, of, bias.reshape(OUT), y);
                close(y, exact.addRowVector(bias.castTo(DataType.DOUBLE)), TOLERANCE);
                INDArray narrow = Nd4j.create(DataType.BFLOAT16, M, OUT);
                kernels.linear(x.castTo(DataType.BFLOAT16), w, of, bias.reshape(OUT), narrow);
                INDArray once = y.castTo(DataType.BFLOAT16);
                close(narrow.castTo(DataType.FLOAT), once.castTo(DataType.DOUBLE), ROUNDED ? TOLERANCE : 1e-30);
            }
        }
    }

    @Test
    void itsGradientMultipliesRoundedNumbersToo() {
        try (Packed packed = new Packed()) {
            INDArray dy = normal(M, OUT);
            INDArray dx = Nd4j.create(DataType.FLOAT, M, IN);
            kernels.linearBackward(dy, w, packed, dx);
            close(dx, rounded(dy).mmul(rounded(w)), TOLERANCE);
            kernels.linearBackward(dy, w, null, dx);
            close(dx, rounded(dy).mmul(rounded(w)), TOLERANCE);
        }
    }

    @Test
    void aWeightThatChangesIsReadAnewEachTime() {
        INDArray y = Nd4j.create(DataType.FLOAT, M, OUT);
        kernels.linear(x, w, null, null, y);
        w.muli(3);
        kernels.linear(x, w, null, null, y);
        close(y, rounded(x).mmul(rounded(w).transpose()), TOLERANCE);
    }

    @Test
    void ofAWeightThatChangesFewRowsAreMultipliedInFloat() {
        INDArray few = normal(3, IN);
        INDArray y = Nd4j.create(DataType.FLOAT, 3, OUT);
        kernels.linear(few, w, null, null, y);
        close(y, few.castTo(DataType.DOUBLE).mmul(w.castTo(DataType.DOUBLE).transpose()), 1e-5);
    }

    @Test
    void aPackedWeightIsMadeOnceAndServesBatchesOfEachSize() {
        Packed packed = new Packed();
        for (int m : new int[] {1, 8, 70, 300}) {
            INDArray some = normal(m, IN);
            INDArray y = Nd4j.create(DataType.FLOAT, m, OUT);
            kernels.linear(some, w, packed, null, y);
            close(y, rounded(some).mmul(rounded(w).transpose()), TOLERANCE);
        }
        assertThat(packed.bytes()).isBetween(2L * OUT * IN, 8L * OUT * IN);
        kernels.linearBackward(normal(M, OUT), w, packed, Nd4j.create(DataType.FLOAT, M, IN));
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
            INDArray qkv = normal(examples * t, 3 * d);
            INDArray dout = normal(examples * queries, d);
            INDArray[] ours = pass(kernels, qkv, dout, heads, examples, queries, true);
            INDArray[] exact = pass(floats, qkv, dout, heads, examples, queries, true);
            INDArray[] again = pass(kernels, qkv, dout, heads, examples, queries, false);
            for (int i = 0; i < 2; i++) {
                double error = ours[i].sub(exact[i]).norm2Number().doubleValue();
                assertThat(error / exact[i].norm2Number().doubleValue()).isLessThan(1e-2);
                assertThat(ours[i]).isNotEqualTo(exact[i]);
                same(again[i], ours[i]);
            }
        }
    }

    @Test
    void attentionOfLongSequencesComputesAHeadAtATime() {
        int tokens = 1500; // of which one head has more weights than are computed at once
        INDArray qkv = normal(tokens, 3 * 16);
        INDArray dout = normal(tokens, 16);
        INDArray[] kept = pass(kernels, qkv, dout, 4, 1, tokens, true);
        INDArray[] again = pass(kernels, qkv, dout, 4, 1, tokens, false);
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
    private static void same(INDArray actual, INDArray expected) {
        double error = actual.sub(expected).norm2Number().doubleValue();
        assertThat(error / expected.norm2Number().doubleValue()).isLessThanOrEqualTo(ROUNDED ? 0.03 : 0);
    }

    private static INDArray[] pass(
            Kernels kernels, INDArray qkv, INDArray dout, int heads, int examples, int queries, boolean keep) {
        long t = qkv.size(0) / examples;
        INDArray weights =
                keep ? Nd4j.create(kernels.between(DataType.FLOAT), (long) examples * heads * queries, t) : null;
        INDArray out = Nd4j.create(DataType.FLOAT, dout.shape());
        INDArray dqkv = Nd4j.create(DataType.FLOAT, qkv.shape());
        kernels.attention(qkv, heads, examples, weights, out);
        kernels.attentionBackward(dout, qkv, weights, heads, examples, dqkv);
        return new INDArray[] {out, dqkv};
    }

    @Test
    void otherKernelsComputeTheSameBits() {
        INDArray first = Nd4j.create(DataType.FLOAT, M, OUT);
        INDArray second = Nd4j.create(DataType.FLOAT, M, OUT);
        Kernels others = Machine.narrow();
        try (Packed packed = new Packed();
                Packed other = new Packed()) {
            kernels.linear(x, w, packed, null, first);
            others.linear(x.dup(), w.dup(), other, null, second);
        } finally {
            others.free();
        }
        assertThat(second.data().asFloat()).isEqualTo(first.data().asFloat());
    }

    private INDArray normal(int rows, int columns) {
        float[] values = new float[rows * columns];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return Flat.array(values, DataType.FLOAT, rows, columns);
    }

    /** Returns the numbers rounded to bfloat16, to nearest even, as DOUBLE. */
    private static INDArray rounded(INDArray array) {
        float[] values = array.dup().data().asFloat();
        for (int i = 0; i < values.length; i++) {
            int bits = Float.floatToIntBits(values[i]);
            values[i] = Float.intBitsToFloat((bits + 0x7fff + (bits >>> 16 & 1)) & 0xffff0000);
        }
        return Flat.array(values, DataType.FLOAT, array.shape()).castTo(DataType.DOUBLE);
    }

    private static void close(INDArray actual, INDArray expected, double tolerance) {
        INDArray difference = actual.castTo(DataType.DOUBLE).sub(expected);
        double scale = expected.norm2Number().doubleValue() / Math.sqrt((double) expected.length());
        assertThat(difference.normmaxNumber().doubleValue() / scale).isLessThan(tolerance);
    }
}
