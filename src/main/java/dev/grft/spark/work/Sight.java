package dev.grft.spark.work;

import dev.grft.Task;
import dev.grft.data.Batch;
import dev.grft.data.Standard;
import dev.grft.spark.cluster.Closing;
import dev.grft.spark.cluster.Device;
import dev.grft.spark.cluster.Sent;
import dev.grft.train.Deltas;
import dev.grft.tuning.Tuning;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.function.Function;

/** What tasks look at batches with: networks over the weights that their JVM shares. */
interface Sight extends Serializable, AutoCloseable {
    /** Networks that no other task uses until they are closed. */
    interface Open extends AutoCloseable {
        /** Returns what is seen in a batch, {@code [B][n]}. */
        float[][] at(Batch batch);

        @Override
        void close();

        /** Returns networks that show something else of a batch and are these otherwise. */
        default Open showing(Function<Batch, float[][]> other) {
            return new Open() {
                @Override
                public float[][] at(Batch batch) {
                    return other.apply(batch);
                }

                @Override
                public void close() {
                    Open.this.close();
                }
            };
        }
    }

    /** Returns networks to look with. */
    Open open();

    /** Returns what {@code work} makes of what is seen in batches, {@code [B][n]}. */
    default <T> T with(Function<Function<Batch, float[][]>, T> work) {
        try (Open open = open()) {
            return work.apply(open::at);
        }
    }

    /** Takes back what was sent. */
    @Override
    void close();

    /** What is seen of an image. */
    enum Shown {
        /** What the task reads in the outputs of the head, {@code [K]}: probabilities or values. */
        PREDICTIONS,
        /** What the head reads, {@code [F]}. */
        FEATURES,
        /** Predictions, the outputs of the head themselves, and features, {@code [K + K + F]}. */
        EVERYTHING
    }

    /** The present parameters of one network. */
    final class One implements Sight {
        private static final long serialVersionUID = 1L;

        private final Replicas.Recipe recipe;
        private final boolean ownRecipe;
        private final Sent<float[]> trained;
        private final Shown shown;

        /**
         * Returns the sight of a network.
         *
         * @param ownRecipe whether closing ends the work by that recipe
         */
        One(Replicas.Recipe recipe, boolean ownRecipe, Sent<float[]> trained, Shown shown) {
            this.recipe = recipe;
            this.ownRecipe = ownRecipe;
            this.trained = trained;
            this.shown = shown;
        }

        @Override
        public Open open() {
            Replicas.Lent lent = Replicas.lend(recipe);
            return new Open() {
                private boolean loaded;

                @Override
                public float[][] at(Batch batch) {
                    if (!loaded) {
                        lent.use(replica -> {
                            replica.load(trained.value());
                            return replica;
                        });
                        loaded = true;
                    }
                    return lent.use(replica -> switch (shown) {
                        case PREDICTIONS -> replica.probabilities(batch);
                        case FEATURES -> replica.features(batch);
                        case EVERYTHING -> replica.everything(batch);
                    });
                }

                @Override
                public void close() {
                    lent.close();
                }
            };
        }

        @Override
        public void close() {
            Closing.all(ownRecipe ? List.of(trained, recipe) : List.of(trained));
        }
    }

    /** The mean of what another sight shows of each image and of its mirror image; costs twice as much. */
    final class Flipped implements Sight {
        private static final long serialVersionUID = 1L;

        private final Sight sight;

        Flipped(Sight sight) {
            this.sight = sight;
        }

        @Override
        public Open open() {
            Open open = sight.open();
            return open.showing(batch -> {
                float[][] seen = open.at(batch);
                float[][] mirrored = open.at(batch.mirrored());
                for (int b = 0; b < seen.length; b++) {
                    for (int i = 0; i < seen[b].length; i++) {
                        seen[b][i] = (seen[b][i] + mirrored[b][i]) / 2;
                    }
                }
                return seen;
            });
        }

        @Override
        public void close() {
            sight.close();
        }
    }

    /** The values that another sight shows standardized. */
    final class Told implements Sight {
        private static final long serialVersionUID = 1L;

        private final Sight sight;
        private final Standard standard;

        Told(Sight sight, Standard standard) {
            this.sight = sight;
            this.standard = standard;
        }

        @Override
        public Open open() {
            Open open = sight.open();
            return open.showing(batch -> {
                float[][] seen = open.at(batch);
                for (float[] values : seen) {
                    standard.revert(values);
                }
                return seen;
            });
        }

        @Override
        public void close() {
            sight.close();
        }
    }

    /** Several deltas: their probabilities, one after the other. */
    final class Several implements Sight {
        private static final long serialVersionUID = 1L;

        private final ModelBroadcast model;
        private final Device device;
        private final ArrayList<One> deltas = new ArrayList<>();

        /** One of the deltas. */
        private static final class One implements Serializable {
            private static final long serialVersionUID = 1L;

            final Tuning tuning;
            final int outputs;
            final Task task;
            final Sent<float[]> trained;

            One(Tuning tuning, int outputs, Task task, Sent<float[]> trained) {
                this.tuning = tuning;
                this.outputs = outputs;
                this.task = task;
                this.trained = trained;
            }
        }

        Several(ModelBroadcast model, Device device) {
            this.model = model;
            this.device = device;
        }

        void add(Tuning tuning, int outputs, Task task, Sent<float[]> trained) {
            deltas.add(new One(tuning, outputs, task, trained));
        }

        @Override
        public Open open() {
            Replicas.Used used = Replicas.use(model, device.memory());
            Deltas loaded;
            try {
                loaded = new Deltas(used.weights(), device.kernels());
            } catch (RuntimeException | Error e) {
                used.close();
                throw e;
            }
            return new Open() {
                @Override
                public float[][] at(Batch batch) {
                    for (int i = loaded.names().size(); i < deltas.size(); i++) {
                        One one = deltas.get(i);
                        loaded.load(Integer.toString(i), one.tuning, one.outputs, one.task, one.trained.value());
                    }
                    return joined(loaded.probabilities(batch).values(), batch.size());
                }

                @Override
                public void close() {
                    Closing.all(loaded, used);
                }
            };
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
            Closing.all(deltas.stream().map(delta -> delta.trained).toList());
        }
    }
}
