package dev.grft.spark.work;

import dev.grft.UserError;
import dev.grft.rounds.Awake;
import dev.grft.rounds.Coordinator;
import dev.grft.spark.cluster.Causes;
import dev.grft.spark.cluster.Places;
import dev.grft.spark.cluster.Pulse;
import dev.grft.spark.cluster.Sent;
import dev.grft.spark.images.Shard;
import dev.grft.spark.rounds.Packet;
import dev.grft.spark.rounds.Server;
import dev.grft.train.LearnerState;
import dev.grft.train.LocalSteps;
import dev.grft.train.StepGradient;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.apache.spark.api.java.JavaFutureAction;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.util.CollectionAccumulator;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Gradients from executors, many rounds for each Spark job: its standing tasks receive a step when the one before is done. The bits are those
 * of {@link Rounds}.
 *
 * <p>A job ends when the executors are wanted for something else ({@link #rest}), when no step is asked for in a second, and after some seconds at the
 * end of a round, or after one if the application has another job. So executors that have come take part in the next one, and jobs of others get their turn. It also ends when an executor is lost: an
 * ordinary job then makes the shards of that one elsewhere, and the next standing job goes on with the same round, of which nothing else is lost.
 */
public final class StandingRounds implements RoundSource {
    private static final Logger LOG = LoggerFactory.getLogger(StandingRounds.class);
    private static final Duration TURN = Duration.ofSeconds(20);

    /** How long a job makes steps at most while an executor makes images, which the end of the job would throw away. */
    private static final Duration LONG_TURN = Duration.ofMinutes(10);

    /** How long a job makes steps at least, also if other jobs wait. */
    private static final Duration SHORT_TURN = Duration.ofSeconds(1);

    private static final Duration FAREWELL = Duration.ofSeconds(10);
    private static final Duration ALONE = Duration.ofSeconds(1);
    private static final String GROWS = "spark.dynamicAllocation.enabled";
    private static final String NOWHERE = "none";
    private static final long LOOK_MILLIS = 250;
    private static final long PAUSE_NANOS = TimeUnit.SECONDS.toNanos(1); // of the driver, in which it hears no worker
    private static final int MOST_LOSSES = 8; // of executors, while nothing of a step arrives
    static final Coordinator.Patience PATIENCE = new Coordinator.Patience(
            TimeUnit.SECONDS.toNanos(30),
            TimeUnit.SECONDS.toNanos(5),
            TimeUnit.SECONDS.toNanos(50),
            3,
            TimeUnit.SECONDS.toNanos(1));

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
    private final byte[] token = Reach.token();
    private final Coordinator<Packet, Packet> driver;
    private final @Nullable Sent<Coordinator<Packet, Packet>> direct; // local mode
    private final CollectionAccumulator<String> unreached; // what executors say that do not reach the driver
    private final ScheduledExecutorService timer;
    private final @Nullable Homes homes; // on a cluster
    private @Nullable Server server; // on a cluster, once the first round has begun
    private volatile @Nullable Job job;
    private int members = 1; // executors of the newest job

    /**
     * Returns gradients of these shards.
     *
     * @param steps of the whole training, after which nothing is prepared ahead
     */
    public StandingRounds(
            JavaSparkContext spark, JavaRDD<Shard> shards, Sampler sampler, Replicas.Recipe recipe, long steps) {
        this(spark, shards, sampler, recipe, steps, TURN, FAREWELL, PATIENCE, spark.isLocal());
    }

    /**
     * Returns gradients of these shards.
     *
     * @param turn how long a job makes steps after its first one
     * @param farewell how long its tasks may take to end; then it is cancelled
     * @param patience of the driver with its tasks
     * @param local whether tasks reach the driver without a port
     */
    @SuppressWarnings("FutureReturnValueIgnored") // of the timer, which the end stops
    StandingRounds(
            JavaSparkContext spark,
            JavaRDD<Shard> shards,
            Sampler sampler,
            Replicas.Recipe recipe,
            long steps,
            Duration turn,
            Duration farewell,
            Coordinator.Patience patience,
            boolean local) {
        this.spark = spark;
        this.shards = shards;
        this.count = shards.getNumPartitions();
        this.sampler = sampler;
        this.recipe = recipe;
        this.steps = steps;
        this.turn = turn;
        this.farewell = farewell;
        this.pulse = Pulse.of(spark.sc());
        this.driver = new Coordinator<>(count, Packets::plus, patience, new Awake(System::nanoTime, PAUSE_NANOS));
        this.direct = local ? Sent.of(spark, driver) : null;
        this.unreached = spark.sc().collectionAccumulator();
        this.timer =
                java.util.concurrent.Executors.newSingleThreadScheduledExecutor(work -> daemon(work, "grft-rounds"));
        timer.scheduleWithFixedDelay(this::look, LOOK_MILLIS, LOOK_MILLIS, TimeUnit.MILLISECONDS);
        this.homes = local ? null : Homes.of(spark, shards, recipe.device, driver, this::lose);
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

    @Override
    public int vectors() {
        return 2 * members; // the trained vector and a sum of each
    }

    private Packet round(Packet order, long step, int trained) {
        requireReached();
        Job present = job;
        if (present != null && (present.trouble.isDone() || present.hasHadItsTurn() || !driver.stay())) {
            rest();
        }
        CompletableFuture<Packet> sum = driver.begin(order);
        int fewest = count;
        for (int losses = 0; ; losses++) {
            boolean fresh = job == null;
            try {
                present = fresh ? start(step, trained) : Objects.requireNonNull(job);
                CompletableFuture.anyOf(sum, present.trouble).get();
                present.made();
                return sum.get();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException("interrupted during a step", e);
            } catch (ExecutionException | CancellationException e) {
                rest();
                if (sum.isDone() && !sum.isCompletedExceptionally()) {
                    return sum.join(); // the tasks have delivered what they had
                }
                requireReached();
                losses = driver.missing() < fewest ? 0 : losses; // sums arrive
                fewest = driver.missing();
                Throwable why = Objects.requireNonNullElse(e.getCause(), e);
                boolean lost = why instanceof Lost && losses < MOST_LOSSES;
                // Or it has made steps before executors were lost as often as Spark allows for one job.
                if (spark.sc().isStopped() || why instanceof UserError || !(lost || (!fresh && Causes.isLoss(why)))) {
                    throw why instanceof RuntimeException failure ? failure : new IllegalStateException(why);
                }
                driver.resume();
            }
        }
    }

    /** Throws {@link StandingOrJobs.Unreached} if an executor does not reach the driver. */
    private void requireReached() {
        String obstacle = Reach.first(unreached.value());
        if (obstacle != null) {
            throw new StandingOrJobs.Unreached(obstacle);
        }
    }

    private Job start(long step, int trained) {
        if (homes != null) {
            homes.make("shards of train: " + sampler);
        }
        Job started = new Job(step, trained);
        job = started;
        String losses = homes == null ? null : homes.losses();
        if (losses != null) { // before there was a job to end
            lose(losses);
        }
        return started;
    }

    /** Has a job end because an executor is lost whose shards have to be made elsewhere. */
    private void lose(String losses) {
        Job present = job;
        if (present != null) {
            present.trouble.completeExceptionally(
                    new Lost("ExecutorLostFailure: executors with shards were lost: " + losses));
        }
    }

    /** The tasks have ended in the middle of a step. */
    private static final class Lost extends RuntimeException {
        private static final long serialVersionUID = 1L;

        Lost(String why) {
            super(why);
        }
    }

    /** A job of standing tasks. */
    private final class Job {
        private final JavaFutureAction<Long> tasks;
        private final Thread thread;
        private long began; // when its first step was made: before, it may have waited for slots
        private long looked; // for jobs of others
        private boolean begun;
        private final CompletableFuture<Object> trouble =
                new CompletableFuture<>(); // fails when the tasks have ended, or are to end

        Job(long step, int trained) {
            List<String> slots = slots();
            driver.expect(slots.size());
            members = Set.copyOf(slots).size();
            StandingRdd rdd = new StandingRdd(
                    shards.rdd(),
                    spark.getConf().getBoolean(GROWS, false)
                            ? count
                            : slots.size(), // Spark starts executors for tasks that wait
                    direct == null ? places(slots) : List.of(),
                    task(trained));
            spark.setJobDescription("steps from " + sampler.next(step, steps) + " on of train: " + sampler);
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
                trouble.completeExceptionally(new Lost("the standing tasks have ended within a step"));
            } catch (ExecutionException e) {
                trouble.completeExceptionally(Causes.rethrown(Objects.requireNonNullElse(e.getCause(), e)));
            } catch (InterruptedException | RuntimeException | Error e) {
                trouble.completeExceptionally(e);
            }
        }

        void made() {
            if (!begun) {
                begun = true;
                began = System.nanoTime();
                looked = began;
            }
        }

        boolean hasHadItsTurn() {
            long now = System.nanoTime();
            Duration most = driver.isMaking() ? LONG_TURN : turn;
            if (!begun || now - began > most.toNanos()) {
                return begun;
            }
            if (now - looked <= SHORT_TURN.toNanos()) {
                return false;
            }
            looked = now;
            return othersRun();
        }

        /** Returns whether the application has another job, which may be waiting for slots. */
        private boolean othersRun() {
            List<Integer> own = tasks.jobIds();
            return Arrays.stream(spark.statusTracker().getActiveJobIds()).anyMatch(id -> !own.contains(id));
        }

        /**
         * Waits until the tasks have ended, which the driver has asked them to. Those that do not, or wait for a slot, are cancelled, and no
         * other job is.
         */
        void end() {
            if (!hasEnded()) {
                LOG.info("tasks of {} that have not ended are cancelled", name);
                tasks.cancel(true);
                hasEnded();
            }
        }

        /** Waits as long as there are workers and a little longer, for a bounded time, also if the thread is interrupted. */
        private boolean hasEnded() {
            boolean interrupted = false;
            long began = System.nanoTime();
            long seen = began; // a worker
            for (long now = began;
                    thread.isAlive() && now - began < farewell.toNanos() && now - seen < ALONE.toNanos();
                    now = System.nanoTime()) {
                try {
                    thread.join(LOOK_MILLIS);
                } catch (InterruptedException e) {
                    interrupted = true;
                }
                seen = driver.workers().isEmpty() ? seen : System.nanoTime();
            }
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
            return !thread.isAlive();
        }
    }

    /** Returns the executors of as many tasks as run at a time or there are shards, those first that have shards. */
    private List<String> slots() {
        Set<String> first = new HashSet<>(driver.homes());
        List<String> slots = Places.spread(Places.slots(spark.sc()), first, count);
        return slots.isEmpty() ? List.of(NOWHERE) : slots; // one task waits for the first executor
    }

    /** Returns the places of executors, in Spark's words; of those that are there. */
    private List<String> places(List<String> executors) {
        Map<String, String> places = Places.of(spark.sc());
        return executors.stream().map(places::get).filter(Objects::nonNull).toList();
    }

    private StandingTask task(int trained) {
        Server open = server;
        if (open == null && direct == null) {
            open = Reach.open(spark.getConf(), token, Packets.most(trained), driver);
            server = open;
        }
        return new StandingTask(
                new StandingTask.Driver(
                        name, Reach.host(spark.getConf()), open == null ? 0 : open.port(), token, count, direct),
                sampler,
                recipe,
                steps,
                pulse,
                unreached);
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
        if (homes != null) {
            homes.close();
        }
        if (server != null) {
            server.close();
        }
        if (direct != null) {
            direct.close();
        }
    }
}
