package dev.grft.spark.verbs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.grft.spark.verbs.Tiny.Printed;
import dev.grft.train.Divergence;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class DivergingTest extends OnTiny {
    private static final String[] SETS = {
        "tuning.method=full",
        "training.learningRate=8",
        "training.schedule=constant",
        "training.warmupEpochs=10", // 30 steps
        "training.epochs=45",
        "training.shards=1",
        "training.checkpointEvery=5",
        "training.keep=1"
    };

    private Printed train(Path directory, String... more) {
        List<String> sets = new ArrayList<>(List.of(SETS));
        sets.addAll(Arrays.asList(more));
        return Tiny.does(spark, shared.sets(directory, sets.toArray(String[]::new)), false, Verbs::train);
    }

    private static List<JsonNode> history(Path directory) throws IOException {
        List<JsonNode> lines = new ArrayList<>();
        for (String line : Files.readAllLines(directory.resolve("history.jsonl"))) {
            lines.add(new ObjectMapper().readTree(line));
        }
        return lines;
    }

    @Test
    void aTrainingWhoseLossStaysFarAboveItsStartStopsAndKeepsItsCheckpoints() throws Exception {
        Path directory = folder.resolve("run");

        assertThatThrownBy(() -> train(directory))
                .isInstanceOf(Divergence.Ended.class)
                .hasMessageStartingWith("training: the loss has diverged: step ")
                .hasMessageContaining(
                        "the checkpoints in " + directory + "/state stay. Set methods.full.training.learningRate to")
                .hasMessageContaining(
                        "(8 now), find one with the verb rates, or set methods.full.training.onDivergence to halve;"
                                + " the training then starts over");

        assertThat(directory.resolve("state")).isNotEmptyDirectory();
        assertThat(directory.resolve("delta.safetensors")).doesNotExist();
        train(directory, "training.onDivergence=ignore"); // goes on
        assertThat(directory.resolve("delta.safetensors")).exists();
        assertThat(history(directory)).hasSize(135);
    }

    @Test
    void aTrainingThatStillDivergesAfterTenHalvingsStops() {
        assertThatThrownBy(() -> train(
                        folder.resolve("run"),
                        "training.onDivergence=halve",
                        "training.warmupEpochs=0",
                        "training.learningRate=1e38"))
                .isInstanceOf(Divergence.Ended.class)
                .hasMessageMatching(
                        "training: loss or gradient of step \\d+ is not finite; .*; the training then starts over")
                .hasMessageContaining(
                        "e+34 or so (9.765625e34 now, after 10 halvings) or find one with the verb rates;");
    }

    @Test
    void theChoiceOfTheEpochGoesBackToo() throws Exception {
        Path directory = folder.resolve("run");
        train(
                directory,
                "training.onDivergence=halve",
                "training.patience=1000",
                "data.validation=" + Tiny.images(folder.resolve("validation"), 5, 9));

        List<JsonNode> lines = history(directory);
        assertThat(lines).anyMatch(line -> line.has("divergedAt"));
        double best = 0;
        double reached = Double.NaN;
        for (JsonNode line : lines) {
            if (line.has("split")) {
                assertThat(line.path("best").asBoolean())
                        .as("%s after %s", line, reached)
                        .isEqualTo(!(line.path("accuracy").asDouble() <= reached));
                if (line.path("best").asBoolean()) {
                    best = line.path("epoch").asDouble();
                    reached = line.path("accuracy").asDouble();
                }
            }
        }
        JsonNode metrics = new ObjectMapper()
                .readTree(Files.readString(directory.resolve("metrics.json")))
                .path("full");
        assertThat(metrics.path("epoch").asDouble()).isEqualTo(best);
        assertThat(metrics.path("chosen_value").asDouble()).isEqualTo(reached);
        assertThat(directory.resolve("state/best-" + Math.round(3 * best) + ".safetensors"))
                .exists();
    }

    @Test
    @Tag("thorough")
    void aTrainingThatHalvesItsRateGoesBackAndInterruptedItEndsInTheSameBits() throws Exception {
        Path whole = folder.resolve("whole");
        Printed printed = train(whole, "training.onDivergence=halve");

        assertThat(printed.err())
                .containsPattern(
                        "the loss has diverged: step \\d+, .*; back to step \\d+, " + "training.learningRate 4");
        List<JsonNode> returns =
                history(whole).stream().filter(line -> line.has("divergedAt")).toList();
        assertThat(returns).isNotEmpty();
        JsonNode metrics = new ObjectMapper()
                .readTree(Files.readString(whole.resolve("metrics.json")))
                .path("full");
        int halvings = metrics.path("halvings").asInt();
        assertThat(halvings).isPositive();
        assertThat(metrics.path("learning_rate").asDouble()).isEqualTo(8 / Math.pow(2, halvings));
        assertThat(history(whole).stream().filter(line -> line.has("loss"))).hasSize(135);

        Path interrupted = folder.resolve("interrupted");
        for (int steps : new int[] {7, 52, 80}) {
            train(interrupted, "training.onDivergence=halve", "training.maxSteps=" + steps);
        }
        train(interrupted, "training.onDivergence=halve");
        assertThat(Tiny.tensors(interrupted.resolve("delta.safetensors")))
                .isEqualTo(Tiny.tensors(whole.resolve("delta.safetensors")));
    }
}
