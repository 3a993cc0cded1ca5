package dev.grft.vit;

import dev.grft.Task;
import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.Backend;
import dev.grft.vit.kernels.Kernels;
import dev.grft.vit.kernels.Memory;
import dev.grft.vit.kernels.onednn.Packed;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The frozen weights of a model: one native copy, shared read-only by every network of the process.
 *
 * <p>Matrices are {@code [out, in]}; {@code patch_embed.proj.weight} is {@code [D, C*P*P]}, {@code pos_embed} is
 * {@code [T, D]}, {@code cls_token} is {@code [1, D]}.
 */
public final class Weights implements AutoCloseable {
    private final VitConfig config;
    private final Memory memory;
    private final Map<String, long[]> shapes;
    private final Map<String, Array> arrays;
    private final Map<String, Array> own; // of these, what close() frees
    private final Map<String, Packed> packed; // of the matrices but the head, shared as they are

    static {
        Backend.prepare(); // these may be the first arrays of the process
    }

    private Weights(VitConfig config, Memory memory, Map<String, Array> arrays) {
        this(config, memory, arrays, arrays, new HashMap<>());
        shapes.forEach((name, shape) -> {
            if (name.endsWith(".weight") && shape.length > 1 && !name.startsWith("head.")) {
                packed.put(name, new Packed());
            }
        });
    }

    private Weights(
            VitConfig config,
            Memory memory,
            Map<String, Array> arrays,
            Map<String, Array> own,
            Map<String, Packed> packed) {
        this.config = config;
        this.memory = memory;
        this.shapes = config.tensors();
        this.arrays = arrays;
        this.own = own;
        this.packed = packed;
    }

    /** Returns a native copy of the tensors in ND4J's memory, see {@link #copyOf(VitConfig, Map, DataType, Memory)}. */
    public static Weights copyOf(VitConfig config, Map<String, float[]> tensors, DataType type) {
        return copyOf(config, tensors, type, Memory.ND4J);
    }

    /**
     * Returns a native copy of the tensors.
     *
     * @param tensors row-major values by timm name; a missing head is filled with zeros
     * @param type FLOAT, or DOUBLE for gradient checks
     * @param memory of the kernels that will use it
     * @throws IllegalArgumentException if a tensor is missing or has another length than {@code config} says
     */
    public static Weights copyOf(VitConfig config, Map<String, float[]> tensors, DataType type, Memory memory) {
        return copyOf(config, List.of(tensors).iterator(), type, memory);
    }

    /** Returns a native copy of tensors that come in parts: one after the other, so that no more than a part is on the heap. */
    public static Weights copyOf(VitConfig config, Iterator<Map<String, float[]>> parts, DataType type, Memory memory) {
        Map<String, long[]> shapes = config.tensors();
        Map<String, Array> arrays = new LinkedHashMap<>();
        while (parts.hasNext()) {
            Map<String, float[]> part = parts.next();
            shapes.forEach((name, shape) -> {
                float[] values = part.get(name);
                if (values != null) {
                    arrays.put(name, copy(name, flat(shape), values, type, memory));
                }
            });
        }
        shapes.forEach((name, shape) -> {
            if (name.startsWith("head.")) {
                arrays.computeIfAbsent(
                        name, head -> memory.allocate(type, flat(shape)).fill(0));
            } else if (!arrays.containsKey(name)) {
                throw new IllegalArgumentException(
                        name + ": expected " + VitConfig.elements(shape) + " numbers, got none");
            }
        });
        return new Weights(config, memory, arrays);
    }

    private static Array copy(String name, long[] shape, float[] values, DataType type, Memory memory) {
        long length = VitConfig.elements(shape);
        if (values.length != length) {
            throw new IllegalArgumentException(name + ": expected " + length + " numbers, got " + values.length);
        }
        return memory.allocate(type, shape).write(values);
    }

    /** Returns weights that are all 0. */
    public static Weights zeros(VitConfig config, DataType type, Memory memory) {
        Map<String, Array> arrays = new LinkedHashMap<>();
        config.tensors()
                .forEach((name, shape) ->
                        arrays.put(name, memory.allocate(type, flat(shape)).fill(0)));
        return new Weights(config, memory, arrays);
    }

    /**
     * Returns these weights with a head of zeros for so many outputs of a task. Closing them frees the head; everything else is
     * shared and goes when these weights are closed.
     */
    public Weights withHead(int outputs, Task task) {
        VitConfig other = config.withHead(outputs, task);
        Map<String, Array> head = new LinkedHashMap<>();
        other.tensors().forEach((name, shape) -> {
            if (name.startsWith("head.")) {
                head.put(name, memory.allocate(type(), flat(shape)).fill(0));
            }
        });
        Map<String, Array> all = new LinkedHashMap<>(arrays);
        all.keySet().removeIf(name -> name.startsWith("head."));
        all.putAll(head);
        return new Weights(other, memory, all, head, packed);
    }

    /**
     * Returns weights without numbers: enough to lay out a network and ask what it {@linkplain Vit#layout trains}, not to
     * run it. Costs no memory.
     */
    public static Weights shapesOnly(VitConfig config) {
        return new Weights(config, Memory.ND4J, Map.of());
    }

    /** Returns the sizes of the model. */
    public VitConfig config() {
        return config;
    }

    /** Returns the data type of the arrays. */
    public DataType type() {
        return arrays.isEmpty()
                ? DataType.FLOAT
                : arrays.values().iterator().next().type();
    }

    /** Returns the bytes of native memory that closing these weights frees. */
    public long bytes() {
        return own.values().stream().mapToLong(Array::bytes).sum()
                + (own == arrays
                        ? packed.values().stream().mapToLong(Packed::bytes).sum()
                        : 0);
    }

    /** Returns the array of a weight itself; for reading only. */
    public Array array(String name) {
        Array found = arrays.get(name);
        if (found == null) {
            throw new IllegalArgumentException("no weight " + name);
        }
        return found;
    }

    /** Returns a parameter of one network. */
    Parameter parameter(String name, Trainable trainable, Kernels kernels) {
        long[] shape = shapes.get(name);
        if (shape == null) {
            throw new IllegalArgumentException("no weight " + name);
        }
        return new Parameter(name, flat(shape), arrays.get(name), packed.get(name), trainable.whole(name), kernels);
    }

    /** Frees the native memory; no network may use the weights afterwards. */
    @Override
    public void close() {
        own.values().forEach(Array::close);
        if (own == arrays) {
            packed.values().forEach(Packed::close);
        }
        own.clear();
        arrays.clear();
    }

    private static long[] flat(long[] shape) {
        return switch (shape.length) {
            case 1, 2 -> shape;
            case 3 -> new long[] {shape[1], shape[2]};
            default -> new long[] {shape[0], shape[1] * shape[2] * shape[3]};
        };
    }
}
