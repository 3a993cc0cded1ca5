package dev.grft.spark.verbs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.grft.Delta;
import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.checkpoint.Checkpoint;
import dev.grft.checkpoint.artifact.DeltaFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Several labels of an image, and values: whole runs. */
class TasksTest {
    private static final Configuration HADOOP = new Configuration();
    private static final String[] SEVERAL = {"data.task=multi-label", "data.labelColumn=colors"};
    private static final String[] VALUES = {"data.task=regression", "data.labelColumn=wavelength,noise"};

    @TempDir
    static Path folder;

    private static Path pretrained;
    private static Path train;
    private static Path test;

    @BeforeAll
    static void images() throws IOException {
        pretrained = Tiny.pretrained(folder.resolve("pretrained"), 1);
        train = listed("train", 6, 2);
        test = listed("test", 3, 3);
    }

    /** Writes images and what they show: blue ones none of the classes, and a wavelength by the color. */
    static Path listed(String name, int ofEachClass, long seed) throws IOException {
        Path images = Tiny.images(folder.resolve(name), ofEachClass, seed);
        StringBuilder lines = new StringBuilder();
        List<String> colors = List.of("[]", "[\"green\", \"not blue\"]", "[\"not blue\", \"red\"]");
        for (int k = 0; k < 3; k++) {
            for (int i = 0; i < ofEachClass; i++) {
                lines.append(String.format(
                        Locale.ROOT,
                        "{\"path\": \"%s/%d.png\", \"colors\": %s, \"wavelength\": %d, \"noise\": 0.00%d}%n",
                        List.of("blue", "green", "red").get(k),
                        i,
                        colors.get(k),
                        450_000 + 90_000 * k,
                        i));
            }
        }
        return Files.writeString(images.resolve("list.jsonl"), lines);
    }

    private static SparkSession spark() {
        return Tiny.spark("local[2]");
    }

    private static List<String> sets(String directory, String[] task, String... more) {
        List<String> all = new ArrayList<>(Arrays.asList(task));
        all.addAll(List.of(more));
        return Tiny.sets(pretrained, train, test, folder.resolve(directory), all.toArray(String[]::new));
    }

    private static Delta delta(String directory, String file) {
        return DeltaFile.read(
                        HADOOP,
                        new org.apache.hadoop.fs.Path(
                                folder.resolve(directory).resolve(file).toString()))
                .delta();
    }

    private static JsonNode json(String directory, String file) throws IOException {
        return new ObjectMapper()
                .readTree(folder.resolve(directory).resolve(file).toFile());
    }

    @Test
    void severalLabelsGoFromImagesToAMergedModel() throws Exception {
        List<String> sets = sets(
                "several",
                SEVERAL,
                "compare.methods=[linear]",
                "training.epochs=12",
                "training.learningRate=0.01",
                "training.labelSmoothing=0.01");
        Tiny.does(spark(), sets, false, Verbs::run);

        Delta delta = delta("several", "delta.safetensors");
        assertThat(delta.task()).isEqualTo(Task.MULTI_LABEL);
        assertThat(delta.labels()).containsExactly("green", "not blue", "red");
        assertThat(json("several", "evaluation.json").path("map").asDouble()).isGreaterThan(0.95);
        assertThat(json("several", "data.json").toString())
                .contains("\"classes\":{\"green\":6,\"not blue\":12,\"red\":6}")
                .contains("green, not blue");

        Checkpoint merged = Checkpoint.load(
                HADOOP, folder.resolve("several/merged.safetensors").toString(), 0);
        assertThat(merged.config().task()).isEqualTo(Task.MULTI_LABEL);
        assertThat(merged.labels()).isEqualTo(delta.labels());
    }

    @Test
    void valuesAreLearnedWhateverTheirUnits() throws Exception {
        Tiny.does(
                spark(), sets("values", VALUES, "training.epochs=20", "training.learningRate=0.01"), false, Verbs::run);

        Delta delta = delta("values", "delta.safetensors");
        assertThat(delta.task()).isEqualTo(Task.REGRESSION);
        assertThat(delta.labels()).containsExactly("wavelength", "noise");
        JsonNode wavelength = json("values", "evaluation.json").at("/targets/wavelength");
        assertThat(wavelength.path("r2").asDouble())
                .as(json("values", "evaluation.json").toString())
                .isGreaterThan(0.7);
    }

    @Test
    void theLinearProbeHasTheValuesThemselves() throws Exception {
        Tiny.does(
                spark(),
                sets("probe", VALUES, "tuning.method=linear", "probe.epochs=200", "probe.learningRate=0.05"),
                false,
                verbs -> {
                    verbs.train();
                    verbs.evaluate();
                });

        assertThat(delta("probe", "delta.safetensors").headBias()[0]).isBetween(300_000f, 800_000f);
        assertThat(json("probe", "evaluation.json").at("/targets/wavelength/r2").asDouble())
                .isGreaterThan(0.7);
    }

    @ParameterizedTest
    @ValueSource(strings = {"several", "values"})
    void theBitsAreTheSameOnAnyNumberOfCores(String which) {
        String[] task = which.equals("several") ? SEVERAL : VALUES;
        for (int cores : new int[] {1, 2}) {
            Tiny.does(
                    Tiny.spark("local[" + cores + "]"),
                    sets(
                            which + cores,
                            task,
                            "selection.loss=probe",
                            "selection.everyEpochs=1",
                            "training.headInit=probe",
                            "augmentation.mixup=0.8",
                            "selection.score=fisher"),
                    false,
                    Verbs::train);
        }
        for (String file : new String[] {
            "selection.safetensors", "part-3/selection.safetensors", "linear/delta.safetensors", "delta.safetensors"
        }) {
            Map<String, String> one = Tiny.tensors(folder.resolve(which + "1").resolve(file));
            assertThat(Tiny.tensors(folder.resolve(which + "2").resolve(file)))
                    .as(file)
                    .isEqualTo(one);
        }
    }

    @Test
    void packedImagesTrainTheSame() {
        for (String[] task : List.of(SEVERAL, VALUES)) {
            Path packed = folder.resolve("packed-" + task[0].substring(10));
            Tiny.does(
                    spark(), sets("pack", task), false, verbs -> verbs.pack(train.toString(), packed.toString(), true));
            String[] column = {task[0], task == SEVERAL ? "data.labelColumn=label" : task[1]};
            Tiny.does(spark(), sets("listed-" + packed.getFileName(), task), false, Verbs::train);
            List<String> sets = new ArrayList<>(sets("of-" + packed.getFileName(), column));
            sets.add("data.train=" + packed);
            Tiny.does(spark(), sets, false, Verbs::train);

            assertThat(Tiny.tensors(folder.resolve("of-" + packed.getFileName()).resolve("delta.safetensors")))
                    .isEqualTo(Tiny.tensors(
                            folder.resolve("listed-" + packed.getFileName()).resolve("delta.safetensors")));
        }
    }

    @Test
    void valuesAreStandardizedIfTheSameImagesWereReadAsTestImagesBefore() {
        List<String> sets = new ArrayList<>(sets("same", VALUES));
        sets.addAll(List.of("data.test=" + train, "augmentation.crop=false")); // crops keep the images apart
        Path delta = folder.resolve("same").resolve("delta.safetensors");
        Tiny.does(spark(), sets, false, Verbs::train);
        Map<String, String> alone = Tiny.tensors(delta);
        Tiny.does(spark(), sets, true, verbs -> {
            verbs.evaluate();
            verbs.train();
        });
        assertThat(Tiny.tensors(delta)).isEqualTo(alone);
    }

    @Test
    void aDeltaOfAnotherTaskIsRefused() {
        Tiny.does(spark(), sets("other", SEVERAL), false, Verbs::train);
        assertThatThrownBy(() -> Tiny.does(
                        spark(),
                        sets("other", new String[] {"data.task=regression", "data.labelColumn=wavelength"}),
                        false,
                        Verbs::evaluate))
                .isInstanceOf(UserError.class)
                .hasMessageContaining(
                        "data.task is regression, but the head is of the task multi-label; set data.task");
    }

    @Test
    void settingsThatMakeNoSenseForATaskAreRefused() {
        for (String[] wrong : new String[][] {
            {"data.balance=weights", "data.balance must be none unless data.task is single-label"},
            {"selection.loss=contrastive", "selection.loss must be fresh or probe for data.task multi-label"},
            {"training.watch=accuracy", "training.watch must be"},
        }) {
            assertThatThrownBy(() -> Tiny.settings(sets("refused", SEVERAL, wrong[0])))
                    .isInstanceOf(UserError.class)
                    .hasMessageContaining(wrong[1]);
        }
        for (String[] wrong : new String[][] {
            {"data.classes=3", "data.classes must be null for data.task regression"},
            {"training.labelSmoothing=0.1", "training.labelSmoothing must be 0 for data.task regression"},
            {"data.labelColumn=a,,b", "data.labelColumn must name columns, each once"},
            {"data.task=ranking", "unknown task 'ranking'"},
        }) {
            assertThatThrownBy(() -> Tiny.settings(sets("refused", VALUES, wrong[0])))
                    .isInstanceOf(UserError.class)
                    .hasMessageContaining(wrong[1]);
        }
    }
}
