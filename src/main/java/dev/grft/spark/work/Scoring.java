package dev.grft.spark.work;

import dev.grft.Axis;
import dev.grft.Entries;
import dev.grft.Grft;
import dev.grft.MatrixShape;
import dev.grft.Score;
import dev.grft.Scores;
import dev.grft.config.SelectionSettings;
import dev.grft.data.Augment;
import dev.grft.data.Batch;
import dev.grft.data.Example;
import dev.grft.data.Preprocess;
import dev.grft.report.Progress;
import dev.grft.spark.cluster.Causes;
import dev.grft.spark.cluster.Device;
import dev.grft.spark.cluster.OrderedTree;
import dev.grft.spark.images.Images;
import dev.grft.train.Probe;
import dev.grft.train.Scorer;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.apache.spark.api.java.JavaPairRDD;
import org.apache.spark.api.java.JavaRDD;
import scala.Tuple2;

/**
 * The selection's pass over the training images: each shard sums the squared gradients of its examples, and the sums are
 * put together in the order of the shards. Sends two small vectors for each matrix, never a gradient; but for the score of
 * the summed gradient, which needs the gradients of all shards added up before they are squared.
 */
public final class Scoring implements Serializable {
    private static final long serialVersionUID = 1L;

    private final ModelBroadcast model;
    private final LinkedHashMap<String, MatrixShape> eligible;
    private final Score score;
    private final boolean contrastive;
    private final double temperature;
    private final int batchSize;
    private final float[] headWeight;
    private final float[] headBias;
    private final Preprocess preprocess;
    private final Augment views;
    private final Device device;

    /**
     * Returns the pass of these settings.
     *
     * @param head with which the loss is taken; not used by the contrastive loss
     * @param score what is summed
     * @param views the random changes that make two views of an image, for the contrastive loss
     */
    public Scoring(
            ModelBroadcast model,
            SelectionSettings settings,
            Probe head,
            Score score,
            Preprocess preprocess,
            Augment views,
            Device device) {
        this.model = model;
        this.eligible = new LinkedHashMap<>(model.config().matrices(settings.matrices()));
        this.score = score;
        this.contrastive = settings.contrastive();
        this.temperature = settings.temperature();
        this.batchSize = settings.batchSize();
        this.headWeight = head.weight();
        this.headBias = head.bias();
        this.preprocess = preprocess;
        this.views = views;
        this.device = device;
    }

    /** Returns the scores of all eligible matrices over all images. */
    public Scores scores(Images images, Progress.Meter meter) {
        if (score == Score.SUMMED_GRADIENT) {
            Scores scores = Causes.unwrapped(() -> ofSummedGradient(images));
            meter.add(images.count(), "");
            return scores;
        }
        Scores scores = Scores.zero(eligible);
        Pass.over(images.count(), batchSize, meter, (from, count) -> {
            Scores chunk = Causes.unwrapped(() -> OrderedTree.reduce(
                    device.computes(images.shards()
                            .mapPartitions(
                                    part -> {
                                        List<Example> some = part.next().range(from, count);
                                        return List.of(
                                                        some.isEmpty()
                                                                ? Scores.zero(eligible)
                                                                : scored(some).scores())
                                                .iterator();
                                    },
                                    true)),
                    Scores::merge));
            scores.merge(chunk);
            return chunk.examples() / (contrastive ? 2 : 1);
        });
        return scores;
    }

    private Scorer scored(List<Example> examples) {
        return Replicas.withWeights(model, weights -> {
            Scorer scorer =
                    new Scorer(weights, eligible, score, headWeight, headBias, device.kernels(), device.keep(true));
            Pass.batches(examples, batchSize, some -> {
                if (contrastive) {
                    scorer.addContrastive(
                            Batch.augmented(some, preprocess, views, new long[some.size()], 2), temperature);
                } else {
                    scorer.addCrossEntropy(Batch.of(some, preprocess));
                }
            });
            return scorer;
        });
    }

    /** Sums each matrix's gradient over the shards, in their order, on some executor; squares it there. */
    private Scores ofSummedGradient(Images images) {
        Scores scores = Scores.zero(eligible);
        summed(images)
                .mapToPair(sum -> {
                    MatrixShape shape = Objects.requireNonNull(eligible.get(sum._1()));
                    double[] rows = Grft.score(shape, Axis.ROW, sum._2());
                    return new Tuple2<>(sum._1(), new Tuple2<>(rows, Grft.score(shape, Axis.COLUMN, sum._2())));
                })
                .collect()
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
        Causes.unwrapped(() -> summed(images)
                        .map(sum -> {
                            float[] gradient = new float[sum._2().length];
                            for (int i = 0; i < gradient.length; i++) {
                                gradient[i] = (float) sum._2()[i];
                            }
                            String matrix = sum._1();
                            return Entries.largest(
                                    matrix, Objects.requireNonNull(eligible.get(matrix)), gradient, perRow);
                        })
                        .collect())
                .forEach(some -> found.put(some.matrix(), some));
        meter.add(images.count(), "");
        return eligible.keySet().stream().map(found::get).toList();
    }

    /** Returns each matrix's gradient {@code [out, in]}, summed over the shards in their order. */
    private JavaPairRDD<String, double[]> summed(Images images) {
        JavaRDD<Tuple2<String, Tuple2<Integer, float[]>>> parts = device.computes(images.shards()
                .mapPartitionsWithIndex(
                        (shard, part) -> {
                            List<Tuple2<String, Tuple2<Integer, float[]>>> sums = new ArrayList<>();
                            List<Example> all = part.next().examples();
                            if (!all.isEmpty()) {
                                scored(all)
                                        .summed()
                                        .forEach((matrix, sum) ->
                                                sums.add(new Tuple2<>(matrix, new Tuple2<>(shard, sum))));
                            }
                            return sums.iterator();
                        },
                        true));
        return parts.mapToPair(pair -> pair)
                .groupByKey(eligible.size())
                .mapToPair(group ->
                        new Tuple2<>(group._1(), sum(Objects.requireNonNull(eligible.get(group._1())), group._2())));
    }

    private static double[] sum(MatrixShape shape, Iterable<Tuple2<Integer, float[]>> parts) {
        List<Tuple2<Integer, float[]>> sorted = new ArrayList<>();
        parts.forEach(sorted::add);
        sorted.sort(Comparator.comparing(Tuple2::_1));
        double[] sum = new double[Math.toIntExact(shape.size())];
        for (Tuple2<Integer, float[]> part : sorted) {
            for (int i = 0; i < sum.length; i++) {
                sum[i] += part._2()[i];
            }
        }
        return sum;
    }
}
