package dev.grft.checkpoint.file;

/** The types of number that a safetensors file may hold and this program reads, by their names in the format. */
public enum Dtype {
    /** Truth values, one byte each. */
    BOOL(1),
    /** Unsigned integers of 8 bits. */
    U8(1),
    /** Signed integers of 8 bits. */
    I8(1),
    /** Signed integers of 16 bits. */
    I16(2),
    /** Unsigned integers of 16 bits. */
    U16(2),
    /** Half precision, IEEE 754 binary16: 5 bits of exponent, 10 of fraction. */
    F16(2),
    /** The upper half of a float: 8 bits of exponent, 7 of fraction. */
    BF16(2),
    /** Signed integers of 32 bits. */
    I32(4),
    /** Unsigned integers of 32 bits. */
    U32(4),
    /** Single precision, IEEE 754 binary32. */
    F32(4),
    /** Double precision, IEEE 754 binary64. */
    F64(8),
    /** Signed integers of 64 bits. */
    I64(8),
    /** Unsigned integers of 64 bits. */
    U64(8);

    private final int bytes;

    Dtype(int bytes) {
        this.bytes = bytes;
    }

    /** Returns the size of one number, bytes. */
    public int bytes() {
        return bytes;
    }

    /** Returns whether numbers of this type have fractions, hence can be read as floats. */
    public boolean fractional() {
        return this == F32 || this == F16 || this == BF16 || this == F64;
    }

    /** Returns the value of a half-precision number; exact. */
    static float fromHalf(short half) {
        int sign = (half & 0x8000) << 16;
        int exponent = (half >>> 10) & 0x1f;
        int fraction = half & 0x3ff;
        int magnitude = switch (exponent) {
            case 0 -> Float.floatToRawIntBits(fraction * 0x1p-24f);
            case 31 -> 0x7f800000 | (fraction << 13);
            default -> ((exponent + 112) << 23) | (fraction << 13);
        };
        return Float.intBitsToFloat(sign | magnitude);
    }

    /** Returns the nearest half-precision number, ties to even; infinity from 65520 on. */
    static short toHalf(float value) {
        int bits = Float.floatToRawIntBits(value);
        int sign = (bits >>> 16) & 0x8000;
        int magnitude = bits & 0x7fffffff;
        int half;
        if (magnitude > 0x7f800000) {
            half = 0x7e00 | ((magnitude >>> 13) & 0x3ff); // quiet, with what fits of the payload
        } else if (magnitude >= 0x477ff000) {
            half = 0x7c00;
        } else if (magnitude < 0x38800000) { // below 2^-14: steps of 2^-24; the product is exact in double
            half = (int) Math.rint(Float.intBitsToFloat(magnitude) * 0x1p24);
        } else {
            half = ((magnitude + 0xfff + ((magnitude >>> 13) & 1)) >>> 13) - (112 << 10);
        }
        return (short) (sign | half);
    }

    /** Returns the value of a bfloat16 number; exact. */
    static float fromBfloat(short bfloat) {
        return Float.intBitsToFloat(bfloat << 16);
    }

    /** Returns the nearest bfloat16 number, ties to even. */
    static short toBfloat(float value) {
        int bits = Float.floatToRawIntBits(value);
        if ((bits & 0x7fffffff) > 0x7f800000) {
            return (short) ((bits >>> 16) | 0x40); // rounding could turn a NaN into infinity
        }
        return (short) ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16);
    }
}
