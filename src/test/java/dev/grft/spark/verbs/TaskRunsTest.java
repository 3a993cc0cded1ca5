package dev.grft.spark.verbs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.grft.Delta;
import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.checkpoint.artifact.DeltaFile;
import dev.grft.report.Report;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/** From lists of labels and from values to what people and programs read. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class TaskRunsTest extends OnTiny {
    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final Map<String, String> LABELS = Map.of(
            "blue", "[\"blue\"], \"value\": 50000.5",
            "green", "[\"green\", \"warm\"], \"value\": 50001.5",
            "red", "[\"red\", \"warm\"], \"value\": 50002.5");

    private Path sets;

    @BeforeAll
    void labeled() throws IOException {
        sets = folderOfAll.resolve("labeled");
        for (int i = 0; i < 3; i++) {
            String set = List.of("train", "validation", "test").get(i);
            Path images = Tiny.images(sets.resolve(set), i == 0 ? 12 : 6, 20 + i);
            List<String> lines = new ArrayList<>();
            for (Map.Entry<String, String> of : LABELS.entrySet()) {
                for (int image = 0; image < (i == 0 ? 12 : 6); image++) {
                    lines.add("{\"file_name\": \"" + of.getKey() + "/" + image + ".png\", \"label\": " + of.getValue()
                            + "}");
                }
            }
            Files.write(images.resolve("metadata.jsonl"), lines);
        }
    }

    private Path set(String name) {
        return sets.resolve(name).resolve("metadata.jsonl");
    }

    private List<String> sets(Path directory, String... more) {
        List<String> all = new ArrayList<>(Tiny.sets(
                shared.pretrained(),
                set("train"),
                set("test"),
                directory,
                "training.epochs=12",
                "training.learningRate=0.02",
                "training.headInit=fresh",
                "tuning.method=bitfit"));
        all.addAll(List.of(more));
        return all;
    }

    private JsonNode json(Path directory, String name) throws IOException {
        return MAPPER.readTree(directory.resolve(name).toFile());
    }

    private static DeltaFile delta(Path directory) {
        return DeltaFile.read(
                new Configuration(),
                new org.apache.hadoop.fs.Path(
                        directory.resolve("delta.safetensors").toString()));
    }

    @Test
    void severalLabelsGoFromListsToThresholdsAndPredictions() throws IOException {
        Path directory = folder.resolve("run");
        List<String> sets = sets(directory, "data.task=multi-label", "data.validation=" + set("validation"));

        Tiny.Printed printed = Tiny.does(spark, sets, false, verbs -> {
            verbs.train();
            verbs.evaluate();
        });

        JsonNode evaluation = json(directory, "evaluation.json");
        assertThat(printed.err())
                .contains("thresholds bitfit")
                .contains("evaluate bitfit: mAP ")
                .contains(", ECE 0.");
        assertThat(evaluation.path("task").asText()).isEqualTo("multi-label");
        assertThat(evaluation.path("map").asDouble()).isGreaterThan(0.8);
        assertThat(evaluation.path("tuned_macro_f1").asDouble())
                .isGreaterThanOrEqualTo(evaluation.path("macro_f1").asDouble() - 0.1);
        assertThat(evaluation.path("classes_per_image").asDouble()).isEqualTo(5 / 3.0, within(1e-12));
        assertThat(evaluation.path("ece").asDouble()).isBetween(0.001, 0.5);
        long pairs = 0;
        for (JsonNode bin : evaluation.path("calibration")) {
            pairs += bin.path(0).asLong();
        }
        assertThat(pairs).as("18 images, 4 classes").isEqualTo(72);
        DeltaFile delta = delta(directory);
        assertThat(delta.delta().task()).isEqualTo(Task.MULTI_LABEL);
        assertThat(delta.thresholds()).hasSize(4);
        JsonNode classes = evaluation.path("classes");
        assertThat(classes.path("warm").path("images").asInt()).isEqualTo(12);
        assertThat((float) classes.path("blue").path("threshold").asDouble())
                .isEqualTo(delta.thresholds().get(0));
        assertThat(json(directory, "metrics.json").path("bitfit").path("task").asText())
                .isEqualTo("multi-label");
        assertThat(Files.readString(directory.resolve("README.md")))
                .contains("| mAP | ")
                .contains("warm 0.");
        assertThat(Files.readAllLines(directory.resolve("predictions.jsonl")))
                .hasSize(18)
                .first()
                .asString()
                .contains("\"labels\":[\"blue\"],\"predicted\":[");
        assertThat(report(directory))
                .contains("\"results\":{\"total\":4,\"classes\":[[\"blue\",6,")
                .contains("\"calibration\":[[");

        List<Row> rows = predicted(sets);
        assertThat(rows).hasSize(18);
        assertThat(rows.get(0).schema().fieldNames())
                .containsExactly("name", "labels", "p_blue", "p_green", "p_red", "p_warm");
        for (Row row : rows) {
            List<String> above = new ArrayList<>();
            for (int k = 0; k < 4; k++) {
                if (row.getFloat(2 + k) >= delta.thresholds().get(k)) {
                    above.add(delta.delta().labels().get(k));
                }
            }
            assertThat(row.<String>getList(1)).isEqualTo(above);
        }
        Path csv = folder.resolve("table.csv");
        Tiny.does(
                spark,
                sets(directory, "data.task=multi-label", "predict.topK=2"),
                false,
                verbs -> verbs.predict(this.sets.resolve("test").toString(), csv.toString(), List.of()));
        List<Row> text =
                spark.read().option("header", "true").csv(csv.toString()).collectAsList();
        assertThat(text.get(0).schema().fieldNames()).containsExactly("name", "labels", "top");
        assertThat(text.stream().map(row -> String.valueOf(row.getString(1))))
                .anyMatch(labels -> labels.contains("|warm"));
    }

    @Test
    void thresholdsAreChosenAgainForProbabilitiesOfBothSides() throws IOException {
        Path directory = folder.resolve("run");
        List<String> sets =
                sets(directory, "data.task=multi-label", "data.validation=" + set("validation"), "training.epochs=2");
        Tiny.does(spark, sets, false, Verbs::train);
        DeltaFile once = delta(directory);
        sets.add("evaluation.flip=true");

        Tiny.Printed flipped = Tiny.does(spark, sets, false, Verbs::train);

        assertThat(flipped.err())
                .contains("thresholds bitfit")
                .doesNotContain("delta.safetensors is up to date")
                .as("trained on")
                .doesNotContain("step 1/");
        assertThat(delta(directory).delta().headBias()).isEqualTo(once.delta().headBias());
        assertThat(Tiny.does(spark, sets, false, Verbs::train).err())
                .contains("delta.safetensors is up to date with its inputs");
    }

    /** Earlier builds wrote such names. */
    @Test
    void aDeltaWithABarInTheNameOfAClassIsReadAndRefusedForCsv() throws IOException {
        Path directory = folder.resolve("run");
        List<String> sets = sets(directory, "data.task=multi-label", "training.epochs=1");
        Tiny.does(spark, sets, false, Verbs::train);
        DeltaFile file = delta(directory);
        Delta old = file.delta();
        new DeltaFile(
                        new Delta(
                                old.selection(),
                                Map.of(),
                                old.headWeight(),
                                old.headBias(),
                                List.of("blue", "green", "red", "hot|warm"),
                                old.pretrainedSha256(),
                                old.whole(),
                                List.of(),
                                old.task()),
                        file.method(),
                        file.settings(),
                        file.provenance())
                .write(
                        new Configuration(),
                        new org.apache.hadoop.fs.Path(
                                directory.resolve("delta.safetensors").toString()));

        assertThat(predicted(sets).get(0).schema().fieldNames())
                .containsExactly("name", "labels", "p_blue", "p_green", "p_red", "p_hot|warm");
        for (String csv : List.of(folder + "/table.csv", folder + "/table.csv/")) {
            assertThatThrownBy(() -> Tiny.does(
                            spark,
                            sets,
                            false,
                            verbs -> verbs.predict(this.sets.resolve("test").toString(), csv, List.of())))
                    .isInstanceOf(UserError.class)
                    .hasMessage("--output " + csv
                            + ": the class hot|warm of the delta has | in its name, which separates the classes"
                            + " of an image in CSV; write Parquet, an --output that does not end with .csv");
        }
    }

    private String report(Path directory) throws IOException {
        Report.write(new Configuration(), new org.apache.hadoop.fs.Path(directory.toString()));
        return Files.readString(directory.resolve(Report.NAME));
    }

    @Test
    void theBestEpochOfSeveralLabelsBringsItsThresholds() throws IOException {
        Path directory = folder.resolve("run");

        Tiny.Printed printed = Tiny.does(
                spark,
                sets(directory, "data.task=multi-label", "data.validation=" + set("validation"), "training.patience=3"),
                false,
                Verbs::train);

        assertThat(delta(directory).thresholds()).hasSize(4);
        assertThat(printed.err()).contains("the best mAP so far").doesNotContain("thresholds bitfit");
        assertThat(json(directory, "metrics.json")
                        .path("bitfit")
                        .path("chosen_by")
                        .asText())
                .isEqualTo("map");
    }

    @Test
    void withoutHeldOutImagesTheThresholdsAreAHalfAndThatIsSaid() throws IOException {
        Path directory = folder.resolve("run");

        Tiny.Printed printed =
                Tiny.does(spark, sets(directory, "data.task=multi-label", "training.epochs=1"), false, verbs -> {
                    verbs.train();
                    verbs.evaluate();
                });

        assertThat(printed.err()).contains("no images are held out to choose the classes' thresholds on; they are 0.5");
        assertThat(delta(directory).thresholds()).isEmpty();
        JsonNode evaluation = json(directory, "evaluation.json");
        assertThat(evaluation.has("tuned_macro_f1")).isFalse();
        assertThat(evaluation.path("classes").path("red").path("threshold").asDouble())
                .isEqualTo(0.5);
    }

    @Test
    void valuesGoFromColumnsToErrorsAndPredictions() throws IOException {
        Path directory = folder.resolve("run");
        List<String> sets = sets(
                directory,
                "data.task=regression",
                "data.labelColumn=value",
                "data.validation=" + set("validation"),
                "training.patience=20");

        Tiny.Printed printed = Tiny.does(spark, sets, false, verbs -> {
            verbs.train();
            verbs.evaluate();
        });

        assertThat(printed.err()).contains("the best RMSE so far").contains("evaluate bitfit: RMSE ");
        JsonNode evaluation = json(directory, "evaluation.json");
        assertThat(evaluation.path("task").asText()).isEqualTo("regression");
        JsonNode target = evaluation.path("targets").path("value");
        assertThat(target.path("mean").asDouble()).isEqualTo(50_001.5, within(1e-9));
        assertThat(evaluation.path("r2").asDouble()).isGreaterThan(0.2);
        assertThat(Files.readString(directory.resolve("README.md")))
                .contains("| RMSE | ")
                .contains("1 targets");
        assertThat(report(directory)).contains("\"results\":{\"total\":1,\"targets\":[{\"name\":\"value\",");
        JsonNode mistakes = json(directory, "mistakes.json");
        double deviation = Math.sqrt(2 / 3.0); // of 50,000.5, 50,001.5 and 50,002.5
        assertThat(mistakes.path(0).path("deviations").asDouble())
                .isEqualTo(Math.sqrt(mistakes.path(0).path("loss").asDouble()) / deviation, within(1e-6));

        List<Row> rows = predicted(sets);
        assertThat(rows).hasSize(18);
        assertThat(rows.get(0).schema().fieldNames()).containsExactly("name", "predicted_value");
        assertThat(rows).allSatisfy(row -> assertThat(row.getFloat(1)).isBetween(49_990f, 50_010f));
    }

    /** Returns the table that {@code predict} writes of the test images. */
    private List<Row> predicted(List<String> settings) {
        Path table = folder.resolve("table.parquet");
        Tiny.does(
                spark,
                settings,
                false,
                verbs -> verbs.predict(sets.resolve("test").toString(), table.toString(), List.of()));
        return spark.read().parquet(table.toString()).collectAsList();
    }
}
