/**
 * What is measured of a model on images: what a task adds up of the outputs for each image, and what the driver makes of it. The measures
 * of each {@link dev.grft.Task} are those of scikit-learn.
 *
 * <p>Reads from: targets and outputs of the head. Writes to: the numbers of {@code evaluation.json}.
 *
 * <p>Reading order: {@link dev.grft.measures.Measure}, {@link dev.grft.measures.Measures}, {@link dev.grft.measures.Judging},
 * {@link dev.grft.measures.OddsHistogram}, {@link dev.grft.measures.Reliability}.
 */
@NullMarked
package dev.grft.measures;

import org.jspecify.annotations.NullMarked;
