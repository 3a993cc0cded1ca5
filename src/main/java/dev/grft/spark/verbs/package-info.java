/**
 * What the job can do: a class for each verb.
 *
 * <p>Reads from: the settings of a run, and what earlier verbs left in its directory. Writes to: the run directory.
 *
 * <p>Reading order: {@link dev.grft.spark.verbs.Verbs}, {@link dev.grft.spark.verbs.SelectVerb}, {@link
 * dev.grft.spark.verbs.TrainVerb} with {@link dev.grft.spark.training.TrainingLoop}, {@link
 * dev.grft.spark.verbs.EvaluateVerb}, {@link dev.grft.spark.verbs.Application}.
 */
@NullMarked
package dev.grft.spark.verbs;

import org.jspecify.annotations.NullMarked;
