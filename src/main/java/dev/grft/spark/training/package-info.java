/**
 * One training on the cluster: its steps, its parts, its checkpoints, the choice of its epoch.
 *
 * <p>Reads from: the images and the model of a run, its checkpoints. Writes to: the run directory.
 *
 * <p>Reading order: {@link dev.grft.spark.training.TrainingLoop}, {@link dev.grft.spark.training.PartSetup}, {@link
 * dev.grft.spark.training.CheckpointKeeper}, {@link dev.grft.spark.training.EpochChoice}.
 */
@NullMarked
package dev.grft.spark.training;

import org.jspecify.annotations.NullMarked;
