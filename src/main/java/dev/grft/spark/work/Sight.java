package dev.grft.spark.work;

import dev.grft.data.Batch;
import dev.grft.spark.cluster.Device;
import dev.grft.train.Deltas;
import dev.grft.tuning.Tuning;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.function.Function;
import org.apache.spark.broadcast.Broadcast;

/** What tasks look at batches with: networks over the weights that their JVM shares. */
interface Sight extends Serializable, AutoCloseable {
    /** Returns what {@code work} makes of what is seen in batches, {@code [B][n]}. */
    <T> T with(Function<Function<Batch, float[][]>, T> work);

    /** Takes back what was sent. */
    @Override
    void close();

    /** The present numbers of one network: probabilities or features. */
    final class One implements Sight {
        private static final long serialVersionUID = 1L;

        private final Replicas.Recipe recipe;
        private final Broadcast<float[]> trained;
        private final boolean features;

        One(Replicas.Recipe recipe, Broadcast<float[]> trained, boolean features) {
            this.recipe = recipe;
            this.trained = trained;
            this.features = features;
        }

        @Override
        public <T> T with(Function<Function<Batch, float[][]>, T> work) {
            return Replicas.with(recipe, replica -> {
                replica.load(trained.value());
                return work.apply(features ? replica::features : replica::probabilities);
            });
        }

        @Override
        public void close() {
            trained.destroy();
        }
    }

    /** Several deltas: their probabilities, one after the other. */
    final class Several implements Sight {
        private static final long serialVersionUID = 1L;

        private final ModelBroadcast model;
        private final Device device;
        private final ArrayList<Tuning> tunings = new ArrayList<>();
        private final ArrayList<Integer> classes = new ArrayList<>();
        private final ArrayList<Broadcast<float[]>> trained = new ArrayList<>();

        Several(ModelBroadcast model, Device device) {
            this.model = model;
            this.device = device;
        }

        void add(Tuning tuning, int ofClasses, Broadcast<float[]> vector) {
            tunings.add(tuning);
            classes.add(ofClasses);
            trained.add(vector);
        }

        @Override
        public <T> T with(Function<Function<Batch, float[][]>, T> work) {
            return Replicas.withWeights(model, weights -> {
                try (Deltas deltas = new Deltas(weights, device.kernels())) {
                    for (int i = 0; i < tunings.size(); i++) {
                        deltas.load(
                                Integer.toString(i),
                                tunings.get(i),
                                classes.get(i),
                                trained.get(i).value());
                    }
                    return work.apply(
                            batch -> joined(deltas.probabilities(batch).values(), batch.size()));
                }
            });
        }

        private static float[][] joined(Collection<float[][]> parts, int examples) {
            int length = parts.stream().mapToInt(part -> part[0].length).sum();
            float[][] joined = new float[examples][length];
            for (int b = 0; b < examples; b++) {
                int at = 0;
                for (float[][] part : List.copyOf(parts)) {
                    System.arraycopy(part[b], 0, joined[b], at, part[b].length);
                    at += part[b].length;
                }
            }
            return joined;
        }

        @Override
        public void close() {
            trained.forEach(Broadcast::destroy);
        }
    }
}
