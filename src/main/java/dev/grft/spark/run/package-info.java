/**
 * What verbs share: one Spark application with its model and images, and the runs in it, each with settings and a directory.
 *
 * <p>Reads from: settings, checkpoints, images. Writes to: the run directory.
 *
 * <p>Reading order: {@link dev.grft.spark.run.Session} (opens and closes), {@link dev.grft.spark.run.Run} (what a verb works with),
 * {@link dev.grft.spark.run.Models}, {@link dev.grft.spark.run.RunImages}, {@link dev.grft.spark.run.Artifacts}.
 */
@NullMarked
package dev.grft.spark.run;

import org.jspecify.annotations.NullMarked;
