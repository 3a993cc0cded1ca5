package dev.grft.data.decode;

import com.twelvemonkeys.imageio.plugins.jpeg.JPEGImageReaderSpi;
import dev.grft.data.BrokenImage;
import dev.grft.data.Pixels;
import java.awt.image.BufferedImage;
import java.awt.image.ColorModel;
import java.awt.image.DataBufferByte;
import java.awt.image.IndexColorModel;
import java.awt.image.PixelInterleavedSampleModel;
import java.awt.image.Raster;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import javax.imageio.IIOException;
import javax.imageio.ImageIO;
import javax.imageio.ImageReader;
import javax.imageio.spi.IIORegistry;
import javax.imageio.spi.ImageReaderSpi;
import javax.imageio.stream.ImageInputStream;
import javax.imageio.stream.MemoryCacheImageInputStream;
import org.jspecify.annotations.Nullable;

/**
 * Decodes JPEG, PNG, WebP, GIF, BMP and TIFF: gray, palette and CMYK become RGB, transparency is dropped. Of an animation the first
 * frame is decoded, of pages the first. Agrees with Pillow's {@code convert("RGB")} with two exceptions. A JPEG with a color profile is
 * converted to sRGB. Of 16 bits per color the upper 8 count, also of gray, which Pillow cuts off at 255 and so makes nearly white.
 *
 * <p>A rotation noted in a photo's EXIF data is not applied, see {@link Exif}; that of a TIFF is, as in Pillow. Stateless: any number of
 * threads may share one.
 */
public final class ImageDecoder {
    /** Images of more pixels than this are refused unless another limit is given: they would not fit into a task. */
    static final long MAX_PIXELS = 100_000_000;

    /** Images with a longer side are refused: the filters of a resize have as many weights for each new pixel as it covers old ones. */
    private static final int MAX_SIDE = 1_000_000;

    /** Most pixels that a byte of a file can hold: 8 of one bit in each of the 1032 that deflate makes of it. JPEG: 512. */
    private static final long DENSEST = 8 * 1032;

    /**
     * So many pixels may be in a file of any size: a blank page or mask takes a few bytes as WebP, or as a TIFF in a fax's compression.
     */
    private static final long BLANK = 4_000_000;

    /** Asked for by class: which reader serves a format would otherwise depend on the order of the class path. */
    private static final ImageReaderSpi JPEG = new JPEGImageReaderSpi();

    /** Java's own reader, for what it reads without help. */
    static final ImageReaderSpi PLAIN_JPEG;

    private static final ImageReaderSpi PNG;
    private static final ImageReaderSpi GIF;
    private static final ImageReaderSpi BMP;
    private static final ImageReaderSpi TIFF;

    /** Formats that are refused, and the command that converts them; by the brand at byte 8 of their first box. */
    private static final Map<String, String> REFUSED = Map.of(
            "heic", "HEIC; convert it: heif-convert %s %s.jpg",
            "heix", "HEIC; convert it: heif-convert %s %s.jpg",
            "mif1", "HEIF; convert it: heif-convert %s %s.jpg",
            "msf1", "HEIF; convert it: heif-convert %s %s.jpg",
            "avif", "AVIF; convert it: avifdec %s %s.png",
            "avis", "AVIF; convert it: avifdec %s %s.png",
            "jp2 ", "JPEG 2000; convert it: magick %s %s.png");

    static {
        ImageIO.setUseCache(false); // images are in memory already; no temporary files
        IIORegistry registry = IIORegistry.getDefaultInstance();
        registry.registerServiceProvider(JPEG); // it looks for the JDK's reader, to which it adds the rarer kinds
        PLAIN_JPEG = (ImageReaderSpi) provider(registry, "com.sun.imageio.plugins.jpeg.JPEGImageReaderSpi");
        PNG = (ImageReaderSpi) provider(registry, "com.sun.imageio.plugins.png.PNGImageReaderSpi");
        GIF = (ImageReaderSpi) provider(registry, "com.sun.imageio.plugins.gif.GIFImageReaderSpi");
        BMP = (ImageReaderSpi) provider(registry, "com.sun.imageio.plugins.bmp.BMPImageReaderSpi");
        TIFF = (ImageReaderSpi) provider(registry, "com.sun.imageio.plugins.tiff.TIFFImageReaderSpi");
    }

    private final long maxPixels;

    /** Returns the decoder that refuses images of more than {@link #MAX_PIXELS}. */
    public ImageDecoder() {
        this(MAX_PIXELS);
    }

    /** Returns the decoder that refuses images of more than {@code maxPixels}, before it makes room for them. */
    ImageDecoder(long maxPixels) {
        if (maxPixels < 1) {
            throw new IllegalArgumentException("the limit must be 1 pixel or more, got " + maxPixels);
        }
        this.maxPixels = maxPixels;
    }

    private static Object provider(IIORegistry registry, String name) {
        try {
            return registry.getServiceProviderByClass(Class.forName(name));
        } catch (ClassNotFoundException e) {
            throw new IllegalStateException("this Java has no reader " + name, e);
        }
    }

    /**
     * Returns the image that the bytes encode.
     *
     * @param encoded a whole file
     * @param name its name, for the message
     * @throws BrokenImage if they encode none, only a part of one, or one that is too large or larger than the file
     */
    public Pixels decode(byte[] encoded, String name) throws BrokenImage {
        boolean webP = isWebP(encoded);
        ImageReaderSpi format = webP ? null : format(encoded, name);
        try {
            return format == null
                    ? WebP.decode(encoded, maxPixels, name)
                    : decode(format, encoded, encoded.length, name);
        } catch (IOException | RuntimeException e) { // readers answer damaged files with either
            Pixels bare = format == JPEG || format == PNG ? withoutMetadata(format, encoded, name) : null;
            if (bare != null) {
                return bare;
            }
            throw new BrokenImage(name, "damaged (" + reason(e) + ")", e);
        }
    }

    private static boolean isWebP(byte[] encoded) {
        return startsWith(encoded, "RIFF")
                && encoded.length >= 12
                && startsWith(Arrays.copyOfRange(encoded, 8, 12), "WEBP");
    }

    /**
     * Returns the image without its profile, which is ignored if it is wrong as Pillow does; null if that does not help. Nothing in
     * metadata may break the pixels.
     */
    private @Nullable Pixels withoutMetadata(ImageReaderSpi format, byte[] encoded, String name) {
        byte[] bare = format == JPEG ? Metadata.removedFromJpeg(encoded) : Metadata.removedFromPng(encoded);
        try {
            return bare == null ? null : decode(format, bare, encoded.length, name);
        } catch (IOException | RuntimeException | BrokenImage e) {
            return null; // the failure of the whole file says more
        }
    }

    private Pixels decode(ImageReaderSpi format, byte[] encoded, int length, String name)
            throws IOException, BrokenImage {
        Pixels plain =
                format == JPEG ? PlainJpeg.decode(encoded, Math.min(maxPixels, DENSEST * length), PLAIN_JPEG) : null;
        if (plain != null) {
            return plain;
        }
        try (ImageInputStream in = new MemoryCacheImageInputStream(new ByteArrayInputStream(encoded))) {
            ImageReader reader = format.createReaderInstance();
            try {
                if (format == GIF) {
                    Gif screen = Gif.of(encoded);
                    requireAtMost(maxPixels, screen.height(), screen.width(), name);
                    requireInFile(screen.height(), screen.width(), length, name);
                    return screen.placed(read(reader, in, length, name), name);
                }
                if (format == TIFF) {
                    return new Tiff(encoded, maxPixels, name)
                            .pixels(read(reader, in, Integer.MAX_VALUE, name)); // the directory has been looked at
                }
                if (format == BMP) {
                    requirePlain(encoded, name);
                }
                BufferedImage image = read(reader, in, length, name);
                return new Pixels(image.getHeight(), image.getWidth(), rgb(image));
            } finally {
                reader.dispose();
            }
        }
    }

    /** Refuses a BMP that holds a JPEG or PNG, because the size of these is not checked. */
    private static void requirePlain(byte[] encoded, String name) throws BrokenImage {
        int compression = encoded.length > 30 && encoded[14] >= 40 ? encoded[30] : 0;
        if (compression == 4 || compression == 5) {
            throw new BrokenImage(name, "a BMP that holds a JPEG or PNG; convert it to PNG");
        }
    }

    /** Refuses an image of more pixels than are allowed, or with too long a side, before there is room made for it. */
    static void requireAtMost(long maxPixels, long height, long width, String name) throws BrokenImage {
        if (height > maxPixels || width > maxPixels || height * width > maxPixels) {
            throw new BrokenImage(name, height + " x " + width + " pixels, more than the " + maxPixels + " allowed");
        }
        if (height > MAX_SIDE || width > MAX_SIDE) {
            throw new BrokenImage(
                    name, height + " x " + width + " pixels, a side of more than the " + MAX_SIDE + " allowed");
        }
    }

    /** Refuses an image of more pixels than its file could hold, or {@link #BLANK} if that is more. */
    static void requireInFileOrBlank(long height, long width, int length, String name) throws BrokenImage {
        if (height * width > BLANK) {
            requireInFile(height, width, length, name);
        }
    }

    private static void requireInFile(long height, long width, int length, String name) throws BrokenImage {
        if (height * width > DENSEST * length) {
            throw new BrokenImage(
                    name, height + " x " + width + " pixels, more than can be in a file of " + length + " bytes");
        }
    }

    /** Returns the image; {@code length} is that of the file. */
    private BufferedImage read(ImageReader reader, ImageInputStream in, int length, String name)
            throws IOException, BrokenImage {
        List<String> warnings = new ArrayList<>();
        reader.addIIOReadWarningListener((source, warning) -> warnings.add(warning));
        reader.setInput(in, true, true);
        int width = reader.getWidth(0);
        int height = reader.getHeight(0);
        requireAtMost(maxPixels, height, width, name);
        requireInFile(height, width, length, name);
        BufferedImage image = reader.read(0);
        for (String warning : warnings) {
            if (incomplete(warning)) {
                throw new BrokenImage(name, "damaged (" + warning + ")");
            }
        }
        return image;
    }

    /** The JPEG reader fills what is missing with gray and merely warns; its other warnings leave the image whole. */
    private static boolean incomplete(String warning) {
        return warning.contains("premature end") || warning.contains("Missing EOI");
    }

    private static String reason(Exception e) {
        Throwable cause = e instanceof IIOException && e.getCause() != null ? e.getCause() : e;
        String message = cause.getMessage();
        return message == null ? cause.getClass().getSimpleName() : message;
    }

    private static ImageReaderSpi format(byte[] encoded, String name) throws BrokenImage {
        if (startsWith(encoded, "\u00ff\u00d8\u00ff")) {
            return JPEG;
        }
        if (startsWith(encoded, "\u0089PNG\r\n\u001a\n")) {
            return PNG;
        }
        if (startsWith(encoded, "GIF8")) {
            return GIF;
        }
        if (startsWith(encoded, "BM")) {
            return BMP;
        }
        if (startsWith(encoded, "II*\0")
                || startsWith(encoded, "MM\0*")
                || startsWith(encoded, "II+\0")
                || startsWith(encoded, "MM\0+")) {
            return TIFF;
        }
        throw new BrokenImage(name, encoded.length == 0 ? "empty" : refusal(encoded, name));
    }

    private static String refusal(byte[] encoded, String name) {
        String box = encoded.length < 24 ? "" : new String(encoded, 4, 20, StandardCharsets.ISO_8859_1);
        String brand = box.startsWith("ftyp") ? box.substring(4, 8) : box.startsWith("jP  ") ? "jp2 " : "";
        String known = REFUSED.get(brand);
        if (known != null) {
            return String.format(Locale.ROOT, known, name, name);
        }
        return "neither JPEG, PNG, WebP, GIF, BMP nor TIFF" + (startsWith(encoded, "<") ? " but HTML, XML or SVG" : "");
    }

    private static boolean startsWith(byte[] encoded, String magic) {
        byte[] bytes = magic.getBytes(StandardCharsets.ISO_8859_1);
        for (int i = 0; i < bytes.length; i++) {
            if (i == encoded.length || encoded[i] != bytes[i]) {
                return false;
            }
        }
        return true;
    }

    /**
     * Returns [height, width, 3] bytes. The samples are taken as they are: Java holds gray for linear light, so {@link
     * BufferedImage#getRGB} would brighten it.
     */
    static byte[] rgb(BufferedImage image) {
        Raster raster = image.getRaster();
        byte[] rgb = new byte[Math.multiplyExact(3, Math.multiplyExact(image.getHeight(), image.getWidth()))];
        if (image.getColorModel() instanceof IndexColorModel palette) {
            copyPalette(raster, palette, rgb);
        } else if (raster.getDataBuffer() instanceof DataBufferByte bytes
                && raster.getSampleModel() instanceof PixelInterleavedSampleModel model
                && raster.getSampleModelTranslateX() == 0
                && raster.getSampleModelTranslateY() == 0) {
            copyBytes(bytes.getData(), bytes.getOffset(), model, rgb);
        } else {
            copySamples(raster, image.getColorModel(), rgb);
        }
        return rgb;
    }

    private static void copyPalette(Raster raster, IndexColorModel palette, byte[] rgb) {
        int[] indices = new int[raster.getWidth()];
        int to = 0;
        for (int y = 0; y < raster.getHeight(); y++) {
            raster.getSamples(0, y, raster.getWidth(), 1, 0, indices);
            for (int index : indices) {
                rgb[to++] = (byte) palette.getRed(index);
                rgb[to++] = (byte) palette.getGreen(index);
                rgb[to++] = (byte) palette.getBlue(index);
            }
        }
    }

    /** The fast way for what nearly all files decode to: one byte per sample, the samples of a pixel together. */
    private static void copyBytes(byte[] samples, int start, PixelInterleavedSampleModel model, byte[] rgb) {
        int[] bands = model.getBandOffsets();
        int red = bands[0];
        int green = bands[bands.length < 3 ? 0 : 1];
        int blue = bands[bands.length < 3 ? 0 : 2];
        int step = model.getPixelStride();
        int to = 0;
        for (int y = 0; y < model.getHeight(); y++) {
            int from = start + y * model.getScanlineStride();
            for (int x = 0; x < model.getWidth(); x++, from += step) {
                rgb[to++] = samples[from + red];
                rgb[to++] = samples[from + green];
                rgb[to++] = samples[from + blue];
            }
        }
    }

    /** Of more than 8 bits the upper 8 count; fewer are scaled to 255 and rounded down, as in Pillow (Unpack.c). */
    private static void copySamples(Raster raster, ColorModel model, byte[] rgb) {
        int bands = raster.getNumBands();
        int width = raster.getWidth();
        int[] samples = new int[width * bands];
        for (int y = 0; y < raster.getHeight(); y++) {
            raster.getPixels(0, y, width, 1, samples);
            for (int color = 0; color < 3; color++) {
                int band = bands < 3 ? 0 : color;
                int bits = model.getComponentSize(band);
                int to = 3 * y * width + color;
                for (int at = band; at < samples.length; at += bands, to += 3) {
                    rgb[to] = (byte) (bits < 8 ? samples[at] * 255 / ((1 << bits) - 1) : samples[at] >> (bits - 8));
                }
            }
        }
    }
}
