package dev.grft.checkpoint.file;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.UserError;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SafetensorsTest {
    @TempDir
    Path directory;

    @Test
    void aFileThatTheReferenceWroteIsRead() throws Exception {
        Safetensors file = Safetensors.read(Golden.HADOOP, Golden.hadoop(Golden.path("tiny/model.safetensors")));

        assertThat(file.metadata()).containsExactly(Map.entry("format", "pt"));
        assertThat(file.names()).hasSize(44).contains("cls_token", "blocks.2.mlp.fc2.bias");
        assertThat(file.has("cls_token")).isTrue();
        assertThat(file.has("fc_norm.weight")).isFalse();
        assertThat(file.tensor("pos_embed").dtype()).isEqualTo(Dtype.F32);
        assertThat(file.tensor("pos_embed").shape()).containsExactly(1, 17, 24);
        assertThat(file.tensor("pos_embed").floats()).hasSize(17 * 24);
        assertThat(file.sha256())
                .isEqualTo(HexFormat.of()
                        .formatHex(MessageDigest.getInstance("SHA-256")
                                .digest(Files.readAllBytes(Golden.path("tiny/model.safetensors")))));
    }

    @Test
    void theBytesAreThoseOfTheFormat() throws Exception {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        tensors.put("i", Tensor.ofInts(new long[] {1}, new int[] {258}));
        tensors.put("d", Tensor.ofDoubles(new long[] {}, new double[] {1}));

        byte[] bytes = written(Map.of("k", "v"), tensors);

        String header = "{\"__metadata__\":{\"k\":\"v\"},"
                + "\"d\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[0,8]},"
                + "\"i\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[8,12]}}";
        int padded = (header.length() + 7) / 8 * 8;
        ByteBuffer expected = ByteBuffer.allocate(8 + padded + 12).order(ByteOrder.LITTLE_ENDIAN);
        expected.putLong(padded)
                .put(header.getBytes(UTF_8))
                .put(" ".repeat(padded - header.length()).getBytes(UTF_8));
        expected.putDouble(1).putInt(258);
        assertThat(bytes).containsExactly(expected.array());
    }

    @Test
    void everyTypeComesBack() throws Exception {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        tensors.put("F32", Tensor.ofFloats(new long[] {2, 1}, new float[] {1.5f, -0f}));
        tensors.put("F16", Tensor.ofFloats(Dtype.F16, new long[] {1}, new float[] {-2.5f}));
        tensors.put("BF16", Tensor.ofFloats(Dtype.BF16, new long[] {1}, new float[] {0.5f}));
        tensors.put("F64", Tensor.ofFloats(Dtype.F64, new long[] {1}, new float[] {0.1f}));
        tensors.put("I64", Tensor.ofLongs(new long[] {2}, new long[] {1L << 40, -1}));
        tensors.put("I32", Tensor.ofInts(new long[] {0, 3}, new int[0]));

        Safetensors read = Safetensors.read("x", written(Map.of(), tensors));

        assertThat(read.tensor("F32").floats()).containsExactly(1.5f, -0f);
        assertThat(read.tensor("F32").doubles()).containsExactly(1.5, -0.0);
        assertThat(read.tensor("F32").shape()).containsExactly(2, 1);
        assertThat(read.tensor("F16").floats()).containsExactly(-2.5f);
        assertThat(read.tensor("BF16").floats()).containsExactly(0.5f);
        assertThat(read.tensor("F64").doubles()).containsExactly(0.1f);
        assertThat(read.tensor("F64").floats()).containsExactly(0.1f);
        assertThat(read.tensor("I64").longs()).containsExactly(1L << 40, -1);
        assertThat(read.tensor("I32").ints()).isEmpty();
        assertThat(read.tensor("I32").longs()).isEmpty();
        assertThat(read.tensor("I32").shape()).containsExactly(0, 3);
        assertThat(read.metadata()).isEmpty();
        tensors.keySet().forEach(name -> assertThat(read.tensor(name).dtype()).hasToString(name));
    }

    @Test
    void aTensorLargerThanTheBufferIsWhole() throws Exception {
        float[] many = new float[100_003];
        for (int i = 0; i < many.length; i++) {
            many[i] = i;
        }

        Safetensors read = Safetensors.read(
                "x", written(Map.of(), Map.of("many", Tensor.ofFloats(new long[] {many.length}, many))));

        assertThat(read.tensor("many").floats()).containsExactly(many);
    }

    @Property(tries = 200)
    void whatIsWrittenIsRead(
            @ForAll("tensors") Map<String, float[]> floats,
            @ForAll("texts") Map<String, String> metadata,
            @ForAll double[] doubles)
            throws IOException {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        floats.forEach((name, values) -> tensors.put(name, Tensor.ofFloats(new long[] {values.length}, values)));
        tensors.put("doubles", Tensor.ofDoubles(new long[] {doubles.length}, doubles));

        byte[] bytes = written(metadata, tensors);
        Safetensors read = Safetensors.read("x", bytes);

        assertThat(ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong() % 8)
                .isZero();
        assertThat(read.metadata()).isEqualTo(metadata);
        assertThat(read.names()).isEqualTo(tensors.keySet());
        floats.forEach((name, values) -> {
            if (!name.equals("doubles")) {
                assertThat(Arrays.equals(read.tensor(name).floats(), values)).isTrue();
            }
        });
        assertThat(Arrays.equals(read.tensor("doubles").doubles(), doubles)).isTrue();
    }

    @Provide
    Arbitrary<Map<String, float[]>> tensors() {
        return Arbitraries.maps(
                        text(), Arbitraries.floats().array(float[].class).ofMaxSize(9))
                .ofMaxSize(6);
    }

    @Provide
    Arbitrary<Map<String, String>> texts() {
        return Arbitraries.maps(text(), text()).ofMaxSize(4);
    }

    private static Arbitrary<String> text() {
        return Arbitraries.strings()
                .ofMaxLength(9)
                .filter(text -> UTF_8.newEncoder().canEncode(text));
    }

    @ParameterizedTest
    @CsvSource({
        "0, 0x0000",
        "-0.0, 0x8000",
        "1, 0x3c00",
        "-2, 0xc000",
        "65504, 0x7bff",
        "65519.996, 0x7bff",
        "65520, 0x7c00",
        "Infinity, 0x7c00",
        "-Infinity, 0xfc00",
        "NaN, 0x7e00",
        "1.00048828125, 0x3c00",
        "1.00146484375, 0x3c02",
        "1.0004884, 0x3c01", // half a step, ties to even
        "6.103515625e-5, 0x0400",
        "6.1e-5, 0x03ff",
        "5.9604645e-8, 0x0001",
        "2.9802322e-8, 0x0000",
        "2.9802326e-8, 0x0001",
        "8.940697e-8, 0x0002",
        "6.102e-5, 0x0400",
        "1e-45, 0x0000"
    })
    void halfPrecisionRoundsToTheNearestAndTiesToEven(float value, String half) {
        assertThat(Dtype.toHalf(value)).isEqualTo((short) Integer.decode(half).intValue());
    }

    @ParameterizedTest
    @CsvSource({
        "0, 0x0000",
        "-0.0, 0x8000",
        "1, 0x3f80",
        "1.00390625, 0x3f80",
        "1.01171875, 0x3f82",
        "1.0039064, 0x3f81",
        "3.4028235e38, 0x7f80",
        "NaN, 0x7fc0",
        "-Infinity, 0xff80"
    })
    void bfloatRoundsToTheNearestAndTiesToEven(float value, String bfloat) {
        assertThat(Dtype.toBfloat(value))
                .isEqualTo((short) Integer.decode(bfloat).intValue());
    }

    @Test
    void everyHalfAndEveryBfloatComesBack() {
        for (int bits = 0; bits < 1 << 16; bits++) {
            short number = (short) bits;
            boolean signaling = (bits & 0x7c00) == 0x7c00 && (bits & 0x3ff) != 0 && (bits & 0x200) == 0;
            assertThat(Dtype.toHalf(Dtype.fromHalf(number))).isEqualTo(signaling ? (short) (bits | 0x200) : number);
            boolean bSignaling = (bits & 0x7f80) == 0x7f80 && (bits & 0x7f) != 0 && (bits & 0x40) == 0;
            assertThat(Dtype.toBfloat(Dtype.fromBfloat(number))).isEqualTo(bSignaling ? (short) (bits | 0x40) : number);
        }
        assertThat(Dtype.fromHalf((short) 0x3555)).isEqualTo(0.33325195f);
        assertThat(Dtype.fromHalf((short) 0x0001)).isEqualTo(0x1p-24f);
        assertThat(Dtype.fromBfloat((short) 0x3eab)).isEqualTo(0.33398438f);
    }

    @Test
    void anUnknownNameIsTold() {
        assertThatThrownBy(() -> Golden.read("tiny/model.safetensors").tensor("nose"))
                .isInstanceOf(UserError.class)
                .hasMessage("tiny/model.safetensors: the tensor nose is missing; is it another file?");
    }

    @Test
    void aTypeThatDoesNotFitIsTold() {
        Tensor ints = Tensor.ofInts(new long[] {1}, new int[] {1});
        Tensor longs = Tensor.ofLongs(new long[] {1}, new long[] {1L << 31});

        assertThatThrownBy(ints::floats).isInstanceOf(UserError.class).hasMessageContaining("I32");
        assertThatThrownBy(longs::ints).isInstanceOf(UserError.class).hasMessageContaining("2147483648");
        assertThatThrownBy(() -> Tensor.ofFloats(new long[] {1}, new float[1]).longs())
                .isInstanceOf(UserError.class)
                .hasMessageContaining("F32");
        assertThatThrownBy(() -> Tensor.ofFloats(new long[] {2, 2}, new float[3]))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("a tensor of shape [2, 2] cannot have 3 numbers");
    }

    @Test
    void aMissingFileIsTold() {
        assertThatThrownBy(() -> Safetensors.read(Golden.HADOOP, Golden.hadoop(directory.resolve("no.safetensors"))))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("no.safetensors: no such file");
        assertThatThrownBy(() -> Safetensors.read(Golden.HADOOP, Golden.hadoop(directory)))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("is a directory");
    }

    @Test
    void aFileCutAnywhereIsRefused() throws Exception {
        byte[] whole = written(Map.of("k", "v"), Map.of("a", Tensor.ofFloats(new long[] {3}, new float[3])));

        for (int length = 0; length < whole.length; length++) {
            byte[] cut = Arrays.copyOf(whole, length);
            assertThatThrownBy(() -> Safetensors.read("x", cut))
                    .isInstanceOf(UserError.class)
                    .hasMessageStartingWith("x: ");
        }
        assertThat(Safetensors.read("x", whole).names()).containsExactly("a");
    }

    @Test
    void aHeaderOfGigabytesIsRefusedBeforeItIsRead() {
        byte[] bytes = new byte[16];
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putLong(1L << 40);
        assertRefused(bytes, "x: the header claims to have 1099511627776 bytes, expected at most 100000000");

        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putLong(-1);
        assertRefused(bytes, "x: the header claims to have 18446744073709551615 bytes");

        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putLong(100_000_000);
        assertRefused(bytes, "x: the header claims to have 100000000 bytes, but only 8 follow; the file is cut off");
    }

    @Test
    void aHeaderThatIsNotJsonIsRefused() {
        assertRefused(file("hello", 0), "x: the header must begin with {");
        assertRefused(file("[]", 0), "x: the header must begin with {");
        assertRefused(file("", 0), "x: the header must begin with {");
        assertRefused(file("{\"a\":", 0), "x: the header is not valid JSON: ");
        assertRefused(file("{} {}", 0), "x: the header is not valid JSON: ");
        assertRefused(file("{\"a\":" + "[".repeat(5000), 0), "x: the header is not valid JSON: ");
        byte[] notUtf8 = file("{\"a\":0}", 0);
        notUtf8[10] = (byte) 0xff;
        assertRefused(notUtf8, "x: the header is not valid ");
    }

    @Test
    void aNameThatComesTwiceIsRefused() {
        assertRefused(
                file("{" + entry("a", "F32", "[1]", 0, 4) + "," + entry("a", "F32", "[1]", 4, 8) + "}", 8),
                "x: the header is not valid JSON: Duplicate field 'a'");
    }

    @Test
    void anEntryMustSayTypeShapeAndPlace() {
        assertRefused(file("{\"a\":1}", 0), "x: a must be an object, got 1");
        assertRefused(
                file("{" + entry("a", "F8_E4M3", "[1]", 0, 1) + "}", 1), "x: a has the dtype \"F8_E4M3\", expected");
        assertRefused(file("{\"a\":{}}", 0), "x: a has the dtype nothing, expected one of");
        assertRefused(file("{\"a\":{\"dtype\":\"F32\"}}", 0), "x: a has the shape nothing, expected a list");
        assertRefused(
                file("{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0]}}", 0),
                "x: a has the data_offsets [0], expected a begin and an end");
        assertRefused(file("{\"__metadata__\":{\"a\":1}}", 0), "x: __metadata__.a must be a string, got 1");
        assertRefused(file("{\"__metadata__\":[]}", 0), "x: __metadata__ must be an object of strings");
    }

    @Test
    void aShapeThatNoFileCanHaveIsRefused() {
        assertRefused(file("{" + entry("a", "F32", "[-1]", 0, 4) + "}", 4), "x: a has -1 in its shape, expected whole");
        assertRefused(file("{" + entry("a", "F32", "[1.5]", 0, 4) + "}", 4), "x: a has 1.5 in its shape");
        assertRefused(file("{" + entry("a", "F32", "[\"1\"]", 0, 4) + "}", 4), "x: a has \"1\" in its shape");
        assertRefused(
                file("{" + entry("a", "F32", "[9223372036854775808]", 0, 4) + "}", 4),
                "x: a has 9223372036854775808 in its shape");
        assertRefused(
                file("{" + entry("a", "F32", "[4294967296,4294967296]", 0, 0) + "}", 0),
                "x: a has the shape [4294967296, 4294967296], more than any file can hold");
        assertRefused(
                file("{" + entry("a", "F32", "[4611686018427387904]", 0, 0) + "}", 0),
                "x: a has the shape [4611686018427387904], more than any file can hold");
        assertRefused(
                file("{" + entry("a", "F32", "[3000000000]", 0, 12_000_000_000L) + "}", 0),
                "x: a has 3000000000 numbers, expected fewer than 2^31");
        assertRefused(
                file("{" + entry("a", "F32", "[500000000]", 0, 2_000_000_000L) + "}", 0),
                "x: a ends at byte 2000000000 of the data, which has only 0; the file is cut off");
    }

    @Test
    void aPlaceThatDoesNotFitIsRefused() {
        assertRefused(
                file("{" + entry("a", "F32", "[2]", 0, 4) + "}", 4),
                "x: a has 4 bytes, but the shape [2] of F32 needs 8");
        assertRefused(file("{" + entry("a", "F32", "[1]", 4, 0) + "}", 4), "x: a has the data_offsets [4, 0]");
        assertRefused(file("{" + entry("a", "F32", "[1]", -4, 0) + "}", 4), "x: a has -4 in its data_offsets");
        assertRefused(
                file("{" + entry("a", "F32", "[2]", 0, 8) + "}", 4),
                "x: a ends at byte 8 of the data, which has only 4");
        assertRefused(
                file("{" + entry("a", "F32", "[2]", 0, 8) + "," + entry("b", "F32", "[2]", 4, 12) + "}", 12),
                "x: b begins at byte 4 of the data, expected 8; tensors must neither overlap nor leave gaps");
        assertRefused(
                file("{" + entry("a", "F32", "[1]", 0, 4) + "," + entry("b", "F32", "[1]", 8, 12) + "}", 12),
                "x: b begins at byte 8 of the data, expected 4");
        assertRefused(
                file("{" + entry("a", "F32", "[1]", 0, 4) + "}", 5),
                "x: 1 bytes follow the last tensor, expected none");
    }

    @Test
    void tensorsMayLieInAnotherOrderThanTheHeaders() {
        byte[] file = file("{" + entry("b", "U8", "[1]", 4, 5) + "," + entry("a", "I32", "[1]", 0, 4) + "}", 5);
        file[file.length - 5] = 7;

        Safetensors read = Safetensors.read("x", file);

        assertThat(List.copyOf(read.names())).containsExactly("b", "a");
        assertThat(read.tensor("a").ints()).containsExactly(7);
    }

    private static String entry(String name, String dtype, String shape, long begin, long end) {
        return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":[" + begin + ","
                + end + "]}";
    }

    private static byte[] file(String header, int data) {
        byte[] json = header.getBytes(UTF_8);
        return ByteBuffer.allocate(8 + json.length + data)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(json.length)
                .put(json)
                .array();
    }

    private static void assertRefused(byte[] file, String message) {
        assertThatThrownBy(() -> Safetensors.read("x", file))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith(message);
    }

    private static byte[] written(Map<String, String> metadata, Map<String, Tensor> tensors) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        Safetensors.write(out, metadata, tensors);
        return out.toByteArray();
    }
}
