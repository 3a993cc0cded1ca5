package dev.grft.spark.work;

import dev.grft.data.Batch;
import dev.grft.rounds.Coordinator;
import dev.grft.rounds.Worker;
import dev.grft.spark.cluster.Pulse;
import dev.grft.spark.cluster.Sent;
import dev.grft.spark.rounds.Client;
import dev.grft.spark.rounds.Link;
import dev.grft.spark.rounds.Packet;
import dev.grft.spark.rounds.Station;
import java.io.Serializable;
import java.util.Iterator;
import java.util.UUID;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.apache.spark.SparkEnv;
import org.apache.spark.TaskContext;
import org.apache.spark.util.CollectionAccumulator;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What each standing task does: computes parts of steps until the driver says that there is no more to do. */
final class StandingTask implements StandingRdd.Work {
    private static final long serialVersionUID = 1L;

    private static final Logger LOG = LoggerFactory.getLogger(StandingTask.class);
    private static final int ATTEMPTS = 3; // of one task to reach the driver
    private static final long PAUSE_MILLIS = 1000;

    private final Driver driver;
    private final Sampler batches;
    private final Replicas.Recipe network;
    private final long steps;
    private final Pulse pulse;
    private final CollectionAccumulator<String> unreached;

    /** Where the driver is. */
    static final class Driver implements Serializable {
        private static final long serialVersionUID = 1L;

        private final String training;
        private final String host;
        private final int port;
        private final byte[] token;
        private final int shards;
        private final @Nullable Sent<Coordinator<Packet, Packet>> direct;

        /**
         * Returns where the driver is.
         *
         * @param direct in local mode; then there is no port
         */
        Driver(
                String training,
                String host,
                int port,
                byte[] token,
                int shards,
                @Nullable Sent<Coordinator<Packet, Packet>> direct) {
            this.training = training;
            this.host = host;
            this.port = port;
            this.token = token.clone();
            this.shards = shards;
            this.direct = direct;
        }

        private Link link() throws Link.Broken {
            SparkEnv env = SparkEnv.get();
            String worker = env.executorId() + "/" + UUID.randomUUID(); // the place, as the driver has it
            return direct == null
                    ? new Client(env.conf(), env.securityManager(), host, port, token, worker)
                    : Link.direct(worker, direct.value());
        }
    }

    /**
     * Returns the task.
     *
     * @param steps of the whole training, after which nothing is prepared
     * @param unreached gets a sentence from each task that cannot reach the driver
     */
    StandingTask(
            Driver driver,
            Sampler batches,
            Replicas.Recipe network,
            long steps,
            Pulse pulse,
            CollectionAccumulator<String> unreached) {
        this.driver = driver;
        this.batches = batches;
        this.network = network;
        this.steps = steps;
        this.pulse = pulse;
        this.unreached = unreached;
    }

    /**
     * Computes until the driver says that there is no more to do. A task that cannot reach the driver in several attempts, or that gets no answer
     * at all in the first, ends without a failure: Spark would repeat a failed task. An accumulator then tells the driver.
     */
    @Override
    public int work(StandingRdd.Reader reader, TaskContext context) {
        try (Ahead.Task ahead = Ahead.enter(driver.training, batches, steps, network.device.onGpu())) {
            return work(new Parts(reader, ahead), context);
        }
    }

    private int work(Parts parts, TaskContext context) {
        for (int attempt = 1; ; attempt++) {
            try {
                Thread.sleep(attempt == 1 ? 0 : PAUSE_MILLIS);
                return Station.work(
                        driver.training, driver::link, driver.shards, Packets::plus, parts, context::isInterrupted);
            } catch (Link.Broken e) {
                if (context.isInterrupted()) {
                    throw new IllegalStateException("a task that was to end has lost the driver", e);
                }
                if (attempt == ATTEMPTS || e.isSilent()) {
                    unreached.add(Reach.unreached(e));
                    return 0;
                }
                LOG.info("a task has lost the driver and connects again", e);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException("a task was interrupted", e);
            }
        }
    }

    /** What the task computes, and what it prepares while it waits. */
    private final class Parts implements Station.Computing {
        private final StandingRdd.Reader reader;
        private final Ahead.Task ahead;

        Parts(StandingRdd.Reader reader, Ahead.Task ahead) {
            this.reader = reader;
            this.ahead = ahead;
        }

        @Override
        public @Nullable Packet part(Packet sent, int shard, Supplier<Worker.Coming<Packet>> coming) {
            Packets.Order order = Packets.order(sent);
            StepInput input = new StepInput(batches, shard, reader.shard(shard), pulse, ahead.of(sent, coming));
            if (order.local()) {
                return Replicas.with(
                        network,
                        replica -> Packets.of(replica.steps(
                                        order.state(), order.count(), order.clipNorm(), i -> input.of(order.step() + i))
                                .after(input.computed(order.count()))));
            }
            Iterator<Batch> some = input.of(order.step());
            return !some.hasNext()
                    ? null
                    : Replicas.with(network, replica -> {
                        replica.load(order.state().trained());
                        return Packets.of(replica.gradient(some).after(input.computed(1)));
                    });
        }

        @Override
        public void idle(Worker.Coming<Packet> coming, BooleanSupplier over) {
            ahead.prepare(coming, over);
        }
    }
}
