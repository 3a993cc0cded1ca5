package dev.grft.report;

import dev.grft.Delta;
import dev.grft.Scores;
import dev.grft.Slices;
import dev.grft.Task;
import dev.grft.checkpoint.Checkpoint;
import dev.grft.checkpoint.artifact.DeltaFile;
import dev.grft.checkpoint.artifact.EntriesFile;
import dev.grft.checkpoint.artifact.SelectionFile;
import dev.grft.checkpoint.artifact.TrainingState;
import dev.grft.checkpoint.file.Safetensors;
import dev.grft.checkpoint.file.Storage;
import dev.grft.checkpoint.file.Tensor;
import dev.grft.data.Preprocess.Crop;
import dev.grft.vit.VitConfig;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/** Artifacts in words. */
public final class Inspection {
    private static final int SHOWN = 12;

    private Inspection() {}

    /**
     * Returns a description of a checkpoint, selection, delta, entries of GPS or training checkpoint.
     *
     * @throws dev.grft.UserError if it is none of them, or cannot be read
     */
    public static String of(Configuration hadoop, String path) {
        Storage storage = new Storage(hadoop);
        if (storage.isDirectory(new Path(path))) {
            return checkpoint(Checkpoint.load(hadoop, path, 0));
        }
        Path file = new Path(path);
        Safetensors safetensors = Safetensors.read(hadoop, file);
        String format = safetensors.metadata().getOrDefault("format", "");
        return switch (format) {
            case "grft.delta" -> delta(DeltaFile.read(hadoop, file), storage.length(file));
            case "grft.selection" -> selection(SelectionFile.read(hadoop, file));
            case "grft.entries" -> entries(EntriesFile.read(hadoop, file));
            case "grft.state" -> state(TrainingState.read(hadoop, file));
            default ->
                storage.exists(new Path(file.getParent(), "config.json"))
                        ? checkpoint(Checkpoint.load(hadoop, path, 0))
                        : tensors(safetensors);
        };
    }

    private static String checkpoint(Checkpoint checkpoint) {
        VitConfig config = checkpoint.config();
        String form = config.variant().words();
        return lines(
                "checkpoint      " + checkpoint.name(),
                "architecture    " + checkpoint.architecture() + (form.isEmpty() ? "" : ": " + form),
                String.format(
                        Locale.ROOT,
                        "sizes           %d blocks, width %d, %d heads, MLP %d, patches of %d, images of %d pixels",
                        config.depth(),
                        config.width(),
                        config.heads(),
                        config.mlpWidth(),
                        config.patchSize(),
                        config.imageSize()),
                String.format(Locale.ROOT, "parameters      %,d", config.parameters()),
                "images          mean " + checkpoint.recipe().mean() + ", std "
                        + checkpoint.recipe().std() + ", crop "
                        + (checkpoint.recipe().crop() == Crop.SQUASH
                                ? "squash"
                                : checkpoint.recipe().cropFraction())
                        + ", resized "
                        + checkpoint.recipe().interpolation(),
                "classes         "
                        + (config.classes() == 0
                                ? "no head"
                                : config.classes() + names(checkpoint.labels()) + task(config.task())),
                "SHA-256         " + checkpoint.sha256());
    }

    private static String task(Task task) {
        return task == Task.SINGLE_LABEL ? "" : ", " + task;
    }

    private static String delta(DeltaFile file, long bytes) {
        Delta delta = file.delta();
        List<String> lines = new ArrayList<>(List.of(
                "delta           by " + file.method() + ", of the pretrained file " + delta.pretrainedSha256(),
                String.format(
                        Locale.ROOT,
                        "trained         %,d parameters, %,d of them in the head; %,d bytes",
                        delta.trained(),
                        delta.trained() - delta.trainedWithoutHead(),
                        bytes),
                "classes         " + delta.labels().size() + names(delta.labels()) + task(delta.task()),
                "provenance      " + file.provenance()));
        delta.selection()
                .slices()
                .values()
                .forEach(slices -> lines.add(slices(slices) + norm(delta.values(slices.matrix()))));
        delta.whole().forEach((name, numbers) -> lines.add("  " + name + ": whole" + norm(numbers)));
        delta.additions()
                .values()
                .forEach(addition ->
                        lines.add(String.format(Locale.ROOT, "  %s: %,d parameters", addition, addition.trained())));
        return lines(lines.toArray(String[]::new));
    }

    private static String selection(SelectionFile file) {
        List<String> lines = new ArrayList<>(List.of(
                "selection       " + file.selection() + ", of the pretrained file " + file.pretrainedSha256(),
                String.format(
                        Locale.ROOT,
                        "share           %.4f %% of the backbone's %,d parameters",
                        100 * file.selection().share(file.backboneParameters()),
                        file.backboneParameters()),
                "scores          of " + file.scores().shapes().size() + " matrices, over "
                        + file.scores().examples() + " examples",
                "provenance      " + file.provenance()));
        file.selection()
                .slices()
                .values()
                .forEach(slices -> lines.add(slices(slices) + captured(slices, file.scores())));
        return lines(lines.toArray(String[]::new));
    }

    private static String entries(EntriesFile file) {
        List<String> lines = new ArrayList<>(List.of(
                "entries         of the pretrained file " + file.pretrainedSha256(),
                "provenance      " + file.provenance()));
        file.entries().forEach(some -> lines.add("  " + some));
        return lines(lines.toArray(String[]::new));
    }

    private static String state(TrainingState state) {
        return lines(
                "checkpoint      after step " + state.step(),
                String.format(Locale.ROOT, "trained         %,d parameters", state.parameters().length),
                String.format(Locale.ROOT, "updater         %,d values", state.updater().length),
                "average         " + (state.average() == null ? "none" : "of the trained parameters"),
                "inputs          " + state.fingerprint());
    }

    private static String tensors(Safetensors file) {
        List<String> lines = new ArrayList<>();
        lines.add("safetensors     " + file.file() + ", " + file.metadata());
        for (String name : file.names()) {
            Tensor tensor = file.tensor(name);
            lines.add("  " + name + ": " + tensor.dtype() + " " + Arrays.toString(tensor.shape()));
        }
        return lines(lines.toArray(String[]::new));
    }

    private static String slices(Slices slices) {
        int[] indices = slices.indices();
        String shown =
                IntStream.of(indices).limit(SHOWN).mapToObj(Integer::toString).collect(Collectors.joining(", "));
        return "  " + slices + ": " + shown + (indices.length > SHOWN ? ", …" : "");
    }

    private static String captured(Slices slices, Scores scores) {
        if (!scores.shapes().containsKey(slices.matrix())) {
            return ""; // chosen otherwise, such as at random
        }
        double[] all = scores.of(slices.matrix(), slices.axis());
        double sum = Arrays.stream(all).sum();
        double chosen = Arrays.stream(slices.indices()).mapToDouble(i -> all[i]).sum();
        double share = sum == 0 ? 0 : chosen / sum;
        return String.format(Locale.ROOT, " (%.1f %% of the matrix's score)", 100 * share);
    }

    private static String norm(float[] numbers) {
        double squares = 0;
        for (float number : numbers) {
            squares += (double) number * number;
        }
        return String.format(Locale.ROOT, " (moved by %.4g)", Math.sqrt(squares));
    }

    private static String names(List<String> labels) {
        return labels.isEmpty()
                ? ""
                : ": " + labels.stream().limit(SHOWN).collect(Collectors.joining(", "))
                        + (labels.size() > SHOWN ? ", …" : "");
    }

    private static String lines(String... lines) {
        return String.join("\n", lines) + "\n";
    }
}
