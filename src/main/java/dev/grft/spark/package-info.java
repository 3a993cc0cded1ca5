/**
 * Where the work runs: photos into distributed examples, and the network's work spread over the tasks of a Spark job.
 *
 * <p>Reads from: what a {@link org.apache.spark.sql.SparkSession} reads, folders of photos and Parquet. Writes to:
 * its results, and Spark's local directories. The method, the network and the training know nothing of Spark; only this package and
 * {@code dev.grft.ml} do.
 *
 * <p>Reading order:
 *
 * <ol>
 *   <li>{@link dev.grft.spark.ImageSource}: what a path may be and which label a photo gets;
 *   <li>{@link dev.grft.spark.Images}: the examples it found;
 *   <li>{@link dev.grft.spark.Shards}: where they lie meanwhile.
 * </ol>
 */
@NullMarked
package dev.grft.spark;

import org.jspecify.annotations.NullMarked;
