package dev.grft.bench;

import dev.grft.Delta;
import dev.grft.Replaced;
import dev.grft.checkpoint.Checkpoint;
import dev.grft.checkpoint.artifact.DeltaFile;
import dev.grft.checkpoint.file.Dtype;
import dev.grft.data.ImageRecipe;
import dev.grft.train.Deltas;
import dev.grft.train.Initial;
import dev.grft.tuning.SliceTuning;
import dev.grft.tuning.Tuning;
import dev.grft.vit.Layout;
import dev.grft.vit.VitConfig;
import dev.grft.vit.Weights;
import dev.grft.vit.kernels.Array.DataType;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/** How long a model takes to change its task: another delta on the weights that are there, beside another whole model. */
final class Switching {

    private Switching() {}

    /** Returns a line for each way; everything is read from the local disk, whose cache is warm. */
    static List<Row> rows(Setup setup) {
        Configuration hadoop = new Configuration();
        try {
            java.nio.file.Path folder = Files.createTempDirectory("grft-switching");
            try {
                return rows(setup, hadoop, folder.toString());
            } finally {
                new Path(folder.toString()).getFileSystem(hadoop).delete(new Path(folder.toString()), true);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static List<Row> rows(Setup setup, Configuration hadoop, String folder) {
        VitConfig config = setup.config();
        Checkpoint.of(
                        "random",
                        setup.model(),
                        config,
                        Initial.vit(config, 1),
                        ImageRecipe.same(0.5f, 0.5f, 1),
                        List.of())
                .save(hadoop, folder, Dtype.F32);
        Checkpoint pretrained = Checkpoint.load(hadoop, folder, 0);
        Delta delta = delta(setup, config, pretrained.sha256());
        Path file = new Path(folder, "delta.safetensors");
        new DeltaFile(delta, "", "").write(hadoop, file);
        Map<String, float[]> copy = new LinkedHashMap<>();
        pretrained.tensors().forEach((name, values) -> copy.put(name, values.clone()));
        try (Deltas deltas = Deltas.on(pretrained, setup.kernels())) {
            List<Times> times = Work.inTurn(
                    List.of(
                            Work.of("memory", () -> change(deltas, delta)),
                            Work.of(
                                    "file",
                                    () -> change(
                                            deltas, DeltaFile.read(hadoop, file).delta())),
                            Work.of("merged", () -> Replaced.merge(delta, copy).restore(copy)),
                            Work.of("model", () -> reload(hadoop, folder))),
                    setup.warmUpSeconds(),
                    setup.repetitions());
            String model = "load the whole model";
            return List.of(
                    Row.of("switch delta in memory", times.get(0)).beside(model, times.get(3)),
                    Row.of("switch delta of a file", times.get(1)).beside(model, times.get(3)),
                    Row.of("merge and take out again", times.get(2)).beside(model, times.get(3)));
        }
    }

    private static void change(Deltas deltas, Delta delta) {
        deltas.load("task", delta);
        deltas.remove("task");
    }

    private static void reload(Configuration hadoop, String folder) {
        Checkpoint loaded = Checkpoint.load(hadoop, folder, 0);
        Weights.copyOf(loaded.config(), loaded.tensors(), DataType.FLOAT).close();
    }

    private static Delta delta(Setup setup, VitConfig config, String sha256) {
        Tuning tuning = new SliceTuning(Setup.selection(config, setup.rows()));
        Layout layout = tuning.layout(config);
        float[] trained = new float[layout.size()];
        Arrays.fill(trained, 0.01f);
        List<String> labels =
                IntStream.range(0, config.classes()).mapToObj(Integer::toString).toList();
        return tuning.delta(layout, trained, labels, sha256);
    }
}
