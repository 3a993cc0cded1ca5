package dev.grft.checkpoint.artifact;

import dev.grft.UserError;
import dev.grft.checkpoint.file.Safetensors;
import dev.grft.checkpoint.file.Storage;
import dev.grft.checkpoint.file.Tensor;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.CRC32C;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.jspecify.annotations.Nullable;

/**
 * All that a training needs to go on where it stopped, as a file {@code step-00000120.safetensors}. The arrays are
 * handed over, not copied.
 */
public final class TrainingState {
    static final String FORMAT = "grft.state";
    static final String VERSION = "2";
    private static final String SUMS = "sums.";

    private final long step;
    private final float[] parameters;
    private final float[] updater;
    private final float @Nullable [] average;
    private final String fingerprint;
    private final Map<String, String> sums;

    /** Returns the state after a step of a training that keeps no average. */
    public TrainingState(long step, float[] parameters, float[] updater, String fingerprint, Map<String, String> sums) {
        this(step, parameters, updater, null, fingerprint, sums);
    }

    /**
     * Returns the state after a step.
     *
     * @param step number of steps done, at least 0
     * @param parameters every trained parameter
     * @param updater the updater's own numbers, such as Adam's moments
     * @param average the moving average of the parameters; null if none is kept
     * @param fingerprint of everything that must be the same for the training to go on: settings, data, model
     * @param sums what else is carried from step to step, by name, such as the running sum of the losses
     */
    public TrainingState(
            long step,
            float[] parameters,
            float[] updater,
            float @Nullable [] average,
            String fingerprint,
            Map<String, String> sums) {
        if (step < 0) {
            throw new IllegalArgumentException("step must be at least 0, got " + step);
        }
        this.step = step;
        this.parameters = parameters;
        this.updater = updater;
        this.average = average;
        this.fingerprint = fingerprint;
        this.sums = Map.copyOf(sums);
    }

    /**
     * Writes the state into a directory and returns the file.
     *
     * @throws UserError if the directory cannot be written
     */
    public Path write(Configuration hadoop, Path directory) {
        Path path = new Path(directory, String.format(Locale.ROOT, "step-%08d.safetensors", step));
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        tensors.put("parameters", Tensor.ofFloats(new long[] {parameters.length}, parameters));
        tensors.put("updater", Tensor.ofFloats(new long[] {updater.length}, updater));
        if (average != null) {
            tensors.put("average", Tensor.ofFloats(new long[] {average.length}, average));
        }
        Map<String, String> metadata = new LinkedHashMap<>();
        metadata.put("format", FORMAT);
        metadata.put("version", VERSION);
        metadata.put("step", Long.toString(step));
        metadata.put("fingerprint", fingerprint);
        metadata.put("crc32c", checksum());
        sums.forEach((name, value) -> metadata.put(SUMS + name, value));
        new Storage(hadoop).writeAtomically(path, out -> Safetensors.write(out, metadata, tensors));
        return path;
    }

    /**
     * Returns the state in a file.
     *
     * @throws UserError if the file is missing, cut off or damaged
     */
    public static TrainingState read(Configuration hadoop, Path path) {
        return of(Safetensors.read(hadoop, path));
    }

    /** Returns the state that a file holds. */
    static TrainingState of(Safetensors safetensors) {
        Artifact file = Artifact.of(safetensors, FORMAT, VERSION);
        Map<String, String> sums = new LinkedHashMap<>();
        safetensors.metadata().forEach((key, value) -> {
            if (key.startsWith(SUMS)) {
                sums.put(key.substring(SUMS.length()), value);
            }
        });
        TrainingState state = new TrainingState(
                file.count("step"),
                file.floats("parameters", file.shape("parameters", 1)),
                file.floats("updater", file.shape("updater", 1)),
                safetensors.names().contains("average") ? file.floats("average", file.shape("average", 1)) : null,
                file.text("fingerprint"),
                sums);
        file.requireAllRead();
        if (!state.checksum().equals(file.text("crc32c"))) {
            throw UserError.of(
                    "%s: its content has the checksum %s, expected %s; it is damaged; resume from an older checkpoint",
                    safetensors.file(), state.checksum(), file.text("crc32c"));
        }
        return state;
    }

    /** Returns a checksum of all that the file tells: a changed step or sum would go on to other bits unseen. */
    private String checksum() {
        CRC32C crc = new CRC32C();
        String told = step + "\n" + fingerprint + "\n" + new TreeMap<>(sums);
        crc.update(told.getBytes(StandardCharsets.UTF_8));
        add(crc, parameters);
        add(crc, updater);
        if (average != null) {
            add(crc, average);
        }
        return Long.toHexString(crc.getValue());
    }

    private static void add(CRC32C crc, float[] numbers) {
        ByteBuffer chunk = ByteBuffer.allocate(1 << 16);
        int step = chunk.capacity() / Float.BYTES;
        for (int at = 0;
                at >= 0 && at < numbers.length;
                at += step) { // behind the last numbers of an array it may overflow
            int count = Math.min(step, numbers.length - at);
            chunk.clear();
            chunk.asFloatBuffer().put(numbers, at, count);
            crc.update(chunk.array(), 0, count * Float.BYTES);
        }
    }

    /** Returns how many steps are done. */
    public long step() {
        return step;
    }

    /** Returns every trained parameter. */
    public float[] parameters() {
        return parameters;
    }

    /** Returns the updater's own numbers. */
    public float[] updater() {
        return updater;
    }

    /** Returns the moving average of the parameters; null if none is kept. */
    public float @Nullable [] average() {
        return average;
    }

    /** Returns what tells this training from another. */
    public String fingerprint() {
        return fingerprint;
    }

    /** Returns what else is carried from step to step, by name. */
    public Map<String, String> sums() {
        return sums;
    }
}
