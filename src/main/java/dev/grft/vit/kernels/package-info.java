/**
 * The arithmetic of the network, for CPUs and for whatever ND4J and LibTorch compute on.
 *
 * <p>Reads from: arrays of the caller. Writes to: arrays of the caller. Nothing here holds weights or depends on a layer.
 *
 * <p>Reading order: {@link dev.grft.vit.kernels.Kernels}, the one seam, and {@link dev.grft.vit.kernels.Array}; {@link dev.grft.vit.kernels.CpuKernels}, whose {@code Cpu...}
 * files hold a subject each; {@link dev.grft.vit.kernels.Nd4jKernels}; {@link dev.grft.vit.kernels.Backend}, the process: its native
 * libraries, its device and its choice of kernels.
 */
@NullMarked
package dev.grft.vit.kernels;

import org.jspecify.annotations.NullMarked;
