package dev.grft.report;

import dev.grft.data.Pixels;
import java.awt.Graphics2D;
import java.awt.Image;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Base64;
import javax.imageio.ImageIO;

/** A small picture of an image, for people. */
public final class Thumbnail {
    /** The longest side, pixels. */
    static final int SIDE = 96;

    /** What is no larger than this is kept without loss. */
    private static final int EXACT = 48;

    private Thumbnail() {}

    /** Returns the picture as a data URI, some kilobytes: a JPEG of at most 96 pixels, a PNG if the image is small. */
    public static String of(Pixels pixels) {
        int longest = Math.max(pixels.height(), pixels.width());
        double scale = Math.min(1, (double) SIDE / longest);
        int width = (int) Math.max(1, Math.round(scale * pixels.width()));
        int height = (int) Math.max(1, Math.round(scale * pixels.height()));
        BufferedImage picture = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        Graphics2D graphics = picture.createGraphics();
        graphics.drawImage(image(pixels).getScaledInstance(width, height, Image.SCALE_AREA_AVERAGING), 0, 0, null);
        graphics.dispose();
        String format = longest <= EXACT ? "png" : "jpeg";
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try {
            ImageIO.write(picture, format, out);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return "data:image/" + format + ";base64," + Base64.getEncoder().encodeToString(out.toByteArray());
    }

    private static BufferedImage image(Pixels pixels) {
        BufferedImage image = new BufferedImage(pixels.width(), pixels.height(), BufferedImage.TYPE_INT_RGB);
        byte[] rgb = pixels.rgb();
        int[] packed = new int[pixels.width() * pixels.height()];
        for (int i = 0; i < packed.length; i++) {
            packed[i] = (rgb[3 * i] & 255) << 16 | (rgb[3 * i + 1] & 255) << 8 | (rgb[3 * i + 2] & 255);
        }
        image.setRGB(0, 0, pixels.width(), pixels.height(), packed, 0, pixels.width());
        return image;
    }
}
