package dev.grft.checkpoint.artifact;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.Task;
import dev.grft.ml.GrftClassificationModel;
import dev.grft.spark.verbs.Tiny;
import dev.grft.spark.verbs.Verbs;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.ml.PipelineModel;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SparkModelTest {
    @TempDir
    Path folder;

    @Test
    void aPipelineOfSparkLoadsItAndLabelsImages() throws IOException {
        SparkSession spark = Tiny.spark("local[2]");
        Tiny.Shared shared = Tiny.Shared.in(folder);
        Path run = folder.resolve("run");
        Tiny.does(spark, shared.sets(run, "training.epochs=1"), false, Verbs::train);
        org.apache.hadoop.fs.Path delta =
                new org.apache.hadoop.fs.Path(run.resolve("delta.safetensors").toString());
        SparkModel model = new SparkModel(
                delta,
                shared.pretrained().toUri().toString(),
                DeltaFile.read(new Configuration(), delta).delta().pretrainedSha256(),
                spark.version());

        model.texts(Task.SINGLE_LABEL).forEach((name, text) -> write(name, text.getBytes(StandardCharsets.UTF_8)));
        model.files().forEach((name, file) -> write(name, read(Path.of(file.toString()))));
        PipelineModel loaded = PipelineModel.load(
                folder.resolve(model.flavor().path("model_data").asText()).toString());

        assertThat(loaded.stages()).hasSize(1);
        assertThat(((GrftClassificationModel) loaded.stages()[0]).labels()).containsExactly("blue", "green", "red");
        List<Row> labeled = loaded.transform(spark.read()
                        .format("binaryFile")
                        .option("recursiveFileLookup", "true")
                        .load(shared.test().toString())
                        .selectExpr("content AS image"))
                .select("prediction")
                .collectAsList();
        assertThat(labeled).hasSize(9).allMatch(row -> row.getDouble(0) >= 0);
    }

    private void write(String name, byte[] bytes) {
        try {
            Path file = folder.resolve(name);
            Files.createDirectories(file.getParent());
            Files.write(file, bytes);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static byte[] read(Path file) {
        try {
            return Files.readAllBytes(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
