package dev.grft.vit;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.factory.Nd4j;

/**
 * The arrays that one network reuses from step to step, so that a step allocates nothing once it is warm.
 *
 * <p>What the backward needs is {@linkplain #saved saved} per layer; everything else is shared by all layers. A network that
 * only predicts saves nothing.
 */
public final class Buffers {
    private final DataType type;
    private final boolean backward;
    private final Map<String, INDArray> arrays = new HashMap<>();

    /** Returns buffers of a data type; {@code backward} says whether a backward pass will follow the forward. */
    public Buffers(DataType type, boolean backward) {
        this.type = type;
        this.backward = backward;
    }

    /** Returns the data type of the model. */
    public DataType type() {
        return type;
    }

    /** Returns an array of the shape that keeps its values until the backward of its owner. */
    public INDArray saved(String owner, String name, long... shape) {
        return array(backward ? owner + '/' + name : name, shape);
    }

    /** Returns an array of the shape whose values last until the next use of the name. */
    public INDArray shared(String name, long... shape) {
        return array(name, shape);
    }

    /** Returns the bytes of native memory held. */
    public long bytes() {
        return arrays.values().stream()
                .mapToLong(array -> array.length() * array.dataType().width())
                .sum();
    }

    private INDArray array(String key, long... shape) {
        INDArray array = arrays.get(key);
        if (array == null || !Arrays.equals(array.shape(), shape)) {
            array = Nd4j.createUninitialized(type, shape, 'c');
            arrays.put(key, array);
        }
        return array;
    }
}
