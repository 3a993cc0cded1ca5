package dev.grft.vit.kernels;

import dev.grft.vit.kernels.Array.DataType;

/** Where arrays lie: what allocates those of {@linkplain Kernels#memory some kernels}. Safe for several threads at once. */
@FunctionalInterface
public interface Memory {
    /** ND4J's memory, the host's. */
    Memory ND4J = HostArray::allocate;

    /** Returns a new array whose values are undefined. */
    Array allocate(DataType type, long... shape);
}
