package dev.grft.spark.work;

import dev.grft.Task;
import dev.grft.checkpoint.Checkpoint;
import dev.grft.spark.cluster.Closing;
import dev.grft.spark.cluster.Sent;
import dev.grft.vit.VitConfig;
import dev.grft.vit.Weights;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.Memory;
import java.io.Serializable;
import java.lang.ref.WeakReference;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.spark.api.java.JavaSparkContext;
import org.jspecify.annotations.Nullable;

/**
 * The pretrained weights on their way to the executors; there, one native copy for each JVM, whatever the number of its
 * tasks and of the heads on it, and nothing on the heap.
 *
 * <p>They are broadcast in parts, one for each stage of the network: an executor copies a part and drops it before it fetches the
 * next. In local mode the driver's JVM is the executor and nothing is sent.
 */
public final class ModelBroadcast implements Serializable, AutoCloseable {
    private static final long serialVersionUID = 1L;

    /** The shared weights that are still referred to; the others are taken back. */
    private static final Map<String, WeakReference<Backbone>> SHARED = new HashMap<>();

    private final VitConfig config;
    private final Backbone backbone;
    private final boolean owner; // whether closing takes the weights back

    /** The weights of a model without its head. */
    private static final class Backbone implements Serializable {
        private static final long serialVersionUID = 1L;

        final VitConfig config; // without a head
        final Sent<Boolean> zeros; // sent until the weights are taken back
        final ArrayList<Sent<Map<String, float[]>>> parts = new ArrayList<>();

        Backbone(JavaSparkContext spark, VitConfig config, boolean zeros) {
            this.config = config.withClasses(0);
            this.zeros = Sent.of(spark, zeros);
        }

        static Backbone of(JavaSparkContext spark, VitConfig config, Map<String, float[]> tensors) {
            Backbone backbone = new Backbone(spark, config, false);
            Map<String, Map<String, float[]>> stages = new LinkedHashMap<>();
            tensors.forEach((name, values) -> {
                if (!name.startsWith("head.")) {
                    stages.computeIfAbsent(stage(name), stage -> new LinkedHashMap<>())
                            .put(name, values);
                }
            });
            stages.values().forEach(stage -> backbone.parts.add(Sent.of(spark, stage)));
            return backbone;
        }

        private static String stage(String name) {
            return name.startsWith("blocks.") ? name.substring(0, name.indexOf('.', "blocks.".length())) : "ends";
        }

        void close() {
            Closing.all(() -> Closing.all(parts), zeros);
        }
    }

    private ModelBroadcast(VitConfig config, Backbone backbone, boolean owner) {
        this.config = config;
        this.backbone = backbone;
        this.owner = owner;
    }

    /**
     * Sends the weights of a model.
     *
     * @param config with the number of classes of the new head, whose weights are 0 here
     * @param tensors by timm name; a head among them is left behind
     */
    public static ModelBroadcast of(JavaSparkContext spark, VitConfig config, Map<String, float[]> tensors) {
        return new ModelBroadcast(config, Backbone.of(spark, config, tensors), true);
    }

    /**
     * Returns the one broadcast of a pretrained model in this application, whatever head is on it; sends it if there is none. It stays
     * as long as a reference to it does: closing it does nothing.
     */
    public static synchronized ModelBroadcast shared(JavaSparkContext spark, Checkpoint checkpoint) {
        VitConfig config = checkpoint.config();
        String key = spark.sc().applicationId() + checkpoint.sha256() + config.withClasses(0);
        SHARED.values().removeIf(reference -> reference.get() == null);
        WeakReference<Backbone> known = SHARED.get(key);
        Backbone found = known == null ? null : known.get();
        if (found == null) {
            found = Backbone.of(spark, config, checkpoint.tensors());
            SHARED.put(key, new WeakReference<>(found));
        }
        return new ModelBroadcast(config, found, false);
    }

    /** Sends a model whose weights are all 0: for training from scratch, where every parameter is a difference to that. */
    public static ModelBroadcast zeros(JavaSparkContext spark, VitConfig config) {
        return new ModelBroadcast(config, new Backbone(spark, config, true), true);
    }

    /** Returns the same weights with a head of zeros for so many outputs of a task; closing it does nothing. */
    public ModelBroadcast withHead(int outputs, Task task) {
        return new ModelBroadcast(config.withHead(outputs, task), backbone, false);
    }

    /** Returns the sizes of the model. */
    public VitConfig config() {
        return config;
    }

    /** Returns the bytes of a native copy. */
    long bytes() {
        return Float.BYTES * backbone.config.backboneParameters();
    }

    /** Returns the id of these weights, the same with any head and unique in a driver. */
    long id() {
        return backbone.zeros.id();
    }

    /** Has something done in this JVM when the weights are taken back. */
    void whenOver(Runnable act) {
        backbone.zeros.whenOver(act);
    }

    /** Returns a new native copy without a head; for {@link Replicas} only, which makes one for each JVM. */
    Weights copy(Memory memory) {
        return backbone.zeros.value()
                ? Weights.zeros(backbone.config, DataType.FLOAT, memory)
                : Weights.copyOf(backbone.config, new Received(), DataType.FLOAT, memory);
    }

    /** The parts; this executor drops each before it fetches the next, the driver keeps them for later executors. */
    private final class Received implements Iterator<Map<String, float[]>> {
        private final Iterator<Sent<Map<String, float[]>>> left = backbone.parts.iterator();
        private @Nullable Sent<Map<String, float[]>> present;

        @Override
        public boolean hasNext() {
            if (present != null) {
                present.drop();
                present = null;
            }
            return left.hasNext();
        }

        @Override
        public Map<String, float[]> next() {
            present = left.next();
            return present.value();
        }
    }

    /** Takes the weights back; executors free their native copies once no task uses them. */
    @Override
    public void close() {
        if (owner) {
            backbone.close();
        }
    }
}
