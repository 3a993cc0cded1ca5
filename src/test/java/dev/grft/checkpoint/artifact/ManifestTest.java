package dev.grft.checkpoint.artifact;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.grft.checkpoint.file.Golden;
import dev.grft.checkpoint.file.Json;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
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

        new Manifest(settings(), versions, "1234", "ab", Map.of(), "cd", 42, null)
                .write(Golden.HADOOP, Golden.hadoop(directory.resolve("manifest.json")));

        JsonNode json = Json.parse("x", Files.readString(directory.resolve("manifest.json")));
        assertThat(json.fieldNames())
                .toIterable()
                .containsExactly(
                        "settings", "versions", "commit", "data_digest", "pretrained_sha256", "seed", "application_id");
        assertThat(json.at("/settings/compare/methods/0").asText()).isEqualTo("linear");
        assertThat(json.at("/settings/engine/timeoutSeconds").asDouble()).isEqualTo(2.5);
        assertThat(json.at("/versions").toString()).isEqualTo("{\"spark\":\"3.5.5\",\"java\":\"17\"}");
        assertThat(json.at("/seed").asLong()).isEqualTo(42);
        assertThat(json.get("application_id").isNull()).isTrue();
    }

    private static Settings settings() {
        return Config.load(
                List.of(), List.of("compare.methods=[linear]", "engine.timeoutSeconds=2.5"), new Configuration());
    }
}
