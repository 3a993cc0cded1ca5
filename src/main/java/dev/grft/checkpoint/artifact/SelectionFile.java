package dev.grft.checkpoint.artifact;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.Axis;
import dev.grft.MatrixShape;
import dev.grft.Scores;
import dev.grft.Selection;
import dev.grft.Slices;
import dev.grft.UserError;
import dev.grft.checkpoint.file.Json;
import dev.grft.checkpoint.file.Safetensors;
import dev.grft.checkpoint.file.Storage;
import dev.grft.checkpoint.file.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/**
 * A selection and the scores it was made from, {@code selection.safetensors}: for each scored matrix
 * {@code <matrix>.rows.score} (F64, {@code [out]}) and {@code <matrix>.columns.score} (F64, {@code [in]}); for each
 * selected one {@code <matrix>.rows.selected} or {@code <matrix>.columns.selected} (I32, {@code [k]}). A file of the
 * same name that ends with {@code .json} tells the selection to people.
 *
 * @param selection the chosen slices
 * @param scores of every slice that could have been chosen; of no matrix if none were computed
 * @param pretrainedSha256 SHA-256 of the pretrained file in lower-case hexadecimal
 * @param backboneParameters the number that shares refer to, the head not counted
 * @param settings the resolved configuration of the run, as text
 * @param provenance where and when the scores were computed, as JSON
 */
public record SelectionFile(
        Selection selection,
        Scores scores,
        String pretrainedSha256,
        long backboneParameters,
        String settings,
        String provenance) {
    private static final String FORMAT = "grft.selection";
    private static final String VERSION = "1";

    /**
     * Writes the file and the text beside it.
     *
     * @param path ends with {@code .safetensors}
     * @throws UserError if the directory cannot be written
     */
    public void write(Configuration hadoop, Path path) {
        Map<String, MatrixShape> shapes = new LinkedHashMap<>(scores.shapes());
        selection.slices().forEach((matrix, slices) -> shapes.putIfAbsent(matrix, slices.shape()));
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        scores.shapes().forEach((matrix, shape) -> {
            tensors.put(matrix + ".rows.score", Tensor.ofDoubles(new long[] {shape.out()}, scores.rows(matrix)));
            tensors.put(matrix + ".columns.score", Tensor.ofDoubles(new long[] {shape.in()}, scores.columns(matrix)));
        });
        selection
                .slices()
                .forEach((matrix, slices) -> tensors.put(
                        matrix + (slices.axis() == Axis.ROW ? ".rows.selected" : ".columns.selected"),
                        Tensor.ofInts(new long[] {slices.count()}, slices.indices())));
        Map<String, String> metadata = Map.of(
                "format", FORMAT,
                "version", VERSION,
                "matrices", Json.shapes(shapes),
                "selected", Json.line(selection.slices().keySet()),
                "examples", Long.toString(scores.examples()),
                "pretrained_sha256", pretrainedSha256,
                "backbone_parameters", Long.toString(backboneParameters),
                "settings", settings,
                "provenance", provenance);
        Storage storage = new Storage(hadoop);
        String stem = path.getName().replaceFirst("\\.safetensors$", "");
        storage.writeAtomically(path, out -> Safetensors.write(out, metadata, tensors));
        storage.writeAtomically(Storage.beside(path, stem + ".json"), text());
    }

    /**
     * Returns what {@link #write} wrote.
     *
     * @throws UserError if the file is missing or malformed
     */
    public static SelectionFile read(Configuration hadoop, Path path) {
        return read(Safetensors.read(hadoop, path));
    }

    static SelectionFile read(Safetensors safetensors) {
        Artifact file = Artifact.of(safetensors, FORMAT, VERSION);
        Map<String, MatrixShape> shapes = Json.shapes(file.place("matrices"), file.text("matrices"));
        Map<String, MatrixShape> scored = new LinkedHashMap<>(shapes);
        scored.keySet().removeIf(matrix -> !file.has(matrix + ".rows.score") && !file.has(matrix + ".columns.score"));
        Scores scores = Scores.zero(scored);
        scored.forEach((matrix, shape) -> scores.add(
                matrix,
                sums(file, matrix + ".rows.score", shape.out()),
                sums(file, matrix + ".columns.score", shape.in())));
        scores.countExamples(file.count("examples"));
        List<Slices> selected = new ArrayList<>();
        for (String matrix :
                Json.strings(file.place("selected"), Json.parse(file.place("selected"), file.text("selected")))) {
            MatrixShape shape = shapes.get(matrix);
            if (shape == null) {
                throw UserError.of(
                        "%s: selected names %s, but matrices has no shape for it; write it again", file.name(), matrix);
            }
            selected.add(DeltaFile.slices(file, matrix, shape, ".rows.selected", ".columns.selected"));
        }
        file.requireAllRead();
        return file.build(() -> new SelectionFile(
                new Selection(selected),
                scores,
                file.sha256("pretrained_sha256"),
                file.count("backbone_parameters"),
                file.text("settings"),
                file.text("provenance")));
    }

    private static double[] sums(Artifact file, String name, int slices) {
        double[] sums = file.doubles(name, slices);
        for (int i = 0; i < slices; i++) {
            if (!(sums[i] >= 0 && sums[i] < Double.POSITIVE_INFINITY)) {
                throw UserError.of(
                        "%s: number %d of %s is %s, expected a finite number >= 0; score again",
                        file.name(), i, name, sums[i]);
            }
        }
        return sums;
    }

    /** Returns the selection as JSON for people: axis, indices, trained parameters and share of each matrix. */
    public String text() {
        ObjectNode root = Json.MAPPER.createObjectNode();
        root.put("pretrained_sha256", pretrainedSha256);
        root.put("examples", scores.examples());
        root.put("slices", selection.count());
        root.put("trained", selection.trained());
        root.put("parameters", backboneParameters);
        root.put("share", percent(selection.trained(), backboneParameters));
        ObjectNode matrices = root.putObject("matrices");
        selection.slices().forEach((matrix, slices) -> {
            ObjectNode node = matrices.putObject(matrix);
            node.put("axis", slices.axis().name().toLowerCase(Locale.ROOT));
            Arrays.stream(slices.indices()).forEach(node.putArray("indices")::add);
            node.put("trained", slices.size());
            node.put("share", percent(slices.size(), slices.shape().size()));
        });
        return Json.pretty(root);
    }

    private static String percent(long part, long whole) {
        return String.format(Locale.ROOT, "%.3f %%", 100.0 * part / whole);
    }
}
