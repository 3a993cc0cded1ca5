package dev.grft.checkpoint.file;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.UserError;
import dev.grft.data.Sha256;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/**
 * A file of named tensors: 8 bytes with the length of the header, little-endian; the header in JSON, with type, shape
 * and place of each tensor; the numbers, without gaps.
 *
 * <p>A file is believed only as far as it has been checked: sizes are compared with the file's before anything is
 * allocated, so that a hostile file of n bytes costs O(n) memory and a clear error.
 */
public final class Safetensors {
    /** The reference implementation's limit of the header, bytes. */
    private static final long MAX_HEADER = 100_000_000;

    private static final String METADATA = "__metadata__";
    private static final ObjectMapper JSON = JsonMapper.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private final String file;
    private final Map<String, String> metadata;
    private final Map<String, Tensor> tensors;
    private final String sha256;

    private Safetensors(String file, Map<String, String> metadata, Map<String, Tensor> tensors, String sha256) {
        this.file = file;
        this.metadata = metadata;
        this.tensors = tensors;
        this.sha256 = sha256;
    }

    /**
     * Returns the contents of a file, read once, tensor by tensor; it may be larger than an array can be.
     *
     * @throws UserError if it is missing, unreadable or malformed
     */
    public static Safetensors read(Configuration hadoop, Path path) {
        Storage storage = new Storage(hadoop);
        long length = storage.length(path);
        return storage.read(path, in -> read(path.toString(), in, length));
    }

    /**
     * Returns the contents of a file that is already in memory.
     *
     * @param name of the file in errors
     * @throws UserError if it is malformed
     */
    public static Safetensors read(String name, byte[] bytes) {
        try {
            return read(name, new ByteArrayInputStream(bytes), bytes.length);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Safetensors read(String file, InputStream stream, long length) throws IOException {
        MessageDigest digest = Sha256.digest();
        InputStream in = new DigestInputStream(stream, digest);
        byte[] prefix = in.readNBytes(8);
        require(prefix.length == 8, file, "has %d bytes, expected at least 8; is it a safetensors file?", length);
        long headerLength =
                ByteBuffer.wrap(prefix).order(ByteOrder.LITTLE_ENDIAN).getLong();
        require(
                headerLength >= 0 && headerLength <= MAX_HEADER,
                file,
                "the header claims to have %s bytes, expected at most %d; is it a safetensors file?",
                Long.toUnsignedString(headerLength),
                MAX_HEADER);
        require(
                headerLength <= length - 8,
                file,
                "the header claims to have %d bytes, but only %d follow; the file is cut off, copy it again",
                headerLength,
                length - 8);
        Map<String, String> metadata = new LinkedHashMap<>();
        List<Entry> entries = entries(file, in.readNBytes((int) headerLength), metadata);

        List<Entry> placed = new ArrayList<>(entries);
        placed.sort(Comparator.<Entry>comparingLong(entry -> entry.begin).thenComparingLong(entry -> entry.end));
        long data = length - 8 - headerLength;
        long end = 0;
        for (Entry entry : placed) {
            require(
                    entry.begin == end,
                    file,
                    "%s begins at byte %d of the data, expected %d; tensors must neither overlap nor leave gaps",
                    entry.name,
                    entry.begin,
                    end);
            end = entry.end;
            require(
                    end <= data,
                    file,
                    "%s ends at byte %d of the data, which has only %d; the file is cut off, copy it again",
                    entry.name,
                    end,
                    data);
        }
        require(end == data, file, "%d bytes follow the last tensor, expected none; write the file again", data - end);

        Map<String, Tensor> read = new HashMap<>();
        for (Entry entry : placed) {
            read.put(entry.name, Tensor.read(entry.dtype, entry.shape, in));
        }
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        entries.forEach(entry -> tensors.put(entry.name, read.get(entry.name)));
        return new Safetensors(file, metadata, tensors, Sha256.hexadecimal(digest));
    }

    private static List<Entry> entries(String file, byte[] header, Map<String, String> metadata) {
        require(header.length > 0 && header[0] == '{', file, "the header must begin with {; is it a safetensors file?");
        JsonNode root;
        try {
            root = JSON.readTree(header);
        } catch (JsonProcessingException e) {
            throw new UserError(
                    file + ": the header is not valid JSON: " + e.getOriginalMessage() + "; write the file again", e);
        } catch (IOException e) { // not UTF-8
            throw new UserError(file + ": the header is not valid UTF-8; write the file again", e);
        }
        List<Entry> entries = new ArrayList<>();
        for (Map.Entry<String, JsonNode> field : root.properties()) {
            if (!field.getKey().equals(METADATA)) {
                entries.add(entry(file, field.getKey(), field.getValue()));
                continue;
            }
            require(field.getValue().isObject(), file, "%s must be an object of strings", METADATA);
            for (Map.Entry<String, JsonNode> pair : field.getValue().properties()) {
                require(
                        pair.getValue().isTextual(),
                        file,
                        "%s.%s must be a string, got %s",
                        METADATA,
                        pair.getKey(),
                        shortened(pair.getValue()));
                metadata.put(pair.getKey(), pair.getValue().textValue());
            }
        }
        return entries;
    }

    private static Entry entry(String file, String name, JsonNode node) {
        require(node.isObject(), file, "%s must be an object, got %s", name, shortened(node));
        String word = node.path("dtype").asText();
        Dtype dtype = Arrays.stream(Dtype.values())
                .filter(d -> d.name().equals(word))
                .findFirst()
                .orElseThrow(() -> UserError.of(
                        "%s: %s has the dtype %s, expected one of %s; convert the file to F32",
                        file, name, shortened(node.path("dtype")), Arrays.toString(Dtype.values())));
        long[] shape = naturals(file, name, "shape", node.path("shape"));
        long[] offsets = naturals(file, name, "data_offsets", node.path("data_offsets"));
        require(
                offsets.length == 2 && offsets[0] <= offsets[1],
                file,
                "%s has the data_offsets %s, expected a begin and an end",
                name,
                Arrays.toString(offsets));
        long elements;
        long bytes;
        try {
            elements = Tensor.elements(shape);
            bytes = Math.multiplyExact(elements, (long) dtype.bytes());
        } catch (ArithmeticException e) {
            throw new UserError(
                    file + ": " + name + " has the shape " + Arrays.toString(shape) + ", more than any file can hold",
                    e);
        }
        require(
                bytes == offsets[1] - offsets[0],
                file,
                "%s has %d bytes, but the shape %s of %s needs %d",
                name,
                offsets[1] - offsets[0],
                Arrays.toString(shape),
                dtype,
                bytes);
        require(
                elements <= Integer.MAX_VALUE - 8,
                file,
                "%s has %d numbers, expected fewer than 2^31 in one tensor; split it",
                name,
                elements);
        return new Entry(name, dtype, shape, offsets[0], offsets[1]);
    }

    private static long[] naturals(String file, String name, String key, JsonNode node) {
        require(node.isArray(), file, "%s has the %s %s, expected a list of numbers", name, key, shortened(node));
        long[] numbers = new long[node.size()];
        for (int i = 0; i < numbers.length; i++) {
            JsonNode number = node.get(i);
            require(
                    number.isIntegralNumber() && number.canConvertToLong() && number.longValue() >= 0,
                    file,
                    "%s has %s in its %s, expected whole numbers in [0, 2^63)",
                    name,
                    shortened(number),
                    key);
            numbers[i] = number.longValue();
        }
        return numbers;
    }

    private static String shortened(JsonNode node) {
        String text = node.isMissingNode() ? "nothing" : node.toString();
        return text.length() > 80 ? text.substring(0, 80) + "..." : text;
    }

    /**
     * Writes a file. The same arguments give the same bytes. Wider numbers come first, so that all are aligned;
     * otherwise tensors keep the map's order, and metadata is sorted by key.
     *
     * @param out not closed
     */
    public static void write(OutputStream out, Map<String, String> metadata, Map<String, Tensor> tensors)
            throws IOException {
        List<Map.Entry<String, Tensor>> placed = new ArrayList<>(tensors.entrySet());
        placed.sort(Comparator.comparingInt(e -> -e.getValue().dtype().bytes()));
        ObjectNode header = JSON.createObjectNode();
        if (!metadata.isEmpty()) {
            ObjectNode pairs = header.putObject(METADATA);
            new TreeMap<>(metadata).forEach(pairs::put);
        }
        long end = 0;
        for (Map.Entry<String, Tensor> entry : placed) {
            Tensor tensor = entry.getValue();
            if (entry.getKey().equals(METADATA)) {
                throw new IllegalArgumentException("a tensor cannot be called " + METADATA);
            }
            long begin = end;
            end += (long) tensor.length() * tensor.dtype().bytes();
            ObjectNode node =
                    header.putObject(entry.getKey()).put("dtype", tensor.dtype().name());
            Arrays.stream(tensor.shape()).forEach(node.putArray("shape")::add);
            node.putArray("data_offsets").add(begin).add(end);
        }
        byte[] json = JSON.writeValueAsBytes(header);
        int padded = (json.length + 7) / 8 * 8;
        if (padded > MAX_HEADER) {
            throw new IllegalArgumentException("a header of " + padded + " bytes could not be read again");
        }
        out.write(ByteBuffer.allocate(8)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(padded)
                .array());
        out.write(json);
        out.write(" ".repeat(padded - json.length).getBytes(StandardCharsets.US_ASCII));
        for (Map.Entry<String, Tensor> entry : placed) {
            entry.getValue().write(out);
        }
    }

    /** Returns the name of the file, as errors tell it. */
    public String file() {
        return file;
    }

    /** Returns the free strings of the header; empty if there are none. */
    public Map<String, String> metadata() {
        return Collections.unmodifiableMap(metadata);
    }

    /** Returns the names of the tensors in the order of the header. */
    public Set<String> names() {
        return Collections.unmodifiableSet(tensors.keySet());
    }

    /** Returns whether there is a tensor of this name. */
    public boolean has(String name) {
        return tensors.containsKey(name);
    }

    /**
     * Returns the tensor of this name.
     *
     * @throws UserError if there is none
     */
    public Tensor tensor(String name) {
        Tensor found = tensors.get(name);
        if (found == null) {
            throw UserError.of("%s: the tensor %s is missing; is it another file?", file, name);
        }
        return found;
    }

    /** Returns the SHA-256 of the whole file, in lower-case hexadecimal. */
    public String sha256() {
        return sha256;
    }

    private static void require(boolean condition, String file, String message, Object... arguments) {
        if (!condition) {
            throw UserError.of("%s: %s", file, String.format(Locale.ROOT, message, arguments));
        }
    }

    /** A tensor of the header; its numbers are the bytes {@code [begin, end)} of the data. */
    private static final class Entry {
        final String name;
        final Dtype dtype;
        final long[] shape;
        final long begin;
        final long end;

        Entry(String name, Dtype dtype, long[] shape, long begin, long end) {
            this.name = name;
            this.dtype = dtype;
            this.shape = shape;
            this.begin = begin;
            this.end = end;
        }
    }
}
