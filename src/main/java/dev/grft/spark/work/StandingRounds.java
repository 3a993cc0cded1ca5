package dev.grft.spark.work;

import dev.grft.UserError;
import dev.grft.data.Batch;
import dev.grft.rounds.Coordinator;
import dev.grft.spark.cluster.Causes;
import dev.grft.spark.cluster.Pulse;
import dev.grft.spark.cluster.Sent;
import dev.grft.spark.images.Shard;
import dev.grft.spark.rounds.Client;
import dev.grft.spark.rounds.Link;
import dev.grft.spark.rounds.Packet;
import dev.grft.spark.rounds.Server;
import dev.grft.spark.rounds.Station;
import dev.grft.train.GradientSource;
import dev.grft.train.LearnerState;
import dev.grft.train.LocalSteps;
import dev.grft.train.StepGradient;
import java.io.IOException;
import java.io.Serializable;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.apache.spark.SparkEnv;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaFutureAction;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.storage.BlockManagerId;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import scala.collection.JavaConverters;

/**
 * Gradients from executors, many rounds for each Spark job: its tasks stay, and get a step when the one before is done. The bits are those
 * of {@link Rounds}.
 *
 * <p>A job ends when the executors are wanted for something else ({@link #rest}), when no step is asked for in a second, and after some seconds at the
 * end of a round. So executors that have come take part in the next one, and jobs of others get their turn.
 */
public final class StandingRounds implements GradientSource {
    private static final Logger LOG = LoggerFactory.getLogger(StandingRounds.class);
    private static final Duration TURN = Duration.ofSeconds(20);
    private static final Duration FAREWELL = Duration.ofSeconds(10);
    private static final String GROWS = "spark.dynamicAllocation.enabled";
    private static final long LOOK_MILLIS = 250;
    private static final String TLS = "spark.ssl.rpc.enabled"; // of Spark 4
    private static final int TOKEN_BYTES = 32;
    private static final Coordinator.Patience PATIENCE = new Coordinator.Patience(
            TimeUnit.SECONDS.toNanos(30), TimeUnit.SECONDS.toNanos(5), 3, TimeUnit.SECONDS.toNanos(1));

    private final JavaSparkContext spark;
    private final JavaRDD<Shard> shards;
    private final int count;
    private final Sampler sampler;
    private final Replicas.Recipe recipe;
    private final long steps;
    private final Duration turn;
    private final Duration farewell;
    private final Pulse pulse;
    private final String name = "training " + UUID.randomUUID();
    private final byte[] token = new byte[TOKEN_BYTES];
    private final Coordinator<Packet, Packet> driver;
    private final @Nullable Sent<Coordinator<Packet, Packet>> direct; // local mode
    private final ScheduledExecutorService timer;
    private @Nullable Server server; // on a cluster, once the first round has begun
    private @Nullable Job job;

    /**
     * Returns gradients of these shards.
     *
     * @param steps of the whole training, for people
     * @throws UserError if Spark's connections are encrypted in a way that those of standing tasks are not
     */
    public StandingRounds(
            JavaSparkContext spark, JavaRDD<Shard> shards, Sampler sampler, Replicas.Recipe recipe, long steps) {
        this(spark, shards, sampler, recipe, steps, TURN, FAREWELL);
    }

    /**
     * Returns gradients of these shards.
     *
     * @param turn how long a job makes steps after its first one
     * @param farewell how long its tasks may take to end; then it is cancelled
     */
    @SuppressWarnings("FutureReturnValueIgnored") // of the timer, which the end stops
    StandingRounds(
            JavaSparkContext spark,
            JavaRDD<Shard> shards,
            Sampler sampler,
            Replicas.Recipe recipe,
            long steps,
            Duration turn,
            Duration farewell) {
        if (!spark.isLocal() && spark.getConf().getBoolean(TLS, false)) {
            throw UserError.of(
                    "engine.rounds is standing, but %s is true, and its connections have no TLS; set engine.rounds to jobs,"
                            + " or encrypt by spark.network.crypto.enabled",
                    TLS);
        }
        this.spark = spark;
        this.shards = shards;
        this.count = shards.getNumPartitions();
        this.sampler = sampler;
        this.recipe = recipe;
        this.steps = steps;
        this.turn = turn;
        this.farewell = farewell;
        this.pulse = Pulse.of(spark.sc());
        this.driver = new Coordinator<>(count, Packets::plus, PATIENCE, System::nanoTime);
        this.direct = spark.isLocal() ? Sent.of(spark, driver) : null;
        new SecureRandom().nextBytes(token);
        this.timer = Executors.newSingleThreadScheduledExecutor(work -> daemon(work, "grft-rounds"));
        timer.scheduleWithFixedDelay(this::look, LOOK_MILLIS, LOOK_MILLIS, TimeUnit.MILLISECONDS);
    }

    private void look() {
        try {
            driver.look();
        } catch (Throwable e) { // else the timer would stop without a word
            LOG.warn("the workers of {} were not looked after; the next look is in {} ms", name, LOOK_MILLIS, e);
        }
    }

    private static Thread daemon(Runnable work, String name) {
        Thread thread = new Thread(work, name);
        thread.setDaemon(true);
        return thread;
    }

    @Override
    public StepGradient gradient(long step, float[] trained) {
        return Packets.gradient(round(Packets.order(step, trained), step, trained.length));
    }

    @Override
    public LocalSteps localSteps(LearnerState from, int howMany, double clipNorm) {
        return Packets.steps(round(Packets.order(from, howMany, clipNorm), from.step(), from.trained().length));
    }

    private Packet round(Packet order, long step, int trained) {
        if (job != null && (job.ended || job.hasHadItsTurn() || !driver.stay())) {
            rest();
        }
        while (true) {
            Job present = job;
            boolean fresh = present == null;
            CompletableFuture<Packet> sum = driver.begin(order);
            if (present == null) {
                present = new Job(step, trained);
                job = present;
            }
            present.waits = sum;
            try {
                if (present.ended) {
                    present.giveUp();
                }
                Packet all = sum.get();
                present.made();
                return all;
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException("interrupted during a step", e);
            } catch (ExecutionException | CancellationException e) {
                rest();
                Throwable why = e.getCause() == null ? e : e.getCause();
                boolean ended = why instanceof Ended;
                if (fresh || spark.sc().isStopped() || why instanceof UserError || !(ended || Causes.isLoss(why))) {
                    throw why instanceof RuntimeException failure ? failure : new IllegalStateException(why);
                } // else it has made steps before executors were lost as often as Spark allows for one job
            }
        }
    }

    /** All tasks have ended without a failure, in the middle of a step. */
    private static final class Ended extends RuntimeException {
        private static final long serialVersionUID = 1L;

        Ended() {
            super("the standing tasks have ended within a step");
        }
    }

    /** A job of standing tasks. */
    private final class Job {
        private final JavaFutureAction<Long> tasks;
        private final Thread thread;
        private long began; // when its first step was made: before, it may have waited for slots
        private boolean begun;
        private volatile boolean ended;
        private volatile @Nullable Throwable failure;
        private volatile @Nullable CompletableFuture<Packet> waits;

        Job(long step, int trained) {
            int slots = Math.max(1, Math.min(count, spark.defaultParallelism()));
            driver.expect(slots);
            StandingRdd rdd = new StandingRdd(
                    shards.rdd(),
                    spark.getConf().getBoolean(GROWS, false)
                            ? count
                            : slots, // Spark starts executors for tasks that wait
                    direct == null ? places() : List.of(),
                    new Standing(ticket(trained), direct, sampler, recipe, pulse));
            spark.setJobDescription(
                    "steps from " + sampler.stepsDone(step + 1) + "/" + steps + " on of train: " + sampler);
            try {
                this.tasks = Causes.unwrapped(recipe.device.computes(rdd.toJavaRDD())::countAsync);
            } finally {
                spark.setJobDescription(null);
            }
            this.thread = daemon(this::await, "grft-standing");
            thread.start();
        }

        private void await() {
            try {
                tasks.get();
            } catch (ExecutionException e) {
                failure = Causes.rethrown(Objects.requireNonNullElse(e.getCause(), e));
            } catch (InterruptedException | RuntimeException | Error e) {
                failure = e;
            } finally {
                ended = true;
                giveUp();
            }
        }

        void made() {
            if (!begun) {
                begun = true;
                began = System.nanoTime();
            }
        }

        boolean hasHadItsTurn() {
            return begun && System.nanoTime() - began > turn.toNanos();
        }

        /** Waits until the tasks have ended, which the driver has told them. Those that do not are cancelled, and no other job. */
        void end() {
            waits = null;
            if (!hasEnded()) {
                LOG.warn("tasks of {} have not ended in {} s, and are cancelled", name, farewell.toSeconds());
                tasks.cancel(true);
                hasEnded();
            }
        }

        /** Waits for a bounded time, also if the thread is interrupted. */
        private boolean hasEnded() {
            boolean interrupted = false;
            long until = System.nanoTime() + farewell.toNanos();
            for (long left = farewell.toNanos(); left > 0 && thread.isAlive(); left = until - System.nanoTime()) {
                try {
                    TimeUnit.NANOSECONDS.timedJoin(thread, left);
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
            return !thread.isAlive();
        }

        /** Ends the round that waits for this job. */
        void giveUp() {
            CompletableFuture<Packet> waiting = waits;
            Throwable why = failure;
            if (waiting != null) {
                waiting.completeExceptionally(why == null ? new Ended() : why);
            }
        }
    }

    /** Returns where executors are, as Spark names the places of tasks. */
    @SuppressWarnings("deprecation") // JavaConverters: of those for Scala 2.13, none is in 2.12
    private static List<String> places() {
        return JavaConverters.mapAsJavaMap(
                        SparkEnv.get().blockManager().master().getMemoryStatus())
                .keySet()
                .stream()
                .filter(id -> !id.isDriver())
                .sorted(Comparator.comparing(BlockManagerId::executorId))
                .map(id -> "executor_" + id.host() + "_" + id.executorId())
                .toList();
    }

    private Ticket ticket(int trained) {
        String host = spark.getConf().get("spark.driver.host", "localhost");
        Server open = server;
        if (open == null && direct == null) {
            open = new Server(
                    spark.getConf(),
                    SparkEnv.get().securityManager(),
                    spark.getConf().get("spark.driver.bindAddress", host),
                    token,
                    Packets.most(trained),
                    driver);
            server = open;
        }
        return new Ticket(name, host, open == null ? 0 : open.port(), token, count);
    }

    /** What tasks have to know to reach the driver. */
    private static final class Ticket implements Serializable {
        private static final long serialVersionUID = 1L;

        private final String training;
        private final String host;
        private final int port;
        private final byte[] token;
        private final int shards;

        Ticket(String training, String host, int port, byte[] token, int shards) {
            this.training = training;
            this.host = host;
            this.port = port;
            this.token = token.clone();
            this.shards = shards;
        }

        Link link(@Nullable Sent<Coordinator<Packet, Packet>> direct) throws IOException {
            SparkEnv env = SparkEnv.get();
            String worker = env.executorId() + " " + UUID.randomUUID();
            return direct == null
                    ? new Client(env.conf(), env.securityManager(), host, port, token, worker)
                    : Link.direct(worker, direct.value());
        }
    }

    /** What each task does. */
    private static final class Standing implements StandingRdd.Work {
        private static final long serialVersionUID = 1L;

        private final Ticket ticket;
        private final @Nullable Sent<Coordinator<Packet, Packet>> direct;
        private final Sampler batches;
        private final Replicas.Recipe network;
        private final Pulse pulse;

        Standing(
                Ticket ticket,
                @Nullable Sent<Coordinator<Packet, Packet>> direct,
                Sampler batches,
                Replicas.Recipe network,
                Pulse pulse) {
            this.ticket = ticket;
            this.direct = direct;
            this.batches = batches;
            this.network = network;
            this.pulse = pulse;
        }

        @Override
        public int work(StandingRdd.Reader reader, TaskContext context) {
            try {
                return Station.work(
                        ticket.training,
                        () -> ticket.link(direct),
                        ticket.shards,
                        Packets::plus,
                        (sent, shard) -> part(Packets.order(sent), shard, reader),
                        context::isInterrupted);
            } catch (IOException e) {
                throw new IllegalStateException("a task has lost the driver", e);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException("a task was interrupted", e);
            }
        }

        private @Nullable Packet part(Packets.Order order, int shard, StandingRdd.Reader reader) {
            StepInput input = new StepInput(batches, shard, reader.shard(shard), pulse);
            if (order.local()) {
                return Replicas.with(
                        network,
                        replica -> Packets.of(replica.steps(
                                        order.state(), order.count(), order.clipNorm(), i -> input.of(order.step() + i))
                                .after(input.seconds())));
            }
            Iterator<Batch> some = input.of(order.step());
            return !some.hasNext()
                    ? null
                    : Replicas.with(network, replica -> {
                        replica.load(order.state().trained());
                        return Packets.of(replica.gradient(some).after(input.seconds()));
                    });
        }
    }

    /** Lets the executors go, for other jobs. */
    @Override
    public void rest() {
        driver.rest();
        Job present = job;
        job = null;
        if (present != null) {
            present.end();
        }
    }

    @Override
    public void close() {
        rest();
        timer.shutdownNow();
        if (server != null) {
            server.close();
        }
        if (direct != null) {
            direct.close();
        }
    }
}
