package dev.grft.cost;

import dev.grft.config.Settings;
import dev.grft.tuning.FrozenStages;
import dev.grft.tuning.Operations;
import dev.grft.vit.VitConfig;
import java.util.List;
import java.util.Map;

/**
 * What a step of a training would cost: time, memory and bytes, for any number of executors. A model that was fitted to
 * measurements (see {@code src/site/markdown/cost.md}), not a measurement.
 *
 * <p>A step is a round: the trained parameters go out, gradients come back, the driver adds them up and steps. With a job of Spark for each
 * step, a gradient comes from each shard; with standing tasks, from each executor. Only the computation depends on the size of
 * the model; everything else on how many parameters train, and on the shards or executors.
 */
public final class CostModel {
    private final Operations operations;
    private final Trained trained;
    private final Division division;
    private final MemoryModel memory;

    /**
     * Returns the costs of training slices.
     *
     * @param config the model, with its head
     * @param slices trained parameters of each matrix that has some
     * @param recompute whether activations are computed again in the backward
     * @param batch examples of a step
     * @param shards parts of the step
     */
    public CostModel(VitConfig config, Map<String, Long> slices, boolean recompute, int batch, int shards) {
        this.trained = Trained.slices(config, slices);
        this.division = new Division(batch, shards, batch, false, false, 1);
        this.operations = new Operations(config, slices, recompute);
        this.memory = MemoryModel.slices(trained, division, recompute);
    }

    private CostModel(Trained trained, Settings settings) {
        this.trained = trained;
        this.division = Division.of(settings);
        this.operations = new Operations(
                trained.config(),
                trained.matrices(),
                trained.added(),
                settings.engine().recompute(),
                trained.tuning().layout(trained.config()).frozenStages());
        this.memory = MemoryModel.of(trained, settings);
    }

    private CostModel(CostModel from, Division division) {
        this.trained = from.trained;
        this.division = division;
        this.operations = from.operations;
        this.memory = from.memory.with(division);
    }

    /** Returns the same costs with a step in so many shards. */
    CostModel inShards(int shards) {
        return new CostModel(this, division.inShards(shards));
    }

    /** Returns the costs of the method, batch and shards of some settings. */
    public static CostModel of(VitConfig config, Settings settings) {
        return new CostModel(Trained.of(config, settings), settings);
    }

    /** Returns the memory that it takes. */
    public MemoryModel memory() {
        return memory;
    }

    Division division() {
        return division;
    }

    VitConfig config() {
        return trained.config();
    }

    /**
     * What a step would cost.
     *
     * @param seconds of a step, the sum of the five parts
     * @param computing seconds of the slowest executor
     * @param feeding seconds that it waits for images beside
     * @param network seconds that the driver's connection is busy
     * @param spark seconds that it takes to start and end a round
     * @param driver seconds in which the driver writes, reads, adds and updates trained parameters
     * @param executorBytes resident memory of an executor; with a GPU, what lies on that
     * @param bytesIn what the driver receives
     * @param bytesOut what the executors receive
     */
    public record Step(
            double seconds,
            double computing,
            double feeding,
            double network,
            double spark,
            double driver,
            double executorBytes,
            double bytesIn,
            double bytesOut) {}

    /** Returns what a step would cost on this many executors. */
    public Step step(int executors, Executor executor) {
        return step(executors, executor, 0);
    }

    /** Returns the same of epochs after the first, in which executors read what the {@linkplain MemoryModel#frozen frozen} stages have made of each image. */
    public Step laterStep(int executors, Executor executor) {
        FrozenStages frozen = trained.frozen();
        return step(executors, executor, frozen == null || executor.gpu() ? 0 : frozen.count() - 1);
    }

    private Step step(int executors, Executor executor, int read) {
        int most = division.examplesOfShard();
        int shards = division.shards();
        double ofShard = operations.step(most, read);
        double computing = executor.computing(executors, shards, ofShard);
        boolean standing = division.standing();
        double exchanged = (double) division.returned() / division.syncEvery(); // vectors a step
        double vector = exchanged * trained.vector();
        int sums = standing ? Math.min(executors, shards) : shards; // that come to the driver
        double bytesIn = vector * sums;
        double bytesOut = vector * (standing ? sums : executors);
        // Executors pass pieces of a broadcast on to each other, so the driver sends it about twice. Standing tasks get
        // theirs from the driver.
        double sent = standing ? bytesOut : vector * Math.min(2, executors);
        double network = (bytesIn + sent) * 8 / (executor.gigabits() * 1e9);
        double spark = executor.round().spark(standing, sums) / division.syncEvery();
        double driver = exchanged * executor.round().driver(trained.parameters(), standing, sums);
        double rest = (network + spark + driver) * division.syncEvery(); // of a round
        double feeding = read > 0 ? 0 : executor.feeding(executors, division, ofShard, rest);
        return new Step(
                computing + feeding + network + spark + driver,
                computing,
                feeding,
                network,
                spark,
                driver,
                memory.resident(executor.tasks(), executor.gpu()),
                bytesIn,
                bytesOut);
    }

    /** Returns how many parameters train, the head included. */
    public long trained() {
        return trained.parameters();
    }

    /** Returns the operations of the large products of a step of the frozen network: forward, gradients of inputs, attention. */
    public double products(int examples) {
        return operations.products(examples);
    }

    /** Returns the operations of the products of the trained slices: forward, their gradient, the gradient of the input. */
    public double sliceProducts(int examples) {
        return operations.sliceProducts(examples);
    }

    /** Returns the operations of the forward's products with weight matrices, a third of those of a step that trains all. */
    public double linearProducts(int examples) {
        return operations.linearProducts(examples);
    }

    /**
     * Returns what executors keep of frozen stages and what epochs after the first then cost; an empty text if they keep nothing.
     *
     * @param most bytes that an executor keeps
     */
    public String later(List<Integer> executors, Executor executor, long most) {
        FrozenStages frozen = trained.frozen();
        return frozen == null || executor.gpu() || most < frozen.bytes()
                ? ""
                : CostTable.later(this, frozen, most, executors, executor);
    }

    /** Returns a table: a line for each number of executors. */
    public String table(List<Integer> executors, Executor executor) {
        return CostTable.of(this, executors, executor);
    }
}
