package dev.grft.vit.kernels.torch;

import dev.grft.UserError;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.openblas.global.openblas;
import org.bytedeco.pytorch.Context;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** LibTorch in this process: loaded at the first use, on the CPU. */
public final class Torch {
    private static volatile boolean loaded;

    private Torch() {}

    /** The native library, once it is loaded: the same inputs give the same bits, and no product is less precise than its type. */
    private static final class Library {
        static {
            Loader.load(torch.class);
            Context context = torch.globalContext();
            context.setDeterministicAlgorithms(true, false);
            context.setDeterministicFillUninitializedMemory(false);
            context.setDeterministicMkldnn(true);
        }

        private Library() {}

        /** Loads it. */
        static void load() {}
    }

    /** Returns whether LibTorch's native libraries for this system are on the class path. */
    public static boolean present() {
        return Torch.class.getResource("/org/bytedeco/pytorch/" + Loader.getPlatform() + "/libtorch_cpu.so") != null;
    }

    /**
     * Loads LibTorch.
     *
     * @throws UserError if its native libraries are not on the class path, or cannot be loaded
     */
    public static void load() {
        if (!Loader.getPlatform().equals("linux-x86_64")) {
            throw UserError.of(
                    "engine.kernels is torch, but LibTorch's libraries are for Linux on x86-64, not for %s; set engine.kernels to auto",
                    Loader.getPlatform());
        }
        if (!present()) {
            throw UserError.of(
                    "engine.kernels is torch, but the class path has no native libraries of LibTorch; build with mvn -Ptorch, add"
                            + " the jar org.bytedeco:pytorch:2.10.0-1.5.13 with the classifier linux-x86_64, or set engine.kernels to auto");
        }
        try {
            Library.load();
            loaded = true;
        } catch (LinkageError e) {
            throw new UserError(
                    "engine.kernels is torch, but the native libraries of LibTorch cannot be loaded: " + e.getMessage()
                            + "; they need Linux on x86-64 with glibc 2.28 or newer; else set engine.kernels to auto",
                    e);
        }
    }

    /** Sets how many threads each operation that this thread calls may use, if LibTorch is loaded. The last bits depend on this number. */
    public static void threads(int number) {
        if (loaded) {
            torch.set_num_threads(number);
            openblas.blas_set_num_threads(number); // LibTorch multiplies by a copy of its own
        }
    }

    /** Returns the type of a tensor's values, to compare with constants. */
    static torch.ScalarType type(Tensor x) {
        return x.scalar_type().intern();
    }

    /** Returns a number as operations take it. */
    public static Scalar scalar(double value) {
        return new Scalar(value);
    }

    static Tensor doubles(Tensor x) {
        return x.to(torch.ScalarType.Double);
    }
}
