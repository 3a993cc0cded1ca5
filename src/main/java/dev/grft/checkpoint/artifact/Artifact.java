package dev.grft.checkpoint.artifact;

import dev.grft.UserError;
import dev.grft.checkpoint.file.Dtype;
import dev.grft.checkpoint.file.Safetensors;
import dev.grft.checkpoint.file.Tensor;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;

/** One of this program's own files while it is read: every tensor must have the expected shape, and be expected. */
final class Artifact {
    private final Safetensors file;
    private final Set<String> unread;

    private Artifact(Safetensors file) {
        this.file = file;
        this.unread = new LinkedHashSet<>(file.names());
    }

    /** Returns the file after checking that its header tells this format and version. */
    static Artifact of(Safetensors file, String format, String version) {
        String found = file.metadata().get("format");
        if (!format.equals(found)) {
            throw UserError.of(
                    "%s: has the format %s, expected %s; is it another file?",
                    file.file(), found == null ? "of any safetensors file" : found, format);
        }
        Artifact artifact = new Artifact(file);
        String written = artifact.text("version");
        if (!written.equals(version)) {
            boolean newer = written.matches("[0-9]{1,9}") && Integer.parseInt(written) > Integer.parseInt(version);
            throw UserError.of(
                    "%s: has version %s of %s, this program reads version %s; %s",
                    file.file(),
                    written,
                    format,
                    version,
                    newer
                            ? "a newer program wrote it, use that one"
                            : "make it again, or use the program that wrote it");
        }
        return artifact;
    }

    String name() {
        return file.file();
    }

    /** Returns how errors call an entry of the header. */
    String place(String key) {
        return file.file() + ": " + key;
    }

    /** Returns a text of the header. */
    String text(String key) {
        String text = file.metadata().get(key);
        if (text == null) {
            throw UserError.of("%s: the header has no %s; write the file again", file.file(), key);
        }
        return text;
    }

    /** Returns a digest that the header tells. */
    String sha256(String key) {
        String text = text(key);
        if (!text.matches("[0-9a-f]{64}")) {
            throw UserError.of("%s: %s must be 64 hexadecimal digits, got %s", file.file(), key, text);
        }
        return text;
    }

    /** Returns a whole number of the header, at least 0. */
    long count(String key) {
        try {
            long number = Long.parseLong(text(key));
            if (number >= 0) {
                return number;
            }
        } catch (NumberFormatException e) {
            // reported below
        }
        throw UserError.of("%s: %s must be a whole number, at least 0, got %s", file.file(), key, text(key));
    }

    /** Returns a number of the header, above 0. */
    double positive(String key) {
        try {
            double number = Double.parseDouble(text(key));
            if (number > 0 && Double.isFinite(number)) {
                return number;
            }
        } catch (NumberFormatException e) {
            // reported below
        }
        throw UserError.of("%s: %s must be a number above 0, got %s", file.file(), key, text(key));
    }

    boolean has(String name) {
        return file.has(name);
    }

    Tensor tensor(String name) {
        unread.remove(name);
        return file.tensor(name);
    }

    /** Returns the shape of a tensor that must have so many dimensions. */
    long[] shape(String name, int dimensions) {
        long[] shape = file.tensor(name).shape();
        if (shape.length != dimensions) {
            throw UserError.of(
                    "%s: %s has shape %s, expected %d dimensions; write the file again",
                    file.file(), name, Arrays.toString(shape), dimensions);
        }
        return shape;
    }

    float[] floats(String name, long... shape) {
        return typed(name, Dtype.F32, shape).floats();
    }

    double[] doubles(String name, long... shape) {
        return typed(name, Dtype.F64, shape).doubles();
    }

    int[] ints(String name) {
        return typed(name, Dtype.I32, shape(name, 1)).ints();
    }

    private Tensor typed(String name, Dtype dtype, long... shape) {
        Tensor tensor = tensor(name);
        if (tensor.dtype() != dtype || !Arrays.equals(tensor.shape(), shape)) {
            throw UserError.of(
                    "%s: %s is %s, expected %s %s; write the file again",
                    file.file(), name, tensor, dtype, Arrays.toString(shape));
        }
        return tensor;
    }

    /** Returns the names that nobody has asked for yet. */
    List<String> unread() {
        return List.copyOf(unread);
    }

    void requireAllRead() {
        if (!unread.isEmpty()) {
            throw UserError.of("%s: the tensors %s are not expected in this file; write it again", file.file(), unread);
        }
    }

    /** Returns a value whose own checks fail with IllegalArgumentException, as the user's mistake in this file. */
    <T> T build(Supplier<T> value) {
        try {
            return value.get();
        } catch (IllegalArgumentException e) {
            throw new UserError(file.file() + ": " + e.getMessage() + "; write the file again", e);
        }
    }
}
