package dev.grft.spark.work;

import dev.grft.spark.cluster.Closing;
import dev.grft.spark.cluster.Device;
import dev.grft.spark.cluster.NativeMemory;
import dev.grft.spark.cluster.Sent;
import dev.grft.train.Replica;
import dev.grft.tuning.Tuning;
import dev.grft.vit.Weights;
import dev.grft.vit.kernels.Backend;
import dev.grft.vit.kernels.Memory;
import java.io.Serializable;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import java.util.function.LongUnaryOperator;
import java.util.stream.Stream;
import org.apache.spark.SparkEnv;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.serializer.SerializerInstance;
import org.deeplearning4j.nn.conf.MultiLayerConfiguration;
import org.jspecify.annotations.Nullable;
import scala.reflect.ClassTag;
import scala.reflect.ClassTag$;

/**
 * What a JVM holds of models: one native copy of each one's weights, and over it as many networks of each recipe as tasks run at
 * once. They are made once and used again by later tasks.
 *
 * <p>Weights and networks are freed when the driver takes them back. If native memory gets short before that, those that no task uses
 * are freed, the least recently used ones first; a later task makes them again.
 */
public final class Replicas {
    private static final Map<Long, Model> MODELS = new HashMap<>(); // guarded by the class, as all that they hold
    private static LongUnaryOperator left = NativeMemory::left;
    private static long clock;
    private static long copies;

    /** Something that tasks use at present or have used. */
    private abstract static class Held {
        private int users;
        private long used;
        private boolean over;

        /** Returns the bytes that closing it frees. */
        abstract long bytes();

        abstract void close();

        void enter() {
            users++;
            used = clock;
        }

        void leave() {
            users--;
            closeIfOver();
        }

        void end() {
            over = true;
            closeIfOver();
        }

        private void closeIfOver() {
            if (over && users == 0) {
                close();
            }
        }
    }

    /** The native copy of a model's weights, and the networks over it. */
    private static final class Model extends Held {
        private final long id;
        private final Map<Long, Networks> networks = new HashMap<>(); // by recipe
        private final Map<Memory, Weights> weights = new ConcurrentHashMap<>(); // a copy for each kind of kernels

        Model(long id) {
            this.id = id;
        }

        /** Returns the weights, copied by the first task; others wait for it. */
        synchronized Weights weights(ModelBroadcast model, Memory memory) {
            Weights found = weights.get(memory);
            if (found == null) {
                makeRoom(model.bytes());
                found = model.copy(memory);
                weights.put(memory, found);
                count();
            }
            return found;
        }

        @Override
        long bytes() {
            return weights.values().stream().mapToLong(Weights::bytes).sum();
        }

        @Override
        void close() {
            MODELS.remove(id);
            networks.values().forEach(Networks::free);
            networks.clear();
            weights.values().forEach(Weights::close);
            weights.clear();
        }
    }

    /** The networks of a recipe, and the head of zeros that they share. */
    private static final class Networks extends Held {
        private final Model model;
        private final long recipe;
        private final Weights weights;
        private final Deque<Replica> idle = new ArrayDeque<>();

        Networks(Model model, Weights backbone, Recipe recipe) {
            this.model = model;
            this.recipe = recipe.id();
            this.weights = backbone.withHead(
                    recipe.model.config().classes(), recipe.model.config().task());
        }

        @Override
        long bytes() {
            return weights.bytes() + idle.stream().mapToLong(Replica::bytes).sum();
        }

        @Override
        void close() {
            model.networks.remove(recipe);
            free();
        }

        private void free() {
            idle.forEach(Replica::close);
            idle.clear();
            weights.close();
        }
    }

    /** How to make a network in a task; networks of one recipe are interchangeable. It is sent once, whatever the number of jobs. */
    public static final class Recipe implements Serializable, AutoCloseable {
        private static final long serialVersionUID = 1L;

        final ModelBroadcast model;
        final boolean backward;
        final Device device;
        private final Sent<byte[]> ingredients; // bytes, because Kryo cannot serialize them

        /** What makes a network of a model. */
        private static final class Ingredients implements Serializable {
            private static final long serialVersionUID = 1L;

            final Tuning tuning;
            final MultiLayerConfiguration configuration;

            Ingredients(Tuning tuning, MultiLayerConfiguration configuration) {
                this.tuning = tuning;
                this.configuration = configuration;
            }
        }

        public Recipe(
                JavaSparkContext spark,
                ModelBroadcast model,
                Tuning tuning,
                MultiLayerConfiguration configuration,
                boolean backward,
                Device device) {
            this.model = model;
            this.backward = backward;
            this.device = device;
            ByteBuffer bytes = serializer().serialize(new Ingredients(tuning, configuration), tag());
            byte[] copy = new byte[bytes.remaining()];
            bytes.get(copy);
            this.ingredients = Sent.of(spark, copy);
        }

        long id() {
            return ingredients.id();
        }

        Replica network(Weights weights) {
            Ingredients made = serializer().deserialize(ByteBuffer.wrap(ingredients.value()), tag());
            return new Replica(weights, made.tuning, made.configuration, device.kernels(), device.keep(backward));
        }

        private static SerializerInstance serializer() {
            return SparkEnv.get().closureSerializer().newInstance();
        }

        private static ClassTag<Ingredients> tag() {
            return ClassTag$.MODULE$.apply(Ingredients.class);
        }

        /** Ends the work by this recipe; executors free its networks. */
        @Override
        public void close() {
            ingredients.close();
        }
    }

    static {
        Backend.prepare(); // executors begin here, or report what they compute on
    }

    private Replicas() {}

    /** Returns what {@code work} makes of a network that no other task uses meanwhile. */
    static <T> T with(Recipe recipe, Function<Replica, T> work) {
        try (Lent lent = lend(recipe)) {
            return lent.use(work);
        }
    }

    /** Returns what {@code work} makes of the weights without a head, which stay in memory meanwhile. */
    static <T> T withWeights(ModelBroadcast model, Memory memory, Function<Weights, T> work) {
        try (Used used = use(model, memory)) {
            return work.apply(used.weights());
        }
    }

    /** Returns a network that no other task uses until it is closed. */
    static Lent lend(Recipe recipe) {
        Used used = use(recipe.model, recipe.device.memory());
        Networks networks = null;
        try {
            networks = enter(used.model, used.weights, recipe);
            whenOver(recipe.model.id(), recipe.id(), recipe.ingredients);
            Replica replica = poll(networks);
            if (replica == null) {
                makeRoom(largest());
                replica = recipe.network(networks.weights);
            } else {
                recipe.device.kernels(); // sets the threads of this task
            }
            return new Lent(used, networks, replica);
        } catch (Throwable e) { // Spark throws checked exceptions undeclared
            if (networks != null) {
                leave(networks);
            }
            used.close();
            throw e;
        }
    }

    /** Returns the weights of a model without a head, which stay in memory until they are closed. */
    static Used use(ModelBroadcast broadcast, Memory memory) {
        Model model = enter(broadcast);
        try {
            whenOver(broadcast);
            return new Used(model, model.weights(broadcast, memory));
        } catch (Throwable e) { // Spark throws checked exceptions undeclared
            leave(model);
            throw e;
        }
    }

    /** A network in use. */
    static final class Lent implements AutoCloseable {
        private final Used used;
        private final Networks networks;
        private final Replica replica;
        private boolean whole = true;

        private Lent(Used used, Networks networks, Replica replica) {
            this.used = used;
            this.networks = networks;
            this.replica = replica;
        }

        <T> T use(Function<Replica, T> work) {
            whole = false;
            T result = work.apply(replica);
            whole = true;
            return result;
        }

        @Override
        public void close() {
            Closing.all(
                    () -> {
                        if (whole) {
                            offer(networks, replica);
                        } else {
                            replica.close(); // it may be in the middle of something
                        }
                    },
                    () -> leave(networks),
                    used);
        }
    }

    /** Weights in use. */
    static final class Used implements AutoCloseable {
        private final Model model;
        private final Weights weights;

        private Used(Model model, Weights weights) {
            this.model = model;
            this.weights = weights;
        }

        Weights weights() {
            return weights;
        }

        @Override
        public void close() {
            leave(model);
        }
    }

    // What is to be done then refers to neither of them: they are taken back when nothing refers to them.

    private static void whenOver(ModelBroadcast broadcast) {
        long id = broadcast.id();
        broadcast.whenOver(() -> release(id));
    }

    private static void whenOver(long id, long recipe, Sent<byte[]> ingredients) {
        ingredients.whenOver(() -> end(id, recipe));
    }

    private static synchronized Model enter(ModelBroadcast broadcast) {
        Model model = MODELS.computeIfAbsent(broadcast.id(), Model::new);
        clock++;
        model.enter();
        return model;
    }

    private static synchronized Networks enter(Model model, Weights weights, Recipe recipe) {
        Networks networks = model.networks.computeIfAbsent(recipe.id(), id -> new Networks(model, weights, recipe));
        networks.enter();
        return networks;
    }

    private static synchronized void leave(Held held) {
        held.leave();
        makeRoom(0);
    }

    private static synchronized @Nullable Replica poll(Networks networks) {
        return networks.idle.poll();
    }

    private static synchronized void offer(Networks networks, Replica replica) {
        networks.idle.push(replica);
    }

    /** Frees a model in this JVM: at once, or when its last task ends. */
    private static synchronized void release(long id) {
        Model model = MODELS.get(id);
        if (model != null) {
            model.end();
        }
    }

    /** Frees the networks of a recipe in the same way. */
    private static synchronized void end(long id, long recipe) {
        Model model = MODELS.get(id);
        Networks networks = model == null ? null : model.networks.get(recipe);
        if (networks != null) {
            networks.end();
        }
    }

    /**
     * Frees what no task uses, the least recently used first, until so many bytes are left for something new. What was used last stays,
     * because the next task is likely to use it.
     */
    private static synchronized void makeRoom(long bytes) {
        while (left.applyAsLong(bytes) < bytes) {
            Held oldest = held().filter(held -> held.users == 0 && held.used < clock)
                    .min(Comparator.comparingLong(held -> held.used))
                    .orElse(null);
            if (oldest == null) {
                return;
            }
            oldest.close();
        }
    }

    private static Stream<Held> held() {
        return MODELS.values().stream()
                .flatMap(model -> Stream.concat(model.networks.values().stream(), Stream.of(model)));
    }

    /** Returns the bytes of the largest network that is idle: what to expect of another. */
    private static synchronized long largest() {
        return MODELS.values().stream()
                .flatMap(model -> model.networks.values().stream())
                .flatMap(networks -> networks.idle.stream())
                .mapToLong(Replica::bytes)
                .max()
                .orElse(0);
    }

    private static synchronized void count() {
        copies++;
    }

    /** Returns how often weights were copied in this JVM; for tests. */
    public static synchronized long copies() {
        return copies;
    }

    /** Sets what returns the bytes that are left, of those that are wanted; for tests. */
    static synchronized void left(LongUnaryOperator function) {
        left = function;
    }

    /** Returns the bytes of native memory that this JVM holds of models: weights, idle networks, scratch of kernels. */
    public static synchronized long bytes() {
        return Backend.scratchBytes() + withoutScratch();
    }

    static synchronized long withoutScratch() {
        return held().mapToLong(Held::bytes).sum();
    }
}
