/**
 * Any source of images to prepared examples in shards on the executors.
 *
 * <p>Reads from: folders, Parquet, WebDataset archives, lists of files and data frames. Writes to: files below
 * {@code spark.local.dir} of the executors.
 *
 * <p>Reading order:
 *
 * <ol>
 *   <li>{@link dev.grft.spark.images.ImageSource}: what a path may be and which label an image has;
 *   <li>{@link dev.grft.spark.images.Images}: the examples that were found;
 *   <li>{@link dev.grft.spark.images.Shards}: where executors keep them.
 * </ol>
 */
@NullMarked
package dev.grft.spark.images;

import org.jspecify.annotations.NullMarked;
