package dev.grft.tuning;

import dev.grft.Addition;
import dev.grft.LowRank;
import dev.grft.MatrixShape;
import dev.grft.data.Seeds;
import dev.grft.vit.Adaptation;
import dev.grft.vit.Buffers;
import dev.grft.vit.Layout;
import dev.grft.vit.TrainedArray;
import dev.grft.vit.TrainedArray.Start;
import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Kernels;
import java.util.Map;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * LoRA: low-rank updates of some matrices, and the head (Hu et al. 2021, arXiv 2106.09685). With {@code A [r, in]}, {@code B
 * [out, r]}, {@code s = alpha / r} and x with some numbers dropped while training:
 *
 * <pre>
 *   y += s (x A') B'        dB = s dy' (x A')        dA = s (dy B)' x        dx += s (dy B) A
 * </pre>
 *
 * <p>A starts uniform in {@code 1 / sqrt(in)} around 0, as in Hugging Face's peft, B at 0.
 */
public final class LoraTuning extends AdditionTuning {
    private static final long serialVersionUID = 1L;
    private static final int BITS = 24; // that a float holds
    private static final int PIECE = 1 << 9; // of these floats, whose numbers lie on the heap at a time

    private final int rank;
    private final double scale;
    private final double dropout;

    /**
     * Returns the tuning of these matrices.
     *
     * @param matrices by timm name, in network order
     * @param rank r, 1 or more
     * @param scale s, above 0
     * @param dropout share of the inputs that are dropped while training, in [0, 1)
     */
    public LoraTuning(Map<String, MatrixShape> matrices, int rank, double scale, double dropout) {
        super(matrices);
        this.rank = rank;
        this.scale = scale;
        this.dropout = dropout;
    }

    @Override
    Addition addition(String matrix, MatrixShape shape, Layout layout, float[] trained) {
        return new LowRank(
                matrix,
                shape,
                scale,
                Tuning.read(layout, trained, LowRank.nameOfA(matrix)),
                Tuning.read(layout, trained, LowRank.nameOfB(matrix)));
    }

    /** A bit for each input that may be dropped. */
    @Override
    long kept(MatrixShape shape, long rows) {
        return dropout > 0 ? rows * shape.in() / BITS : 0;
    }

    /** The inputs through A, their gradient, and of the inputs the mask and what it leaves. */
    @Override
    long working(MatrixShape shape, long rows) {
        return rows * (2L * rank + (dropout > 0 ? 2L * shape.in() : 0));
    }

    @Override
    Added added(String matrix, MatrixShape shape, OfNetwork network) {
        return new OfMatrix(matrix, shape, network);
    }

    private final class OfMatrix extends Added {
        private final String matrix;
        private final OfNetwork network;
        private @Nullable Array through; // s dy B, from backward to inputGradient
        private @Nullable Array mask; // likewise

        OfMatrix(String matrix, MatrixShape shape, OfNetwork network) {
            super(
                    TrainedArray.added(
                            LowRank.nameOfA(matrix), rank, shape.in(), Start.uniform(1 / Math.sqrt(shape.in()))),
                    TrainedArray.added(LowRank.nameOfB(matrix), shape.out(), rank, Start.ZEROS));
            this.matrix = matrix;
            this.network = network;
        }

        private Array a() {
            return value(LowRank.nameOfA(matrix));
        }

        private Array b() {
            return value(LowRank.nameOfB(matrix));
        }

        private Array low(Buffers buffers, String name, Array x) {
            return buffers.shared("lora." + name, x.size(0), rank);
        }

        private boolean drops() {
            return dropout > 0 && network.seeds().length > 0;
        }

        /**
         * Draws which values of x this step keeps, for each example by its own seed; the backward reads them from a buffer a 24th of the
         * size of x.
         */
        private void draw(Buffers buffers, Array x) {
            long[] seeds = network.seeds();
            long dropped = (long) (dropout * 0x1p32); // of 2^32 numbers, the first
            int each = words(x);
            float[] words = new float[seeds.length * each];
            for (int b = 0; b < seeds.length; b++) {
                SplittableRandom random = Seeds.random(seeds[b], matrix.hashCode());
                for (int w = b * each; w < (b + 1) * each; w++) {
                    int kept = 0;
                    for (int bit = 0; bit < BITS; bit += 2) {
                        long two = random.nextLong();
                        kept |= two >>> 32 >= dropped ? 1 << bit : 0;
                        kept |= (two & 0xffffffffL) >= dropped ? 2 << bit : 0;
                    }
                    words[w] = kept;
                }
            }
            kept(buffers, x).write(words);
        }

        private Array kept(Buffers buffers, Array x) {
            return buffers.saved(matrix, "lora.kept", (long) network.seeds().length * words(x));
        }

        /** Returns how many floats hold the bits of one example. */
        private int words(Array x) {
            return Math.toIntExact((ofExample(x) + BITS - 1) / BITS);
        }

        private long ofExample(Array x) {
            return x.length() / network.seeds().length;
        }

        /** Returns the factor of each number of x, 0 or that of those that are kept, until the next call for any map. */
        private Array mask(Buffers buffers, Array x) {
            float[] words = kept(buffers, x).floats();
            Array mask = buffers.shared("lora.mask", x.size(0), x.size(1));
            float enlarged = (float) (1 / (1 - dropout));
            int each = words(x);
            long length = ofExample(x);
            for (int first = 0; first < words.length; first += each) {
                long begin = first / each * length;
                for (int w = 0; w < each; w += PIECE) {
                    float[] factors = new float[(int) Math.min(PIECE * BITS, length - (long) w * BITS)];
                    for (int from = 0, word = first + w; from < factors.length; from += BITS, word++) {
                        int bits = (int) words[word];
                        int to = Math.min(from + BITS, factors.length);
                        for (int i = from; i < to; i++, bits >>= 1) {
                            factors[i] = (bits & 1) * enlarged;
                        }
                    }
                    mask.view(begin + (long) w * BITS, factors.length).write(factors);
                }
            }
            return mask;
        }

        private static Array dropped(Kernels kernels, Buffers buffers, Array x, Array mask) {
            Array dropped = buffers.shared("lora.wide", x.size(0), x.size(1));
            kernels.copyRows(x, 0, dropped, 0, Math.toIntExact(x.size(0)), 1);
            kernels.multiply(mask, dropped);
            return dropped;
        }

        @Override
        public @Nullable Array merged(Kernels kernels, Buffers buffers, Array frozen) {
            if (drops()) {
                return null;
            }
            Array sum = Adaptation.copy(kernels, buffers, frozen);
            kernels.gemm(false, b(), false, a(), scale, 1, sum);
            return sum;
        }

        @Override
        public void forward(Kernels kernels, Buffers buffers, Array x, Array y) {
            Array kept = x;
            if (drops()) {
                draw(buffers, x);
                kept = dropped(kernels, buffers, x, mask(buffers, x));
            }
            Array low = low(buffers, "x", x);
            kernels.gemm(false, kept, true, a(), 1, 0, low);
            kernels.gemm(false, low, true, b(), scale, 1, y);
        }

        @Override
        public void backward(Kernels kernels, Buffers buffers, Array x, Array dy, int examples) {
            mask = drops() ? mask(buffers, x) : null;
            Array kept = mask == null ? x : dropped(kernels, buffers, x, mask);
            Array low = low(buffers, "x", x);
            kernels.gemm(false, kept, true, a(), 1, 0, low);
            kernels.gemm(true, dy, false, low, scale, 0, gradient(LowRank.nameOfB(matrix)));
            Array back = low(buffers, "dy", x);
            kernels.gemm(false, dy, false, b(), scale, 0, back);
            kernels.gemm(true, back, false, kept, 1, 0, gradient(LowRank.nameOfA(matrix)));
            through = back;
        }

        @Override
        public void inputGradient(Kernels kernels, Buffers buffers, Array dy, Array dx) {
            if (through == null) {
                throw new IllegalStateException(matrix + ": the gradient of the input before that of the factors");
            }
            if (mask == null) {
                kernels.gemm(false, through, false, a(), 1, 1, dx);
                return;
            }
            Array part = buffers.shared("lora.wide", dx.size(0), dx.size(1));
            kernels.gemm(false, through, false, a(), 1, 0, part);
            kernels.multiply(mask, part);
            kernels.add(part, dx);
        }
    }
}
