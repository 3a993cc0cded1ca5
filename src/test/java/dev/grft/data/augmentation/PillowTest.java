package dev.grft.data.augmentation;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.grft.checkpoint.file.Safetensors;
import dev.grft.data.augmentation.RandAugment.Operation;
import dev.grft.vit.Golden;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What timm, torchvision and Pillow make of an image, to the last bit; {@code src/test/python/augmentation.py} asks them. */
class PillowTest {
    private static final int SIDE = 24;
    private static final int[] FILL = {124, 116, 104};
    private static final BufferedImage RESULTS = image("results.png");

    static Stream<Arguments> operations() throws IOException {
        JsonNode all = new ObjectMapper().readTree(Golden.bytes("augmentation/operations.json"));
        return IntStream.range(0, all.size()).mapToObj(i -> Arguments.of(i, all.get(i)));
    }

    @ParameterizedTest
    @MethodSource("operations")
    void anOperationIsPillows(int number, JsonNode operation) {
        assertThat(changed(operation, pixels(image("image.png"), 0))).isEqualTo(pixels(RESULTS, SIDE * number));
    }

    private static byte[] changed(JsonNode operation, byte[] rgb) {
        if (operation.has("operation")) {
            RandAugment augment = RandAugment.parse(
                    "rand-n1-p1-inc" + (operation.get("increasing").booleanValue() ? 1 : 0));
            return augment.applied(
                    Operation.values()[operation.get("operation").intValue()],
                    operation.get("magnitude").doubleValue(),
                    operation.get("negative").booleanValue(),
                    operation.get("cubic").booleanValue(),
                    rgb,
                    SIDE,
                    FILL);
        } else if (operation.has("turned")) {
            return Places.turned(rgb, SIDE, operation.get("turned").intValue());
        } else if (operation.has("upsideDown")) {
            return Places.upsideDown(rgb, SIDE);
        } else if (operation.has("down")) {
            return Places.moved(
                    rgb,
                    SIDE,
                    operation.get("down").intValue(),
                    operation.get("right").intValue());
        }
        double value = operation.get("value").doubleValue();
        switch (operation.get("jitter").textValue()) {
            case "brightness" -> Colors.brightness(rgb, value);
            case "contrast" -> Colors.contrast(rgb, value);
            case "saturation" -> Colors.saturation(rgb, value);
            default -> Colors.hue(rgb, value);
        }
        return rgb;
    }

    @ParameterizedTest
    @ValueSource(strings = {"3a", "3aw", "weights"})
    void aSetHasTimmsOperationsAndWeights(String name) throws IOException {
        JsonNode golden = new ObjectMapper()
                .readTree(Golden.bytes("augmentation/sets.json"))
                .get(name);

        for (Operation operation : Operation.values()) {
            JsonNode weight = null;
            for (String operationName : (Iterable<String>) golden::fieldNames) {
                String same = operationName.replace("Increasing", "").toUpperCase(Locale.ROOT);
                weight = same.equals(operation.name().replace("_", "")) ? golden.get(operationName) : weight;
            }
            assertThat(OperationSet.of(name).weight(operation))
                    .as("%s", operation)
                    .isEqualTo(weight == null ? 0 : weight.doubleValue());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"mixup", "cut", "corner"})
    void aBatchIsMixedAsByTimm(String how) {
        Safetensors golden = Golden.read("augmentation/mixing.safetensors");
        float[] images = golden.tensor("images").floats();
        double[] drawn = golden.tensor(how + ".drawn").doubles();

        double share = drawn.length == 1
                ? Mixing.mixed(images, 4, drawn[0])
                : Mixing.cut(images, 4, 8, drawn[0], (int) drawn[1], (int) drawn[2]);

        assertThat(images).isEqualTo(golden.tensor(how).floats());
        int[] labels = golden.tensor("labels").ints();
        float[] targets = new float[12];
        for (int b = 0; b < 4; b++) {
            targets[3 * b + labels[b]] += (float) share;
            targets[3 * b + labels[b ^ 1]] += (float) (1 - share);
        }
        assertThat(targets).isEqualTo(golden.tensor(how + ".targets").floats());
    }

    @Test
    void theGoldenImageIsChangedByAllOperationsButThoseThatChangeNothing() throws IOException {
        byte[] original = pixels(image("image.png"), 0);

        long same = operations()
                .filter(each -> Arrays.equals(original, pixels(RESULTS, SIDE * (int) each.get()[0])))
                .count();

        assertThat(same).isLessThan(10); // factors of 1, a turn by 0
    }

    private static BufferedImage image(String name) {
        try {
            return ImageIO.read(new ByteArrayInputStream(Golden.bytes("augmentation/" + name)));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static byte[] pixels(BufferedImage image, int top) {
        byte[] rgb = new byte[3 * SIDE * SIDE];
        for (int i = 0; i < SIDE * SIDE; i++) {
            int pixel = image.getRGB(i % SIDE, top + i / SIDE);
            rgb[3 * i] = (byte) (pixel >> 16);
            rgb[3 * i + 1] = (byte) (pixel >> 8);
            rgb[3 * i + 2] = (byte) pixel;
        }
        return rgb;
    }
}
