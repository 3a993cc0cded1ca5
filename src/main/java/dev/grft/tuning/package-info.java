/**
 * The methods: an entry of {@link dev.grft.tuning.Method} for each, and a class behind the seam {@link
 * dev.grft.tuning.Tuning} that says which parameters train, what they add to the forward, and what of a gradient they need.
 *
 * <p>Reads from: a selection. Writes to: gradients and a {@link dev.grft.Delta}. Reading order: {@link
 * dev.grft.tuning.Method}, {@link dev.grft.tuning.Tuning}, {@link dev.grft.tuning.SliceTuning}, {@link dev.grft.tuning.WholeTuning}; {@link
 * dev.grft.tuning.ScoreWatch} trains nothing and watches what goes by for a {@link dev.grft.tuning.Score} of rows and columns.
 */
@NullMarked
package dev.grft.tuning;

import org.jspecify.annotations.NullMarked;
