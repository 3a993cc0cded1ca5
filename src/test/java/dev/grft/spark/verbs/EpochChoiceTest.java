package dev.grft.spark.verbs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.grft.Penalty;
import dev.grft.UserError;
import dev.grft.data.Labels;
import dev.grft.measures.Measure;
import dev.grft.spark.run.Session;
import dev.grft.spark.verbs.Tiny.Printed;
import dev.grft.spark.work.Inference;
import dev.grft.spark.work.ModelBroadcast;
import dev.grft.spark.work.Replicas;
import dev.grft.train.Network;
import dev.grft.tuning.SliceTuning;
import dev.grft.vit.Layout;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class EpochChoiceTest extends OnTiny {
    private static final String NOTE = "chosen on test, not comparable";

    private static Path validation;

    @BeforeAll
    static void start() throws IOException {
        validation = Tiny.images(folderOfAll.resolve("validation"), 5, 9);
    }

    private static Printed does(Path directory, Consumer<Verbs> verb, String... more) {
        List<String> all = new ArrayList<>(List.of("data.validation=" + validation, "training.epochs=8"));
        all.addAll(Arrays.asList(more));
        return Tiny.does(spark, shared.sets(directory, all.toArray(String[]::new)), false, verb);
    }

    /** With steps of next to nothing, also of the head. */
    private static Printed still(Path directory, Consumer<Verbs> verb, String... more) {
        List<String> all = new ArrayList<>(List.of("training.learningRate=1e-9", "training.headRate=1"));
        all.addAll(Arrays.asList(more));
        return does(directory, verb, all.toArray(String[]::new));
    }

    private static JsonNode json(Path file) throws IOException {
        return new ObjectMapper().readTree(Files.readString(file));
    }

    private static List<JsonNode> epochs(Path directory) throws IOException {
        List<JsonNode> epochs = new ArrayList<>();
        for (String line : Files.readAllLines(directory.resolve("history.jsonl"))) {
            JsonNode node = new ObjectMapper().readTree(line);
            if (node.has("split")) {
                epochs.add(node);
            }
        }
        return epochs;
    }

    /** A network that trains keeps every activation of a batch: six images of a step in three shards are two of each. */
    @ParameterizedTest
    @CsvSource({"15, 2", "1, 1"})
    void measuringLooksAtNoMoreImagesAtOnceThanTraining(int ofEvaluation, int atOnce) {
        List<String> sets = shared.sets(folder, "evaluation.batchSize=" + ofEvaluation);
        Session session = Session.in(spark, Tiny.settings(sets), System.out, System.err);
        try (session) {
            ModelBroadcast model = session.models().broadcast(Labels.numbered(3));
            SliceTuning tuning = SliceTuning.headOnly();
            Layout layout = tuning.layout(model.config());
            Replicas.Recipe training = new Replicas.Recipe(
                    context,
                    model,
                    tuning,
                    Network.configuration(layout, session.main().settings().training(), Penalty.NONE, 1, 1),
                    true,
                    session.models().device());

            Inference measuring = Inference.of(
                    session.main().engine(model.config()),
                    session.main().images().preprocess(),
                    training,
                    new float[layout.size()],
                    null,
                    null);

            assertThat(measuring.looking().batchSize()).isEqualTo(atOnce);
        }
    }

    /** With steps of next to nothing no epoch is better than the first. */
    @Test
    void aTrainingThatDoesNotBecomeBetterEndsAndItsBestEpochIsKept() throws Exception {
        Path patient = folder.resolve("patient");
        Printed printed = still(patient, Verbs::train, "training.patience=2");
        still(folder.resolve("one"), Verbs::train, "training.maxSteps=3");

        assertThat(printed.err())
                .contains("epoch 1.00: accuracy ", " on the validation images, the best accuracy so far");
        assertThat(epochs(patient)).hasSize(3);
        assertThat(epochs(patient))
                .extracting(node -> node.path("step").asInt())
                .containsExactly(3, 6, 9);
        assertThat(epochs(patient))
                .extracting(node -> node.path("best").asBoolean())
                .containsExactly(true, false, false);
        JsonNode metrics = json(patient.resolve("metrics.json")).path("grft");
        assertThat(metrics.path("steps").asInt()).as("of 24").isEqualTo(9);
        assertThat(metrics.path("epoch").asDouble()).isEqualTo(1);
        assertThat(metrics.path("chosen_on").asText()).isEqualTo("validation");
        assertThat(metrics.path("chosen_by").asText()).isEqualTo("accuracy");
        assertThat(metrics.path("chosen_value").asDouble())
                .isEqualTo(epochs(patient).get(0).path("accuracy").asDouble());
        assertThat(metrics.path("phases").path("choose").asDouble()).isPositive();
        assertThat(Tiny.tensors(patient.resolve("delta.safetensors")))
                .isEqualTo(Tiny.tensors(folder.resolve("one/delta.safetensors")));

        still(patient, Verbs::evaluate, "training.patience=2");
        assertThat(still(patient, Verbs::train, "training.patience=2", "training.watch=accuracy")
                        .err())
                .contains("delta.safetensors is up to date");
        assertThat(json(patient.resolve("metrics.json")).path("grft").has("accuracy"))
                .isTrue();
        still(patient, Verbs::train, "training.patience=2", "training.watch=loss");
        assertThat(json(patient.resolve("metrics.json")).path("grft").has("accuracy"))
                .as("of the delta before")
                .isFalse();
    }

    @Test
    void theKeptEpochIsTheFirstOfTheMostAccurateAndInterruptedTheChoiceIsTheSame() throws Exception {
        Path whole = folder.resolve("whole");
        String[] sets = {"training.learningRate=0.05", "training.headInit=fresh", "training.patience=4"};
        does(whole, Verbs::train, sets);

        double best = epochs(whole).stream()
                .mapToDouble(node -> node.path("accuracy").asDouble())
                .max()
                .orElseThrow();
        JsonNode first = epochs(whole).stream()
                .filter(node -> node.path("accuracy").asDouble() == best)
                .findFirst()
                .orElseThrow();
        JsonNode metrics = json(whole.resolve("metrics.json")).path("grft");
        assertThat(metrics.path("epoch").asDouble() * 3)
                .isEqualTo(first.path("step").asDouble());

        Path killed = folder.resolve("killed");
        copyWithout(whole, killed, 9);
        Printed printed = does(killed, Verbs::train, sets);

        assertThat(printed.err()).contains("resuming after step 8");
        assertThat(epochs(killed)).isEqualTo(epochs(whole));
        assertThat(Tiny.tensors(killed.resolve("delta.safetensors")))
                .isEqualTo(Tiny.tensors(whole.resolve("delta.safetensors")));
        assertThat(json(killed.resolve("metrics.json")).path("grft").path("epoch"))
                .isEqualTo(metrics.path("epoch"));
    }

    /** Files of a store that goes away when the delta of the second epoch is written. */
    public static final class Lost extends RawLocalFileSystem {
        @Override
        public URI getUri() {
            return URI.create("lost:///");
        }

        @Override
        public boolean rename(org.apache.hadoop.fs.Path from, org.apache.hadoop.fs.Path to) throws IOException {
            if (to.getName().startsWith("best-6")) {
                throw new IOException("the store is away");
            }
            return super.rename(from, to);
        }
    }

    @Test
    void whatIsInterruptedWhileAnEpochIsMeasuredGoesOnWithThat() throws Exception {
        String[] sets = {"training.headInit=fresh", "training.watch=loss", "training.patience=4", "training.maxSteps=9"
        };
        Path whole = folder.resolve("undisturbed");
        does(whole, Verbs::train, sets);
        assertThat(epochs(whole).get(1).path("best").asBoolean()).isTrue();
        Path lost = folder.resolve("lost");
        spark.sparkContext().hadoopConfiguration().set("fs.lost.impl", Lost.class.getName());

        assertThatThrownBy(() -> does(Path.of("lost:" + lost), Verbs::train, sets))
                .hasStackTraceContaining("the store is away");
        Printed printed = does(lost, Verbs::train, sets);

        assertThat(printed.err()).contains("resuming after step 6", "epoch 2.00: ");
        assertThat(epochs(lost)).isEqualTo(epochs(whole));
        assertThat(Tiny.tensors(lost.resolve("delta.safetensors")))
                .isEqualTo(Tiny.tensors(whole.resolve("delta.safetensors")));
    }

    /** The loss chooses another epoch than the accuracy. Interrupted, the choice is the same. */
    @ParameterizedTest
    @ValueSource(strings = {"loss", "auroc"})
    void theKeptEpochIsTheFirstOfTheBestByWhatIsWatched(String word) throws Exception {
        Path directory = folder.resolve("watched");
        String[] sets = {
            "training.learningRate=0.05", "training.headInit=fresh", "training.patience=8", "training.watch=" + word
        };
        Printed printed = does(directory, Verbs::train, sets);

        Measure watched = Measure.of(word);
        List<Double> values = epochs(directory).stream()
                .map(node -> node.path(watched.key()).asDouble())
                .toList();
        double best = watched == Measure.LOSS ? Collections.min(values) : Collections.max(values);
        JsonNode metrics = json(directory.resolve("metrics.json")).path("grft");
        assertThat(metrics.path("chosen_by").asText()).isEqualTo(word);
        assertThat(metrics.path("chosen_value").asDouble()).isEqualTo(best);
        assertThat(metrics.path("epoch").asDouble()).isEqualTo(values.indexOf(best) + 1);
        List<Double> accuracies = epochs(directory).stream()
                .map(node -> node.path("accuracy").asDouble())
                .toList();
        if (watched == Measure.LOSS) { // every epoch has the same accuracy
            assertThat(metrics.path("epoch").asDouble())
                    .isGreaterThan(accuracies.indexOf(Collections.max(accuracies)) + 1);
        }
        assertThat(epochs(directory))
                .allSatisfy(node -> assertThat(node.path("watched").asText()).isEqualTo(watched.key()));
        assertThat(printed.err()).contains("the best " + watched.title() + " so far");

        Path killed = folder.resolve("killed");
        copyWithout(directory, killed, 9);
        does(killed, Verbs::train, sets);

        assertThat(epochs(killed)).isEqualTo(epochs(directory));
        assertThat(Tiny.tensors(killed.resolve("delta.safetensors")))
                .isEqualTo(Tiny.tensors(directory.resolve("delta.safetensors")));
    }

    /** A training that does not choose its epoch does not depend on it. */
    @Test
    void anotherMeasureMakesTheChoiceAnewAndNothingElse() throws Exception {
        Path patient = folder.resolve("patient");
        String[] sets = {"training.epochs=2", "training.patience=4", "training.watch=loss"};
        does(patient, Verbs::train, "training.epochs=2", "training.patience=4");
        Path last = folder.resolve("last");
        does(last, Verbs::train, "training.epochs=2");

        assertThat(does(patient, Verbs::train, sets).err()).contains("train grft: ");
        assertThat(does(last, Verbs::train, sets[0], sets[2]).err())
                .contains("delta.safetensors is up to date with its inputs");
    }

    /** The last step of a shorter training is measured, too, though no epoch ends with it. */
    @Test
    void aChoiceAmongFewerStepsIsNotGoneOnWith() throws Exception {
        // With larger steps of the head a later step is the best of the first training.
        String[] sets = {"training.epochs=2", "training.patience=4", "training.maxSteps=4", "training.headRate=1"};
        Path grown = folder.resolve("grown");
        does(grown, Verbs::train, sets);
        sets[2] = "training.maxSteps=0";
        Printed printed = does(grown, Verbs::train, sets);
        Path whole = folder.resolve("whole");
        does(whole, Verbs::train, sets);

        assertThat(printed.err()).contains("are of a training with other inputs; moved to " + grown + "/state-old-1");
        assertThat(grown.resolve("state-old-1/best-3.safetensors")).exists();
        assertThat(epochs(grown)).isEqualTo(epochs(whole));
        assertThat(Tiny.tensors(grown.resolve("delta.safetensors")))
                .isEqualTo(Tiny.tensors(whole.resolve("delta.safetensors")));
    }

    /** Copies a run as it was before its states from a step on, and without its delta. */
    private static void copyWithout(Path from, Path to, int step) throws IOException {
        try (Stream<Path> files = Files.walk(from)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                String name = from.relativize(file).toString();
                boolean later = name.matches("state/step-\\d+\\.safetensors")
                        && Integer.parseInt(name.replaceAll("\\D", "")) >= step;
                if (!later && !name.equals("delta.safetensors")) {
                    Path copy = to.resolve(name);
                    Files.createDirectories(copy.getParent());
                    Files.copy(file, copy, StandardCopyOption.COPY_ATTRIBUTES);
                }
            }
        }
    }

    @Test
    void theEpochMayBeChosenAmongSeveralSelections() throws Exception {
        Path directory = folder.resolve("again");
        does(
                directory,
                Verbs::run,
                "selection.everyEpochs=2",
                "training.epochs=4",
                "training.patience=4",
                "training.learningRate=0.05");

        assertThat(epochs(directory)).hasSize(4);
        JsonNode metrics = json(directory.resolve("metrics.json")).path("grft");
        long held = metrics.path("trained_without_head").asLong();
        assertThat(held).isEqualTo(metrics.path("epoch").asDouble() <= 2 ? 656 : Math.max(656, held));
    }

    @Test
    @Tag("thorough")
    void anEpochThatWasChosenOnTheTestImagesIsMarkedWhereverItsAccuracyStands() throws Exception {
        Path directory = folder.resolve("gps");

        Printed printed = does(
                directory,
                Verbs::run,
                "evaluation.protocol=gps-paper",
                "training.epochs=2",
                "compare.methods=[linear, random]");

        assertThat(epochs(directory))
                .hasSize(2)
                .allSatisfy(node -> assertThat(node.path("split").asText()).isEqualTo("test"));
        assertThat(printed.err()).containsPattern("evaluate grft: accuracy [^\n]* \\(" + NOTE + "\\)");
        assertThat(printed.out()).contains("grft: " + NOTE, "random: " + NOTE).doesNotContain("linear: " + NOTE);
        JsonNode metrics = json(directory.resolve("metrics.json"));
        assertThat(metrics.at("/grft/note").asText()).isEqualTo(NOTE);
        assertThat(metrics.at("/grft/protocol").asText()).isEqualTo("gps-paper");
        assertThat(metrics.at("/grft/accuracy")).isEqualTo(metrics.at("/grft/chosen_value"));
        assertThat(metrics.at("/linear/protocol").asText()).isEqualTo("validation");
        assertThat(json(directory.resolve("evaluation.json")).path("note").asText())
                .isEqualTo(NOTE);

        Printed later = does(directory, Verbs::evaluate, "training.epochs=2");
        assertThat(later.out()).as("the delta is what it is").contains("grft: " + NOTE);

        Path compared = folder.resolve("compared");
        does(
                compared,
                Verbs::compare,
                "evaluation.protocol=gps-paper",
                "training.epochs=1",
                "compare.methods=[linear]");
        assertThat(Files.readString(compared.resolve("comparison.md")))
                .contains("| grft (" + NOTE + ") |", "| linear |");
        assertThat(json(compared.resolve("comparison.json")).at("/cells/1/note").asText())
                .isEqualTo(NOTE);
        assertThat(Files.readString(compared.resolve("comparison.csv"))).contains(",\"" + NOTE + "\"\n");
    }

    @Test
    void patienceNeedsImagesThatAreHeldOut() {
        Path directory = folder.resolve("run");

        assertThatThrownBy(() -> does(directory, Verbs::train, "training.patience=2", "data.validation=null"))
                .isInstanceOf(UserError.class)
                .hasMessage("training.patience is 2, but data.validation is not set; set data.validation to"
                        + " held-out images, or training.patience to null");
        assertThatThrownBy(() -> does(directory, Verbs::check, "training.patience=2", "data.trainOnValidation=true"))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("data.trainOnValidation also trains on the validation images");
    }
}
