/**
 * The verbs, and what they share: one application, its run directory, its artefacts.
 *
 * <p>Reads from: settings, and what earlier verbs left in the run directory. Writes to: the run directory. Each verb is one class.
 *
 * <p>Reading order: {@link dev.grft.spark.run.Verbs}, {@link dev.grft.spark.run.Session}, {@link
 * dev.grft.spark.run.Selecting}, {@link dev.grft.spark.run.Training}, {@link dev.grft.spark.run.Application}.
 */
@NullMarked
package dev.grft.spark.run;

import org.jspecify.annotations.NullMarked;
