/**
 * The paper, readable in one sitting: which rows and columns of a network to train, and what training them leaves
 * behind.
 *
 * <p>Reads from: nothing but its arguments, plain arrays in PyTorch's layout {@code [out, in]}, row-major. Writes to:
 * nothing but its results. It depends neither on the network nor on Spark nor on a file format; every other package may depend on it.
 *
 * <p>Reading order:
 *
 * <ol>
 *   <li>{@link dev.grft.Grft}: the method on one page, then score, selection and penalty;
 *   <li>{@link dev.grft.MatrixShape}, {@link dev.grft.Axis}, {@link dev.grft.Slices}: what a row and a column are;
 *   <li>{@link dev.grft.Scores}: the squared gradients, which any number of machines can sum;
 *   <li>{@link dev.grft.Orientation}, {@link dev.grft.Budget}, {@link dev.grft.Ranking}, {@link
 *       dev.grft.Preset}: the choices of an experiment;
 *   <li>{@link dev.grft.Selection}, {@link dev.grft.Penalty}, {@link dev.grft.Delta}: what is trained, what holds it
 *       back, what came of it.
 * </ol>
 */
@NullMarked
package dev.grft;

import org.jspecify.annotations.NullMarked;
