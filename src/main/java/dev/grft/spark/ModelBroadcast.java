package dev.grft.spark;

import dev.grft.vit.VitConfig;
import dev.grft.vit.Weights;
import java.io.Serializable;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.nd4j.linalg.api.buffer.DataType;

/**
 * The pretrained weights on their way to the executors, sent once; there, one native copy for each JVM, whatever the
 * number of its tasks.
 */
final class ModelBroadcast implements Serializable, AutoCloseable {
    private static final long serialVersionUID = 1L;

    private final VitConfig config;
    private final Broadcast<Map<String, float[]>> tensors;

    private ModelBroadcast(VitConfig config, Broadcast<Map<String, float[]>> tensors) {
        this.config = config;
        this.tensors = tensors;
    }

    /**
     * Sends the weights of a model.
     *
     * @param config with the number of classes of the new head, whose weights are 0 here
     * @param tensors by timm name; a head among them is left behind
     */
    static ModelBroadcast of(JavaSparkContext spark, VitConfig config, Map<String, float[]> tensors) {
        Map<String, float[]> backbone = new LinkedHashMap<>(tensors);
        backbone.keySet().removeIf(name -> name.startsWith("head."));
        return new ModelBroadcast(config, spark.broadcast(backbone));
    }

    /** Sends a model whose weights are all 0: for training from scratch, where every number is a difference to that. */
    static ModelBroadcast zeros(JavaSparkContext spark, VitConfig config) {
        return new ModelBroadcast(config, spark.broadcast(new LinkedHashMap<>()));
    }

    /** Returns the sizes of the model. */
    VitConfig config() {
        return config;
    }

    /** Returns what tells this model from any other in a JVM. */
    long id() {
        return tensors.id();
    }

    /** Returns a new native copy; for {@link Replicas} only, which makes one for each JVM. */
    Weights copy() {
        LinkedHashMap<String, float[]> values = new LinkedHashMap<>(tensors.value());
        if (values.isEmpty()) {
            config.tensors()
                    .forEach((name, shape) -> values.put(name, new float[Math.toIntExact(VitConfig.elements(shape))]));
        }
        return Weights.copyOf(config, values, DataType.FLOAT);
    }

    /** Takes the weights back from the executors' heaps; their native copy goes when another model comes, or with them. */
    @Override
    public void close() {
        tensors.destroy();
        Replicas.release(id());
    }
}
