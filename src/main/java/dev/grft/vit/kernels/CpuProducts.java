package dev.grft.vit.kernels;

import static dev.grft.vit.kernels.HostArray.pointer;
import static dev.grft.vit.kernels.HostArray.size;
import static org.bytedeco.openblas.global.openblas_nolapack.CblasNoTrans;
import static org.bytedeco.openblas.global.openblas_nolapack.CblasRowMajor;
import static org.bytedeco.openblas.global.openblas_nolapack.CblasTrans;
import static org.bytedeco.openblas.global.openblas_nolapack.cblas_sgemm;

import java.util.Arrays;
import org.bytedeco.javacpp.FloatPointer;

/** Matrix products of FLOAT arrays by BLAS. */
final class CpuProducts {
    private CpuProducts() {}

    /** Does {@link Kernels#gemm}. */
    static void gemm(boolean transposeA, Array a, boolean transposeB, Array b, double alpha, double beta, Array c) {
        requireShapes(transposeA, a, transposeB, b, c);
        sgemm(
                transposeA,
                pointer(a),
                size(a, 1),
                transposeB,
                pointer(b),
                size(b, 1),
                size(c, 0),
                size(c, 1),
                size(a, transposeA ? 0 : 1),
                (float) alpha,
                (float) beta,
                pointer(c),
                size(c, 1));
    }

    /**
     * Checks the shapes of {@code op(a) op(b) -> c}.
     *
     * @throws IllegalArgumentException if they do not fit
     */
    static void requireShapes(boolean transposeA, Array a, boolean transposeB, Array b, Array c) {
        long m = c.size(0);
        long n = c.size(1);
        long k = transposeA ? a.size(0) : a.size(1);
        long kb = transposeB ? b.size(1) : b.size(0);
        if (k != kb || m != (transposeA ? a.size(1) : a.size(0)) || n != (transposeB ? b.size(0) : b.size(1))) {
            throw new IllegalArgumentException("gemm: shapes " + Arrays.toString(a.shape()) + (transposeA ? "'" : "")
                    + " x " + Arrays.toString(b.shape()) + (transposeB ? "'" : "") + " -> "
                    + Arrays.toString(c.shape()));
        }
    }

    /**
     * Puts {@code alpha * op(a) op(b) + beta * c} into {@code c}: op(a) {@code [m, k]}, op(b) {@code [k, n]}, c {@code [m, n]}, each at
     * the position of its pointer with rows {@code lda}, {@code ldb} and {@code ldc} apart.
     */
    static void sgemm(
            boolean transposeA,
            FloatPointer a,
            int lda,
            boolean transposeB,
            FloatPointer b,
            int ldb,
            int m,
            int n,
            int k,
            float alpha,
            float beta,
            FloatPointer c,
            int ldc) {
        cblas_sgemm(
                CblasRowMajor,
                transposeA ? CblasTrans : CblasNoTrans,
                transposeB ? CblasTrans : CblasNoTrans,
                m,
                n,
                k,
                alpha,
                a,
                lda,
                b,
                ldb,
                beta,
                c,
                ldc);
    }
}
