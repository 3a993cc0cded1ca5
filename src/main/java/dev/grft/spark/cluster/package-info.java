/**
 * Spark's life: devices, settings, failures, ends.
 *
 * <p>Reads from: Spark's configuration, its events and exceptions. Writes to: exit codes and Spark's metrics system.
 *
 * <p>Reading order: {@link dev.grft.spark.cluster.Device}, {@link dev.grft.spark.cluster.Watch} (timeouts), {@link
 * dev.grft.spark.cluster.Causes} (what an exception means), {@link dev.grft.spark.cluster.Exit} (exit codes).
 */
@NullMarked
package dev.grft.spark.cluster;

import org.jspecify.annotations.NullMarked;
