package dev.grft.vit.kernels;

import static dev.grft.vit.kernels.HostArray.isNarrow;
import static dev.grft.vit.kernels.HostArray.pointer;
import static dev.grft.vit.kernels.HostArray.shorts;

import dev.grft.vit.kernels.onednn.Functions;
import dev.grft.vit.kernels.onednn.Matrices;
import dev.grft.vit.kernels.onednn.Packed;
import dev.grft.vit.kernels.onednn.Products;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.ShortPointer;
import org.jspecify.annotations.Nullable;

/**
 * Products in bfloat16: a FLOAT array that goes in is rounded, sums are FLOAT, and results are FLOAT or rounded once, as their array is.
 * Attention is in {@link CpuBf16Attention}.
 */
final class CpuBf16 {
    private static final long FEW = 64; // rows for which it does not pay to convert a weight that changes

    private final Products products = new Products();
    private final Functions functions;
    private final CpuScratch scratch;
    private final CpuBf16Attention attention;

    CpuBf16(CpuScratch scratch) {
        this.scratch = scratch;
        this.functions = scratch.functions();
        this.attention = new CpuBf16Attention(scratch, products, functions);
    }

    void free() {
        products.close();
    }

    CpuBf16Attention attention() {
        return attention;
    }

    /** Returns whether {@link #linear} multiplies in FLOAT: a weight that changes, with few rows. */
    static boolean stays(Array x, @Nullable Packed packed, Array y) {
        return packed == null && x.size(0) < FEW && !isNarrow(x) && !isNarrow(y);
    }

    /** Does {@link Kernels#linear}. */
    void linear(Array x, Array w, @Nullable Packed packed, @Nullable Array bias, Array y) {
        long m = x.size(0);
        long out = w.size(0);
        long in = w.size(1);
        FloatPointer b = bias == null ? null : pointer(bias);
        if (packed != null) {
            products.forward(in(0, x), packed, pointer(w), m, out, in, b, result(y));
        } else if (b == null) {
            gemm(false, x, true, w, 1, 0, y);
        } else {
            Matrices transposed = Matrices.one(out, in).transposed();
            products.affine(in(0, x), Matrices.one(m, in), in(1, w), transposed, b, result(y), Matrices.one(m, out));
        }
    }

    /** Does {@link Kernels#linearBackward}. */
    void linearBackward(Array dy, Array w, @Nullable Packed packed, Array dx) {
        if (packed == null) {
            gemm(false, dy, false, w, 1, 0, dx);
        } else {
            products.backward(in(0, dy), packed, pointer(w), dy.size(0), w.size(0), w.size(1), result(dx));
        }
    }

    /**
     * Does {@link Kernels#gemm}.
     *
     * @param beta 0 or 1
     */
    void gemm(boolean transposeA, Array a, boolean transposeB, Array b, double alpha, double beta, Array c) {
        CpuProducts.requireShapes(transposeA, a, transposeB, b, c);
        if (beta != 0 && beta != 1) {
            throw new IllegalArgumentException("gemm of bfloat16 arrays: beta is " + beta + ", expected 0 or 1");
        }
        products.multiply(
                in(0, a),
                matrix(a, transposeA),
                in(1, b),
                matrix(b, transposeB),
                (float) alpha,
                beta == 1,
                result(c),
                matrix(c, false));
    }

    private static Matrices matrix(Array array, boolean transposed) {
        Matrices matrix = Matrices.one(array.size(0), array.size(1));
        return transposed ? matrix.transposed() : matrix;
    }

    /** Does {@link Kernels#gelu} and the like for BFLOAT16 arrays. */
    void activate(Functions.Activation function, Array x, Array y) {
        functions.activate(function, shorts(x), shorts(y), x.length());
    }

    /** Does {@link Kernels#geluBackward} and the like for BFLOAT16 arrays. */
    void activateBackward(Functions.Activation function, Array x, Array dy) {
        functions.activateBackward(function, shorts(x), shorts(dy), x.length());
    }

    /** Does {@link Kernels#addSquaredGradients} if one of the arrays is BFLOAT16, by the same ways. */
    void addSquaredGradients(CpuSquares squares, Array dy, Array x, int examples, double[] rows, double[] columns) {
        long t = dy.size(0) / examples;
        long out = dy.size(1);
        long in = x.size(1);
        ShortPointer d = in(0, dy);
        ShortPointer f = in(1, x);
        for (long b = 0; b < examples; b++) {
            ShortPointer left = HostArray.at(d, b * t * out);
            ShortPointer right = HostArray.at(f, b * t * in);
            if (CpuSquares.ghostIsCheaper(t, out, in)) {
                ghost(squares, left, out, right, in, t, rows);
                ghost(squares, right, in, left, out, t, columns);
            } else {
                FloatPointer g = scratch.matrix(0, out * in);
                products.multiply(
                        left,
                        Matrices.one(t, out).transposed(),
                        right,
                        Matrices.one(t, in),
                        1,
                        false,
                        g,
                        Matrices.one(out, in));
                squares.addSquares(new CpuMemory(g), Math.toIntExact(out), Math.toIntExact(in), rows, columns);
            }
        }
        HostArray.keep(d, f);
    }

    /** Adds diag(a' (b b') a) to {@code sums [n]}; a is {@code [t, n]}, b {@code [t, k]}. */
    private void ghost(CpuSquares squares, ShortPointer a, long n, ShortPointer b, long k, long t, double[] sums) {
        FloatPointer between = scratch.matrix(0, t * t);
        FloatPointer product = scratch.matrix(1, t * Math.max(n, k)); // as large as the other call's
        FloatPointer wide = scratch.matrix(2, t * Math.max(n, k));
        products.multiply(
                b, Matrices.one(t, k), b, Matrices.one(t, k).transposed(), 1, false, between, Matrices.one(t, t));
        ShortPointer rounded = scratch.shorts(2, t * t);
        functions.narrow(between, rounded, t * t);
        products.multiply(rounded, Matrices.one(t, t), a, Matrices.one(t, n), 1, false, product, Matrices.one(t, n));
        functions.widen(a, wide, t * n);
        squares.addColumnDots(
                new CpuMemory(wide), 0, new CpuMemory(product), Math.toIntExact(t), Math.toIntExact(n), sums);
    }

    /** Returns the values of an array in bfloat16, rounded into scratch memory of the index if they are FLOAT. */
    private ShortPointer in(int index, Array array) {
        return in(scratch, functions, index, array);
    }

    static ShortPointer in(CpuScratch scratch, Functions functions, int index, Array array) {
        if (isNarrow(array)) {
            return shorts(array);
        }
        ShortPointer rounded = scratch.shorts(index, array.length());
        functions.narrow(pointer(array), rounded, array.length());
        return rounded;
    }

    /** Returns where results go, which are rounded if the array is BFLOAT16. */
    static Pointer result(Array array) {
        return isNarrow(array) ? shorts(array) : pointer(array);
    }
}
