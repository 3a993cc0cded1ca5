/**
 * What executors compute: gradients, scores, predictions.
 *
 * <p>Reads from: pieces and shards of images, and a broadcast model. Writes to: its results on the driver; on executors, nothing that outlives the
 * application.
 *
 * <p>Reading order: {@link dev.grft.spark.work.ModelBroadcast}, {@link dev.grft.spark.work.Replicas}, {@link
 * dev.grft.spark.work.Rounds} (one step of training, of the examples that {@link dev.grft.spark.work.Sampler} chooses), {@link dev.grft.spark.work.StandingRounds} (many of them by one job), {@link
 * dev.grft.spark.work.Pass} (one job over all images), {@link dev.grft.spark.work.Scoring}, {@link
 * dev.grft.spark.work.Inference}.
 */
@NullMarked
package dev.grft.spark.work;

import org.jspecify.annotations.NullMarked;
