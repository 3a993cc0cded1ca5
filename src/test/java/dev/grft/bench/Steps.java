package dev.grft.bench;

import dev.grft.Delta;
import dev.grft.Entries;
import dev.grft.MatrixShape;
import dev.grft.Penalty;
import dev.grft.Selection;
import dev.grft.Task;
import dev.grft.cost.CostModel;
import dev.grft.cost.Executor;
import dev.grft.data.Batch;
import dev.grft.spark.cluster.OrderedTree;
import dev.grft.train.Initial;
import dev.grft.train.Learner;
import dev.grft.train.LearnerState;
import dev.grft.train.Network;
import dev.grft.train.Replica;
import dev.grft.train.Scorer;
import dev.grft.train.StepGradient;
import dev.grft.tuning.Activations;
import dev.grft.tuning.AdapterTuning;
import dev.grft.tuning.BuiltInScore;
import dev.grft.tuning.EntryTuning;
import dev.grft.tuning.LoraTuning;
import dev.grft.tuning.SliceTuning;
import dev.grft.tuning.Tuning;
import dev.grft.tuning.WholeTuning;
import dev.grft.vit.Bindings;
import dev.grft.vit.Keep;
import dev.grft.vit.TrainedArray;
import dev.grft.vit.Vit;
import dev.grft.vit.VitConfig;
import dev.grft.vit.Weights;
import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.Backend;
import dev.grft.vit.kernels.CpuKernels;
import dev.grft.vit.kernels.Kernels;
import dev.grft.vit.kernels.Machine;
import dev.grft.vit.kernels.Memory;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.IntFunction;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.deeplearning4j.nn.conf.MultiLayerConfiguration;

/** Whole steps over one batch in this process, without Spark: all that a step consists of but reading photos. */
final class Steps implements AutoCloseable {
    /** Side of the square matrices whose product shows the machine's peak. */
    private static final int SQUARE = 2048;

    private final Setup setup;
    private final VitConfig config;
    private final Map<String, float[]> tensors;
    private final Weights weights;
    private final List<Batch> shares;
    private final ExecutorService tasks;

    /** Returns the steps of a model with random weights. */
    Steps(Setup setup) {
        this.setup = setup;
        this.config = setup.config();
        this.tensors = Initial.vit(config, 1);
        this.weights =
                Weights.copyOf(config, tensors, DataType.FLOAT, setup.kernels().memory());
        this.shares = setup.shares();
        this.tasks = Executors.newFixedThreadPool(shares.size());
    }

    /** Returns work that a job of Spark would share out: a task of one thread for each share of the batch. */
    private Work shared(String name, IntFunction<Runnable> task, Runnable after) {
        List<Runnable> each = IntStream.range(0, shares.size()).mapToObj(task).toList();
        return Work.of(name, () -> {
            CompletableFuture.allOf(each.stream()
                            .map(one -> CompletableFuture.runAsync(
                                    () -> {
                                        Backend.threads(1); // counts for the thread that says it
                                        one.run();
                                    },
                                    tasks))
                            .toArray(CompletableFuture<?>[]::new))
                    .join();
            after.run();
        });
    }

    /** Returns how long a prediction takes. */
    List<Row> forward() {
        Tuning tuning = SliceTuning.headOnly();
        Work ours = shared(
                "forward",
                share -> {
                    Replica replica = new Replica(
                            weights, tuning, configuration(tuning, Penalty.NONE), setup.kernels(), Keep.NOTHING);
                    return () -> replica.probabilities(shares.get(share));
                },
                () -> {});
        return rows(ours, setup.peers("torch-forward", "jax-forward"));
    }

    /** Returns how long a step takes that trains some rows of each matrix and the head. */
    List<Row> sliceStep() {
        Selection selection = Setup.selection(config, setup.rows());
        CostModel costs = costs(selection.sizes());
        return step(
                "slice step",
                new SliceTuning(selection),
                Setup.settings().penalty().toPenalty(),
                costs.products(setup.batch()) + costs.sliceProducts(setup.batch()) / 3,
                setup.peers("torch-masked", "torch-slices", "torch-lora", "jax-slices"));
    }

    private CostModel costs(Map<String, Long> slices) {
        return new CostModel(config, slices, false, setup.batch(), shares.size());
    }

    /** Returns how long a step of LoRA takes, on the matrices of the blocks, of the rank that trains about as many numbers as the slices. */
    List<Row> loraStep() {
        Map<String, MatrixShape> matrices = new LinkedHashMap<>(config.matrices());
        matrices.keySet().removeIf(matrix -> !matrix.startsWith("blocks."));
        long ofRankOne = matrices.values().stream()
                .mapToLong(shape -> shape.out() + shape.in())
                .sum();
        long slices = Setup.selection(config, setup.rows()).sizes().values().stream()
                .mapToLong(Long::longValue)
                .sum();
        int rank = Math.max(1, (int) Math.rint((double) slices / ofRankOne));
        return step(
                "lora step",
                new LoraTuning(matrices, rank, 1, 0),
                Penalty.NONE,
                costs(Map.of()).products(setup.batch()),
                setup.peers("torch-lora"));
    }

    /** Returns how long a step takes that trains everything. */
    List<Row> fullStep() {
        return step(
                "full step",
                new WholeTuning(),
                Penalty.NONE,
                costs(Map.of()).products(setup.batch()) + costs(Map.of()).linearProducts(setup.batch()),
                setup.peers("torch-full", "jax-full"));
    }

    /** Returns how long a step takes of each method beside GRFT, and GRFT's; all of them in turn. */
    List<Row> methods() {
        Map<String, MatrixShape> matrices = new LinkedHashMap<>(config.matrices());
        Map<String, MatrixShape> hidden = new LinkedHashMap<>(matrices);
        hidden.keySet().removeIf(matrix -> !matrix.contains("mlp.fc2"));
        Map<String, Tuning> methods = new LinkedHashMap<>();
        methods.put("linear", SliceTuning.headOnly());
        methods.put("bitfit", WholeTuning.biases());
        methods.put("lora, rank 4", new LoraTuning(matrices, 4, 1, 0));
        methods.put("adapter, size 8", new AdapterTuning(hidden, 8, 1));
        for (int perNeuron : new int[] {1, 4, 11}) {
            methods.put("gps, " + perNeuron + " of each neuron", entries(matrices, perNeuron));
        }
        Selection selection = Setup.selection(config, setup.rows());
        Penalty penalty = Setup.settings().penalty().toPenalty();
        List<Work> all = new ArrayList<>();
        all.add(training("slice step", new SliceTuning(selection), penalty, Keep.ALL));
        methods.forEach((name, tuning) -> all.add(training("step of " + name, tuning, Penalty.NONE, Keep.ALL)));
        List<Times> times = Work.inTurn(all, setup.warmUpSeconds(), setup.repetitions());
        List<Row> rows = new ArrayList<>();
        for (Tuning tuning : methods.values()) {
            int at = rows.size() + 1;
            rows.add(Row.of(all.get(at).name(), times.get(at))
                    .beside(all.get(0).name(), times.get(0))
                    .with("trained", tuning.layout(config).size()));
        }
        return rows;
    }

    private static EntryTuning entries(Map<String, MatrixShape> matrices, int perNeuron) {
        SplittableRandom random = new SplittableRandom(5);
        List<Entries> entries = new ArrayList<>();
        matrices.forEach((matrix, shape) -> {
            float[] gradient = new float[shape.out() * shape.in()];
            for (int i = 0; i < gradient.length; i++) {
                gradient[i] = random.nextInt(1 << 24);
            }
            entries.add(Entries.largest(matrix, shape, gradient, perNeuron));
        });
        return new EntryTuning(entries);
    }

    /** Returns how long a step takes that trains so many rows of each matrix, beside what {@link CostModel} predicts. */
    Row cost(String name, int rows, Keep keep, double gflops, int repetitions) {
        Selection selection = Setup.selection(config, rows);
        boolean recompute = keep == Keep.INPUTS;
        CostModel costs = new CostModel(config, selection.sizes(), recompute, setup.batch(), shares.size());
        Work ours = training(
                name, new SliceTuning(selection), Setup.settings().penalty().toPenalty(), keep);
        ours.milliseconds();
        double[] times = new double[repetitions];
        for (int i = 0; i < repetitions; i++) {
            times[i] = ours.milliseconds();
        }
        int examples = (setup.batch() + shares.size() - 1) / shares.size();
        return Row.of(name, new Times(times))
                .beside(
                        "inspect --plan",
                        new Times(1e3
                                * costs.step(1, new Executor(gflops, shares.size(), Double.POSITIVE_INFINITY))
                                        .computing()))
                .with("trained", (double) costs.trained())
                .with(
                        "activations_mb",
                        shares.size()
                                * new Activations(config, setup.precision().equals("bf16"))
                                        .training(examples, recompute)
                                / 1e6);
    }

    private List<Row> step(String name, Tuning tuning, Penalty penalty, double flops, List<Peer> peers) {
        Work ours = training(name, tuning, penalty, Keep.ALL);
        List<Work> others = new ArrayList<>();
        others.add(squareProduct());
        if (!setup.precision().equals("fp32")) {
            others.add(training("ours, fp32", tuning, penalty, Keep.ALL, CpuKernels::new));
        }
        others.addAll(peers);
        List<Row> rows = new ArrayList<>();
        for (Row row : rows(ours, others)) {
            rows.add(row.with("trained", tuning.layout(config).size()));
        }
        Times square = rows.get(0).theirs();
        double peak = 2.0 * SQUARE * SQUARE * SQUARE / square.fastest(); // per millisecond
        rows.set(
                0,
                rows.get(0)
                        .beside("its products at the peak of large ones", new Times(flops / peak))
                        .with("gflop", flops / 1e9)
                        .with("peak_gflops", peak / 1e6)
                        .with("median_gflops", peak / 1e6 * square.fastest() / square.median()));
        return rows;
    }

    private Work training(String name, Tuning tuning, Penalty penalty, Keep keep) {
        return training(name, tuning, penalty, keep, setup::kernels);
    }

    private Work training(String name, Tuning tuning, Penalty penalty, Keep keep, Supplier<Kernels> kernels) {
        MultiLayerConfiguration configuration = configuration(tuning, penalty);
        float[] start = new float[tuning.layout(config).size()];
        Learner learner = new Learner(configuration, LearnerState.start(start));
        float[] trained = learner.trained(); // as the driver sends it to all tasks
        StepGradient[] parts = new StepGradient[shares.size()];
        return shared(
                name,
                share -> {
                    Replica replica = new Replica(weights, tuning, configuration, kernels.get(), keep);
                    return () -> {
                        replica.load(trained);
                        parts[share] = replica.gradient(shares.get(share));
                    };
                },
                () -> {
                    double unused = learner.penalty();
                    OrderedTree.Sum<StepGradient> sum = new OrderedTree.Sum<>(StepGradient::plus);
                    for (int share = 0; share < parts.length; share++) {
                        sum.add(share, parts[share]);
                    }
                    learner.apply(Objects.requireNonNull(sum.result()), 0);
                    learner.trained(trained);
                });
    }

    private Work squareProduct() {
        Kernels kernels = setup.kernels();
        Memory memory = kernels.memory();
        DataType type = kernels.between(DataType.FLOAT);
        Array a = memory.allocate(type, SQUARE, SQUARE).write(Machine.normal(1, SQUARE * SQUARE));
        Array b = memory.allocate(type, SQUARE, SQUARE).write(Machine.normal(2, SQUARE * SQUARE));
        Array c = memory.allocate(type, SQUARE, SQUARE);
        return Work.of("square product", () -> {
            Backend.threads(setup.threads());
            kernels.gemm(false, a, false, b, 1, 0, c);
        });
    }

    /** Returns how long it takes to score every matrix of the blocks by each example's gradient. */
    List<Row> scorePass() {
        Map<String, MatrixShape> eligible = new LinkedHashMap<>(config.matrices());
        eligible.keySet().removeIf(matrix -> !matrix.startsWith("blocks."));
        Work ours = shared(
                "score pass",
                share -> {
                    Scorer scorer = scorer(eligible, BuiltInScore.PER_EXAMPLE, Keep.ALL);
                    return () -> scorer.addLoss(shares.get(share));
                },
                () -> {});
        List<Work> others = new ArrayList<>();
        others.add(forwardAndBackward());
        others.add(shared(
                "ours, weight-activation",
                share -> {
                    Scorer scorer = scorer(eligible, BuiltInScore.WEIGHT_ACTIVATION, Keep.NOTHING);
                    return () -> scorer.addActivations(shares.get(share));
                },
                () -> {}));
        others.addAll(setup.peers("torch-score-hooks", "torch-score-loop", "torch-score-vmap"));
        return rows(ours, others);
    }

    private Scorer scorer(Map<String, MatrixShape> eligible, BuiltInScore score, Keep keep) {
        return new Scorer(
                weights,
                eligible,
                score,
                tensors.get(Delta.HEAD_WEIGHT),
                tensors.get(Delta.HEAD_BIAS),
                Task.SINGLE_LABEL,
                setup.kernels(),
                keep);
    }

    private Work forwardAndBackward() {
        return shared("ours, forward and full backward", share -> forwardAndBackward(shares.get(share)), () -> {});
    }

    private Runnable forwardAndBackward(Batch batch) {
        Kernels kernels = setup.kernels();
        Memory memory = kernels.memory();
        Vit vit = new Vit(weights, new WholeTuning().trainable(), kernels, Keep.ALL);
        Map<String, Array> values = new LinkedHashMap<>();
        Map<String, Array> gradients = new LinkedHashMap<>();
        for (TrainedArray array : vit.layout().arrays().values()) {
            values.put(
                    array.name(),
                    memory.allocate(DataType.FLOAT, array.rows(), array.columns())
                            .fill(0));
            gradients.put(array.name(), memory.allocate(DataType.FLOAT, array.rows(), array.columns()));
        }
        vit.bind(new Bindings(values, gradients));
        Array images = memory.allocate(DataType.FLOAT, batch.size(), 3, config.imageSize(), config.imageSize())
                .write(batch.images());
        float[] classes = new float[batch.size() * config.classes()];
        for (int b = 0; b < batch.size(); b++) {
            classes[b * config.classes() + batch.labels()[b]] = 1;
        }
        Array targets =
                memory.allocate(DataType.FLOAT, batch.size(), config.classes()).write(classes);
        Array losses = memory.allocate(DataType.FLOAT, batch.size());
        Array dlogits = memory.allocate(DataType.FLOAT, batch.size(), config.classes());
        return () -> {
            Array logits = vit.forward(images);
            kernels.crossEntropy(logits, targets, losses, dlogits);
            vit.backward(dlogits);
        };
    }

    /** Returns a row for each of the others, or one for ours alone; all of them have been done in turn. */
    private List<Row> rows(Work ours, List<? extends Work> others) {
        List<Work> all = new ArrayList<>(List.of(ours));
        all.addAll(others);
        try {
            List<Times> times = Work.inTurn(all, setup.warmUpSeconds(), setup.repetitions());
            Row row = Row.of(ours.name(), times.get(0));
            List<Row> rows = new ArrayList<>();
            for (int w = 1; w < all.size(); w++) {
                Row beside = row.beside(all.get(w).name(), times.get(w));
                boolean trains = all.get(w) instanceof Peer peer && peer.trained() > 0;
                rows.add(trains ? beside.with("peer_trained", (double) ((Peer) all.get(w)).trained()) : beside);
            }
            return rows.isEmpty() ? List.of(row) : rows;
        } finally {
            others.forEach(Work::close);
        }
    }

    private MultiLayerConfiguration configuration(Tuning tuning, Penalty penalty) {
        return Network.configuration(tuning.layout(config), Setup.settings().training(), penalty, 1_000_000, 1000);
    }

    @Override
    public void close() {
        tasks.shutdown();
        weights.close();
    }
}
