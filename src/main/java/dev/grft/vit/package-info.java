/**
 * The Vision Transformer: batch in, loss and gradients out, each {@code forward} beside its {@code backward}.
 *
 * <p>Reads the frozen weights (plain shared arrays, timm's names and layout) and writes gradients only for the parameters that
 * train: {@link dev.grft.vit.Trainable} says which. A gradient that nothing needs is null, and the backward of null is null.
 * Depends on neither DL4J nor Spark. Reading order: {@link dev.grft.vit.VitConfig}, {@link dev.grft.vit.Vit},
 * {@link dev.grft.vit.EncoderBlock}, {@link dev.grft.vit.Linear}, then the seam
 * {@link dev.grft.vit.kernels.Kernels} with its two implementations.
 *
 * <p>Shapes in comments: B examples, T tokens of an example, M = B*T rows, D width, H heads, K classes.
 */
@NullMarked
package dev.grft.vit;

import org.jspecify.annotations.NullMarked;
