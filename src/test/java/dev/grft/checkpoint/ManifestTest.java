package dev.grft.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.grft.config.Settings;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ManifestTest {
    @TempDir
    Path directory;

    @Test
    void itTellsEverythingInAFixedOrder() throws Exception {
        Map<String, String> versions = new LinkedHashMap<>();
        versions.put("spark", "3.5.5");
        versions.put("java", "17");

        new Manifest(settings(), versions, "1234", "ab", "cd", 42, null)
                .write(Golden.HADOOP, Golden.hadoop(directory.resolve("manifest.json")));

        JsonNode json = Json.parse("x", Files.readString(directory.resolve("manifest.json")));
        assertThat(json.fieldNames())
                .toIterable()
                .containsExactly(
                        "settings", "versions", "commit", "data_digest", "pretrained_sha256", "seed", "application_id");
        assertThat(json.at("/settings/run/compare/0").asText()).isEqualTo("linear");
        assertThat(json.at("/settings/engine/timeoutSeconds").asDouble()).isEqualTo(2.5);
        assertThat(json.at("/versions").toString()).isEqualTo("{\"spark\":\"3.5.5\",\"java\":\"17\"}");
        assertThat(json.at("/seed").asLong()).isEqualTo(42);
        assertThat(json.get("application_id").isNull()).isTrue();
    }

    private static Settings settings() {
        return new Settings(
                new Settings.Run("runs/x", 42, "grft", List.of("linear")),
                new Settings.Model("vit", 0, null, "fp32"),
                new Settings.Data(
                        "train", null, false, "test", "folder", null, null, "image", "label", 256, "center", null, null,
                        0),
                new Settings.Augmentation(true, 0.5, 1, 0.75, 1.33, true),
                new Settings.Selection(
                        null, "row", new Settings.Budget(4, null), List.of("mlp.fc1"), "per-example", "probe", 0.1, 32),
                new Settings.Penalty(0.01, null, 0.001, false),
                new Settings.Probe(1, 32, 0.1, 0),
                new Settings.Training(
                        1, 32, 1, 1, "probe", 1e-3, "cosine", 0, 0, "adam", 0.9, 0.999, 1e-8, 0, 0, 10, 2, 0),
                new Settings.Evaluation(32),
                new Settings.Engine("cpu", 1, 2.5));
    }
}
