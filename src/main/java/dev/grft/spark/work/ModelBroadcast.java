package dev.grft.spark.work;

import dev.grft.checkpoint.Checkpoint;
import dev.grft.vit.VitConfig;
import dev.grft.vit.Weights;
import java.io.Serializable;
import java.lang.ref.Cleaner;
import java.lang.ref.WeakReference;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.spark.SparkEnv;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.api.buffer.DataType;

/**
 * The pretrained weights on their way to the executors; there, one native copy for each JVM, whatever the number of its
 * tasks, and nothing on the heap.
 *
 * <p>They are broadcast in parts, one for each stage of the network: an executor copies a part and drops it before it fetches the
 * next. In local mode the driver's JVM is the executor and nothing is sent.
 */
public final class ModelBroadcast implements Serializable, AutoCloseable {
    private static final long serialVersionUID = 1L;

    /** The weights of local mode, by id. */
    private static final Map<Long, Map<String, float[]>> HERE = new ConcurrentHashMap<>();

    private static final AtomicLong IDS = new AtomicLong();

    /** The shared broadcasts that are still referred to; Spark and the cleaner free the weights of the others. */
    private static final Map<String, WeakReference<ModelBroadcast>> SHARED = new HashMap<>();

    private static final Cleaner CLEANER = Cleaner.create();

    private final long id = IDS.incrementAndGet(); // of the driver, which gives them all
    private final VitConfig config;
    private final boolean zeros;
    private final ArrayList<Broadcast<Map<String, float[]>>> parts = new ArrayList<>();
    private boolean shared;

    private ModelBroadcast(VitConfig config, boolean zeros) {
        this.config = config;
        this.zeros = zeros;
    }

    /**
     * Sends the weights of a model.
     *
     * @param config with the number of classes of the new head, whose weights are 0 here
     * @param tensors by timm name; a head among them is left behind
     */
    public static ModelBroadcast of(JavaSparkContext spark, VitConfig config, Map<String, float[]> tensors) {
        ModelBroadcast model = new ModelBroadcast(config, false);
        Map<String, float[]> backbone = new LinkedHashMap<>(tensors);
        backbone.keySet().removeIf(name -> name.startsWith("head."));
        if (spark.isLocal()) {
            HERE.put(model.id, backbone);
            return model;
        }
        Map<String, Map<String, float[]>> stages = new LinkedHashMap<>();
        backbone.forEach((name, values) -> stages.computeIfAbsent(stage(name), stage -> new LinkedHashMap<>())
                .put(name, values));
        stages.values().forEach(stage -> model.parts.add(spark.broadcast(stage)));
        return model;
    }

    /**
     * Returns the one broadcast of a pretrained model in this application; sends it if there is none. It stays as long as
     * a reference to it does: closing it does nothing.
     */
    public static synchronized ModelBroadcast shared(JavaSparkContext spark, Checkpoint checkpoint, int classes) {
        VitConfig config = checkpoint.config().withClasses(classes);
        String key = spark.sc().applicationId() + checkpoint.sha256() + config;
        SHARED.values().removeIf(reference -> reference.get() == null);
        WeakReference<ModelBroadcast> known = SHARED.get(key);
        ModelBroadcast found = known == null ? null : known.get();
        if (found == null) {
            found = of(spark, config, checkpoint.tensors());
            found.shared = true;
            SHARED.put(key, new WeakReference<>(found));
            long id = found.id;
            CLEANER.register(found, () -> HERE.remove(id));
        }
        return found;
    }

    private static String stage(String name) {
        return name.startsWith("blocks.") ? name.substring(0, name.indexOf('.', "blocks.".length())) : "ends";
    }

    /** Sends a model whose weights are all 0: for training from scratch, where every number is a difference to that. */
    public static ModelBroadcast zeros(VitConfig config) {
        return new ModelBroadcast(config, true);
    }

    /** Returns the sizes of the model. */
    public VitConfig config() {
        return config;
    }

    /** Returns the id of this model, unique in a JVM. */
    long id() {
        return id;
    }

    /** Returns a new native copy; for {@link Replicas} only, which makes one for each JVM. */
    Weights copy() {
        if (zeros) {
            return Weights.zeros(config, DataType.FLOAT);
        }
        Map<String, float[]> here = HERE.get(id);
        return here != null
                ? Weights.copyOf(config, here, DataType.FLOAT)
                : Weights.copyOf(config, new Received(), DataType.FLOAT);
    }

    /** The parts; this executor drops each before it fetches the next, the driver keeps them for later executors. */
    private final class Received implements Iterator<Map<String, float[]>> {
        private final Iterator<Broadcast<Map<String, float[]>>> left = parts.iterator();
        private @Nullable Broadcast<Map<String, float[]>> present;

        @Override
        public boolean hasNext() {
            if (present != null) {
                SparkEnv.get().blockManager().removeBroadcast(present.id(), true);
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

    /** Takes the weights back; their native copy goes when another model comes, or with the executor. */
    @Override
    public void close() {
        if (!shared) {
            HERE.remove(id);
            parts.forEach(Broadcast::destroy);
            Replicas.release(id);
        }
    }
}
