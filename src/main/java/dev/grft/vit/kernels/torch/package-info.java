/**
 * The arithmetic of the network by LibTorch's operations, on tensors alone. No tensor requires a gradient, so nothing is recorded.
 *
 * <p>Reads from and writes to: memory of the caller, which tensors view. What an operation needs in between is freed when the caller's scope
 * ends.
 *
 * <p>Reading order: {@link dev.grft.vit.kernels.torch.Torch} (the library), {@link
 * dev.grft.vit.kernels.torch.TorchDevice}, {@link dev.grft.vit.kernels.torch.Products}, {@link
 * dev.grft.vit.kernels.torch.Attention}; then rows, tokens, losses and squares.
 */
@NullMarked
package dev.grft.vit.kernels.torch;

import org.jspecify.annotations.NullMarked;
