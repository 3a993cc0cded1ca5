package dev.grft.spark.work;

import dev.grft.Axis;
import dev.grft.Entries;
import dev.grft.Grft;
import dev.grft.MatrixShape;
import dev.grft.Scores;
import dev.grft.config.SelectionSettings;
import dev.grft.data.Augment;
import dev.grft.data.Batch;
import dev.grft.data.Example;
import dev.grft.data.Preprocess;
import dev.grft.data.Standard;
import dev.grft.data.Treatment;
import dev.grft.report.Progress;
import dev.grft.spark.cluster.Causes;
import dev.grft.spark.cluster.Device;
import dev.grft.spark.cluster.OrderedTree;
import dev.grft.spark.cluster.Pulse;
import dev.grft.spark.cluster.Sent;
import dev.grft.spark.images.Images;
import dev.grft.spark.images.Shard;
import dev.grft.train.Probe;
import dev.grft.train.Scorer;
import dev.grft.tuning.BuiltInScore;
import dev.grft.tuning.Score;
import dev.grft.vit.Keep;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.IntStream;
import org.apache.spark.Partitioner;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.api.java.function.Function;
import org.apache.spark.storage.StorageLevel;
import org.jspecify.annotations.Nullable;
import scala.Tuple2;

/**
 * The selection's pass over the training images: each piece sums what the score makes of its examples, block by block, and the sums
 * are added over a tree of fixed shape ({@link OrderedTree}): its bits do not depend on how many pieces there are. Sends two small
 * vectors for each matrix, never a gradient.
 *
 * <p>The summed gradient is another matter: the gradients themselves are added up before they are squared. A whole gradient leaves each
 * partition, so the partitions are the shards of training, whose number does not grow with the cluster.
 */
public final class Scoring implements Serializable {
    private static final long serialVersionUID = 1L;

    /** Batches of a shard in one job of the summed gradient; its sums depend on where they are cut. */
    private static final int BATCHES = 16;

    /** Maximum number of its jobs: each goes on from the result of the one before, so its lineage is longer. */
    private static final int JOBS = 16;

    /** Numbers of a gradient that go through the shuffle together: Spark holds some dozens of such pieces before it looks at its memory. */
    private static final int PIECE = 1 << 16;

    private static final int KEY = 21; // bits of a number in the key of a piece

    private final ModelBroadcast model;
    private final LinkedHashMap<String, MatrixShape> eligible;
    private final String score; // its word: executors make their own
    private final Score.Pass pass;
    private final long seed;
    private final boolean contrastive;
    private final double temperature;
    private final int batchSize;
    private final transient Probe head; // the driver's; tasks get it once
    private final Treatment treatment;
    private final Preprocess preprocess;
    private final Augment views;
    private final Device device;

    /**
     * Returns the pass of these settings.
     *
     * @param head with which the loss is taken; not used by the contrastive loss
     * @param score what is summed
     * @param seed of the run, for targets that are drawn
     * @param standard that values are standardized by, for which the head is; null: as they are
     * @param views the random changes that make two views of an image, for the contrastive loss
     */
    public Scoring(
            ModelBroadcast model,
            SelectionSettings settings,
            Probe head,
            Score score,
            long seed,
            @Nullable Standard standard,
            Preprocess preprocess,
            Augment views,
            Device device) {
        this.model = model;
        this.eligible = new LinkedHashMap<>(model.config().matrices(settings.eligible()));
        this.score = score.word();
        this.pass = score.pass();
        this.seed = seed;
        this.contrastive = settings.contrastive();
        this.temperature = settings.temperature();
        this.batchSize = settings.batchSize();
        this.head = head;
        this.treatment = new Treatment(0, 0, null, standard);
        this.preprocess = preprocess;
        this.views = views;
        this.device = device;
    }

    /** Returns the scores of all eligible matrices over all images. */
    public Scores scores(Images images, Progress.Meter meter) {
        if (score.equals(BuiltInScore.SUMMED_GRADIENT.word())) {
            return Causes.unwrapped(() -> ofSummedGradient(images, meter));
        }
        if (images.count() == 0) {
            return Scores.zero(eligible);
        }
        int block = images.block(batchSize);
        try (Sent<float[][]> sent = sent(images)) {
            return Pulse.counted(
                    images.pieces().context(),
                    images.count(),
                    done -> meter.add(done, ""),
                    pulse -> Causes.unwrapped(() -> OrderedTree.reduce(
                            device.computes(images.pieces()
                                    .mapPartitions(
                                            part -> scored(seen(part.next()).blocks(block), pulse, sent)
                                                    .iterator(),
                                            true)),
                            Scores::merge)));
        }
    }

    /** Sends weight and bias of the head. */
    private Sent<float[][]> sent(Images images) {
        return Sent.of(
                JavaSparkContext.fromSparkContext(images.pieces().context()),
                new float[][] {head.weight(), head.bias()});
    }

    /** Returns a part whose examples have what the loss needs of them. */
    private Shard seen(Shard part) {
        return contrastive ? part.withSources() : part;
    }

    /** Returns the scores over some blocks; none if there is no block. */
    private List<Scores> scored(Map<Long, List<Example>> blocks, Pulse pulse, Sent<float[][]> sent) {
        if (blocks.isEmpty()) {
            return List.of();
        }
        return withScorer(sent, scorer -> {
            OrderedTree.Sum<Scores> sum = new OrderedTree.Sum<>(Scores::merge);
            blocks.forEach((number, examples) -> {
                add(examples, scorer, pulse);
                sum.add(number, scorer.take());
            });
            return List.of(Objects.requireNonNull(sum.result()));
        });
    }

    private <T> T withScorer(Sent<float[][]> sent, java.util.function.Function<Scorer, T> work) {
        float[][] values = sent.value();
        return Replicas.withWeights(model, device.memory(), weights -> {
            Keep keep = pass == Score.Pass.ACTIVATIONS ? Keep.NOTHING : device.keep(true);
            try (Scorer scorer = new Scorer(
                    weights,
                    eligible,
                    Score.of(score),
                    values[0],
                    values[1],
                    model.config().task(),
                    device.kernels(),
                    keep)) {
                return work.apply(scorer);
            }
        });
    }

    private void add(List<Example> examples, Scorer scorer, Pulse pulse) {
        for (int at = 0; at < examples.size(); at += batchSize) {
            List<Example> some = examples.subList(at, Math.min(examples.size(), at + batchSize)); // read one by one
            if (pass == Score.Pass.ACTIVATIONS) {
                scorer.addActivations(Batch.of(some, preprocess));
            } else if (contrastive) {
                scorer.addContrastive(Batch.augmented(some, preprocess, views, new long[some.size()], 2), temperature);
            } else if (pass == Score.Pass.SAMPLED_GRADIENTS) {
                List<Example> read = List.copyOf(some);
                long[] ids = read.stream().mapToLong(Example::id).toArray();
                scorer.addSampled(Batch.of(read, preprocess), ids, seed);
            } else {
                scorer.addLoss(Batch.of(some, preprocess).treated(treatment));
            }
            pulse.beat(some.size());
        }
    }

    /** Sums each matrix's gradient over the shards, in their order, on some executor; squares it there. */
    private Scores ofSummedGradient(Images images, Progress.Meter meter) {
        Scores scores = Scores.zero(eligible);
        summed(images, meter, sum -> {
                    MatrixShape shape = Objects.requireNonNull(eligible.get(sum._1()));
                    double[] rows = Grft.score(shape, Axis.ROW, sum._2());
                    return new Tuple2<>(sum._1(), new Tuple2<>(rows, Grft.score(shape, Axis.COLUMN, sum._2())));
                })
                .forEach(pair -> scores.add(pair._1(), pair._2()._1(), pair._2()._2()));
        scores.countExamples(images.count() * (contrastive ? 2 : 1));
        return scores;
    }

    /**
     * Returns the entries of each row with the largest gradient, summed over all images as GPS does; only these leave the
     * executors.
     *
     * @param perRow how many of each row, 1 or more
     */
    public List<Entries> entries(Images images, int perRow, Progress.Meter meter) {
        Map<String, Entries> found = new HashMap<>();
        Causes.unwrapped(() -> summed(images, meter, sum -> {
                    float[] gradient = new float[sum._2().length];
                    for (int i = 0; i < gradient.length; i++) {
                        gradient[i] = (float) sum._2()[i];
                    }
                    String matrix = sum._1();
                    return Entries.largest(matrix, Objects.requireNonNull(eligible.get(matrix)), gradient, perRow);
                }))
                .forEach(some -> found.put(some.matrix(), some));
        return eligible.keySet().stream().map(found::get).toList();
    }

    /** The gradient of a matrix, {@code [out, in]} row-major, summed over the examples of a shard, or the first of them. */
    private static final class Sum implements Serializable {
        private static final long serialVersionUID = 1L;

        final String matrix;
        final int shard;
        final float[] gradient;

        Sum(String matrix, int shard, float[] gradient) {
            this.matrix = matrix;
            this.shard = shard;
            this.gradient = gradient;
        }
    }

    /**
     * Returns what {@code use} makes on executors of each matrix's gradient {@code [out, in]}, summed over the shards in their order.
     *
     * <p>A large shard takes several jobs. Each begins with the sums of the one before, which its executor keeps on disk; on a cluster
     * a second executor keeps them as well. The bits are those of a single job.
     */
    private <T> List<T> summed(Images images, Progress.Meter meter, Function<Tuple2<String, double[]>, T> use) {
        try (Sent<float[][]> sent = sent(images)) {
            return summed(images, meter, sent, use);
        }
    }

    private <T> List<T> summed(
            Images images, Progress.Meter meter, Sent<float[][]> sent, Function<Tuple2<String, double[]>, T> use) {
        Pulse pulse = Pulse.of(images.shards().context());
        StorageLevel level =
                images.shards().context().isLocal() ? StorageLevel.DISK_ONLY() : StorageLevel.DISK_ONLY_2();
        List<Integer> sizes =
                images.shards().map(shard -> shard.examples().size()).collect();
        int largest = sizes.stream().mapToInt(Integer::intValue).max().orElse(0);
        int count = ofJob(largest, batchSize);
        JavaRDD<Sum> sums = piece(images, null, 0, count, pulse, sent);
        JavaRDD<Sum> kept = null;
        try {
            long done = 0;
            for (int from = count; from < largest; from += count) {
                sums.persist(level).count();
                if (kept != null) {
                    kept.unpersist(false);
                }
                kept = sums;
                int end = from;
                long now = sizes.stream().mapToLong(size -> Math.min(size, end)).sum();
                meter.add(now - done, "");
                done = now;
                sums = piece(images, kept, from, count, pulse, sent);
            }
            List<String> matrices = List.copyOf(eligible.keySet());
            List<T> used = sums.flatMapToPair(
                            sum -> pieces(matrices.indexOf(sum.matrix), sum.shard, sum.gradient, PIECE))
                    .repartitionAndSortWithinPartitions(new ByMatrix(matrices.size()))
                    .mapPartitionsWithIndex(
                            (index, pieces) -> {
                                if (!pieces.hasNext()) { // of no images
                                    return List.<T>of().iterator();
                                }
                                String matrix = matrices.get(index);
                                MatrixShape shape = Objects.requireNonNull(eligible.get(matrix));
                                double[] sum = sum(Math.toIntExact(shape.size()), pieces, PIECE);
                                return List.of(use.call(new Tuple2<>(matrix, sum)))
                                        .iterator();
                            },
                            false)
                    .collect();
            meter.add(images.count() - done, "");
            return used;
        } finally {
            sums.unpersist(false);
            if (kept != null) {
                kept.unpersist(false);
            }
        }
    }

    /**
     * Returns how many examples of each shard a job of the summed gradient takes, whole batches.
     *
     * @param largest examples of the largest shard
     */
    static int ofJob(int largest, int batchSize) {
        int batches = largest / batchSize + 1;
        return batchSize * Math.max(BATCHES, (batches + JOBS - 1) / JOBS);
    }

    /** Returns the sums of each shard over its examples before position {@code from + count}, from those before {@code from}. */
    private JavaRDD<Sum> piece(
            Images images, @Nullable JavaRDD<Sum> earlier, int from, int count, Pulse pulse, Sent<float[][]> sent) {
        return device.computes(
                earlier == null
                        ? images.shards()
                                .mapPartitions(
                                        part -> sums(
                                                seen(part.next()).range(from, count),
                                                List.<Sum>of().iterator(),
                                                pulse,
                                                sent),
                                        true)
                        : images.shards()
                                .zipPartitions(
                                        earlier,
                                        (part, sums) -> sums(seen(part.next()).range(from, count), sums, pulse, sent)));
    }

    /** Returns the sums of an earlier piece with those of some more examples. */
    private Iterator<Sum> sums(List<Example> examples, Iterator<Sum> earlier, Pulse pulse, Sent<float[][]> sent) {
        if (examples.isEmpty()) {
            return earlier;
        }
        int shard = TaskContext.getPartitionId();
        return withScorer(sent, scorer -> {
            earlier.forEachRemaining(sum -> scorer.begin(sum.matrix, sum.gradient));
            add(examples, scorer, pulse);
            List<Sum> sums = new ArrayList<>();
            scorer.summed().forEach((matrix, gradient) -> sums.add(new Sum(matrix, shard, gradient)));
            return sums.iterator();
        });
    }

    /** Sorts the pieces of a matrix by their place, and those of one place by their shards. */
    static final class ByMatrix extends Partitioner {
        private static final long serialVersionUID = 1L;

        private final int matrices;

        ByMatrix(int matrices) {
            this.matrices = matrices;
        }

        @Override
        public int numPartitions() {
            return matrices;
        }

        @Override
        public int getPartition(Object key) {
            return (int) ((Long) key >>> (2 * KEY));
        }
    }

    /**
     * Returns a gradient in pieces. The key of each has the numbers of the matrix, the piece and the shard, in this order: read sorted,
     * they need one sum, whatever the number of shards.
     */
    static Iterator<Tuple2<Long, float[]>> pieces(int matrix, int shard, float[] gradient, int size) {
        return IntStream.rangeClosed(0, (gradient.length - 1) / size)
                .mapToObj(piece -> {
                    int from = piece * size;
                    int to = from + Math.min(size, gradient.length - from);
                    long key = ((((long) matrix << KEY) | piece) << KEY) | shard;
                    return new Tuple2<>(key, Arrays.copyOfRange(gradient, from, to));
                })
                .iterator();
    }

    /** Returns the sum over the shards of what {@link #pieces} made of their gradients of one matrix, sorted. */
    static double[] sum(int length, Iterator<Tuple2<Long, float[]>> pieces, int size) {
        double[] sum = new double[length];
        while (pieces.hasNext()) {
            Tuple2<Long, float[]> piece = pieces.next();
            int from = (int) ((piece._1() >>> KEY) & ((1L << KEY) - 1)) * size;
            for (int i = 0; i < piece._2().length; i++) {
                sum[from + i] += piece._2()[i];
            }
        }
        return sum;
    }
}
