package dev.grft.spark.work;

import dev.grft.spark.cluster.Device;
import dev.grft.train.Replica;
import dev.grft.tuning.Tuning;
import dev.grft.vit.Weights;
import dev.grft.vit.kernels.Backend;
import dev.grft.vit.kernels.Kernels;
import java.io.Serializable;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.function.Function;
import org.deeplearning4j.nn.conf.MultiLayerConfiguration;
import org.jspecify.annotations.Nullable;

/**
 * What a JVM holds of a model: one native copy of the weights, and as many networks over it as tasks run at once, each
 * made once and used again by later tasks.
 *
 * <p>There is one model and one recipe at a time: a task of another one lets go of the present one.
 */
public final class Replicas {
    private static @Nullable Model current;

    /** The native copy of a model's weights, the networks over it, and how many tasks are at work on it. */
    private static final class Model {
        final long id;
        final Weights weights;
        final Map<String, Deque<Replica>> idle = new HashMap<>(); // by recipe
        int users;
        boolean released;

        Model(long id, Weights weights) {
            this.id = id;
            this.weights = weights;
        }
    }

    /** Tells a task what network to make; networks of one recipe are interchangeable. */
    public static final class Recipe implements Serializable {
        private static final long serialVersionUID = 1L;

        final ModelBroadcast model;
        final Tuning tuning;
        final MultiLayerConfiguration configuration;
        final boolean backward;
        final Device device;
        private final String id = UUID.randomUUID().toString();

        public Recipe(
                ModelBroadcast model,
                Tuning tuning,
                MultiLayerConfiguration configuration,
                boolean backward,
                Device device) {
            this.model = model;
            this.tuning = tuning;
            this.configuration = configuration;
            this.backward = backward;
            this.device = device;
        }
    }

    static {
        Backend.prepare(); // executors begin here, or report what they compute on
    }

    private Replicas() {}

    /** Returns what {@code work} makes of a network that no other task uses meanwhile. */
    static <T> T with(Recipe recipe, Function<Replica, T> work) {
        return withModel(recipe.model, model -> {
            Kernels kernels = recipe.device.kernels();
            Replica replica = poll(model, recipe.id);
            if (replica == null) {
                replica = new Replica(
                        model.weights,
                        recipe.tuning,
                        recipe.configuration,
                        kernels,
                        recipe.device.keep(recipe.backward));
            }
            T result = work.apply(replica); // a replica of a task that failed is not used again
            offer(model, recipe.id, replica);
            return result;
        });
    }

    /** Returns what {@code work} makes of the weights, which stay in memory meanwhile. */
    static <T> T withWeights(ModelBroadcast model, Function<Weights, T> work) {
        return withModel(model, used -> work.apply(used.weights));
    }

    private static <T> T withModel(ModelBroadcast model, Function<Model, T> work) {
        Model used = acquire(model);
        try {
            return work.apply(used);
        } finally {
            leave(used);
        }
    }

    private static synchronized Model acquire(ModelBroadcast model) {
        Model found = current;
        if (found == null || found.id != model.id()) {
            if (found != null) {
                retire(found);
            }
            found = new Model(model.id(), model.copy());
            current = found;
        }
        found.users++;
        return found;
    }

    private static synchronized void leave(Model model) {
        model.users--;
        if (model.released && model.users == 0) {
            model.weights.close();
        }
    }

    /** Lets go of a model in this JVM: at once, or when its last task ends. */
    static synchronized void release(long id) {
        if (current != null && current.id == id) {
            retire(current);
            current = null;
        }
    }

    /** Returns the bytes of native memory that this JVM holds of its model: weights, idle networks, scratch of kernels. */
    public static synchronized long bytes() {
        Model model = current;
        return Backend.scratchBytes()
                + (model == null
                        ? 0
                        : model.weights.bytes()
                                + model.idle.values().stream()
                                        .flatMap(Deque::stream)
                                        .mapToLong(Replica::bytes)
                                        .sum());
    }

    private static void retire(Model model) {
        model.idle.clear();
        model.released = true;
        if (model.users == 0) {
            model.weights.close();
        }
    }

    /** Lets go of the networks of other recipes, whose time is over: their buffers are as large as this one's. */
    private static synchronized @Nullable Replica poll(Model model, String recipe) {
        model.idle.keySet().retainAll(Set.of(recipe));
        Deque<Replica> idle = model.idle.get(recipe);
        return idle == null ? null : idle.poll();
    }

    private static synchronized void offer(Model model, String recipe, Replica replica) {
        if (!model.released) {
            model.idle.computeIfAbsent(recipe, key -> new ArrayDeque<>()).push(replica);
        }
    }
}
