package dev.grft.vit.kernels;

import static dev.grft.vit.kernels.CpuScratch.CHUNK;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;

/** Functions of float arrays, fast and with a fixed order of operations. */
final class CpuMath {
    /** Floats, and their bits in the same memory. */
    private final FloatBuffer asFloats;

    private final IntBuffer asIntegers;
    private final int[] integers = new int[CHUNK];

    CpuMath() {
        ByteBuffer memory = ByteBuffer.allocateDirect(CHUNK * Float.BYTES).order(ByteOrder.nativeOrder());
        asFloats = memory.asFloatBuffer();
        asIntegers = memory.asIntBuffer();
    }

    /**
     * Replaces the first n values x of an array, at most 0, by exp(x), within 3 units in the last place; by 0 below about -88.
     *
     * <p>x = m ln 2 + f; m is added to the exponent of the polynomial of f. All loops become vector code: floats are turned into their bits
     * by the buffers, because a loop that converts them one by one does not.
     *
     * @param power scratch of length n
     */
    void exp(float[] x, float[] power, int n) {
        for (int i = 0; i < n; i++) {
            float clamped = Math.max(x[i], -88.1f); // its m is -127, whose exponent is that of 0
            float rounded = Math.fma(clamped, 1.44269504f, 12582912f); // the integer nearest, in the low bits
            float whole = rounded - 12582912f;
            float f = Math.fma(whole, 2.12194440e-4f, Math.fma(whole, -0.693359375f, clamped));
            float p = 1.9875691500e-4f;
            p = Math.fma(p, f, 1.3981999507e-3f);
            p = Math.fma(p, f, 8.3334519073e-3f);
            p = Math.fma(p, f, 4.1665795894e-2f);
            p = Math.fma(p, f, 1.6666665459e-1f);
            p = Math.fma(p, f, 5.0000001201e-1f);
            x[i] = Math.fma(p * f, f, f) + 1f;
            power[i] = rounded;
        }
        int[] bits = integers;
        for (int from = 0; from < n; from += CHUNK) {
            int count = Math.min(CHUNK, n - from);
            asFloats.put(0, power, from, count);
            asIntegers.get(0, bits, 0, count);
            for (int i = 0; i < count; i++) {
                bits[i] = (bits[i] - (0x4B400000 - 127)) << 23;
            }
            asIntegers.put(0, bits, 0, count);
            asFloats.get(0, power, from, count);
        }
        for (int i = 0; i < n; i++) {
            x[i] *= power[i];
        }
    }

    /** Returns the largest of n values. A branch that is hardly ever taken costs less than {@link Math#max}, which checks for NaN. */
    static float max(float[] v, int from, int n) {
        float max = v[from];
        for (int i = from + 1; i < from + n; i++) {
            if (v[i] > max) {
                max = v[i];
            }
        }
        return max;
    }

    /** Returns the sum of n values, in eight interleaved parts: a fixed order that the processor can overlap. */
    static float sum(float[] v, int from, int n) {
        float a = 0;
        float b = 0;
        float c = 0;
        float d = 0;
        float e = 0;
        float f = 0;
        float g = 0;
        float h = 0;
        int i = from;
        for (; i + 7 < from + n; i += 8) {
            a += v[i];
            b += v[i + 1];
            c += v[i + 2];
            d += v[i + 3];
            e += v[i + 4];
            f += v[i + 5];
            g += v[i + 6];
            h += v[i + 7];
        }
        for (; i < from + n; i++) {
            a += v[i];
        }
        return ((a + b) + (c + d)) + ((e + f) + (g + h));
    }

    /** Returns the dot product of n values, in the order of {@link #sum}. */
    static float dot(float[] u, float[] v, int from, int n) {
        float a = 0;
        float b = 0;
        float c = 0;
        float d = 0;
        float e = 0;
        float f = 0;
        float g = 0;
        float h = 0;
        int i = from;
        for (; i + 7 < from + n; i += 8) {
            a = Math.fma(u[i], v[i], a);
            b = Math.fma(u[i + 1], v[i + 1], b);
            c = Math.fma(u[i + 2], v[i + 2], c);
            d = Math.fma(u[i + 3], v[i + 3], d);
            e = Math.fma(u[i + 4], v[i + 4], e);
            f = Math.fma(u[i + 5], v[i + 5], f);
            g = Math.fma(u[i + 6], v[i + 6], g);
            h = Math.fma(u[i + 7], v[i + 7], h);
        }
        for (; i < from + n; i++) {
            a = Math.fma(u[i], v[i], a);
        }
        return ((a + b) + (c + d)) + ((e + f) + (g + h));
    }
}
