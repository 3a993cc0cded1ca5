/**
 * The Spark ML face: an estimator and its model, for pipelines and cross-validation over data frames.
 *
 * <p>Reads from: data frames with images, as the data sources {@code image} and {@code binaryFile} and Parquet give them. Writes
 * to: columns of predictions; a folder with a small delta and a reference to the pretrained checkpoint. The training is that of the
 * verbs, see {@link dev.grft.spark.verbs.Frames}.
 *
 * <p>Reading order: {@link dev.grft.ml.GrftClassifier}, {@link dev.grft.ml.GrftClassificationModel}.
 */
@NullMarked
package dev.grft.ml;

import org.jspecify.annotations.NullMarked;
