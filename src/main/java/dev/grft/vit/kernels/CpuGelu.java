package dev.grft.vit.kernels;

import static dev.grft.vit.kernels.CpuScratch.CHUNK;
import static dev.grft.vit.kernels.HostArray.length;
import static dev.grft.vit.kernels.HostArray.memory;
import static dev.grft.vit.kernels.HostArray.read;

import org.jspecify.annotations.Nullable;

/**
 * The GELU and its approximations, with bias and derivative.
 *
 * <p>The functions are cut into short loops without branch, cast or call, because only such loops become vector code. {@code Math.fma} is
 * one instruction of each processor that ND4J runs on, and gives the same bits in the interpreter.
 */
final class CpuGelu {
    private static final long COST = 2; // of a value

    private final CpuThreads threads;

    CpuGelu(CpuThreads threads) {
        this.threads = threads;
    }

    void gelu(@Nullable Array bias, Array x, Array y) {
        inChunks(bias, x, y, (math, v, d, q, n) -> {
            gaussian(v, d, n);
            tail(v, d, q, n);
            if (x != y) {
                geluDerivative(v, d, q, n);
            }
            gelu(v, q, n);
        });
    }

    void sigmoidGelu(@Nullable Array bias, double linear, double cubic, Array x, Array y) {
        float one = (float) linear;
        float three = (float) cubic;
        inChunks(bias, x, y, (math, v, e, power, n) -> {
            for (int i = 0; i < n; i++) {
                float a = Math.min(60f, Math.abs(v[i]));
                e[i] = -a * (one + three * a * a);
            }
            math.exp(e, power, n);
            sigmoidGelu(v, e, one, three, n);
        });
    }

    /** A function of one value: replaces the first n values of {@code v} by its results; puts its derivative into {@code slope}. */
    private interface Elementwise {
        void apply(CpuMath math, float[] v, float[] slope, float[] room, int n);
    }

    /**
     * Puts the function of {@code x + bias} into {@code y}, a chunk at a time, and its derivative into x, unless x is y.
     *
     * @param bias {@code [n]}, added to each row of x; null for none
     */
    private void inChunks(@Nullable Array bias, Array x, Array y, Elementwise function) {
        long length = y.length();
        float[] b = bias == null ? null : again(bias);
        int columns = bias == null ? 1 : length(bias);
        CpuMemory in = memory(x);
        CpuMemory out = x == y ? in : memory(y);
        threads.rows((length + CHUNK - 1) / CHUNK, COST * CHUNK, (lane, from, to) -> {
            float[] v = lane.row(0, CHUNK);
            float[] d = lane.row(1, CHUNK);
            float[] room = lane.row(2, CHUNK);
            for (long at = from * CHUNK; at < Math.min(length, to * CHUNK); at += CHUNK) {
                int n = (int) Math.min(CHUNK, length - at);
                in.get(at, v, 0, n);
                if (b != null) {
                    add(b, (int) (at % columns), v, n);
                }
                function.apply(lane.math(), v, d, room, n);
                out.put(at, v, 0, n);
                if (x != y) {
                    in.put(at, d, 0, n);
                }
            }
        });
    }

    /** Returns the values of {@code x [n]}, repeated: a whole chunk follows each of the n. */
    private static float[] again(Array x) {
        int n = length(x);
        float[] values = read(x, CHUNK);
        for (int i = n; i < n + CHUNK; i++) {
            values[i] = values[i - n];
        }
        return values;
    }

    /** Adds n values of {@code a}, from {@code from} on, to the first n of {@code v}. */
    private static void add(float[] a, int from, float[] v, int n) {
        for (int i = 0; i < n; i++) {
            v[i] += a[from + i];
        }
    }

    /** Puts exp(-a^2/2) into {@code e}: a polynomial raised to the 16th power (relative error below 2e-6; 1.5e-8 beyond |a| = 6). */
    private static void gaussian(float[] v, float[] e, int n) {
        for (int i = 0; i < n; i++) {
            float u = Math.max(v[i] * v[i] * (-0.5f / 16), -1.125f) + 0.5625f;
            float p = 2.4801588e-5f;
            p = Math.fma(p, u, 1.9841270e-4f);
            p = Math.fma(p, u, 0.0013888889f);
            p = Math.fma(p, u, 0.008333334f);
            p = Math.fma(p, u, 0.041666668f);
            p = Math.fma(p, u, 0.16666667f);
            p = Math.fma(p, u, 0.5f);
            p = Math.fma(p, u, 1f);
            p = Math.fma(p, u, 1f) * 0.56978282f; // exp(-0.5625)
            p *= p;
            p *= p;
            p *= p;
            e[i] = p * p;
        }
    }

    /** Puts the upper tail of the normal distribution at |a| into {@code q} (Abramowitz and Stegun 7.1.26, error below 1.5e-7). */
    private static void tail(float[] v, float[] e, float[] q, int n) {
        for (int i = 0; i < n; i++) {
            float t = 1f / Math.fma(0.23164189f, Math.abs(v[i]), 1f);
            float p = Math.fma(t, 1.061405429f, -1.453152027f);
            p = Math.fma(t, p, 1.421413741f);
            p = Math.fma(t, p, -0.284496736f);
            p = Math.fma(t, p, 0.254829592f);
            q[i] = 0.5f * t * p * e[i];
        }
    }

    /** Replaces e by the derivative of the GELU at a: 1/2 + sign(a) (1/2 - q + |a| e / sqrt(2 pi)). */
    private static void geluDerivative(float[] v, float[] e, float[] q, int n) {
        for (int i = 0; i < n; i++) {
            float magnitude = Math.abs(v[i]);
            float sign = v[i] / (magnitude + 1e-30f);
            float near = Math.min(6f, magnitude); // beyond it e is not quite 0
            e[i] = Math.fma(sign, Math.fma(near * 0.39894228f, e[i], 0.5f - q[i]), 0.5f);
        }
    }

    /** Replaces a by GELU(a) = max(a, 0) - |a| q. */
    private static void gelu(float[] v, float[] q, int n) {
        for (int i = 0; i < n; i++) {
            float magnitude = Math.abs(v[i]);
            v[i] = 0.5f * (v[i] + magnitude) - magnitude * q[i];
        }
    }

    /** Replaces a by a sigmoid(u), and e, which comes in as exp(-|u|), by the derivative; u = linear a + cubic a^3. */
    private static void sigmoidGelu(float[] v, float[] e, float linear, float cubic, int n) {
        for (int i = 0; i < n; i++) {
            float a = v[i];
            float larger = 1f / (1f + e[i]);
            float smaller = e[i] * larger;
            float sigmoid = a < 0 ? smaller : larger;
            float near = Math.max(-60f, Math.min(60f, a)); // beyond it the slope of the sigmoid is 0
            e[i] = sigmoid + near * larger * smaller * (linear + 3f * cubic * near * near);
            v[i] = a * sigmoid;
        }
    }
}
