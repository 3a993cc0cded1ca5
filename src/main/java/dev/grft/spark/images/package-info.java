/**
 * Reads any source of images into prepared examples, in pieces and shards on the executors.
 *
 * <p>Reads from: folders, Parquet, WebDataset archives, lists of files and data frames. Writes to: files below
 * {@code spark.local.dir} of the executors.
 *
 * <p>Reading order:
 *
 * <ol>
 *   <li>{@link dev.grft.spark.images.ReadOptions} and {@link dev.grft.spark.images.ImageFormat}: what a path may be;
 *   <li>{@link dev.grft.spark.images.ImageSource}: the images at some paths, from any {@link dev.grft.spark.images.Source};
 *   <li>{@link dev.grft.spark.images.ImageReader}: the passes that list and decode them;
 *   <li>{@link dev.grft.spark.images.Images}: the examples that were found;
 *   <li>{@link dev.grft.spark.images.Shard}: where executors keep them.
 * </ol>
 */
@NullMarked
package dev.grft.spark.images;

import org.jspecify.annotations.NullMarked;
