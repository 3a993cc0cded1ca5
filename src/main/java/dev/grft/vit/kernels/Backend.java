package dev.grft.vit.kernels;

import static org.bytedeco.openblas.global.openblas_nolapack.blas_set_num_threads;

import dev.grft.UserError;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.blas.Blas;
import dev.grft.vit.kernels.nd4j.Flat;
import dev.grft.vit.kernels.onednn.OneDnn;
import dev.grft.vit.kernels.torch.Torch;
import dev.grft.vit.kernels.torch.TorchDevice;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.Pointer;
import org.nd4j.linalg.api.environment.Nd4jEnvironment;
import org.nd4j.linalg.factory.Nd4j;
import org.nd4j.nativeblas.NativeOpsHolder;

/** What this process computes on: its native libraries and their settings, its device, and the kernels for that device. */
public final class Backend {
    private static final int NEWEST_GPUS = 8; // the major number of their compute capability

    private Backend() {}

    /** Prepares this process, see {@link Blas#prepare}; must be called before ND4J is first used. */
    public static void prepare() {
        Blas.prepare();
    }

    /**
     * Loads the native libraries in the background, which takes seconds. A thread that uses them meanwhile waits. If they cannot be
     * loaded, their first use fails with the reason.
     */
    public static void load() {
        prepare();
        Thread loading = new Thread(
                () -> {
                    Kernels kernels = kernels("auto");
                    Array one = kernels.memory().allocate(DataType.FLOAT, 1, 1).fill(1);
                    kernels.gemm(false, one, false, one, 1, 0, kernels.memory().allocate(DataType.FLOAT, 1, 1));
                },
                "loading native libraries");
        loading.setDaemon(true);
        loading.setUncaughtExceptionHandler((thread, wrong) -> {}); // the first use fails again
        loading.start();
    }

    /**
     * Returns whether kernels compute on a GPU in this process.
     *
     * @throws UserError if ND4J's backend has no code for that GPU
     * @throws LinkageError if the backend cannot start in this process
     */
    public static boolean onGpu() {
        prepare();
        if (!Flat.CPU) {
            requireKnownGpus(Nd4j.getExecutioner().getEnvironmentInformation());
        }
        return !Flat.CPU;
    }

    /**
     * Refuses GPUs that are too new. ND4J's backend for CUDA 11.6 (1.0.0-M2.1) has machine code for compute capability 3.7, 5.0, 5.2, 6.0,
     * 6.1, 7.0, 7.5, 8.0 and 8.6, which newer GPUs of the same major number run too, and no PTX, from which a driver could make code for
     * other ones: on a Hopper it cannot even make an array.
     *
     * @param environment what {@code getEnvironmentInformation()} of ND4J's executioner tells of its backend
     */
    static void requireKnownGpus(Properties environment) {
        Object devices = environment.get(Nd4jEnvironment.CUDA_DEVICE_INFORMATION_KEY);
        for (Object device : devices instanceof List<?> all ? all : List.of()) {
            Map<?, ?> gpu = (Map<?, ?>) device;
            int major = number(gpu, Nd4jEnvironment.CUDA_DEVICE_MAJOR_VERSION_KEY);
            if (major > NEWEST_GPUS) {
                throw UserError.of(
                        "the GPU %s has compute capability %d.%d, and ND4J's CUDA backend has code for 3.7 to 8.9 only (V100, T4, A100,"
                                + " A10, L4, L40); use such a GPU, hide this one by CUDA_VISIBLE_DEVICES, or compute on the CPU with the"
                                + " build without -Pcuda",
                        String.valueOf(gpu.get(Nd4jEnvironment.CUDA_DEVICE_NAME_KEY)),
                        major,
                        number(gpu, Nd4jEnvironment.CUDA_DEVICE_MINOR_VERSION_KEY));
            }
        }
    }

    private static int number(Map<?, ?> gpu, String key) {
        return Integer.parseInt(String.valueOf(gpu.get(key)));
    }

    /**
     * Returns whether MKL multiplies in this process, in place of OpenBLAS.
     *
     * @throws LinkageError if the backend cannot start in this process
     */
    public static boolean onMkl() {
        prepare();
        return Flat.CPU && Blas.mkl();
    }

    /**
     * Returns new kernels.
     *
     * @param name {@code cpu}: {@link CpuKernels}; {@code nd4j}: {@link Nd4jKernels}; {@code torch}: {@link TorchKernels}; {@code auto}:
     *     {@code cpu} if ND4J computes on the CPU, else {@code nd4j}
     * @throws UserError for any other name, for {@code cpu} and {@code torch} if ND4J's arrays are on a GPU, and for {@code torch} if
     *     LibTorch's native libraries are not on the class path
     */
    public static Kernels kernels(String name) {
        return kernels(name, "fp32");
    }

    /**
     * Returns the same of a precision.
     *
     * @param precision {@code fp32}, or {@code bf16} for the large products of {@link CpuKernels} or {@link TorchKernels}
     * @throws UserError also if other kernels cannot compute in it
     */
    public static Kernels kernels(String name, String precision) {
        prepare();
        boolean bf16 = precision.equals("bf16");
        if (bf16) {
            requireBf16(name);
        }
        if ((name.equals("cpu") || name.equals("torch")) && !Flat.CPU) {
            throw UserError.of(
                    "engine.kernels is %s, but the program was built with mvn -Pcuda, whose arrays are on the GPU; use the build"
                            + " without it, or auto",
                    name);
        }
        return switch (name) {
            case "cpu" -> new CpuKernels(bf16);
            case "nd4j" -> new Nd4jKernels();
            case "torch" -> torch(bf16);
            case "auto" -> Flat.CPU ? new CpuKernels(bf16) : new Nd4jKernels();
            default ->
                throw UserError.of("engine.kernels: unknown kernels %s; expected auto, cpu, torch or nd4j", name);
        };
    }

    private static Kernels torch(boolean bf16) {
        requireTorch();
        return new TorchKernels(TorchDevice.CPU, bf16);
    }

    /**
     * Returns the memory of the kernels of a name.
     *
     * @throws UserError for {@code torch} if LibTorch's native libraries are not on the class path
     */
    public static Memory memory(String name) {
        prepare();
        if (!name.equals("torch")) {
            return Memory.ND4J;
        }
        requireTorch();
        return TorchMemory.CPU;
    }

    /**
     * Loads LibTorch.
     *
     * @throws UserError if its native libraries are not on the class path, or MKL would multiply in place of its OpenBLAS
     */
    public static void requireTorch() {
        prepare();
        if (Blas.mkl()) {
            throw UserError.of(
                    "engine.kernels is torch, which multiplies by OpenBLAS; use a build without -Pmkl, or auto");
        }
        Torch.load();
    }

    private static void requireBf16(String name) {
        if (!Flat.CPU || name.equals("nd4j")) {
            throw UserError.of(
                    "engine.precision: bf16 needs the kernels of a CPU, engine.kernels auto, cpu or torch and a build without -Pcuda");
        }
        if (Blas.mkl()) {
            throw UserError.of("engine.precision: bf16 is computed by oneDNN; use a build without -Pmkl, or fp32");
        }
    }

    /**
     * Returns what this processor has for products in bfloat16.
     *
     * @param name of the kernels
     * @throws UserError if they cannot compute in it
     */
    public static OneDnn.Bf16 bf16(String name) {
        prepare();
        requireBf16(name);
        return OneDnn.bf16();
    }

    /** Sets how many threads a product on the CPU that this thread starts may use, and a loop over rows. The last bits of products depend on this number. */
    public static void threads(int threads) {
        blas_set_num_threads(threads);
        OneDnn.threads(threads);
        Torch.threads(threads);
    }

    /** Returns the bytes of native memory that all kernels of this process hold as scratch, beside the arrays of ND4J. */
    public static long scratchBytes() {
        return Pointer.totalBytes();
    }

    /** Returns the bytes of memory of this process that are resident. */
    public static long residentBytes() {
        return Pointer.physicalBytes();
    }

    /** Returns the bytes that are free on the GPU that this thread computes on; {@link Long#MAX_VALUE} on a CPU. */
    public static long freeOnGpu() {
        return Flat.CPU
                ? Long.MAX_VALUE
                : NativeOpsHolder.getInstance().getDeviceNativeOps().getDeviceFreeMemoryDefault();
    }

    /** Returns {@code org.bytedeco.javacpp.maxphysicalbytes}, the most that may be resident; 0 for no limit. */
    public static long mostResidentBytes() {
        return Pointer.maxPhysicalBytes();
    }

    /**
     * Returns the mean rate, in 10^9 operations a second, of {@code tasks} tasks that multiply square matrices on this CPU at once.
     *
     * @param precision of the products, {@code fp32} or {@code bf16}
     * @throws UserError if this CPU cannot compute in it
     */
    public static double gflops(int tasks, String precision) {
        kernels("cpu", precision).free();
        int side = 1024;
        double[] rates = IntStream.range(0, Math.max(1, tasks))
                .mapToObj(task -> CompletableFuture.supplyAsync(
                        () -> {
                            Kernels kernels = new CpuKernels(precision.equals("bf16"));
                            DataType type = kernels.between(DataType.FLOAT);
                            float[] numbers = new float[side * side];
                            SplittableRandom random = new SplittableRandom(1);
                            for (int i = 0; i < numbers.length; i++) {
                                numbers[i] = (float) random.nextDouble();
                            }
                            Array a =
                                    kernels.memory().allocate(type, side, side).write(numbers);
                            Array c = kernels.memory().allocate(type, side, side);
                            threads(1); // after the arrays: ND4J sets it when it starts
                            long best = Long.MAX_VALUE;
                            for (int i = 0; i < 20; i++) {
                                long start = System.nanoTime();
                                kernels.gemm(false, a, true, a, 1, 0, c);
                                best = Math.min(best, System.nanoTime() - start);
                            }
                            a.close();
                            c.close();
                            kernels.free();
                            return 2.0 * side * side * side / best;
                        },
                        runnable -> new Thread(runnable, "measuring").start()))
                .toList()
                .stream()
                .mapToDouble(CompletableFuture::join)
                .toArray();
        return Arrays.stream(rates).average().orElseThrow();
    }
}
