/**
 * Random changes to training images as the network reads them, behind the crop and the flip: colors, places and erased parts of one
 * image, and mixtures of two.
 *
 * <p>Reads and writes arrays: 8-bit pixels {@code [S, S, 3]}, rows from the top, or inputs of the network {@code [3, S, S]}. Random
 * numbers are given; the same numbers make the same changes. Reading order: {@link dev.grft.data.augmentation.Changes}, then one
 * class for each kind of change.
 */
@NullMarked
package dev.grft.data.augmentation;

import org.jspecify.annotations.NullMarked;
