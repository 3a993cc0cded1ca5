package dev.grft.vit.kernels;

import static org.bytedeco.openblas.global.openblas_nolapack.blas_set_num_threads;

import dev.grft.UserError;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.blas.Blas;
import dev.grft.vit.kernels.onednn.OneDnn;
import dev.grft.vit.kernels.torch.Gpu;
import dev.grft.vit.kernels.torch.Torch;
import dev.grft.vit.kernels.torch.TorchDevice;
import java.util.Arrays;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.Pointer;
import org.jspecify.annotations.Nullable;

/** What this process computes on: its native libraries and their settings, its device, and the kernels for that device. */
public final class Backend {
    private static @Nullable Boolean tf32; // on the GPU of this process; null before the first kernels on it

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
                    Kernels kernels = kernels("cpu");
                    Array one = kernels.memory().allocate(DataType.FLOAT, 1, 1).fill(1);
                    kernels.gemm(false, one, false, one, 1, 0, kernels.memory().allocate(DataType.FLOAT, 1, 1));
                },
                "loading native libraries");
        loading.setDaemon(true);
        loading.setUncaughtExceptionHandler((thread, wrong) -> {}); // the first use fails again
        loading.start();
    }

    /**
     * Makes a GPU the one that this process computes on, if some kernels can.
     *
     * @param name of the kernels
     * @param address that Spark has assigned; null to take the first GPU, if there is one
     * @throws UserError if the GPU cannot be used, or another was taken before
     */
    public static void takeGpu(String name, @Nullable String address) {
        prepare();
        if (mayUseGpu(name)) {
            if (address == null) {
                Gpu.takeFirst();
            } else {
                Gpu.take(address);
            }
        }
    }

    private static boolean mayUseGpu(String name) {
        return name.equals("torch") || name.equals("auto");
    }

    /** Returns whether kernels of a name compute on a GPU in this process: if it has {@linkplain #takeGpu taken} one. */
    public static boolean onGpu(String name) {
        return mayUseGpu(name) && Gpu.found();
    }

    /**
     * Returns the name of the GPU that this process computes on.
     *
     * @throws UserError if it cannot compute in that precision
     */
    public static String gpu(String precision) {
        Gpu.Model model = Gpu.model();
        model.require(precision);
        return model.name();
    }

    /**
     * Returns whether MKL multiplies in this process, in place of OpenBLAS.
     *
     * @throws LinkageError if the backend cannot start in this process
     */
    public static boolean onMkl() {
        prepare();
        Memory.ND4J.allocate(DataType.FLOAT, 1).close(); // starts the backend
        return Blas.mkl();
    }

    /**
     * Returns new kernels.
     *
     * @param name {@code cpu}: {@link CpuKernels}; {@code nd4j}: {@link Nd4jKernels}; {@code torch}: {@link TorchKernels}, on the GPU of
     *     this process if it has one; {@code auto}: {@code torch} if it has one, else {@code cpu}
     * @throws UserError for any other name, and for {@code torch} if LibTorch's native libraries are not on the class path
     */
    public static Kernels kernels(String name) {
        return kernels(name, "fp32");
    }

    /**
     * Returns the same of a precision.
     *
     * @param precision {@code fp32}; {@code bf16} for the large products of {@link CpuKernels} or {@link TorchKernels}; or {@code tf32}, of
     *     all products on a GPU
     * @throws UserError also if other kernels cannot compute in it
     */
    public static Kernels kernels(String name, String precision) {
        prepare();
        requirePrecision(name, precision);
        boolean bf16 = precision.equals("bf16");
        return switch (name) {
            case "cpu" -> new CpuKernels(bf16);
            case "nd4j" -> new Nd4jKernels();
            case "torch" -> torch(precision);
            case "auto" -> Gpu.found() ? torch(precision) : new CpuKernels(bf16);
            default ->
                throw UserError.of("engine.kernels: unknown kernels %s; expected auto, cpu, torch or nd4j", name);
        };
    }

    private static Kernels torch(String precision) {
        requireTorch();
        if (Gpu.found()) {
            round(precision.equals("tf32"));
        }
        return new TorchKernels(device(), precision.equals("bf16"));
    }

    /** Sets whether the GPU rounds the factors of FLOAT products: LibTorch has one setting for a process. */
    private static synchronized void round(boolean toTf32) {
        requireSame(tf32, toTf32);
        tf32 = toTf32;
        Torch.tf32(toTf32);
    }

    /** Refuses the other of two ways to multiply on a GPU. */
    static void requireSame(@Nullable Boolean before, boolean toTf32) {
        if (before != null && before != toTf32) {
            throw UserError.of(
                    "engine.precision: this process has computed in %s on its GPU, and cannot compute in %s after that; use one"
                            + " precision, or another application",
                    before ? "tf32" : "fp32 or bf16", toTf32 ? "tf32" : "fp32 or bf16");
        }
    }

    private static TorchDevice device() {
        return Gpu.found() ? TorchDevice.GPU : TorchDevice.CPU;
    }

    /**
     * Returns the memory of the kernels of a name.
     *
     * @throws UserError for {@code torch} if LibTorch's native libraries are not on the class path
     */
    public static Memory memory(String name) {
        prepare();
        if (!name.equals("torch") && !onGpu(name)) {
            return Memory.ND4J;
        }
        requireTorch();
        return new TorchArray.Place(device());
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
                    Gpu.found()
                            ? "the GPU computes by LibTorch, which does not go with MKL; use a build without -Pmkl, or set"
                                    + " engine.kernels to cpu"
                            : "engine.kernels is torch, which multiplies by OpenBLAS; use a build without -Pmkl, or auto");
        }
        Torch.load();
    }

    /**
     * Requires that kernels of a name can compute in a precision in this process.
     *
     * @throws UserError if they cannot
     */
    public static void requirePrecision(String name, String precision) {
        if (precision.equals("fp32") || onGpu(name)) {
            return;
        }
        if (precision.equals("tf32")) {
            throw UserError.of(
                    "engine.precision: tf32 is a precision of GPUs, and engine.kernels %s computes on the CPU here; use fp32 or bf16",
                    name);
        }
        if (name.equals("nd4j")) {
            throw UserError.of(
                    "engine.precision is bf16, but engine.kernels nd4j does not compute in it; set engine.kernels to auto, cpu"
                            + " or torch, or engine.precision to fp32");
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
        requirePrecision(name, "bf16");
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

    /**
     * Returns the bytes that are free on the GPU that this process computes on; {@link Long#MAX_VALUE} if it has none.
     *
     * @param wanted for how many to give back what no array takes
     */
    public static long freeOnGpu(long wanted) {
        return Gpu.found() ? Gpu.freeBytes(wanted) : Long.MAX_VALUE;
    }

    /** Returns the bytes of memory of the GPU that this process computes on; 0 if it has none. */
    public static long ofGpu() {
        return Gpu.found() ? Gpu.bytes() : 0;
    }

    /**
     * Returns the error for the user if a failure comes of a GPU whose memory ran out; else the failure.
     *
     * @param images in the batch
     * @param side of an image, pixels
     */
    public static RuntimeException ofBatch(RuntimeException failure, int images, int side) {
        String memory = Gpu.outOfMemory(failure.getMessage());
        return memory == null
                ? failure
                : new UserError(
                        String.format(
                                Locale.ROOT,
                                "a batch of %d images of %d x %d does not fit in the GPU's memory: it needs %s; run check, which says"
                                        + " what fits, and lower training.microBatch, selection.batchSize or evaluation.batchSize, or set"
                                        + " engine.recompute=true",
                                images,
                                side,
                                side,
                                memory),
                        failure);
    }

    /** Returns {@code org.bytedeco.javacpp.maxphysicalbytes}, the most that may be resident; 0 for no limit. */
    public static long mostResidentBytes() {
        return Pointer.maxPhysicalBytes();
    }

    /**
     * Returns the mean rate, in 10^9 operations a second, of {@code tasks} tasks that multiply square matrices on this CPU at once.
     *
     * @param threads of each product
     * @param precision of the products, {@code fp32} or {@code bf16}
     * @throws UserError if this CPU cannot compute in it
     */
    public static double gflops(int tasks, int threads, String precision) {
        if (precision.equals("tf32")) {
            throw UserError.of(
                    "--gflops is missing: engine.precision tf32 is a precision of GPUs, whose rate is not measured here;"
                            + " give --tflops, 10^12 operations a second of one GPU");
        }
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
                            threads(threads); // after the arrays: ND4J sets it when it starts
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
