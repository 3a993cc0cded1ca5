package dev.grft.spark.images;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.Damage;
import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.data.BrokenImage;
import dev.grft.data.ImageRecipe;
import dev.grft.data.LabelForm;
import dev.grft.data.Preprocess;
import dev.grft.data.Preprocess.Crop;
import dev.grft.data.Target;
import dev.grft.spark.tables.HuggingFace;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.SplittableRandom;
import javax.imageio.ImageIO;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Images, and files that hold or name them, with random damage. */
@Tag("damage")
class DamagedImagesTest {
    private static final long CONSTANT = 4 << 20; // bytes

    /** What an image may need whose size its bytes could hold: 10 million pixels in 1.3 kB, decoded twice at most. */
    private static final long OF_AN_IMAGE = 128 << 20;

    private static final Preprocess PREPROCESS = new Preprocess(8, 8, Crop.SQUASH, ImageRecipe.same(0, 1, 1));
    private static final Map<ImageFormat, String> LISTS = Map.of(
            ImageFormat.LIST, "images/0.jpg 7\nimages/1.jpg 8\n",
            ImageFormat.JSON, "{\"images/0.jpg\": 7, \"images/1.jpg\": \"cat\"}",
            ImageFormat.CSV, "path,label\nimages/0.jpg,cat\n\"a, b.jpg\",\"a \"\"dog\"\"\"\n",
            ImageFormat.JSONL, "{\"path\": \"0.jpg\", \"label\": \"cat\"}\n{\"path\": \"1.jpg\", \"label\": 1}\n");

    @TempDir
    Path folder;

    @Test
    void filesThatNameImagesAreReadOrRefused() {
        Path file = folder.resolve("list");
        Configuration hadoop = new Configuration(false);
        LISTS.forEach((format, content) -> Damage.survives(
                format.toString(),
                content.getBytes(StandardCharsets.UTF_8),
                500,
                1,
                CONSTANT,
                bytes -> {
                    Files.write(file, bytes);
                    assertThat(ImageList.read(
                                            hadoop,
                                            file.toString(),
                                            format,
                                            LabelForm.of(Task.SINGLE_LABEL, "label"),
                                            null)
                                    .classes()
                                    .keySet())
                            .noneMatch(name -> name.startsWith("/") || (name + "/").contains("../"));
                },
                UserError.class));
    }

    @Test
    void tarsAreReadOrRefused() throws IOException {
        byte[] tar = TarSourceTest.tar(
                "a.jpg=A", "a.cls=1", "d".repeat(150) + "/b.png=B", "d".repeat(150) + "/b.json={\"label\": 7}");
        Damage.survives("tar", tar, 1000, 0.7, CONSTANT, TarSourceTest::samples, UserError.class);
    }

    @Test
    void whatHuggingFaceNotesIsReadOrRefused() {
        String noted = "{\"info\": {\"features\": {\"image\": {\"_type\": \"Image\"}, \"label\": {\"names\":"
                + " [\"dog\", \"cat\"], \"_type\": \"ClassLabel\"}}}}";
        Damage.survives(
                "huggingface",
                noted.getBytes(StandardCharsets.UTF_8),
                500,
                1,
                CONSTANT,
                bytes -> HuggingFace.names("x", new String(bytes, StandardCharsets.UTF_8), "label"),
                UserError.class);
    }

    @Test
    void imagesAreDecodedOrBroken() throws IOException {
        SplittableRandom random = new SplittableRandom(1);
        BufferedImage image = new BufferedImage(24, 17, BufferedImage.TYPE_INT_RGB);
        for (int i = 0; i < 24 * 17; i++) {
            image.setRGB(i % 24, i / 24, random.nextInt());
        }
        for (String format : new String[] {"png", "jpg"}) {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            ImageIO.write(image, format, out);
            Damage.survives(
                    format,
                    out.toByteArray(),
                    500,
                    1,
                    OF_AN_IMAGE,
                    bytes -> assertThat(Encoded.file("x", Target.ofClass(0), bytes)
                                    .example(0, PREPROCESS)
                                    .pixels()
                                    .rgb())
                            .hasSize(192),
                    BrokenImage.class);
        }
    }

    @Test
    void pixelsThatAreNoImageAreBroken() {
        SplittableRandom random = new SplittableRandom(1);
        for (int i = 0; i < 1000; i++) {
            int height = random.nextInt(-2, 5);
            int width = random.nextInt(-2, 5);
            int channels = random.nextInt(-1, 6);
            byte[] samples =
                    new byte[random.nextInt(3) == 0 ? random.nextInt(80) : Math.abs(height * width * channels)];
            try {
                assertThat(Encoded.pixels("x", Target.ofClass(0), height, width, channels, samples)
                                .example(0, PREPROCESS)
                                .pixels()
                                .rgb())
                        .hasSize(192);
                assertThat(samples).hasSize(height * width * channels);
            } catch (BrokenImage e) {
                assertThat(e.reason()).isNotBlank();
            }
        }
    }
}
