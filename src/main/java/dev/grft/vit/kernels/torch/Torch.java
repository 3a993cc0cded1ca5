package dev.grft.vit.kernels.torch;

import dev.grft.UserError;
import dev.grft.vit.kernels.blas.Variables;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.openblas.global.openblas;
import org.bytedeco.pytorch.Context;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** LibTorch in this process: loaded at the first use. */
public final class Torch {
    private static final String PATHS_FIRST =
            "org.bytedeco.javacpp.pathsFirst"; // JavaCPP's: libraries of the machine before those of jars

    private static volatile boolean loaded;

    private Torch() {}

    /** The native library, once it is loaded: the same inputs give the same bits, and no product is less precise than its type. */
    private static final class Library {
        static {
            Variables.putIfAbsent(
                    "CUBLAS_WORKSPACE_CONFIG", ":4096:8"); // else the bits of cuBLAS depend on what runs beside it
            Loader.load(torch.class);
            Context context = torch.globalContext();
            context.setDeterministicAlgorithms(true, false);
            context.setDeterministicFillUninitializedMemory(false);
            context.setDeterministicMkldnn(true);
            context.setAllowTF32CuBLAS(false);
            context.setAllowTF32CuDNN(false);
            context.setAllowBF16ReductionCuBLAS(false);
        }

        private Library() {}

        /** Loads it. */
        static void load() {}
    }

    /** Returns whether LibTorch's native libraries for this system are on the class path. */
    public static boolean present() {
        return has("") || forGpus();
    }

    /** Returns whether LibTorch for GPUs may be found: on the class path, or where JavaCPP looks for libraries first. */
    public static boolean forGpus() {
        return has("-gpu") || (has("") && Boolean.getBoolean(PATHS_FIRST));
    }

    private static boolean has(String extension) {
        return Torch.class.getResource("/org/bytedeco/pytorch/" + Loader.getPlatform() + extension + "/libjnitorch.so")
                != null;
    }

    /**
     * Loads LibTorch.
     *
     * @throws UserError if its native libraries are not on the class path, or cannot be loaded
     */
    public static void load() {
        if (!Loader.getPlatform().equals("linux-x86_64")) {
            throw UserError.of(
                    "engine.kernels is torch, but LibTorch's libraries are for Linux on x86-64, not for %s; set engine.kernels to cpu",
                    Loader.getPlatform());
        }
        if (!present()) {
            throw UserError.of(
                    "engine.kernels is torch, but the class path has no native libraries of LibTorch; build with mvn -Ptorch, or -Pcuda"
                            + " for GPUs, add the jar org.bytedeco:pytorch:2.10.0-1.5.13 with the classifier linux-x86_64 or"
                            + " linux-x86_64-gpu, or set engine.kernels to auto");
        }
        try {
            Library.load();
            loaded = true;
        } catch (LinkageError e) {
            throw new UserError(
                    "the native libraries of LibTorch cannot be loaded: " + first(e)
                            + "; they need Linux on x86-64 with glibc 2.28 or newer, and those for GPUs the libraries of CUDA 13,"
                            + " cuDNN 9 and NCCL 2 in LD_LIBRARY_PATH or the system's path; else set engine.kernels to cpu",
                    e);
        }
    }

    /** Returns the message of the first cause that has one. */
    private static String first(Throwable error) {
        String message = String.valueOf(error.getMessage());
        for (Throwable cause = error.getCause(); cause != null; cause = cause.getCause()) {
            message = cause.getMessage() == null ? message : cause.getMessage();
        }
        return message;
    }

    /** Sets whether products of FLOAT matrices on a GPU round their factors to TF32: for all threads of this process. */
    public static void tf32(boolean allowed) {
        torch.globalContext().setAllowTF32CuBLAS(allowed);
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
