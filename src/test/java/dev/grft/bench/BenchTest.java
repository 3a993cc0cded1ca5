package dev.grft.bench;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** That the benchmark runs; how fast anything is, no test asks. */
@Tag("thorough")
class BenchTest {

    @Test
    void everyRowIsWellFormed(@TempDir Path folder) throws IOException {
        Setup setup = new Setup("vit_demo_patch16_32", 2, 1, 0, 2, null, Pattern.compile(""), "fp32");
        ByteArrayOutputStream out = new ByteArrayOutputStream();

        Path file = folder.resolve("bench.json");
        List<Row> rows = Bench.measure(
                setup,
                true,
                Pattern.compile("kernels|forward|step|pass|methods|switching|photos"),
                new PrintStream(out, true, StandardCharsets.UTF_8),
                file);

        JsonNode list = new ObjectMapper().readTree(file.toFile());
        assertThat(list).hasSize(rows.size());
        assertThat(list.findValuesAsText("name"))
                .contains(
                        "forward",
                        "slice step",
                        "lora step",
                        "full step",
                        "score pass",
                        "step of gps, 4 of each neuron",
                        "switch delta in memory",
                        "decode and resize a photo",
                        "decode and resize a photo for random crops")
                .contains("kernel: attention backward");
        for (JsonNode row : list) {
            assertThat(row.get("ours_ms").asDouble()).as("%s", row).isPositive();
            assertThat(row.get("ours_q1").asDouble())
                    .isPositive()
                    .isLessThanOrEqualTo(row.get("ours_q3").asDouble());
            assertThat(row.get("n").asInt()).isPositive();
            assertThat(row.get("model").asText()).isEqualTo("vit_demo_patch16_32");
            assertThat(row.has("peer")).isTrue();
            assertThat(row.get("peer").isNull())
                    .isEqualTo(row.get("peer_ms").isNull())
                    .isEqualTo(row.get("ratio").isNull());
            if (!row.get("ratio").isNull()) {
                double ratio =
                        row.get("ours_ms").asDouble() / row.get("peer_ms").asDouble();
                assertThat(row.get("ratio").asDouble()).isCloseTo(ratio, Offset.offset(1e-9));
            }
        }
        assertThat(out.toString(StandardCharsets.UTF_8).lines()).hasSize(2 + rows.size());
    }

    @Test
    void theHeapOfAnApplicationIsItsOwn() {
        assertThat(Applications.options(List.of("-Xms4g", "-Dx=y", "-Xmx4g", "-XX:+AlwaysPreTouch", "-Xss1m"), "3g"))
                .containsExactly("-Dx=y", "-Xss1m", "-Xmx3g");
    }

    @Test
    void quartilesAreInterpolated() {
        Times times = new Times(4, 1, 2, 8);

        assertThat(times.fastest()).isEqualTo(1);
        assertThat(times.median()).isEqualTo(3);
        assertThat(times.quantile(0.25)).isEqualTo(1.75);
        assertThat(times.quantile(0.75)).isEqualTo(5);
        assertThat(times.each(2).median()).isEqualTo(1.5);
    }
}
