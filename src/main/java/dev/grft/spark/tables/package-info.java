/**
 * What tables have in common, whether Parquet or data frames: columns of labels, and the ranks and the order of rows.
 *
 * <p>Reads from: schemas, rows, and the footers of Parquet files. Writes to: nothing.
 *
 * <p>Reading order: {@link dev.grft.spark.tables.LabelColumns}, {@link dev.grft.spark.tables.RowRanks} (ids of the rows of a data frame),
 * {@link dev.grft.spark.tables.InFileOrder}, {@link dev.grft.spark.tables.HuggingFace}.
 */
@NullMarked
package dev.grft.spark.tables;

import org.jspecify.annotations.NullMarked;
