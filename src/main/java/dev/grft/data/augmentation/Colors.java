package dev.grft.data.augmentation;

import java.util.Arrays;
import java.util.function.IntUnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * Changes of colors, in place, equal to Pillow's {@code ImageOps} and {@code ImageEnhance} and to torchvision's {@code adjust_hue} of a
 * Pillow image, to the last bit. Pixels are {@code [.., 3]}: red, green and blue of a pixel together, 8 bits each, unsigned.
 */
final class Colors {
    private Colors() {}

    /** Stretches each color so that its least becomes 0 and its largest 255. */
    static void autoContrast(byte[] rgb) {
        ofEach(rgb, counts -> {
            int low = 0;
            while (counts[low] == 0) {
                low++;
            }
            int high = 255;
            while (counts[high] == 0) {
                high--;
            }
            if (high <= low) {
                return null;
            }
            double scale = 255.0 / (high - low);
            double offset = -low * scale;
            return table(i -> (int) (i * scale + offset));
        });
    }

    /** Makes all values of each color about equally frequent. */
    static void equalize(byte[] rgb) {
        ofEach(rgb, counts -> {
            int last = 255;
            while (counts[last] == 0) {
                last--;
            }
            int step = (rgb.length / 3 - counts[last]) / 255;
            if (step == 0) {
                return null;
            }
            int[] before = new int[256];
            before[0] = step / 2;
            for (int i = 1; i < 256; i++) {
                before[i] = before[i - 1] + counts[i - 1];
            }
            return table(i -> before[i] / step);
        });
    }

    /** Replaces each color by its complement. */
    static void invert(byte[] rgb) {
        look(rgb, table(i -> 255 - i));
    }

    /** Keeps the upper bits of each color; none of them makes the image black. */
    static void posterize(byte[] rgb, int bits) {
        if (bits < 8) {
            look(rgb, table(i -> i & ~((1 << (8 - bits)) - 1)));
        }
    }

    /** Replaces the values from a threshold on by their complements. */
    static void solarize(byte[] rgb, int threshold) {
        look(rgb, table(i -> i < threshold ? i : 255 - i));
    }

    /** Adds a number to the values below 128. */
    static void solarizeAdd(byte[] rgb, int added) {
        look(rgb, table(i -> i < 128 ? i + added : i));
    }

    /** Multiplies the image: 0 is black, 1 changes nothing. */
    static void brightness(byte[] rgb, double factor) {
        look(rgb, table(i -> blended(0, i, (float) factor)));
    }

    /** Multiplies the distance from the mean gray: 0 is that gray, 1 changes nothing. */
    static void contrast(byte[] rgb, double factor) {
        long sum = 0;
        for (int i = 0; i < rgb.length; i += 3) {
            sum += gray(rgb, i);
        }
        int count = rgb.length / 3;
        int mean = (int) ((double) sum / count + 0.5);
        look(rgb, table(i -> blended(mean, i, (float) factor)));
    }

    /** Multiplies the distance of each pixel from its own gray: 0 is a gray image, 1 changes nothing. */
    static void saturation(byte[] rgb, double factor) {
        for (int i = 0; i < rgb.length; i += 3) {
            int gray = gray(rgb, i);
            for (int color = i; color < i + 3; color++) {
                rgb[color] = (byte) blended(gray, rgb[color] & 0xff, (float) factor);
            }
        }
    }

    /**
     * Multiplies the distance from a smoothed image: 0 is that image, 1 changes nothing. The outermost pixels do not change.
     *
     * @param rgb {@code [side, side, 3]}
     */
    static void sharpness(byte[] rgb, int side, double factor) {
        float one = 1 / 13f;
        float five = 5 / 13f;
        int stride = 3 * side;
        byte[] in = rgb.clone();
        for (int row = 1; row < side - 1; row++) {
            int end = (row + 1) * stride - 3;
            for (int i = row * stride + 3; i < end; i++) {
                float sum = 0.5f; // added up in Pillow's order: the row below first
                sum += across(in, i + stride, one, one);
                sum += across(in, i, one, five);
                sum += across(in, i - stride, one, one);
                rgb[i] = (byte) blended((int) sum, in[i] & 0xff, (float) factor);
            }
        }
    }

    private static float across(byte[] in, int at, float sides, float middle) {
        return (in[at - 3] & 0xff) * sides + (in[at] & 0xff) * middle + (in[at + 3] & 0xff) * sides;
    }

    /**
     * Turns the color circle.
     *
     * @param factor part of a full turn, in [-0.5, 0.5]
     */
    static void hue(byte[] rgb, double factor) {
        int turn = (int) (factor * 255);
        for (int i = 0; i < rgb.length; i += 3) {
            int red = rgb[i] & 0xff;
            int green = rgb[i + 1] & 0xff;
            int blue = rgb[i + 2] & 0xff;
            int value = Math.max(red, Math.max(green, blue));
            int chroma = value - Math.min(red, Math.min(green, blue));
            int saturation = chroma == 0 ? 0 : (int) ((float) chroma / value * 255.0);
            int hue = (hueOf(red, green, blue, value, chroma) + turn) & 0xff;
            write(hue, saturation, value, rgb, i);
        }
    }

    /** Returns where a color is on the circle, in [0, 255], in float and double as Pillow's Convert.c (rgb2hsv_row). */
    private static int hueOf(int red, int green, int blue, int value, int chroma) {
        if (chroma == 0) {
            return 0;
        }
        float r = (float) (value - red) / chroma;
        float g = (float) (value - green) / chroma;
        float b = (float) (value - blue) / chroma;
        float hue = red == value ? b - g : green == value ? (float) (2.0 + r - b) : (float) (4.0 + g - r);
        double turns = hue / 6.0 + 1.0; // in [5/6, 2)
        return limited((int) ((float) (turns < 1 ? turns : turns - 1) * 255.0));
    }

    /** Writes the color of a hue, a saturation and a value, each in [0, 255] (Pillow, Convert.c, hsv2rgb). */
    private static void write(int hue, int saturation, int value, byte[] rgb, int at) {
        int sixth = (int) (hue * 6.0 / 255.0);
        float rest = (float) (hue * 6.0 / 255.0 - sixth);
        float s = (float) (saturation / 255.0);
        byte p = (byte) limited((int) (value * (1.0 - s) + 0.5));
        byte q = (byte) limited((int) (value * (1.0 - s * rest) + 0.5));
        byte t = (byte) limited((int) (value * (1.0 - s * (1.0 - rest)) + 0.5));
        byte v = (byte) value;
        if (saturation == 0) {
            set(rgb, at, v, v, v);
            return;
        }
        switch (sixth % 6) {
            case 0 -> set(rgb, at, v, t, p);
            case 1 -> set(rgb, at, q, v, p);
            case 2 -> set(rgb, at, p, v, t);
            case 3 -> set(rgb, at, p, q, v);
            case 4 -> set(rgb, at, t, p, v);
            default -> set(rgb, at, v, p, q);
        }
    }

    private static void set(byte[] rgb, int at, byte red, byte green, byte blue) {
        rgb[at] = red;
        rgb[at + 1] = green;
        rgb[at + 2] = blue;
    }

    /** Returns the gray of a pixel (ITU-R 601, in 16-bit fixed point). */
    private static int gray(byte[] rgb, int at) {
        return ((rgb[at] & 0xff) * 19595 + (rgb[at + 1] & 0xff) * 38470 + (rgb[at + 2] & 0xff) * 7471 + 0x8000) >> 16;
    }

    /** Returns a value between two, or beyond them; in float, as Pillow's Blend.c. */
    private static int blended(int from, int to, float factor) {
        return limited((int) (from + factor * (to - from)));
    }

    private static int limited(int color) {
        return Math.max(0, Math.min(255, color));
    }

    private static byte[] table(IntUnaryOperator of) {
        byte[] table = new byte[256];
        for (int i = 0; i < 256; i++) {
            table[i] = (byte) limited(of.applyAsInt(i));
        }
        return table;
    }

    private static void look(byte[] rgb, byte[] table) {
        for (int i = 0; i < rgb.length; i++) {
            rgb[i] = table[rgb[i] & 0xff];
        }
    }

    /** What becomes of the values of a color that has such counts of them, {@code [256]}; null: what they are. */
    private interface OfCounts {
        byte @Nullable [] table(int[] counts);
    }

    private static void ofEach(byte[] rgb, OfCounts of) {
        int[] counts = new int[256];
        for (int color = 0; color < 3; color++) {
            Arrays.fill(counts, 0);
            for (int i = color; i < rgb.length; i += 3) {
                counts[rgb[i] & 0xff]++;
            }
            byte[] table = of.table(counts);
            for (int i = color; table != null && i < rgb.length; i += 3) {
                rgb[i] = table[rgb[i] & 0xff];
            }
        }
    }
}
