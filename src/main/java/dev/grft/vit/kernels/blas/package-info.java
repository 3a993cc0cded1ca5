/**
 * The library that multiplies matrices on the CPU, and its settings for this processor.
 *
 * <p>Reads from: the processor's description. Writes to: the environment that native code sees.
 */
@NullMarked
package dev.grft.vit.kernels.blas;

import org.jspecify.annotations.NullMarked;
