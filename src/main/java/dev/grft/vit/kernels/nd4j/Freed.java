package dev.grft.vit.kernels.nd4j;

import java.util.Collection;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.bytedeco.javacpp.Pointer;
import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.api.ndarray.INDArray;

/** Frees native memory at once. ND4J alone frees it when the garbage collector has found that an array is unreachable. */
public final class Freed {
    /**
     * Bytes after which the C library returns freed memory to the system. It keeps free pieces of less than 32 MB, and ND4J's records of closed
     * arrays, which the garbage collector frees, lie in them: a network of the same sizes would not fit there.
     */
    private static final long ENOUGH = 16 << 20;

    private static final AtomicLong KEPT = new AtomicLong();

    private Freed() {}

    /** Frees arrays, which must not be used afterwards, nor any view of them. Does nothing to views and to arrays that are freed already. */
    public static void arrays(Collection<INDArray> arrays) {
        long bytes = 0;
        for (INDArray array : arrays) {
            if (array.closeable()) {
                bytes += array.length() * array.dataType().width();
                array.close();
            }
        }
        count(bytes);
    }

    /** Returns freed memory to the system from time to time. To be called for memory that was freed in another way. */
    public static void count(long bytes) {
        if (bytes > 0 && KEPT.addAndGet(bytes) >= ENOUGH) {
            KEPT.set(0);
            Pointer.trimMemory();
        }
    }

    /** Frees an array. */
    public static void array(@Nullable INDArray array) {
        if (array != null) {
            arrays(List.of(array));
        }
    }
}
