/**
 * What tables have in common, whether Parquet or data frames: columns of labels, the ranks and the order of rows, and which files are
 * of a table.
 *
 * <p>Reads from: schemas, rows, the footers of Parquet files, and notes. Writes to: the files of tables that stay where they are written.
 *
 * <p>Reading order: {@link dev.grft.spark.tables.LabelColumns}, {@link dev.grft.spark.tables.RowRanks} (ids of the rows of a data frame),
 * {@link dev.grft.spark.tables.InFileOrder}, {@link dev.grft.spark.tables.HuggingFace}, {@link dev.grft.spark.tables.FolderNote},
 * {@link dev.grft.spark.tables.FilesInPlace}.
 */
@NullMarked
package dev.grft.spark.tables;

import org.jspecify.annotations.NullMarked;
