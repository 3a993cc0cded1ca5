package dev.grft.checkpoint.artifact;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.Axis;
import dev.grft.Delta;
import dev.grft.MatrixShape;
import dev.grft.Selection;
import dev.grft.Slices;
import dev.grft.UserError;
import dev.grft.checkpoint.Checkpoint;
import dev.grft.checkpoint.file.Dtype;
import dev.grft.checkpoint.file.Golden;
import dev.grft.checkpoint.file.Safetensors;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MergedFileTest {
    private static final String MATRIX = "blocks.1.mlp.fc2.weight";
    private static final Slices COLUMN = new Slices(MATRIX, new MatrixShape(24, 48), Axis.COLUMN, 5);

    @TempDir
    Path directory;

    private final Checkpoint tiny =
            Checkpoint.load(Golden.HADOOP, Golden.path("tiny").toString(), 0);

    @Test
    void aDeltaOfZeroMergesToThePretrainedBytes() {
        Delta zero = delta(new float[24], values("head.weight"), values("head.bias"), "a", "b", "c", "d", "e");

        MergedFile.write(Golden.HADOOP, directory.toString(), tiny, zero, Dtype.F32);

        Safetensors merged = merged();
        Safetensors pretrained = Golden.read("tiny/model.safetensors");
        assertThat(merged.names()).isEqualTo(pretrained.names());
        for (String name : pretrained.names()) {
            assertThat(merged.tensor(name).shape())
                    .containsExactly(pretrained.tensor(name).shape());
            assertThat(bits(merged.tensor(name).floats()))
                    .containsExactly(bits(pretrained.tensor(name).floats()));
        }
    }

    @Test
    void theTrainedNumbersAndTheHeadChangeAndNothingElse() {
        float[] ones = new float[24];
        Arrays.fill(ones, 1);
        float[] before = values(MATRIX).clone();

        Checkpoint written = MergedFile.write(
                Golden.HADOOP,
                directory.toString(),
                tiny,
                delta(ones, new float[48], new float[] {1, 2}, "cat", "dog"),
                Dtype.F32);
        Checkpoint merged = Checkpoint.load(Golden.HADOOP, directory + "/merged.safetensors", 0);

        assertThat(merged.config()).isEqualTo(tiny.config().withClasses(2));
        assertThat(merged.labels()).containsExactly("cat", "dog");
        assertThat(merged.recipe().mean()).isEqualTo(tiny.recipe().mean());
        assertThat(merged.recipe().cropFraction()).isEqualTo(tiny.recipe().cropFraction());
        assertThat(merged.sha256()).isEqualTo(written.sha256()).isNotEqualTo(tiny.sha256());
        assertThat(merged.tensors().get("head.bias")).containsExactly(1, 2);
        merged.tensors().forEach((name, values) -> {
            float[] expected = values(name).clone();
            if (name.equals(MATRIX)) {
                for (int row = 0; row < 24; row++) {
                    expected[row * 48 + 5] += 1;
                }
            }
            if (!name.startsWith("head.")) {
                assertThat(bits(values)).as(name).containsExactly(bits(expected));
            }
        });
        assertThat(values(MATRIX)).containsExactly(before); // the pretrained model stays as it is
    }

    @Test
    void parametersThatAreTrainedWholeAreMergedToo() {
        float[] ones = new float[24];
        Arrays.fill(ones, 1);
        float before = values("norm.bias")[3];
        Delta delta = new Delta(
                Selection.none(),
                Map.of(),
                new float[24],
                new float[1],
                List.of("cat"),
                tiny.sha256(),
                Map.of("norm.bias", ones));

        Checkpoint merged = tiny.merged(delta);

        assertThat(merged.tensors().get("norm.bias")[3]).isEqualTo(before + 1);
        assertThat(values("norm.bias")[3]).isEqualTo(before);
    }

    @Test
    void anotherPretrainedModelIsRefusedAndNothingWritten() throws Exception {
        Checkpoint other =
                Checkpoint.load(Golden.HADOOP, Golden.path("tiny-fp16").toString(), 0);
        Delta delta = delta(new float[24], new float[24], new float[1], "cat");

        assertThatThrownBy(() -> MergedFile.write(Golden.HADOOP, directory.toString(), other, delta, Dtype.F32))
                .isInstanceOf(UserError.class)
                .hasMessageContaining(other.sha256())
                .hasMessageContaining(tiny.sha256());
        try (var files = Files.list(directory)) {
            assertThat(files).isEmpty();
        }
    }

    @Test
    void aTrainingThatDivergedIsRefused() {
        float[] values = new float[24];
        values[1] = Float.NaN;

        assertThatThrownBy(() -> tiny.merged(delta(values, new float[24], new float[1], "cat")))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("number 53 of " + MATRIX + " is NaN"); // row 1, column 5
    }

    private Delta delta(float[] column, float[] headWeight, float[] headBias, String... labels) {
        return new Delta(
                new Selection(List.of(COLUMN)),
                Map.of(MATRIX, column),
                headWeight,
                headBias,
                List.of(labels),
                tiny.sha256(),
                Map.of());
    }

    private float[] values(String name) {
        return tiny.tensors().get(name);
    }

    private Safetensors merged() {
        return Safetensors.read(Golden.HADOOP, Golden.hadoop(directory.resolve("merged.safetensors")));
    }

    private static int[] bits(float[] values) {
        int[] bits = new int[values.length];
        Arrays.setAll(bits, i -> Float.floatToRawIntBits(values[i]));
        return bits;
    }
}
