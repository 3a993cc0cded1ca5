package dev.grft.checkpoint.file;

import dev.grft.UserError;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * Numbers of one type in row-major order, with their shape.
 *
 * <p>The array is handed over, not copied, on the way in and, where the type already fits, on the way out, since it can
 * be a large part of a model: nobody may change it. Instances are compared by identity.
 */
public final class Tensor {
    private static final int CHUNK = 1 << 16; // bytes; a multiple of every size of number

    private final Dtype dtype;
    private final long[] shape;
    private final Object array; // float[], double[], int[], long[], short[] or byte[], as storage() says

    private Tensor(Dtype dtype, long[] shape, Object array, int length) {
        if (elements(shape) != length) {
            throw new IllegalArgumentException(
                    "a tensor of shape " + Arrays.toString(shape) + " cannot have " + length + " numbers");
        }
        this.dtype = dtype;
        this.shape = shape.clone();
        this.array = array;
    }

    /** Returns an F32 tensor of these numbers. */
    public static Tensor ofFloats(long[] shape, float[] values) {
        return new Tensor(Dtype.F32, shape, values, values.length);
    }

    /**
     * Returns a tensor of these numbers, each rounded to the nearest of the type, ties to even.
     *
     * @param dtype F32, F16, BF16 or F64
     * @throws IllegalArgumentException for another type
     */
    public static Tensor ofFloats(Dtype dtype, long[] shape, float[] values) {
        switch (dtype) {
            case F32 -> {
                return ofFloats(shape, values);
            }
            case F64 -> {
                double[] doubles = new double[values.length];
                for (int i = 0; i < values.length; i++) {
                    doubles[i] = values[i];
                }
                return ofDoubles(shape, doubles);
            }
            case F16, BF16 -> {
                short[] shorts = new short[values.length];
                for (int i = 0; i < values.length; i++) {
                    shorts[i] = dtype == Dtype.F16 ? Dtype.toHalf(values[i]) : Dtype.toBfloat(values[i]);
                }
                return new Tensor(dtype, shape, shorts, shorts.length);
            }
            default ->
                throw new IllegalArgumentException(dtype + " holds no fractions, expected F32, F16, BF16 or F64");
        }
    }

    /** Returns the same numbers in another shape. */
    public Tensor reshaped(long... other) {
        return new Tensor(dtype, other, array, length());
    }

    /** Returns an F64 tensor of these numbers. */
    public static Tensor ofDoubles(long[] shape, double[] values) {
        return new Tensor(Dtype.F64, shape, values, values.length);
    }

    /** Returns an I32 tensor of these numbers. */
    public static Tensor ofInts(long[] shape, int[] values) {
        return new Tensor(Dtype.I32, shape, values, values.length);
    }

    /** Returns an I64 tensor of these numbers. */
    public static Tensor ofLongs(long[] shape, long[] values) {
        return new Tensor(Dtype.I64, shape, values, values.length);
    }

    /** Returns the type of the numbers. */
    public Dtype dtype() {
        return dtype;
    }

    /** Returns a copy of the shape; empty for a single number. */
    public long[] shape() {
        return shape.clone();
    }

    /** Returns how many numbers there are, at most 2^31 - 1. */
    public int length() {
        return (int) elements(shape);
    }

    /**
     * Returns the numbers as floats, {@code [length]}: F32 as they are, F16 and BF16 exactly, F64 rounded.
     *
     * @throws UserError for a type without fractions
     */
    public float[] floats() {
        if (array instanceof float[] floats) {
            return floats;
        }
        float[] floats = new float[length()];
        if (array instanceof double[] doubles) {
            for (int i = 0; i < floats.length; i++) {
                floats[i] = (float) doubles[i];
            }
        } else if (array instanceof short[] shorts && (dtype == Dtype.F16 || dtype == Dtype.BF16)) {
            for (int i = 0; i < floats.length; i++) {
                floats[i] = dtype == Dtype.F16 ? Dtype.fromHalf(shorts[i]) : Dtype.fromBfloat(shorts[i]);
            }
        } else {
            throw UserError.of("a tensor of %s was found, expected F32, F16, BF16 or F64; is it another file?", dtype);
        }
        return floats;
    }

    /**
     * Returns the numbers as doubles, {@code [length]}; exact for F64, F32, F16 and BF16.
     *
     * @throws UserError for a type without fractions
     */
    public double[] doubles() {
        if (array instanceof double[] doubles) {
            return doubles;
        }
        float[] floats = floats();
        double[] doubles = new double[floats.length];
        for (int i = 0; i < floats.length; i++) {
            doubles[i] = floats[i];
        }
        return doubles;
    }

    /**
     * Returns the numbers as ints, {@code [length]}.
     *
     * @throws UserError for another type than I32 and I64, or a number outside the range of an int
     */
    public int[] ints() {
        if (array instanceof int[] ints && dtype == Dtype.I32) {
            return ints;
        }
        long[] longs = longs();
        int[] ints = new int[longs.length];
        for (int i = 0; i < longs.length; i++) {
            ints[i] = (int) longs[i];
            if (ints[i] != longs[i]) {
                throw UserError.of(
                        "number %d of a tensor is %d, expected one of 32 bits; is it another file?", i, longs[i]);
            }
        }
        return ints;
    }

    /**
     * Returns the numbers as longs, {@code [length]}.
     *
     * @throws UserError for another type than I32 and I64
     */
    public long[] longs() {
        if (array instanceof long[] longs && dtype == Dtype.I64) {
            return longs;
        }
        if (array instanceof int[] ints && dtype == Dtype.I32) {
            return Arrays.stream(ints).asLongStream().toArray();
        }
        throw UserError.of("a tensor of %s was found, expected I32 or I64; is it another file?", dtype);
    }

    @Override
    public String toString() {
        return dtype + " " + Arrays.toString(shape);
    }

    /** Returns the number of numbers of this shape; throws ArithmeticException above 2^63 - 1. */
    public static long elements(long[] shape) {
        long product = 1;
        for (long n : shape) {
            product = Math.multiplyExact(product, n);
        }
        return product;
    }

    /** Reads the next {@code elements(shape)} numbers, little-endian; the stream must have them. */
    static Tensor read(Dtype dtype, long[] shape, InputStream in) throws IOException {
        int length = (int) elements(shape);
        Object array = storage(dtype, length);
        ByteBuffer chunk = ByteBuffer.allocate(CHUNK).order(ByteOrder.LITTLE_ENDIAN);
        int step = CHUNK / dtype.bytes();
        for (int at = 0; at >= 0 && at < length; at += step) { // behind the last numbers of an array it may overflow
            int count = Math.min(step, length - at);
            int bytes = count * dtype.bytes();
            if (in.readNBytes(chunk.array(), 0, bytes) < bytes) {
                throw new EOFException("the file became shorter while it was read");
            }
            chunk.clear();
            if (array instanceof float[] floats) {
                chunk.asFloatBuffer().get(floats, at, count);
            } else if (array instanceof double[] doubles) {
                chunk.asDoubleBuffer().get(doubles, at, count);
            } else if (array instanceof int[] ints) {
                chunk.asIntBuffer().get(ints, at, count);
            } else if (array instanceof long[] longs) {
                chunk.asLongBuffer().get(longs, at, count);
            } else if (array instanceof short[] shorts) {
                chunk.asShortBuffer().get(shorts, at, count);
            } else {
                chunk.get((byte[]) array, at, count);
            }
        }
        return new Tensor(dtype, shape, array, length);
    }

    /** Writes the numbers, little-endian. */
    void write(OutputStream out) throws IOException {
        ByteBuffer chunk = ByteBuffer.allocate(CHUNK).order(ByteOrder.LITTLE_ENDIAN);
        int length = length();
        int step = CHUNK / dtype.bytes();
        for (int at = 0; at >= 0 && at < length; at += step) { // behind the last numbers of an array it may overflow
            int count = Math.min(step, length - at);
            chunk.clear();
            if (array instanceof float[] floats) {
                chunk.asFloatBuffer().put(floats, at, count);
            } else if (array instanceof double[] doubles) {
                chunk.asDoubleBuffer().put(doubles, at, count);
            } else if (array instanceof int[] ints) {
                chunk.asIntBuffer().put(ints, at, count);
            } else if (array instanceof long[] longs) {
                chunk.asLongBuffer().put(longs, at, count);
            } else if (array instanceof short[] shorts) {
                chunk.asShortBuffer().put(shorts, at, count);
            } else {
                chunk.put((byte[]) array, at, count);
            }
            out.write(chunk.array(), 0, count * dtype.bytes());
        }
    }

    private static Object storage(Dtype dtype, int length) {
        return switch (dtype) {
            case F32 -> new float[length];
            case F64 -> new double[length];
            case I32, U32 -> new int[length];
            case I64, U64 -> new long[length];
            case F16, BF16, I16, U16 -> new short[length];
            case BOOL, U8, I8 -> new byte[length];
        };
    }
}
