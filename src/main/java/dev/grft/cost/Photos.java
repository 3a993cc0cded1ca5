package dev.grft.cost;

import dev.grft.UserError;
import dev.grft.checkpoint.file.Storage;
import dev.grft.data.BrokenImage;
import dev.grft.data.Pixels;
import dev.grft.data.decode.ImageDecoder;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.imageio.ImageIO;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/**
 * Photos to measure decoding with.
 *
 * @param what they are, for people
 * @param files the encoded photos
 */
public record Photos(String what, List<byte[]> files) {
    private static final Pattern SIZE = Pattern.compile("(\\d{1,6})x(\\d{1,6})");
    private static final int MOST_SIDE = 65_500; // of a JPEG
    private static final int DRAWN = 4;
    private static final int MOST_PIXELS = 50_000_000;

    /**
     * Returns photos of a size, which are drawn, or one photo.
     *
     * @param photo a size in pixels such as {@code 500x375}, or the path of a photo
     * @throws UserError if it is neither
     */
    static Photos of(Configuration hadoop, String photo) {
        Matcher size = SIZE.matcher(photo);
        if (!size.matches()) {
            return given(hadoop, photo);
        }
        long width = Long.parseLong(size.group(1));
        long height = Long.parseLong(size.group(2));
        if (width < 1 || height < 1 || Math.max(width, height) > MOST_SIDE || width * height > MOST_PIXELS) {
            throw UserError.of(
                    "--photo must have sides of 1 to %,d pixels and at most %,d pixels, such as 500x375, got %s",
                    MOST_SIDE, MOST_PIXELS, photo);
        }
        return new Photos(
                "photos of " + width + " x " + height + " pixels (--photo)", drawn((int) width, (int) height, DRAWN));
    }

    private static Photos given(Configuration hadoop, String photo) {
        try {
            return new Photos("the photo " + photo, List.of(new Storage(hadoop).readBytes(new Path(photo))));
        } catch (UserError | IllegalArgumentException e) {
            throw new UserError(
                    "--photo must be a size in pixels such as 500x375 or the path of a photo, got '" + photo + "': "
                            + e.getMessage(),
                    e);
        }
    }

    /** Returns one of them, decoded. */
    Pixels decoded(int at) {
        try {
            return new ImageDecoder().decode(files.get(at % files.size()), what);
        } catch (BrokenImage e) {
            throw new UserError("--photo: " + e.getMessage(), e);
        }
    }

    /** Returns JPEGs of waves and grain, about as many bytes as photos of that size have. */
    public static List<byte[]> drawn(int width, int height, int count) {
        SplittableRandom random = new SplittableRandom(3);
        List<byte[]> photos = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
            double frequency = 0.01 + 0.2 * random.nextDouble();
            for (int y = 0; y < height; y++) {
                for (int x = 0; x < width; x++) {
                    int rgb = 0;
                    int grain = random.nextInt(60);
                    for (int channel = 0; channel < 3; channel++) {
                        double wave = Math.sin(frequency * x + channel) * Math.cos(frequency * y - channel);
                        rgb = rgb << 8 | (int) (90 + 80 * wave) + grain;
                    }
                    image.setRGB(x, y, rgb);
                }
            }
            ByteArrayOutputStream file = new ByteArrayOutputStream();
            try {
                ImageIO.write(image, "jpg", file);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            photos.add(file.toByteArray());
        }
        return photos;
    }
}
