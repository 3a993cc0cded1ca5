package dev.grft.vit;

import dev.grft.checkpoint.file.Safetensors;
import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.Machine;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.AbstractMap;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The numbers of PyTorch and timm; see {@code src/test/python/README.md} for what they are and how to remake them. */
public final class Golden {
    static final VitConfig TINY = new VitConfig(16, 4, 24, 3, 3, 48, 5, 1e-6);

    private Golden() {}

    /** Returns a file below {@code golden}. */
    public static byte[] bytes(String file) {
        try (InputStream in = Golden.class.getResourceAsStream("/golden/" + file)) {
            if (in == null) {
                throw new AssertionError("no golden/" + file + "; make it with python src/test/python/golden.py");
            }
            return in.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public static Safetensors read(String file) {
        return Safetensors.read(file, bytes(file));
    }

    static double[] doubles(Safetensors file, String tensor) {
        return file.tensor(tensor).doubles();
    }

    static Array array(Safetensors file, String tensor, DataType type) {
        return Machine.array(
                type, file.tensor(tensor).doubles(), file.tensor(tensor).shape());
    }

    /** Returns the weights of a folder's model.safetensors. */
    static Weights weights(String folder, DataType type) {
        Safetensors file = read(folder + "/model.safetensors");
        return Weights.copyOf(
                TINY, lazily(file.names(), name -> file.tensor(name).floats()), type, Machine.memory());
    }

    /** Returns a map that computes a tensor when it is asked for, and does not keep it. */
    static Map<String, float[]> lazily(Set<String> names, java.util.function.Function<String, float[]> tensor) {
        return new AbstractMap<>() {
            @Override
            public float @Nullable [] get(Object name) {
                return names.contains(name) ? tensor.apply((String) name) : null;
            }

            @Override
            public Set<Entry<String, float[]>> entrySet() {
                throw new UnsupportedOperationException();
            }
        };
    }
}
