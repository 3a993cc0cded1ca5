package dev.grft.spark.verbs;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.grft.Delta;
import dev.grft.Selection;
import dev.grft.checkpoint.artifact.DeltaFile;
import dev.grft.checkpoint.artifact.SelectionFile;
import dev.grft.spark.verbs.Tiny.Printed;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** A training of three epochs of three steps, each with a selection of its own. */
class ReselectionTest extends OnTiny {
    private static Path kept;

    @BeforeAll
    static void trainOnce() throws IOException {
        kept = folderOfAll.resolve("kept");
        train(kept);
    }

    private static Printed train(Path directory, String... more) {
        List<String> all = new ArrayList<>(List.of(
                "selection.everyEpochs=1", "selection.matrices=[mlp.fc1, mlp.fc2]", "training.learningRate=0.05"));
        all.addAll(Arrays.asList(more));
        return Tiny.does(spark, shared.sets(directory, all.toArray(String[]::new)), false, Verbs::train);
    }

    private static Delta delta(Path directory) {
        return DeltaFile.read(new Configuration(), new org.apache.hadoop.fs.Path(directory + "/delta.safetensors"))
                .delta();
    }

    private static Selection selection(Path directory, int part) {
        String file = (part == 1 ? "" : "part-" + part + "/") + "selection.safetensors";
        return SelectionFile.read(new Configuration(), new org.apache.hadoop.fs.Path(directory + "/" + file))
                .selection();
    }

    @Test
    void epochsThatAreShorterThanAStepShareASelection() throws IOException {
        Path directory = folder.resolve("short");
        train(directory, "training.batchSize=36", "training.epochs=4");

        assertThat(Files.readAllLines(directory.resolve("history.jsonl"))).hasSize(2);
        assertThat(selection(directory, 2).count()).isEqualTo(8);
        assertThat(directory.resolve("part-3")).doesNotExist();
    }

    private static List<String> phases(Path directory) throws IOException {
        JsonNode metrics = new ObjectMapper().readTree(Files.readString(directory.resolve("metrics.json")));
        List<String> names = new ArrayList<>();
        metrics.at("/grft/phases").fieldNames().forEachRemaining(names::add);
        return names;
    }

    @Test
    void theMetricsHaveThePhasesOfTheLastTrainingOnly() throws IOException {
        Path directory = folder.resolve("phases");
        train(directory, "data.validation=" + Tiny.images(folder.resolve("validation"), 2, 9), "training.patience=3");
        assertThat(phases(directory)).containsExactlyInAnyOrder("select", "select 2", "select 3", "train", "choose");

        train(directory, "training.maxSteps=5");
        assertThat(phases(directory)).containsExactlyInAnyOrder("select", "select 2", "train");

        train(directory, "selection.everyEpochs=null");
        assertThat(phases(directory)).containsExactlyInAnyOrder("select", "train");
    }

    @Test
    void theDeltaHoldsEverySliceThatWasEverTrained() {
        Selection ever = selection(kept, 1);
        for (int part = 2; part <= 3; part++) {
            assertThat(selection(kept, part).count()).isEqualTo(8);
            ever = ever.and(selection(kept, part), Tiny.CONFIG.matrices().keySet());
        }

        assertThat(ever.count()).as("the selection does change").isGreaterThan(8);
        assertThat(delta(kept).selection()).isEqualTo(ever);
        delta(kept).values().forEach((matrix, numbers) -> {
            for (float number : numbers) {
                assertThat(number).as(matrix).isNotZero();
            }
        });
    }

    /** It is finished with the weights as trained so far; see {@link dev.grft.tuning.Score#finish}. */
    @Test
    void aScoreThatReadsWeightsSelectsAgainToo() {
        Path directory = folder.resolve("relative");
        train(directory, "selection.score=relative-gradient", "selection.loss=fresh");

        assertThat(selection(directory, 3).count()).isEqualTo(8);
        assertThat(selection(directory, 3)).isNotEqualTo(selection(directory, 1));
        assertThat(selection(directory, 1)).isNotEqualTo(selection(kept, 1));
    }

    @Test
    void aReleasedSliceKeepsWhatItHadLearned() {
        Path first = folder.resolve("first");
        train(first, "training.maxSteps=3");
        Selection released = selection(kept, 1).without(selection(kept, 2)).without(selection(kept, 3));

        assertThat(released.count()).isPositive();
        Delta before = delta(first).on(released);
        Delta after = delta(kept).on(released);
        released.slices()
                .keySet()
                .forEach(matrix -> assertThat(after.values(matrix)).as(matrix).containsExactly(before.values(matrix)));
        Selection trainedOn = selection(kept, 1).without(released);
        trainedOn
                .slices()
                .keySet()
                .forEach(matrix -> assertThat(delta(kept).on(trainedOn).values(matrix))
                        .as(matrix)
                        .isNotEqualTo(delta(first).on(trainedOn).values(matrix)));
    }

    @Test
    void aReleasedSliceCanBeRestored() {
        Path restored = folder.resolve("restored");
        Printed printed = train(restored, "selection.released=restore");

        assertThat(selection(restored, 3)).isNotEqualTo(selection(restored, 1));
        assertThat(delta(restored).selection()).isEqualTo(selection(restored, 3));
        assertThat(printed.err()).contains("of them trained before", "step 9/9, epoch 3.00");
    }

    @Test
    void theLearningRateAndTheHistoryGoOnOverAllParts() throws Exception {
        Path once = folder.resolve("once");
        train(once, "selection.everyEpochs=null");

        assertThat(history(kept, "learningRate")).isEqualTo(history(once, "learningRate"));
        assertThat(history(kept, "loss").subList(0, 3))
                .isEqualTo(history(once, "loss").subList(0, 3));
        assertThat(history(kept, "loss")).isNotEqualTo(history(once, "loss"));
    }

    /** Copies what a training leaves that was killed in its second part, before it had written one of the states. */
    private static void copy(Path from, Path to, String unwritten) throws IOException {
        try (Stream<Path> files = Files.walk(from)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                String name = from.relativize(file).toString();
                if (!name.equals("delta.safetensors") && !name.startsWith("part-3") && !name.equals(unwritten)) {
                    Path copy = to.resolve(name);
                    Files.createDirectories(copy.getParent());
                    Files.copy(file, copy, StandardCopyOption.COPY_ATTRIBUTES);
                }
            }
        }
    }

    private static List<String> history(Path directory, String key) throws IOException {
        return Files.readAllLines(directory.resolve("history.jsonl")).stream()
                .map(line -> line.replaceAll(".*(\"step\":\\d+).*(\"" + key + "\":[^,]*).*", "$1 $2"))
                .toList();
    }

    @Test
    void killedInTheSecondPartItGoesOnToTheSameBits() throws Exception {
        Path killed = folder.resolve("killed");
        copy(kept, killed, "part-2/state/step-00000006.safetensors");

        Printed printed = train(killed);

        assertThat(printed.err())
                .contains("resuming after step 3, from " + killed + "/state")
                .contains("resuming after step 4, from " + killed + "/part-2/state")
                .doesNotContain("starting over");
        assertThat(Tiny.tensors(killed.resolve("delta.safetensors")))
                .isEqualTo(Tiny.tensors(kept.resolve("delta.safetensors")));
        assertThat(Tiny.tensors(killed.resolve("part-3/selection.safetensors")))
                .isEqualTo(Tiny.tensors(kept.resolve("part-3/selection.safetensors")));
        assertThat(history(killed, "loss")).isEqualTo(history(kept, "loss"));
    }

    /** Plain SGD has no state that would begin anew. */
    @Test
    void withTheSameSlicesSelectedAgainNothingIsLostNorCountedTwice() {
        for (String every : List.of("1", "null")) {
            train(
                    folder.resolve(every),
                    "selection.everyEpochs=" + every,
                    "selection.budget.count=1000",
                    "tuning.biases=true",
                    "training.sliceRates=uniform", // those by score change with the scores
                    "training.updater=sgd",
                    "training.momentum=0");
        }

        assertThat(folder.resolve("1/part-3/selection.safetensors")).exists();
        assertThat(delta(folder.resolve("1")).whole()).hasSize(8);
        assertThat(Tiny.tensors(folder.resolve("1/delta.safetensors")))
                .isEqualTo(Tiny.tensors(folder.resolve("null/delta.safetensors")));
    }

    @Test
    @Tag("thorough")
    void biasesAreTrainedThroughAllPartsAndAnInterruption() throws Exception {
        String[] biases = {"tuning.biases=true"};
        Path whole = folder.resolve("whole");
        train(whole, biases);
        Path killed = folder.resolve("killed-with-biases");
        copy(whole, killed, "part-2/state/step-00000006.safetensors");

        Printed printed = train(killed, biases);

        assertThat(printed.err()).contains("resuming after step 4, from " + killed + "/part-2/state");
        assertThat(delta(whole).whole().keySet())
                .hasSize(8)
                .contains("blocks.0.attn.qkv.bias", "blocks.1.mlp.fc2.bias")
                .noneMatch(name -> name.contains("norm"));
        delta(whole)
                .whole()
                .forEach((name, numbers) -> assertThat(numbers).as(name).isNotEqualTo(new float[numbers.length]));
        assertThat(Tiny.tensors(killed.resolve("delta.safetensors")))
                .isEqualTo(Tiny.tensors(whole.resolve("delta.safetensors")));
    }

    @Test
    void otherMethodsSelectOnce() {
        Path random = folder.resolve("random");
        train(random, "tuning.method=random");

        assertThat(random.resolve("part-2")).doesNotExist();
        assertThat(delta(random).selection().count()).isEqualTo(8);
    }
}
