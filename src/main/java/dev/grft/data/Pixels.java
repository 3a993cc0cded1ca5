package dev.grft.data;

import java.io.Serializable;
import java.util.Arrays;

/**
 * A decoded image: 8 bits for each of red, green and blue, rows from the top, colors of a pixel together.
 *
 * <p>Not a record: records do not survive Kryo, which a cluster may be configured to serialize with.
 */
public final class Pixels implements Serializable {
    private static final long serialVersionUID = 1L;

    private final int height;
    private final int width;
    private final byte[] rgb; // [height, width, 3]

    /**
     * Returns the image of these bytes, which are kept, not copied, and must not change any more.
     *
     * @param rgb [height, width, 3], unsigned
     * @throws IllegalArgumentException if the image is empty or the number of bytes is another
     */
    public Pixels(int height, int width, byte[] rgb) {
        if (height < 1 || width < 1 || rgb.length != 3L * height * width) {
            throw new IllegalArgumentException(
                    rgb.length + " bytes are no image of height " + height + " and width " + width);
        }
        this.height = height;
        this.width = width;
        this.rgb = rgb;
    }

    /**
     * Returns the image whose bytes lie as OpenCV and Spark's image source have them.
     *
     * @param channels 1 (gray), 3 (blue, green, red) or 4 (and opacity, which is dropped)
     * @param samples [height, width, channels], unsigned
     * @throws IllegalArgumentException if the image is empty, has other channels, or the number of bytes is another
     */
    public static Pixels ofOpenCv(int height, int width, int channels, byte[] samples) {
        boolean known = channels == 1 || channels == 3 || channels == 4;
        if (!known || height < 1 || width < 1 || samples.length != (long) channels * height * width) {
            throw new IllegalArgumentException(samples.length + " bytes are no image of height " + height + ", width "
                    + width + " and " + channels + " channels (1, 3 or 4)");
        }
        byte[] rgb = new byte[Math.multiplyExact(3, Math.multiplyExact(height, width))];
        for (int from = 0, to = 0; to < rgb.length; from += channels) {
            rgb[to++] = samples[channels == 1 ? from : from + 2];
            rgb[to++] = samples[channels == 1 ? from : from + 1];
            rgb[to++] = samples[from];
        }
        return new Pixels(height, width, rgb);
    }

    /** Returns the number of rows. */
    public int height() {
        return height;
    }

    /** Returns the number of columns. */
    public int width() {
        return width;
    }

    /** Returns the bytes themselves, [height, width, 3], unsigned; for reading only. */
    public byte[] rgb() {
        return rgb;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Pixels pixels
                && height == pixels.height
                && width == pixels.width
                && Arrays.equals(rgb, pixels.rgb);
    }

    @Override
    public int hashCode() {
        return 31 * (31 * height + width) + Arrays.hashCode(rgb);
    }

    @Override
    public String toString() {
        return height + " x " + width + " pixels";
    }
}
