package dev.grft.vit.kernels;

import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.torch.TorchDevice;

/** LibTorch's memory on a device. */
record TorchMemory(TorchDevice device) implements Memory {
    /** The host's. */
    static final TorchMemory CPU = new TorchMemory(TorchDevice.CPU);

    @Override
    public Array allocate(DataType type, long... shape) {
        return TorchArray.allocate(device, type, shape);
    }
}
