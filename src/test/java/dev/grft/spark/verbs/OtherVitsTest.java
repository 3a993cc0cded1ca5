package dev.grft.spark.verbs;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.Delta;
import dev.grft.checkpoint.Checkpoint;
import dev.grft.checkpoint.artifact.DeltaFile;
import dev.grft.vit.Variant;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Whole runs on models that are no plain ViTs, as their libraries have saved them. */
@Tag("thorough")
class OtherVitsTest extends OnSpark {
    private static final Configuration HADOOP = new Configuration();

    @TempDir
    static Path folder;

    private static Path train;
    private static Path test;

    @BeforeAll
    static void start() throws IOException {
        train = Tiny.images(folder.resolve("train"), 6, 2);
        test = Tiny.images(folder.resolve("test"), 2, 3);
    }

    @ParameterizedTest
    @ValueSource(strings = {"timm-gap", "timm-clip", "transformers-dinov2-registers"})
    void everyMethodTrainsAndTheMergedModelDiffersWhereTheDeltaSays(String model) throws Exception {
        Path golden = golden(model);
        Path directory = folder.resolve(model);
        List<String> sets =
                Tiny.sets(golden, train, test, directory, "training.epochs=1", "compare.methods=[full, adapter]");

        Tiny.does(spark, sets, false, Verbs::run);

        Checkpoint pretrained = Checkpoint.load(HADOOP, golden.toString(), 0);
        Checkpoint merged = Checkpoint.load(HADOOP, directory + "/merged.safetensors", 0);
        Variant form = pretrained.config().variant();
        assertThat(merged.config()).isEqualTo(pretrained.config().withClasses(3));
        assertThat(merged.labels()).containsExactly("blue", "green", "red");
        Delta delta = delta(directory);
        assertThat(delta.selection().slices()).hasSameSizeAs(pretrained.config().matrices());
        pretrained.tensors().forEach((name, numbers) -> {
            if (form.preNorm() && List.of("patch_embed.proj.bias", "pos_embed").contains(name)) {
                return; // the file has that bias in the positions
            }
            boolean same = Arrays.equals(numbers, merged.tensors().get(name));
            assertThat(same).as(name).isEqualTo(!delta.changed().contains(name) && !name.startsWith("head."));
        });
        Delta full = delta(directory.resolve("full"));
        assertThat(full.whole().containsKey("blocks.0.ls1.gamma")).isEqualTo(form.layerScale());
        assertThat(full.whole().containsKey("reg_token")).isEqualTo(form.registers() > 0);
        assertThat(full.whole().containsKey("norm_pre.weight")).isEqualTo(form.preNorm());
        full.whole()
                .forEach((name, differences) ->
                        assertThat(moved(differences)).as(name).isTrue());
    }

    private static boolean moved(float[] differences) {
        for (float difference : differences) {
            if (difference != 0) {
                return true;
            }
        }
        return false;
    }

    private static Delta delta(Path directory) {
        return DeltaFile.read(HADOOP, new org.apache.hadoop.fs.Path(directory + "/delta.safetensors"))
                .delta();
    }

    private static Path golden(String model) throws URISyntaxException {
        return Path.of(Objects.requireNonNull(OtherVitsTest.class.getResource("/golden/formats/" + model))
                .toURI());
    }
}
