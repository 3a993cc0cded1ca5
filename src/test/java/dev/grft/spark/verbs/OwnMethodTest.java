package dev.grft.spark.verbs;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.Delta;
import dev.grft.checkpoint.artifact.DeltaFile;
import dev.grft.tuning.Method;
import dev.grft.tuning.Registered;
import dev.grft.tuning.Tuning;
import dev.grft.vit.Trainable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A method from outside this program: it takes an entry and a class, and no change elsewhere. */
class OwnMethodTest {
    private static final Method NORMS =
            new Method("norms", List.of(), Method.Needs.PROBE, 1e-3, null, from -> new NormTuning());

    @TempDir
    private Path folder;

    /** Trains the gains and biases of the norms, and the head. */
    private static final class NormTuning implements Tuning {
        private static final long serialVersionUID = 1L;

        @Override
        public Trainable trainable() {
            return parameter -> Tuning.isHead(parameter) || parameter.contains("norm");
        }
    }

    @Test
    void itTrainsMergesEvaluatesComparesAndPredicts() throws IOException {
        SparkSession spark = Tiny.spark("local[2]");
        Tiny.Shared shared = Tiny.Shared.in(folder);
        Path run = folder.resolve("run");
        List<String> sets = shared.sets(
                run,
                "tuning.method=norms",
                "compare.methods=[random]",
                "methods.norms.training.learningRate=0.01",
                "training.epochs=1");
        try (Registered registered = new Registered(NORMS)) {
            Tiny.Printed printed = Tiny.does(spark, sets, false, Verbs::run);

            Delta delta = DeltaFile.read(new Configuration(), hadoop(run.resolve("delta.safetensors")))
                    .delta();
            assertThat(delta.whole().keySet())
                    .contains("blocks.0.norm1.weight", "norm.bias")
                    .allSatisfy(name -> assertThat(name).contains("norm"));
            assertThat(delta.whole().values())
                    .anySatisfy(numbers -> assertThat(numbers).isNotEqualTo(new float[numbers.length]));
            assertThat(printed.out()).contains(registered.method().word(), "random");
            assertThat(Files.readString(run.resolve("evaluation.json"))).contains("\"method\" : \"norms\"");
            Map<String, String> pretrained = Tiny.tensors(shared.pretrained().resolve("model.safetensors"));
            assertThat(Tiny.tensors(run.resolve("merged.safetensors")))
                    .containsEntry("blocks.0.attn.qkv.weight", pretrained.get("blocks.0.attn.qkv.weight"))
                    .doesNotContainEntry("norm.bias", pretrained.get("norm.bias"));

            Path predictions = folder.resolve("predictions.csv");
            Tiny.does(
                    spark,
                    sets,
                    false,
                    verbs -> verbs.predict(shared.test().toString(), predictions.toString(), List.of()));
            assertThat(predictions).isDirectory();
        }
    }

    private static org.apache.hadoop.fs.Path hadoop(Path path) {
        return new org.apache.hadoop.fs.Path(path.toString());
    }
}
