package dev.grft.checkpoint.artifact;

import com.fasterxml.jackson.databind.JsonNode;
import dev.grft.Addition;
import dev.grft.Axis;
import dev.grft.Bottleneck;
import dev.grft.Delta;
import dev.grft.Entries;
import dev.grft.LowRank;
import dev.grft.MatrixShape;
import dev.grft.Selection;
import dev.grft.Slices;
import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.checkpoint.file.Json;
import dev.grft.checkpoint.file.Safetensors;
import dev.grft.checkpoint.file.Storage;
import dev.grft.checkpoint.file.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.jspecify.annotations.Nullable;

/**
 * A delta on disk, {@code delta.safetensors}: for each selected matrix {@code <matrix>.rows} or
 * {@code <matrix>.columns} (I32, {@code [k]}) and {@code <matrix>.delta} (F32, {@code [k, length]});
 * {@code whole.<parameter>} (F32, {@code [n]}), such as the biases that train beside slices; {@code head.weight} (F32, {@code [K, D]}) and {@code head.bias}
 * (F32, {@code [K]}). Of other methods, for each matrix that they add to: {@code <matrix>.entries} (F32, {@code [K, out]})
 * with {@code <matrix>.entries.columns} (I32, {@code [K * out]}); {@code <matrix>.lora_a} ({@code [r, in]}) and
 * {@code .lora_b} ({@code [out, r]}); {@code <map>.adapter.down.weight}, {@code .down.bias}, {@code .up.weight} and
 * {@code .up.bias}. The header tells the shapes of the matrices, in network order, the labels, the task unless it is one class of an image, the
 * pretrained file, how the delta came about, and the thresholds of the classes.
 *
 * @param delta what was trained
 * @param method by which it was trained
 * @param settings the resolved configuration of the run, as text
 * @param provenance where and when it was trained, as JSON
 * @param thresholds of several labels, one for each class: it is predicted if its probability is not below; none: 0.5 each
 */
public record DeltaFile(Delta delta, String method, String settings, String provenance, List<Float> thresholds) {
    /** The method of the paper. */
    private static final String GRFT = "grft";

    private static final String FORMAT = "grft.delta";
    private static final String VERSION = "1";
    private static final String ROWS = ".rows";
    private static final String COLUMNS = ".columns";
    private static final String DELTA = ".delta";
    private static final String WHOLE = "whole.";
    private static final String ADDITIONS = "additions";
    private static final String SCALE = "scale";
    private static final String TASK = "task";
    private static final String THRESHOLDS = "thresholds";
    private static final String OF_ENTRIES = ".columns";

    /** A delta with as many thresholds as classes, or none. */
    public DeltaFile {
        thresholds = List.copyOf(thresholds);
        if (!thresholds.isEmpty() && thresholds.size() != delta.labels().size()) {
            throw new IllegalArgumentException(
                    thresholds.size() + " thresholds of " + delta.labels().size() + " classes");
        }
    }

    /** Returns a delta without thresholds. */
    public DeltaFile(Delta delta, String method, String settings, String provenance) {
        this(delta, method, settings, provenance, List.of());
    }

    /** Returns the same with thresholds. */
    public DeltaFile with(List<Float> newThresholds) {
        return new DeltaFile(delta, method, settings, provenance, newThresholds);
    }

    /** Returns the thresholds, {@code [K]}; null if there are none. */
    public float @Nullable [] thresholdArray() {
        if (thresholds.isEmpty()) {
            return null;
        }
        float[] all = new float[thresholds.size()];
        for (int k = 0; k < all.length; k++) {
            all[k] = thresholds.get(k);
        }
        return all;
    }

    /** Returns a delta of the paper's method. */
    public DeltaFile(Delta delta, String settings, String provenance) {
        this(delta, GRFT, settings, provenance);
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
        Map<String, String> metadata = new LinkedHashMap<>(Map.of(
                "format", FORMAT,
                "version", VERSION,
                "method", method,
                "labels", Json.line(delta.labels()),
                "pretrained_sha256", delta.pretrainedSha256(),
                "matrices", Json.shapes(shapes),
                "settings", settings,
                "provenance", provenance));
        if (delta.task() != Task.SINGLE_LABEL) {
            metadata.put(TASK, delta.task().word());
        }
        if (!thresholds.isEmpty()) {
            metadata.put(THRESHOLDS, Json.line(thresholds));
        }
        if (!delta.additions().isEmpty()) {
            putAdditions(delta.additions(), tensors, metadata);
        }
        new Storage(hadoop).writeAtomically(path, out -> Safetensors.write(out, metadata, tensors));
    }

    private static void putAdditions(
            Map<String, Addition> additions, Map<String, Tensor> tensors, Map<String, String> metadata) {
        Map<String, MatrixShape> shapes = new LinkedHashMap<>();
        additions.forEach((matrix, addition) -> {
            shapes.put(matrix, addition.shape());
            addition.arrays()
                    .forEach((name, numbers) ->
                            tensors.put(name, Tensor.ofFloats(shape(addition, name, numbers.length), numbers)));
            switch (addition.kind()) {
                case ENTRIES -> {
                    int[] columns = ((Entries) addition).columns();
                    tensors.put(Entries.name(matrix) + OF_ENTRIES, Tensor.ofInts(new long[] {columns.length}, columns));
                }
                case LOW_RANK -> metadata.put(SCALE, Double.toString(((LowRank) addition).scale()));
                case BOTTLENECK -> metadata.put(SCALE, Double.toString(((Bottleneck) addition).scale()));
            }
        });
        metadata.put(ADDITIONS, Json.shapes(shapes));
    }

    private static long[] shape(Addition addition, String name, int length) {
        int out = addition.shape().out();
        int in = addition.shape().in();
        return switch (addition.kind()) {
            case ENTRIES -> new long[] {length / out, out};
            case LOW_RANK -> {
                int rank = ((LowRank) addition).rank();
                yield name.equals(LowRank.nameOfA(addition.matrix())) ? new long[] {rank, in} : new long[] {out, rank};
            }
            case BOTTLENECK ->
                name.endsWith("down.weight")
                        ? new long[] {length / out, out}
                        : name.endsWith("up.weight") ? new long[] {out, length / out} : new long[] {length};
        };
    }

    private static List<Addition> additions(Artifact file, Map<String, String> metadata) {
        List<Addition> additions = new ArrayList<>();
        if (metadata.containsKey(ADDITIONS)) {
            Json.shapes(file.place(ADDITIONS), file.text(ADDITIONS))
                    .forEach((matrix, shape) -> additions.add(addition(file, matrix, shape)));
        }
        return additions;
    }

    private static Addition addition(Artifact file, String matrix, MatrixShape shape) {
        return switch (kind(file, matrix)) {
            case ENTRIES -> entries(file, matrix, shape);
            case LOW_RANK -> lowRank(file, matrix, shape);
            case BOTTLENECK -> bottleneck(file, matrix, shape);
        };
    }

    /** Returns the kind of which the file has the first array. */
    private static Addition.Kind kind(Artifact file, String matrix) {
        return Arrays.stream(Addition.Kind.values())
                .filter(kind -> file.has(first(kind, matrix)))
                .findFirst()
                .orElseThrow(() -> UserError.of(
                        "%s: %s names %s, but the file has none of its arrays; write the file again",
                        file.name(), ADDITIONS, matrix));
    }

    private static String first(Addition.Kind kind, String matrix) {
        return switch (kind) {
            case ENTRIES -> Entries.name(matrix);
            case LOW_RANK -> LowRank.nameOfA(matrix);
            case BOTTLENECK -> Bottleneck.name(matrix, "down.weight");
        };
    }

    private static Addition entries(Artifact file, String matrix, MatrixShape shape) {
        String name = Entries.name(matrix);
        int[] columns = file.ints(name + OF_ENTRIES);
        float[] values = file.floats(name, file.shape(name, 2));
        return file.build(() -> new Entries(matrix, shape, columns, values));
    }

    private static Addition lowRank(Artifact file, String matrix, MatrixShape shape) {
        double scale = file.positive(SCALE);
        String a = LowRank.nameOfA(matrix);
        long rank = file.shape(a, 2)[0];
        float[] first = file.floats(a, rank, shape.in());
        float[] second = file.floats(LowRank.nameOfB(matrix), shape.out(), rank);
        return file.build(() -> new LowRank(matrix, shape, scale, first, second));
    }

    private static Addition bottleneck(Artifact file, String matrix, MatrixShape shape) {
        double scale = file.positive(SCALE);
        String down = Bottleneck.name(matrix, "down.weight");
        long size = file.shape(down, 2)[0];
        float[] downWeight = file.floats(down, size, shape.out());
        float[] downBias = file.floats(Bottleneck.name(matrix, "down.bias"), size);
        float[] upWeight = file.floats(Bottleneck.name(matrix, "up.weight"), shape.out(), size);
        float[] upBias = file.floats(Bottleneck.name(matrix, "up.bias"), shape.out());
        return file.build(() -> new Bottleneck(matrix, shape, scale, downWeight, downBias, upWeight, upBias));
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
        Artifact file = Artifact.of(safetensors, FORMAT, VERSION);
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
        List<Addition> additions = additions(file, safetensors.metadata());
        Task task = Task.of(safetensors.metadata().getOrDefault(TASK, Task.SINGLE_LABEL.word()), file.place(TASK));
        List<Float> thresholds = thresholds(file, safetensors.metadata());
        Map<String, float[]> whole = new LinkedHashMap<>();
        for (String name : file.unread()) {
            if (name.startsWith(WHOLE)) {
                whole.put(name.substring(WHOLE.length()), file.floats(name, file.shape(name, 1)));
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
                        whole,
                        additions,
                        task),
                safetensors.metadata().getOrDefault("method", GRFT),
                file.text("settings"),
                file.text("provenance"),
                thresholds));
    }

    private static List<Float> thresholds(Artifact file, Map<String, String> metadata) {
        List<Float> thresholds = new ArrayList<>();
        if (metadata.containsKey(THRESHOLDS)) {
            for (JsonNode one : Json.parse(file.place(THRESHOLDS), file.text(THRESHOLDS))) {
                if (!one.isNumber()) {
                    throw UserError.of(
                            "%s: must be numbers, got %s; write the file again", file.place(THRESHOLDS), one);
                }
                thresholds.add(one.floatValue());
            }
        }
        return thresholds;
    }

    /** Returns the slices whose indices lie under one of two names. */
    static Slices slices(Artifact file, String matrix, MatrixShape shape, String rows, String columns) {
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
}
