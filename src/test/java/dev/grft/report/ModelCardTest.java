package dev.grft.report;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.Addition;
import dev.grft.Axis;
import dev.grft.Bottleneck;
import dev.grft.Delta;
import dev.grft.Entries;
import dev.grft.MatrixShape;
import dev.grft.Selection;
import dev.grft.Slices;
import dev.grft.checkpoint.Checkpoint;
import dev.grft.checkpoint.artifact.DeltaFile;
import dev.grft.checkpoint.file.Storage;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import java.nio.file.Files;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ModelCardTest {
    private static final Configuration HADOOP = new Configuration();
    private static final String MATRIX = "blocks.1.mlp.fc2.weight";
    private static final MatrixShape SHAPE = new MatrixShape(24, 48);
    private static final String PRETRAINED = "src/test/resources/golden/formats/timm-deit";

    @TempDir
    java.nio.file.Path directory;

    private final Checkpoint pretrained = Checkpoint.load(HADOOP, PRETRAINED, 0);
    private final Settings settings = Config.load(List.of(), List.of("data.train=/photos"), HADOOP);

    @Test
    void theCardTellsWhatTheDeltaIsAndHowToLoadIt() {
        String card = ModelCard.text(new Path("runs/x"), delta("grft"), pretrained, settings, null);

        assertThat(card)
                .contains("| pretrained | `" + PRETRAINED
                        + "/model.safetensors`, ViT of 2 blocks, width 24, 3 heads, MLPs of 48,"
                        + " patches of 4 and images of 16 pixels, ")
                .contains("| made by | grft 1.2, data digest ab |")
                .contains("`" + pretrained.sha256() + "`")
                .contains("| data | `/photos` |")
                .contains("| trained | 48 parameters, 0.421 % of the backbone, and a head of 50 |") // 11,400 numbers
                .contains("| accuracy | not measured yet: `evaluate` |")
                .contains("| classes | cat, dog |")
                .contains("new Path(\"runs/x/delta.safetensors\")")
                .contains("predict --set run.directory=runs/x --set model.pretrained=" + PRETRAINED)
                .contains("export --run runs/x --format peft");
        assertThat(pretrained.config().backboneParameters()).isEqualTo(11_400);
    }

    @Test
    void theAccuracyIsToldWithWhatItIsWorth() {
        ObjectNode metrics = new ObjectMapper().createObjectNode();
        metrics.put("accuracy", 0.71651).put("loss", 0.5).put("ece", 0.0625);
        metrics.put("test_images", 2000).put(Metrics.NOTE, "chosen on test, not comparable");

        assertThat(ModelCard.text(new Path("x"), delta("grft"), pretrained, settings, metrics))
                .contains(
                        "| accuracy | 71.65 % of 2,000 test images; chosen on test, not comparable |",
                        "| all measures | accuracy 0.7165, ECE 0.0625, loss 0.5000 |");
    }

    @Test
    void whatCannotBeExportedIsNotOffered() {
        DeltaFile gps = delta("gps", new Entries(MATRIX, SHAPE, new int[24], new float[24]));
        assertThat(ModelCard.text(new Path("x"), gps, pretrained, settings, null))
                .contains("--format transformers")
                .doesNotContain("--format peft");
        DeltaFile adapter = delta(
                "adapter", new Bottleneck(MATRIX, SHAPE, 1, new float[24], new float[1], new float[24], new float[24]));
        assertThat(ModelCard.text(new Path("x"), adapter, pretrained, settings, null))
                .contains("Adapters have no place in a plain ViT")
                .doesNotContain("--format");
    }

    @Test
    void theCardLiesBesideTheDelta() throws Exception {
        ModelCard.write(new Storage(HADOOP), new Path(directory.toString()), delta("grft"), pretrained, settings, null);

        assertThat(Files.readString(directory.resolve("README.md")))
                .isEqualTo(ModelCard.text(new Path(directory.toString()), delta("grft"), pretrained, settings, null));
    }

    @Test
    void theReadmeOfAProjectStays() throws Exception {
        Path folder = new Path(directory.toString());
        java.nio.file.Path readme = Files.writeString(directory.resolve("README.md"), "# My project\n");

        assertThat(ModelCard.write(new Storage(HADOOP), folder, delta("grft"), pretrained, settings, null))
                .isFalse();
        assertThat(readme).content().isEqualTo("# My project\n");
        Files.delete(readme);
        for (String method : List.of("grft", "gps")) { // a card is replaced by the next
            assertThat(ModelCard.write(new Storage(HADOOP), folder, delta(method), pretrained, settings, null))
                    .isTrue();
            assertThat(readme).content().contains("# A delta by " + method);
        }
    }

    private DeltaFile delta(String method) {
        Slices row = new Slices(MATRIX, SHAPE, Axis.ROW, 5);
        return delta(method, new Selection(List.of(row)), Map.of(MATRIX, new float[48]), List.of());
    }

    private DeltaFile delta(String method, Addition addition) {
        return delta(method, Selection.none(), Map.of(), List.of(addition));
    }

    private DeltaFile delta(String method, Selection selection, Map<String, float[]> values, List<Addition> additions) {
        return new DeltaFile(
                new Delta(
                        selection,
                        values,
                        new float[48],
                        new float[2],
                        List.of("cat", "dog"),
                        pretrained.sha256(),
                        Map.of(),
                        additions),
                method,
                "",
                "{\"grft\": \"1.2\", \"data_digest\": \"ab\"}");
    }
}
