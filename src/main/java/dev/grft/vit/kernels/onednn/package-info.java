/**
 * Matrix products in bfloat16 with sums in float, by oneDNN, on memory alone.
 *
 * <p>Reads and writes: native memory of the caller. Reading order: {@link dev.grft.vit.kernels.onednn.Matrices} (a view of memory), {@link
 * dev.grft.vit.kernels.onednn.Products}, {@link dev.grft.vit.kernels.onednn.Packed}, {@link dev.grft.vit.kernels.onednn.OneDnn}.
 */
@NullMarked
package dev.grft.vit.kernels.onednn;

import org.jspecify.annotations.NullMarked;
