package dev.grft.train;

import dev.grft.Task;
import dev.grft.config.Settings;
import dev.grft.data.Target;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.IntConsumer;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.api.ops.impl.broadcast.BroadcastAddOp;
import org.nd4j.linalg.api.ops.impl.transforms.custom.SoftMax;
import org.nd4j.linalg.api.ops.impl.transforms.pairwise.arithmetic.Axpy;
import org.nd4j.linalg.api.ops.impl.transforms.strict.Sigmoid;
import org.nd4j.linalg.factory.Nd4j;
import org.nd4j.linalg.indexing.NDArrayIndex;
import org.nd4j.linalg.learning.GradientUpdater;
import org.nd4j.linalg.learning.config.Adam;

/**
 * The training of a {@link Probe}: the steps of DL4J's output layer, with the bits that it has for up to {@link #BLOCK} classes, in
 * arrays that are allocated once. Of more classes, blocks of so many are computed side by side; the blocks do not depend on how
 * many threads there are, and so neither does the result.
 */
final class ProbeTraining implements AutoCloseable {
    /** Classes whose weights one thread multiplies: a constant, because the last bits depend on it. */
    static final int BLOCK = 128;

    private static final int ROWS = 32; // examples whose softmax one thread computes

    private final float[][] features;
    private final Target[] targets;
    private final Task task;
    private final int width;
    private final int classes;
    private final float @Nullable [] weights; // [n]
    private final Settings.Probe settings;
    private final double weightDecay;
    private final ExecutorService threads;
    private final List<Block> blocks = new ArrayList<>();
    private int steps;

    /** The arrays of a batch of one size: the last one of an epoch may be smaller. */
    private final class Batch {
        final int size;
        final float[] gathered; // [B, D]
        final INDArray x; // [B, D]
        final INDArray p; // [B, K], logits, then probabilities, then their gradient
        final List<INDArray> rows = new ArrayList<>(); // views of p, [at most ROWS, K]
        final List<INDArray> columns = new ArrayList<>(); // of each block, a view of p [B, k]
        final List<INDArray> logits = new ArrayList<>(); // of each block, [B, k], in Fortran's order
        final List<INDArray> errors = new ArrayList<>(); // of each block, [B, k]; of one block only, p itself

        Batch(int size) {
            this.size = size;
            this.gathered = new float[Math.multiplyExact(size, width)];
            this.x = Nd4j.create(DataType.FLOAT, new long[] {size, width}, 'c');
            this.p = Nd4j.create(DataType.FLOAT, new long[] {size, classes}, 'c');
            for (int from = 0; from < size; from += ROWS) {
                rows.add(p.get(NDArrayIndex.interval(from, Math.min(size, from + ROWS)), NDArrayIndex.all()));
            }
            for (Block block : blocks) {
                columns.add(p.get(NDArrayIndex.all(), NDArrayIndex.interval(block.from, block.from + block.size)));
                logits.add(Nd4j.create(DataType.FLOAT, new long[] {size, block.size}, 'f'));
                errors.add(blocks.size() == 1 ? p : Nd4j.create(DataType.FLOAT, new long[] {size, block.size}, 'c'));
            }
        }

        void gather(int[] order, int from) {
            for (int b = 0; b < size; b++) {
                System.arraycopy(features[order[from + b]], 0, gathered, b * width, width);
            }
            x.data().setData(gathered);
        }

        void close() {
            x.close();
            p.close();
            logits.forEach(INDArray::close);
            if (blocks.size() > 1) {
                errors.forEach(INDArray::close);
            }
        }
    }

    /** The parameters of some classes, side by side as DL4J has them: the weights [D, k] in Fortran's order, then the biases [k]. */
    private final class Block {
        final int from;
        final int size;
        final INDArray parameters;
        final INDArray weight;
        final INDArray bias;
        final INDArray gradient;
        final INDArray ofWeight;
        final INDArray ofBias;
        final INDArray state;
        final GradientUpdater<?> updater;

        Block(int from, int size) {
            this.from = from;
            this.size = size;
            long length = (long) size * (width + 1);
            parameters = Nd4j.zeros(DataType.FLOAT, 1, length);
            weight = weightOf(parameters);
            bias = biasOf(parameters);
            gradient = Nd4j.zeros(DataType.FLOAT, 1, length);
            ofWeight = weightOf(gradient);
            ofBias = biasOf(gradient);
            state = Nd4j.zeros(DataType.FLOAT, 1, 2 * length);
            updater = new Adam(settings.learningRate()).instantiate(state, true);
        }

        private INDArray weightOf(INDArray flat) {
            return flat.get(NDArrayIndex.all(), NDArrayIndex.interval(0, (long) width * size))
                    .reshape('f', width, size);
        }

        private INDArray biasOf(INDArray flat) {
            return flat.get(NDArrayIndex.all(), NDArrayIndex.interval((long) width * size, flat.length()));
        }

        void forward(Batch batch, INDArray logits, INDArray columns) {
            Nd4j.gemm(batch.x, weight, logits, false, false, 1, 0);
            columns.assign(logits);
            Nd4j.exec(new BroadcastAddOp(columns, bias.reshape(size), columns, 1));
        }

        void step(Batch batch, INDArray errors, INDArray columns) {
            if (errors != columns && blocks.size() > 1) {
                errors.assign(columns);
            }
            Nd4j.gemm(batch.x, errors, ofWeight, true, false, 1, 0);
            errors.sum(ofBias, 0);
            gradient.divi(batch.size);
            if (weightDecay > 0) {
                Nd4j.exec(new Axpy(weight, ofWeight, ofWeight, weightDecay));
            }
            updater.applyUpdater(gradient, steps, 0);
            parameters.subi(gradient);
        }

        void close() {
            parameters.close();
            gradient.close();
            state.close();
        }
    }

    ProbeTraining(Probe.Examples examples, Settings.Probe settings, int threads) {
        this.features = examples.features();
        this.targets = examples.targets();
        this.task = examples.task();
        this.width = features[0].length;
        this.classes = examples.outputs();
        this.weights = examples.weights();
        this.settings = settings;
        this.weightDecay = settings.weightDecay() == null ? 0 : settings.weightDecay();
        for (int from = 0; from < classes; from += BLOCK) {
            blocks.add(new Block(from, Math.min(BLOCK, classes - from)));
        }
        this.threads = Executors.newFixedThreadPool(Math.min(threads, blocks.size()), work -> {
            Thread thread = new Thread(work, "probe");
            thread.setDaemon(true);
            return thread;
        });
    }

    /** Trains and returns the head; {@code seen} receives the number of examples of each step. */
    Probe train(long seed, LongConsumer seen) {
        int n = features.length;
        int batchSize = Math.min(settings.batchSize(), n);
        SplittableRandom random = new SplittableRandom(seed);
        Batch whole = new Batch(batchSize);
        Batch rest = n % batchSize == 0 ? whole : new Batch(n % batchSize);
        try {
            for (int epoch = 0; epoch < settings.epochs(); epoch++) {
                int[] order = shuffled(n, random);
                for (int from = 0; from < n; from += batchSize) {
                    Batch batch = n - from < batchSize ? rest : whole;
                    step(batch, order, from);
                    seen.accept(batch.size);
                }
            }
        } finally {
            whole.close();
            if (rest != whole) {
                rest.close();
            }
        }
        return head();
    }

    private void step(Batch batch, int[] order, int from) {
        batch.gather(order, from);
        each(blocks.size(), k -> blocks.get(k).forward(batch, batch.logits.get(k), batch.columns.get(k)));
        each(batch.rows.size(), r -> {
            INDArray rows = batch.rows.get(r);
            switch (task) {
                case SINGLE_LABEL -> Nd4j.exec(new SoftMax(rows, rows, 1));
                case MULTI_LABEL -> Nd4j.exec(new Sigmoid(rows, rows));
                case REGRESSION -> {}
            }
            for (int b = 0; b < rows.size(0); b++) {
                int example = order[from + r * ROWS + b];
                subtract(targets[example], rows, b);
                if (weights != null) {
                    rows.getRow(b).muli(weights[example]);
                }
            }
        });
        each(blocks.size(), k -> blocks.get(k).step(batch, batch.errors.get(k), batch.columns.get(k)));
        steps++;
    }

    /** Subtracts what an example shows from a row of outputs, which is the gradient of its loss then. */
    private static void subtract(Target target, INDArray rows, int b) {
        float[] values = target.values();
        for (int k = 0; k < values.length; k++) {
            rows.putScalar(b, k, rows.getFloat(b, k) - values[k]);
        }
        for (int k : target.classes()) {
            rows.putScalar(b, k, rows.getFloat(b, k) - 1);
        }
    }

    /** Does some pieces of work, each independent of the others, and returns when all are done. */
    private void each(int pieces, IntConsumer work) {
        if (blocks.size() == 1 || pieces == 1) {
            for (int i = 0; i < pieces; i++) {
                work.accept(i);
            }
            return;
        }
        List<Future<?>> running = new ArrayList<>();
        for (int i = 0; i < pieces; i++) {
            int piece = i;
            running.add(threads.submit(() -> work.accept(piece)));
        }
        try {
            for (Future<?> one : running) {
                one.get();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("probe: interrupted while training the head", e);
        } catch (ExecutionException e) {
            throw new IllegalStateException("probe: training the head failed: " + e.getCause(), e.getCause());
        }
    }

    private Probe head() {
        float[] weight = new float[Math.multiplyExact(classes, width)];
        float[] bias = new float[classes];
        for (Block block : blocks) {
            float[] parameters = block.parameters.dup('c').data().asFloat(); // a class after the other, then the biases
            System.arraycopy(parameters, 0, weight, block.from * width, block.size * width);
            System.arraycopy(parameters, block.size * width, bias, block.from, block.size);
        }
        return new Probe(weight, bias);
    }

    private static int[] shuffled(int n, SplittableRandom random) {
        int[] order = new int[n];
        for (int i = 0; i < n; i++) {
            int j = random.nextInt(i + 1);
            order[i] = order[j];
            order[j] = i;
        }
        return order;
    }

    @Override
    public void close() {
        threads.shutdownNow();
        blocks.forEach(Block::close);
    }
}
