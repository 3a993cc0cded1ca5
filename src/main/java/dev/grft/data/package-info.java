/**
 * From a decoded photo to the numbers that the network reads, the same on every machine.
 *
 * <p>Reads from: decoded images. Writes to: {@code float} arrays {@code [3, imageSize, imageSize]},
 * with examples one after the other a batch. It depends neither on where the files lie nor on the caller; everything
 * random is seeded by the run, the epoch and the example, never by machine or time.
 *
 * <p>Reading order:
 *
 * <ol>
 *   <li>{@link dev.grft.data.Pixels}: a decoded photo;
 *   <li>{@link dev.grft.data.BrokenImage}, {@link dev.grft.data.BrokenImages}: the photos that cannot be decoded, and
 *       how many of them are too many;
 *   <li>{@link dev.grft.data.ImageRecipe}, {@link dev.grft.data.Preprocess}, {@link dev.grft.data.Augment}: pixels to the network's input,
 *       with the random changes of {@link dev.grft.data.augmentation};
 *   <li>{@link dev.grft.data.Labels}, {@link dev.grft.data.Example}: what an image shows;
 *   <li>{@link dev.grft.data.Order}: which example comes next.
 * </ol>
 */
@NullMarked
package dev.grft.data;

import org.jspecify.annotations.NullMarked;
