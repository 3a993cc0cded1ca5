package dev.grft.data;

import dev.grft.data.decode.ImageDecoder;
import java.io.IOException;
import java.io.InputStream;

/** Images to test with. */
public final class Images {
    private Images() {}

    /** Returns the bytes of a file that make.py has made. */
    public static byte[] file(String name) throws IOException {
        try (InputStream in = Images.class.getResourceAsStream(name)) {
            if (in == null) {
                throw new AssertionError(
                        name + " is missing; `python3 make.py` in src/test/resources/dev/grft/data makes it");
            }
            return in.readAllBytes();
        }
    }

    /** Returns the pixels of a file that make.py has made. */
    public static Pixels pixels(String name) throws Exception {
        return new ImageDecoder().decode(file(name), name);
    }

    /** Returns an image with a color that tells its place: red is the row, green the column, blue is 7. */
    static Pixels places(int height, int width) {
        byte[] rgb = new byte[3 * height * width];
        for (int i = 0; i < height * width; i++) {
            rgb[3 * i] = (byte) (i / width);
            rgb[3 * i + 1] = (byte) (i % width);
            rgb[3 * i + 2] = 7;
        }
        return new Pixels(height, width, rgb);
    }

    /** Returns an image of one color. */
    static Pixels plain(int height, int width, int red, int green, int blue) {
        byte[] rgb = new byte[3 * height * width];
        for (int i = 0; i < rgb.length; i += 3) {
            rgb[i] = (byte) red;
            rgb[i + 1] = (byte) green;
            rgb[i + 2] = (byte) blue;
        }
        return new Pixels(height, width, rgb);
    }
}
