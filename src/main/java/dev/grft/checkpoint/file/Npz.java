package dev.grft.checkpoint.file;

import dev.grft.UserError;
import dev.grft.data.Sha256;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.time.LocalDateTime;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipException;
import java.util.zip.ZipInputStream;
import java.util.zip.ZipOutputStream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/**
 * NumPy's {@code .npz}: a zip of {@code NAME.npy}, each with a header of one Python literal (NumPy Enhancement Proposal 1) and
 * the numbers. Arrays of objects are pickles, which run code when they are read; they are refused like any other type.
 */
public final class Npz {
    public static final String SUFFIX = ".npz";

    /** How many bytes of numbers a byte of the file may hold: compressed weights hold less than two. */
    private static final int DENSEST = 4;

    private static final LocalDateTime FIRST = LocalDateTime.of(1980, 1, 1, 0, 0); // the first time a zip can tell
    private static final byte[] MAGIC = {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y'};
    private static final int MAX_HEADER = 1 << 16;
    private static final Pattern HEADER = Pattern.compile(
            "\\{'descr': '([^']*)', 'fortran_order': (True|False)," + " 'shape': \\(([\\d, ]*)\\), \\}\\s*");
    private static final Map<String, Dtype> TYPES = Map.of(
            "<f4",
            Dtype.F32,
            "<f8",
            Dtype.F64,
            "<f2",
            Dtype.F16,
            "<i4",
            Dtype.I32,
            "<i8",
            Dtype.I64,
            "|V2",
            Dtype.BF16); // JAX's bfloat16, which NumPy does not know

    private Npz() {}

    /**
     * Returns the arrays of a file.
     *
     * @throws UserError if it is missing or malformed, or an array is of objects or in Fortran's order
     */
    static Tensors read(Configuration hadoop, Path path) {
        Storage storage = new Storage(hadoop);
        long length = storage.length(path);
        return storage.read(path, in -> read(path.toString(), in, length));
    }

    static Tensors read(String file, InputStream stream, long length) throws IOException {
        MessageDigest digest = Sha256.digest();
        InputStream in = new DigestInputStream(stream, digest);
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        long room = DENSEST * length;
        ZipInputStream zip = new ZipInputStream(in); // the caller, which opened the stream, closes it
        try {
            for (ZipEntry entry = zip.getNextEntry(); entry != null; entry = zip.getNextEntry()) {
                String name = entry.getName();
                if (!name.endsWith(".npy")) {
                    throw UserError.of("%s: has the entry %s, expected arrays NAME.npy only", file, name);
                }
                name = name.substring(0, name.length() - ".npy".length());
                Tensor tensor = array(file + ": " + name, zip, room);
                room -= (long) tensor.length() * tensor.dtype().bytes();
                if (tensors.put(name, tensor) != null) {
                    throw UserError.of("%s: has the array %s twice; write the file again", file, name);
                }
            }
        } catch (ZipException | EOFException | IllegalArgumentException e) {
            throw new UserError(
                    file
                            + (String.valueOf(e.getMessage()).contains("EXT descriptor") // of a whole file, too
                                    ? ": is in a form that Java cannot read, since it was saved to a stream; save it to a disk first"
                                    : ": is damaged (" + e.getMessage() + "); copy it again"),
                    e);
        }
        if (tensors.isEmpty()) {
            throw UserError.of("%s: holds no arrays; is it a file of numpy.savez?", file);
        }
        in.transferTo(OutputStream.nullOutputStream()); // the zip's directory, for the digest
        return new Tensors(file, tensors, Sha256.hexadecimal(digest));
    }

    private static Tensor array(String place, InputStream in, long room) throws IOException {
        byte[] start = in.readNBytes(MAGIC.length + 2);
        if (start.length < MAGIC.length + 2 || !Arrays.equals(start, 0, MAGIC.length, MAGIC, 0, MAGIC.length)) {
            throw UserError.of("%s: is not a NumPy array; is it a file of numpy.savez?", place);
        }
        byte[] size = in.readNBytes(start[MAGIC.length] == 1 ? 2 : 4);
        long bytes = 0;
        for (int i = size.length - 1; i >= 0; i--) {
            bytes = (bytes << 8) | (size[i] & 0xff);
        }
        if (bytes > MAX_HEADER) {
            throw UserError.of(
                    "%s: the header claims to have %d bytes, expected at most %d; it is damaged, copy it again",
                    place, bytes, MAX_HEADER);
        }
        String header = new String(in.readNBytes((int) bytes), StandardCharsets.ISO_8859_1);
        Matcher parts = HEADER.matcher(header);
        if (!parts.matches()) {
            throw UserError.of(
                    "%s: has the header %s, expected descr, fortran_order and shape; write it with numpy.savez",
                    place, header.substring(0, Math.min(80, header.length())).strip());
        }
        Dtype type = TYPES.get(parts.group(1));
        if (type == null) {
            throw UserError.of(
                    "%s: is of type %s, expected one of %s; convert it to float32",
                    place, parts.group(1), new TreeSet<>(TYPES.keySet()));
        }
        if (parts.group(2).equals("True")) {
            throw UserError.of("%s: is in Fortran order; write it with numpy.ascontiguousarray", place);
        }
        long[] shape;
        long needed;
        try {
            shape = Arrays.stream(parts.group(3).split(","))
                    .map(String::strip)
                    .filter(n -> !n.isEmpty())
                    .mapToLong(Long::parseLong)
                    .toArray();
            needed = Math.multiplyExact(Tensor.elements(shape), (long) type.bytes());
        } catch (NumberFormatException | ArithmeticException e) {
            throw new UserError(
                    place + ": has the shape (" + parts.group(3)
                            + "), more than any file can hold; it is damaged, copy it again",
                    e);
        }
        if (needed > room || needed / type.bytes() > Integer.MAX_VALUE - 8) {
            throw UserError.of(
                    "%s: of shape %s needs %d bytes, more than the file can hold; it is damaged, copy it again",
                    place, Arrays.toString(shape), needed);
        }
        Tensor tensor = Tensor.read(type, shape, in);
        if (in.read() >= 0) {
            throw UserError.of(
                    "%s: more bytes follow than its shape %s needs; it is damaged, copy it again",
                    place, Arrays.toString(shape));
        }
        return tensor;
    }

    /**
     * Writes arrays, not compressed; the same arguments give the same bytes.
     *
     * @param out not closed
     */
    public static void write(OutputStream out, Map<String, Tensor> tensors) throws IOException {
        ZipOutputStream zip = new ZipOutputStream(out);
        for (Map.Entry<String, Tensor> one : tensors.entrySet()) {
            byte[] header = header(one.getValue());
            ZipEntry entry = new ZipEntry(one.getKey() + ".npy");
            entry.setMethod(ZipEntry.STORED); // which wants size and checksum beforehand
            entry.setTimeLocal(FIRST);
            Checksum sum = new Checksum();
            sum.write(header);
            one.getValue().write(sum);
            entry.setSize(sum.length);
            entry.setCrc(sum.crc.getValue());
            zip.putNextEntry(entry);
            zip.write(header);
            one.getValue().write(zip);
            zip.closeEntry();
        }
        zip.finish();
    }

    private static byte[] header(Tensor tensor) {
        String type = TYPES.entrySet().stream()
                .filter(e -> e.getValue() == tensor.dtype())
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("NumPy has no name for " + tensor.dtype()))
                .getKey();
        long[] shape = tensor.shape();
        String sizes = Arrays.stream(shape).mapToObj(Long::toString).collect(Collectors.joining(", "));
        String text = "{'descr': '" + type + "', 'fortran_order': False, 'shape': (" + sizes
                + (shape.length == 1 ? ",)" : ")") + ", }";
        int prefix = MAGIC.length + 4;
        int padded = (prefix + text.length() + 1 + 63) / 64 * 64 - prefix; // numbers begin at a multiple of 64
        byte[] header = new byte[prefix + padded];
        System.arraycopy(MAGIC, 0, header, 0, MAGIC.length);
        header[MAGIC.length] = 1;
        header[prefix - 2] = (byte) padded;
        header[prefix - 1] = (byte) (padded >> 8);
        byte[] words = (text + " ".repeat(padded - text.length() - 1) + "\n").getBytes(StandardCharsets.US_ASCII);
        System.arraycopy(words, 0, header, prefix, padded);
        return header;
    }

    /** Counts and sums what is written. */
    private static final class Checksum extends OutputStream {
        private final CRC32 crc = new CRC32();
        private long length;

        @Override
        public void write(int b) {
            crc.update(b);
            length++;
        }

        @Override
        public void write(byte[] bytes, int from, int count) {
            crc.update(bytes, from, count);
            length += count;
        }
    }
}
