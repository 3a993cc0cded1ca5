package dev.grft.spark.verbs;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.spark.verbs.Tiny.Printed;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Images that are copied are the same images; changed ones are others, whatever their sizes and times. */
class CopiedImagesTest extends OnTiny {
    private static final String MADE = "is up to date with its inputs";
    private static final String COMPARED = "to see whether they are the same";

    private Path train = Path.of("");
    private Path run = Path.of("");

    @BeforeEach
    void copyImages() throws IOException {
        train = copy(shared.train(), folder.resolve("train"));
        run = folder.resolve("run");
    }

    private static Path copy(Path from, Path to) throws IOException {
        try (Stream<Path> files = Files.walk(from)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                Path copied = to.resolve(from.relativize(file).toString());
                Files.createDirectories(copied.getParent());
                Files.copy(file, copied);
                Files.setLastModifiedTime(copied, FileTime.fromMillis(1_000_000_000_000L));
            }
        }
        return to;
    }

    private static void touch(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                Files.setLastModifiedTime(file, FileTime.fromMillis(1_500_000_000_000L));
            }
        }
    }

    private Printed train(Path images, String... more) {
        return Tiny.does(spark, Tiny.sets(shared.pretrained(), images, shared.test(), run, more), false, Verbs::train);
    }

    @Test
    void imagesWithOtherTimesAreReadOnceToFindThatTheyAreTheSame() throws Exception {
        assertThat(train(train).err()).doesNotContain(COMPARED);
        byte[] delta = Files.readAllBytes(run.resolve("delta.safetensors"));
        touch(train);

        String second = train(train).err();
        assertThat(second).contains("delta.safetensors " + MADE).containsOnlyOnce(COMPARED);
        assertThat(second).doesNotContain("reading the images of");
        assertThat(train(train).err())
                .contains("delta.safetensors " + MADE)
                .doesNotContain(COMPARED)
                .doesNotContain("reading the images of");

        Path elsewhere = copy(train, folder.resolve("elsewhere"));
        assertThat(train(elsewhere).err()).contains("delta.safetensors " + MADE).containsOnlyOnce(COMPARED);
        assertThat(Files.readAllBytes(run.resolve("delta.safetensors"))).isEqualTo(delta);
    }

    @Test
    void anInterruptedTrainingGoesOnWithCopiedImages() throws Exception {
        train(train);
        Files.delete(run.resolve("delta.safetensors"));
        Files.delete(run.resolve("state/step-00000009.safetensors"));
        touch(train);

        assertThat(train(train).err()).contains("resuming after step 8").contains("selection.safetensors " + MADE);
        assertThat(run.resolve("state-old-1")).doesNotExist();
    }

    @Test
    void aChangedImageOfTheSameSizeIsAnother() throws Exception {
        train(train);
        Path image = train.resolve("red/0.png");
        byte[] content = Files.readAllBytes(image);
        content[content.length - 1] ^= 1; // of the checksum of the last chunk, which decoders pass over
        Files.write(image, content);

        String second = train(train).err();
        assertThat(second).containsOnlyOnce(COMPARED).doesNotContain("delta.safetensors " + MADE);
        assertThat(second).contains("are of a training with other inputs; moved to " + run + "/state-old-1");

        content[content.length - 1] ^= 1;
        Files.write(image, content); // as it was, for which nothing is left in the run directory
        assertThat(train(train).err()).containsOnlyOnce(COMPARED).doesNotContain("delta.safetensors " + MADE);
    }

    @Test
    void testImagesAndListsMayBeCopiedToo() throws Exception {
        Path test = copy(shared.test(), folder.resolve("test"));
        StringBuilder lines = new StringBuilder("path,label\n");
        for (String color : List.of("blue", "green", "red")) {
            lines.append(color).append("/0.png,").append(color).append('\n');
        }
        Path list = Files.writeString(test.resolve("test.csv"), lines);
        List<String> sets = Tiny.sets(shared.pretrained(), train, list, run, "tuning.method=linear");
        Tiny.does(spark, sets, false, verbs -> {
            verbs.train();
            verbs.evaluate();
        });
        touch(test);

        assertThat(Tiny.does(spark, sets, false, Verbs::evaluate).err())
                .contains("evaluation.json " + MADE)
                .containsOnlyOnce(COMPARED);
        assertThat(Tiny.does(spark, sets, false, Verbs::evaluate).err()).doesNotContain(COMPARED);
    }
}
