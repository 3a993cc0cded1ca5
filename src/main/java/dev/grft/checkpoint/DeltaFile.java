package dev.grft.checkpoint;

import dev.grft.Axis;
import dev.grft.Delta;
import dev.grft.MatrixShape;
import dev.grft.Selection;
import dev.grft.Slices;
import dev.grft.UserError;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/**
 * A delta on disk, {@code delta.safetensors}: for each selected matrix {@code <matrix>.rows} or
 * {@code <matrix>.columns} (I32, {@code [k]}) and {@code <matrix>.delta} (F32, {@code [k, length]});
 * {@code whole.<parameter>} (F32, {@code [n]}); {@code head.weight} (F32, {@code [K, D]}) and {@code head.bias}
 * (F32, {@code [K]}); other tensors of a method under {@code extra.}. The header tells the shapes of the matrices, in
 * network order, the labels, the pretrained file and how the delta came about.
 *
 * @param delta what was trained
 * @param method by which it was trained, {@code grft} unless it was another
 * @param extra other tensors that the method needs, by name without {@code extra.}; empty for {@code grft}
 * @param settings the resolved configuration of the run, as text
 * @param provenance where and when it was trained, as JSON
 */
public record DeltaFile(Delta delta, String method, Map<String, Tensor> extra, String settings, String provenance) {
    /** The method of the paper. */
    public static final String GRFT = "grft";

    private static final String FORMAT = "grft.delta";
    private static final String VERSION = "1";
    private static final String ROWS = ".rows";
    private static final String COLUMNS = ".columns";
    private static final String DELTA = ".delta";
    private static final String WHOLE = "whole.";
    private static final String EXTRA = "extra.";

    public DeltaFile {
        extra = Map.copyOf(extra);
    }

    /** Returns a delta of the paper's method. */
    public DeltaFile(Delta delta, String settings, String provenance) {
        this(delta, GRFT, Map.of(), settings, provenance);
    }

    /**
     * Writes the file.
     *
     * @throws UserError if the directory cannot be written
     */
    public void write(Configuration hadoop, Path path) {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        Map<String, MatrixShape> shapes = new LinkedHashMap<>();
        delta.selection().slices().forEach((matrix, slices) -> {
            shapes.put(matrix, slices.shape());
            tensors.put(
                    matrix + (slices.axis() == Axis.ROW ? ROWS : COLUMNS),
                    Tensor.ofInts(new long[] {slices.count()}, slices.indices()));
            tensors.put(
                    matrix + DELTA,
                    Tensor.ofFloats(new long[] {slices.count(), slices.length()}, delta.values(matrix)));
        });
        delta.whole()
                .forEach((parameter, numbers) ->
                        tensors.put(WHOLE + parameter, Tensor.ofFloats(new long[] {numbers.length}, numbers)));
        int classes = delta.labels().size();
        int width = delta.headWeight().length / classes;
        tensors.put(Delta.HEAD_WEIGHT, Tensor.ofFloats(new long[] {classes, width}, delta.headWeight()));
        tensors.put(Delta.HEAD_BIAS, Tensor.ofFloats(new long[] {classes}, delta.headBias()));
        extra.forEach((name, tensor) -> tensors.put(EXTRA + name, tensor));
        Map<String, String> metadata = Map.of(
                "format", FORMAT,
                "version", VERSION,
                "method", method,
                "labels", Json.line(delta.labels()),
                "pretrained_sha256", delta.pretrainedSha256(),
                "matrices", Json.shapes(shapes),
                "settings", settings,
                "provenance", provenance);
        new Storage(hadoop).writeAtomically(path, out -> Safetensors.write(out, metadata, tensors));
    }

    /**
     * Returns what {@link #write} wrote.
     *
     * @throws UserError if the file is missing or malformed
     */
    public static DeltaFile read(Configuration hadoop, Path path) {
        return read(Safetensors.read(hadoop, path));
    }

    static DeltaFile read(Safetensors safetensors) {
        Artefact file = Artefact.of(safetensors, FORMAT, VERSION);
        Map<String, MatrixShape> shapes = Json.shapes(file.place("matrices"), file.text("matrices"));
        List<Slices> selected = new ArrayList<>();
        Map<String, float[]> values = new LinkedHashMap<>();
        shapes.forEach((matrix, shape) -> {
            Slices slices = slices(file, matrix, shape, ROWS, COLUMNS);
            selected.add(slices);
            values.put(matrix, file.floats(matrix + DELTA, slices.count(), slices.length()));
        });
        List<String> labels = Json.strings(file.place("labels"), Json.parse(file.place("labels"), file.text("labels")));
        long[] headShape = file.shape(Delta.HEAD_WEIGHT, 2);
        float[] headWeight = file.floats(Delta.HEAD_WEIGHT, labels.size(), headShape[1]);
        float[] headBias = file.floats(Delta.HEAD_BIAS, labels.size());
        Map<String, float[]> whole = new LinkedHashMap<>();
        Map<String, Tensor> extra = new LinkedHashMap<>();
        for (String name : file.unread()) {
            if (name.startsWith(WHOLE)) {
                whole.put(name.substring(WHOLE.length()), file.floats(name, file.shape(name, 1)));
            } else if (name.startsWith(EXTRA)) {
                extra.put(name.substring(EXTRA.length()), file.tensor(name));
            }
        }
        file.requireAllRead();
        return file.build(() -> new DeltaFile(
                new Delta(
                        new Selection(selected),
                        values,
                        headWeight,
                        headBias,
                        labels,
                        file.sha256("pretrained_sha256"),
                        whole),
                safetensors.metadata().getOrDefault("method", GRFT),
                extra,
                file.text("settings"),
                file.text("provenance")));
    }

    /** Returns the slices whose indices lie under one of two names. */
    static Slices slices(Artefact file, String matrix, MatrixShape shape, String rows, String columns) {
        boolean byRows = file.has(matrix + rows);
        if (byRows == file.has(matrix + columns)) {
            throw UserError.of(
                    "%s: needs either %s or %s, has %s; write it again",
                    file.name(), matrix + rows, matrix + columns, byRows ? "both" : "neither");
        }
        String name = matrix + (byRows ? rows : columns);
        int[] indices = file.ints(name);
        return file.build(() -> new Slices(matrix, shape, byRows ? Axis.ROW : Axis.COLUMN, indices));
    }

    /**
     * Checks that a delta was trained on this model.
     *
     * @throws UserError if it was trained on another, naming both
     */
    public static void requirePretrained(Delta delta, Checkpoint pretrained) {
        if (!delta.pretrainedSha256().equals(pretrained.sha256())) {
            throw UserError.of(
                    "%s: has the SHA-256 %s, the delta was trained on the file with %s; merge into that one",
                    pretrained.name(), pretrained.sha256(), delta.pretrainedSha256());
        }
    }

    @Override
    public String toString() {
        return method + " " + delta + " with " + extra.size() + " extra tensors "
                + Arrays.toString(extra.keySet().stream().sorted().toArray());
    }
}
