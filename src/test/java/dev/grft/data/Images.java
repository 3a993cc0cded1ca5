package dev.grft.data;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;

/** Images to test with. */
final class Images {
    private Images() {}

    /** Returns the bytes of a file that make.py has made. */
    static byte[] file(String name) throws IOException {
        try (InputStream in = Images.class.getResourceAsStream(name)) {
            if (in == null) {
                throw new AssertionError(
                        name + " is missing; `python3 make.py` in src/test/resources/dev/grft/data makes it");
            }
            return in.readAllBytes();
        }
    }

    /** Returns the pixels of a file that make.py has made. */
    static Pixels pixels(String name) throws Exception {
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

    /** Returns the value after Java serialization and back, as on another machine. */
    static Object sent(Object value) throws IOException, ClassNotFoundException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ObjectOutputStream out = new ObjectOutputStream(bytes)) {
            out.writeObject(value);
        }
        try (ObjectInputStream in = new ObjectInputStream(new ByteArrayInputStream(bytes.toByteArray()))) {
            return in.readObject();
        }
    }
}
