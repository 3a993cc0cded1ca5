package dev.grft.checkpoint.artifact;

import dev.grft.Entries;
import dev.grft.MatrixShape;
import dev.grft.checkpoint.file.Json;
import dev.grft.checkpoint.file.Safetensors;
import dev.grft.checkpoint.file.Storage;
import dev.grft.checkpoint.file.Tensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/**
 * The entries that GPS trains, {@code entries.safetensors}: for each matrix {@code <matrix>.entries.columns} (I32, {@code
 * [K * out]}), the columns of the k-th entries of all rows side by side. The header tells the shapes of the matrices, in
 * network order.
 *
 * @param entries with differences of 0
 * @param pretrainedSha256 SHA-256 of the pretrained file in lower-case hexadecimal
 * @param settings the resolved configuration of the run, as text
 * @param provenance where and when they were chosen, as JSON
 */
public record EntriesFile(List<Entries> entries, String pretrainedSha256, String settings, String provenance) {
    private static final String FORMAT = "grft.entries";
    private static final String VERSION = "1";
    private static final String COLUMNS = ".columns";

    public EntriesFile {
        entries = List.copyOf(entries);
    }

    /**
     * Writes the file.
     *
     * @throws dev.grft.UserError if the directory cannot be written
     */
    public void write(Configuration hadoop, Path path) {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        Map<String, MatrixShape> shapes = new LinkedHashMap<>();
        for (Entries some : entries) {
            shapes.put(some.matrix(), some.shape());
            int[] columns = some.columns();
            tensors.put(Entries.name(some.matrix()) + COLUMNS, Tensor.ofInts(new long[] {columns.length}, columns));
        }
        Map<String, String> metadata = Map.of(
                "format", FORMAT,
                "version", VERSION,
                "matrices", Json.shapes(shapes),
                "pretrained_sha256", pretrainedSha256,
                "settings", settings,
                "provenance", provenance);
        new Storage(hadoop).writeAtomically(path, out -> Safetensors.write(out, metadata, tensors));
    }

    /**
     * Returns what {@link #write} wrote.
     *
     * @throws dev.grft.UserError if the file is missing or malformed
     */
    public static EntriesFile read(Configuration hadoop, Path path) {
        Artifact file = Artifact.of(Safetensors.read(hadoop, path), FORMAT, VERSION);
        List<Entries> entries = new ArrayList<>();
        Json.shapes(file.place("matrices"), file.text("matrices")).forEach((matrix, shape) -> {
            int[] columns = file.ints(Entries.name(matrix) + COLUMNS);
            entries.add(file.build(() -> new Entries(matrix, shape, columns, new float[columns.length])));
        });
        file.requireAllRead();
        return file.build(() -> new EntriesFile(
                entries, file.sha256("pretrained_sha256"), file.text("settings"), file.text("provenance")));
    }
}
