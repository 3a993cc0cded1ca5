package dev.grft.vit;

import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.Memory;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The arrays that networks reuse from step to step, so that a step allocates nothing once it is warm. Networks that run one after
 * the other and keep {@linkplain Keep#NOTHING nothing} may have them in common.
 *
 * <p>What the backward needs is {@linkplain #saved saved}, for each layer, for each layer of a block or for none, as {@link
 * Keep} says; everything else is shared by all layers. An array of a name grows to the largest that was asked for; a smaller one is its beginning.
 */
public final class Buffers implements AutoCloseable {
    private final Memory memory;
    private final DataType type;
    private final Keep keep;
    private final Map<String, Room> arrays = new HashMap<>();

    /** Returns buffers of a data type. */
    public Buffers(Memory memory, DataType type, Keep keep) {
        this.memory = memory;
        this.type = type;
        this.keep = keep;
    }

    /** Returns the data type of the model. */
    public DataType type() {
        return type;
    }

    /** Returns what is kept of the forward. */
    public Keep keep() {
        return keep;
    }

    /**
     * Returns an array of the shape that keeps its values until the backward of its owner, or with {@link Keep#INPUTS} until
     * another block computes.
     */
    public Array saved(String owner, String name, long... shape) {
        return saved(type, owner, name, shape);
    }

    /** Returns the same, of another type than the model's. */
    Array saved(DataType type, String owner, String name, long... shape) {
        String of = keep == Keep.INPUTS ? owner.replaceFirst("^blocks\\.\\d+", "block") : owner;
        return array(type, keep == Keep.NOTHING ? name : of + '/' + name, shape);
    }

    /**
     * Returns an array of the shape for the output of encoder block {@code block}, of what comes before the first for -1. It
     * keeps its values until the backward with {@link Keep#INPUTS}, else until the block after the next computes.
     */
    Array output(int block, long... shape) {
        return array(type, "output" + (keep == Keep.INPUTS ? block : block & 1), shape);
    }

    /** Returns an array of the shape whose values last until the next use of the name. */
    public Array shared(String name, long... shape) {
        return shared(type, name, shape);
    }

    /** Returns the same, of another type than the model's. */
    Array shared(DataType type, String name, long... shape) {
        return array(type, name, shape);
    }

    /** Returns the bytes of native memory held. */
    public long bytes() {
        return arrays.values().stream().mapToLong(Room::bytes).sum();
    }

    /** Frees the native memory. No network may use the arrays afterwards. */
    @Override
    public void close() {
        arrays.values().forEach(Room::close);
        arrays.clear();
    }

    private Array array(DataType type, String key, long... shape) {
        return arrays.computeIfAbsent(key + '/' + type, k -> new Room(type)).array(shape);
    }

    /** The room of one name, and its views of each shape. */
    private final class Room {
        private final Map<List<Long>, Array> views = new HashMap<>();
        private final DataType type;
        private @Nullable Array all;

        Room(DataType type) {
            this.type = type;
        }

        long bytes() {
            return all == null ? 0 : all.bytes();
        }

        private long length() {
            return all == null ? 0 : all.length();
        }

        /** Frees the memory; the views must not be used any more. */
        void close() {
            views.clear();
            if (all != null) {
                all.close();
                all = null;
            }
        }

        Array array(long... shape) {
            long length = Arrays.stream(shape).reduce(1, Math::multiplyExact);
            if (length() < length) {
                close();
                all = memory.allocate(type, length);
            }
            Array room = Objects.requireNonNull(all);
            return views.computeIfAbsent(Arrays.stream(shape).boxed().toList(), s -> room.view(0, shape));
        }
    }
}
