package dev.grft.data.decode;

import dev.grft.data.Pixels;
import java.nio.charset.StandardCharsets;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;

/** Reads which side of a photo is up, as a camera notes it in EXIF data or an editor in XMP, and turns the pixels by it. */
public final class Exif {
    private static final int UPRIGHT = 1;
    private static final int ORIENTATION = 0x0112;
    private static final int SHORT = 3;
    private static final String XMP_OF_JPEG = "http://ns.adobe.com/xap/1.0/\0";
    private static final String XMP_OF_PNG = "XML:com.adobe.xmp\0";
    private static final int LONGEST_XMP = 1 << 20; // bytes once it is unpacked; most have some thousand
    private static final Pattern IN_XMP = Pattern.compile("tiff:Orientation(?:=\"|>)([0-9])");

    private Exif() {}

    /**
     * Returns the orientation that a file notes, from 1 (upright) to 8, as Pillow reads it from JPEG, PNG and WebP; 1 if it notes none.
     * EXIF data go before XMP. Of TIFF, too, whose orientation the decoder has already applied, as Pillow does.
     */
    public static int orientation(byte[] encoded) {
        Bytes bytes = new Bytes(encoded, 0, encoded.length, false);
        Notes notes = new Notes();
        if (bytes.startsWith(0, "\u00ff\u00d8\u00ff")) {
            readJpeg(bytes, notes);
        } else if (bytes.startsWith(0, "\u0089PNG")) {
            readPng(bytes, notes);
        } else if (bytes.startsWith(0, "RIFF")) {
            readWebP(bytes, notes);
        }
        return notes.orientation();
    }

    /** What a file says in its EXIF data and its XMP. */
    private static final class Notes {
        private int exif;
        private String xmp = "";

        void exif(int orientation) {
            exif = exif == 0 ? orientation : exif;
        }

        int orientation() {
            Matcher inXmp = IN_XMP.matcher(xmp);
            int noted = exif == 0 && inXmp.find() ? Integer.parseInt(inXmp.group(1)) : exif;
            return noted >= 1 && noted <= 8 ? noted : UPRIGHT;
        }
    }

    private static void readJpeg(Bytes bytes, Notes notes) {
        int at = 2;
        while (at + 4 <= bytes.length() && bytes.at(at) == 0xff) {
            int marker = bytes.at(at + 1);
            if (marker == 0xff) { // filler
                at++;
                continue;
            }
            int length = bytes.at(at + 2) << 8 | bytes.at(at + 3);
            if (marker == 0xda || length < 2) {
                return;
            }
            if (marker == 0xe1 && bytes.startsWith(at + 4, "Exif\0\0")) {
                notes.exif(ofBlock(bytes, at + 10, length - 8));
            } else if (marker == 0xe1 && bytes.startsWith(at + 4, XMP_OF_JPEG)) {
                notes.xmp = bytes.text(at + 4 + XMP_OF_JPEG.length(), length - 2 - XMP_OF_JPEG.length());
            }
            at += 2 + length;
        }
    }

    private static void readPng(Bytes bytes, Notes notes) {
        for (long at = 8; at + 12 <= bytes.length(); ) {
            long length = bytes.bigEndian().uint((int) at);
            if (bytes.startsWith((int) at + 4, "eXIf")) {
                notes.exif(ofBlock(bytes, (int) at + 8, length));
            } else if (bytes.startsWith((int) at + 4, "iTXt" + XMP_OF_PNG) && at + 12 + length <= bytes.length()) {
                notes.xmp = international(bytes.part((int) at + 8, (int) length, true));
            }
            at += 12 + length;
        }
    }

    /** Returns the text of an iTXt chunk: keyword, two bytes that say whether it is packed, language, translated keyword, text. */
    private static String international(Bytes chunk) {
        int at = XMP_OF_PNG.length() + 2;
        for (int ends = 0; ends < 2 && at < chunk.length(); at++) {
            ends += chunk.at(at) == 0 ? 1 : 0;
        }
        if (chunk.at(XMP_OF_PNG.length()) == 0) {
            return chunk.text(at, chunk.length());
        }
        Inflater packed = new Inflater();
        try {
            packed.setInput(chunk.text(at, chunk.length()).getBytes(StandardCharsets.ISO_8859_1));
            byte[] text = new byte[LONGEST_XMP];
            return new String(text, 0, packed.inflate(text), StandardCharsets.ISO_8859_1);
        } catch (DataFormatException e) {
            return "";
        } finally {
            packed.end();
        }
    }

    private static void readWebP(Bytes bytes, Notes notes) {
        for (WebP.Chunk chunk : WebP.chunks(bytes, 12)) {
            if (chunk.type().equals("EXIF")) {
                int skipped = bytes.startsWith(chunk.at(), "Exif\0\0") ? 6 : 0;
                notes.exif(ofBlock(bytes, chunk.at() + skipped, chunk.length() - skipped));
            } else if (chunk.type().equals("XMP ")) {
                notes.xmp = bytes.text(chunk.at(), chunk.length());
            }
        }
    }

    /** Returns the orientation in the first directory of the TIFF that EXIF data are; 0 if there is none, or it is damaged. */
    private static int ofBlock(Bytes bytes, int from, long length) {
        if (from < 0 || length < 8 || from + length > bytes.length()) {
            return 0;
        }
        boolean big = bytes.startsWith(from, "MM\0*");
        if (!big && !bytes.startsWith(from, "II*\0")) {
            return 0;
        }
        Bytes block = bytes.part(from, (int) length, big);
        long directory = block.uint(4);
        if (directory + 2 > block.length()) {
            return 0;
        }
        int entries = block.ushort((int) directory);
        for (long at = directory + 2; entries > 0 && at + 12 <= block.length(); at += 12, entries--) {
            if (block.ushort((int) at) == ORIENTATION) {
                return block.ushort((int) at + 2) == SHORT ? block.ushort((int) at + 8) : UPRIGHT;
            }
        }
        return 0;
    }

    /**
     * Returns an image turned and mirrored such that its orientation becomes 1, as Pillow's {@code ImageOps.exif_transpose} does.
     *
     * @param orientation from 1 to 8
     */
    public static Pixels upright(Pixels image, int orientation) {
        if (orientation == UPRIGHT) {
            return image;
        }
        boolean turned = orientation >= 5; // height and width change places
        int height = turned ? image.width() : image.height();
        int width = turned ? image.height() : image.width();
        boolean fromBottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
        boolean fromRight = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
        byte[] from = image.rgb();
        byte[] rgb = new byte[from.length];
        int to = 0;
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                int row = turned ? x : y;
                int column = turned ? y : x;
                int at = 3
                        * ((fromBottom ? image.height() - 1 - row : row) * image.width()
                                + (fromRight ? image.width() - 1 - column : column));
                rgb[to++] = from[at];
                rgb[to++] = from[at + 1];
                rgb[to++] = from[at + 2];
            }
        }
        return new Pixels(height, width, rgb);
    }

    /** Unsigned numbers in a part of some bytes; what lies outside is 0. */
    static final class Bytes {
        private final byte[] all;
        private final int from;
        private final int length;
        private final boolean big;

        Bytes(byte[] all, int from, int length, boolean big) {
            this.all = all;
            this.from = from;
            this.length = length;
            this.big = big;
        }

        byte[] all() {
            return all;
        }

        int length() {
            return length;
        }

        Bytes part(int at, int count, boolean order) {
            return new Bytes(all, from + at, count, order);
        }

        Bytes bigEndian() {
            return new Bytes(all, from, length, true);
        }

        int at(int index) {
            return index < 0 || index >= length ? 0 : all[from + index] & 0xff;
        }

        int ushort(int index) {
            return big ? at(index) << 8 | at(index + 1) : at(index + 1) << 8 | at(index);
        }

        long uint(int index) {
            long first = ushort(index);
            long second = ushort(index + 2);
            return big ? first << 16 | second : second << 16 | first;
        }

        String text(int index, int count) {
            int end = Math.min(index + count, length);
            return index >= end ? "" : new String(all, from + index, end - index, StandardCharsets.ISO_8859_1);
        }

        boolean startsWith(int index, String magic) {
            return text(index, magic.length()).equals(magic);
        }
    }
}
