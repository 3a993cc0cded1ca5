package dev.grft.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.checkpoint.file.Storage;
import dev.grft.measures.Measure;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MetricsTest {
    @TempDir
    Path folder;

    private Metrics metrics() {
        return Metrics.at(new Storage(new Configuration()), new org.apache.hadoop.fs.Path(folder + "/metrics.json"));
    }

    @Test
    void columnsAreAlignedNumbersToTheRight() {
        List<String[]> rows = List.of(
                new String[] {"method", "accuracy", "of which"},
                new String[] {"a", "5", "train 1.0"},
                new String[] {"a long name", "100.00 %", ""});

        assertThat(Metrics.aligned(rows)).isEqualTo("""
                method       accuracy  of which
                a                   5  train 1.0
                a long name  100.00 %
                """);
    }

    @Test
    void theTableTellsWhatIsKnownOfEachMethodInTheGivenOrder() {
        Metrics metrics = metrics();
        ObjectNode grft = metrics.of("grft");
        Measure.put(
                Map.of(
                        Measure.ACCURACY,
                        0.98765,
                        Measure.BALANCED_ACCURACY,
                        0.97,
                        Measure.MACRO_F1,
                        0.965,
                        Measure.AUROC,
                        0.999,
                        Measure.ECE,
                        0.025),
                grft);
        grft.put("trained", 1234567);
        grft.put("share", 0.01434);
        grft.put("share_without_head", 0.003);
        grft.put("delta_bytes", 5000);
        metrics.phase("grft", "select", 1.25);
        metrics.phase("grft", "train", 10);

        assertThat(metrics.table(List.of("linear", "grft"))).isEqualTo("""
                method  accuracy  balanced  macro F1    AUROC     ECE    trained    share  no head  delta bytes  seconds  of which
                linear         -         -         -        -       -          -        -        -            -      0.0
                grft     98.77 %   97.00 %   96.50 %  99.90 %  2.50 %  1,234,567  1.434 %  0.300 %        5,000     11.3  select 1.3, train 10.0
                """);
    }

    @Test
    void anEvaluationLeavesNothingOfAnEarlierOne() {
        Metrics metrics = metrics();
        metrics.measured("grft", Task.MULTI_LABEL, Map.of(Measure.MAP, 0.5, Measure.TUNED_MICRO_F1, 0.25))
                .put("trained", 5)
                .put("steps", 9);

        ObjectNode node = metrics.measured("grft", Task.SINGLE_LABEL, Map.of(Measure.ACCURACY, 0.5));

        assertThat(node.toString()).isEqualTo("{\"steps\":9,\"accuracy\":0.5}");
    }

    @Test
    void aPhaseThatIsDoneAgainCountsOnce() throws Exception {
        Metrics metrics = metrics();
        metrics.phase("grft", "train", 10);
        metrics.phase("grft", "evaluate", 2.0004);
        metrics.phase("grft", "train", 3);
        metrics.write();

        JsonNode grft = new ObjectMapper()
                .readTree(Files.readString(folder.resolve("metrics.json")))
                .path("grft");
        assertThat(grft.path("seconds").asDouble()).isEqualTo(5);
        assertThat(grft.path("phases").path("evaluate").asDouble()).isEqualTo(2);
    }

    @Test
    void aPhaseThatIsForgottenCountsNoMore() {
        Metrics metrics = metrics();
        metrics.phase("grft", "select", 4);
        metrics.phase("grft", "select 2", 5);
        metrics.phase("grft", "train", 10);

        Metrics.forgetPhases(metrics.of("grft"), "select 2"::equals);

        assertThat(metrics.of("grft")).hasToString("{\"phases\":{\"select\":4.0,\"train\":10.0},\"seconds\":14.0}");
    }

    @Test
    void whatWasWrittenIsReadAndKept() {
        Metrics first = metrics();
        first.of("linear").put("accuracy", 0.5);
        first.write();

        Metrics second = metrics();
        second.of("grft").put("accuracy", 0.75);
        second.write();

        assertThat(metrics().of("linear").path("accuracy").asDouble()).isEqualTo(0.5);
        assertThat(metrics().of("grft").path("accuracy").asDouble()).isEqualTo(0.75);
    }

    @Test
    void metricsThatAreDamagedAreTheUsersToDelete() throws Exception {
        Path file = folder.resolve("metrics.json");

        Files.writeString(file, "{\"grft\": ");
        assertThatThrownBy(this::metrics)
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith(file + ": is not valid JSON (")
                .hasMessageEndingWith("); delete it and evaluate again");

        Files.writeString(file, "[]");
        assertThatThrownBy(this::metrics)
                .isInstanceOf(UserError.class)
                .hasMessage(file + ": is not a JSON object; delete it and evaluate again");
    }
}
