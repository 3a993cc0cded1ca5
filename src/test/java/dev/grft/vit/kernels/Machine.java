package dev.grft.vit.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.grft.UserError;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.torch.Gpu;
import dev.grft.vit.kernels.torch.TorchDevice;
import java.util.Random;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.factory.Nd4j;

/** The implementations of {@link Kernels}, each with the data type it is tested in and the accuracy expected of it. */
public enum Machine {
    CPU_FLOAT(CpuKernels::new, DataType.FLOAT, 2e-6),
    ND4J_FLOAT(Nd4jKernels::new, DataType.FLOAT, 2e-6),
    ND4J_DOUBLE(Nd4jKernels::new, DataType.DOUBLE, 1e-13),
    TORCH_FLOAT(() -> new TorchKernels(device(), false), DataType.FLOAT, 2e-6),
    TORCH_DOUBLE(() -> new TorchKernels(device(), false), DataType.DOUBLE, 1e-13),
    TORCH_AS_ON_A_GPU_FLOAT(() -> new TorchKernels(asGpu(), false), DataType.FLOAT, 2e-6),
    TORCH_AS_ON_A_GPU_DOUBLE(() -> new TorchKernels(asGpu(), false), DataType.DOUBLE, 1e-13);

    private static final boolean TORCH = Boolean.getBoolean("grft.torch");
    private static final boolean ON_GPU = Boolean.getBoolean("grft.torch.gpu");

    private final Supplier<Kernels> kernels;
    private final DataType type;
    private final double accuracy;

    Machine(Supplier<Kernels> kernels, DataType type, double accuracy) {
        this.kernels = kernels;
        this.type = type;
        this.accuracy = accuracy;
    }

    /** Returns where LibTorch's kernels compute: on a GPU with {@code -Dgrft.torch.gpu=true}, which this machine must have. */
    private static TorchDevice device() {
        return ON_GPU ? TorchDevice.GPU : TorchDevice.CPU;
    }

    /** Returns the same that computes as on a GPU. */
    private static TorchDevice asGpu() {
        return new TorchDevice(device().name(), true);
    }

    /** Returns those of this build: LibTorch's with {@code -Ptorch}, else all others. */
    public static Stream<Machine> here() {
        return Stream.of(values()).filter(machine -> machine.name().startsWith("TORCH") == TORCH);
    }

    /** Returns the one of this build that gradients are checked on, in DOUBLE. */
    public static Machine exact() {
        return here().filter(machine -> machine.type == DataType.DOUBLE)
                .findFirst()
                .orElseThrow();
    }

    /** Returns the kernels of this build that compute in bfloat16. */
    public static Kernels narrow() {
        return TORCH ? new TorchKernels(asGpu(), true) : new CpuKernels(true);
    }

    /** Returns LibTorch's that compute as on a GPU: on one, unless there is none. */
    public static Kernels asOnGpu(boolean bf16) {
        return new TorchKernels(Gpu.found() ? TorchDevice.GPU : asGpu(), bf16);
    }

    /** Returns those in FLOAT. */
    static Kernels floats() {
        return TORCH ? new TorchKernels(device(), false) : new CpuKernels();
    }

    /** Skips the test if this processor cannot compute in bfloat16. */
    public static void needBf16() {
        assumeTrue(ON_GPU || hasBf16(), "no AVX-512");
    }

    private static boolean hasBf16() {
        try {
            Backend.bf16("cpu");
            return true;
        } catch (UserError e) {
            return false;
        }
    }

    public Kernels kernels() {
        return kernels.get();
    }

    public DataType type() {
        return type;
    }

    /** Returns a row-major array of the machine's data type. */
    public Array array(double[] values, long... shape) {
        return array(type, values, shape);
    }

    /** Returns an array that an operation has to overwrite: nothing but NaN. */
    public Array garbage(long... shape) {
        return memory().allocate(type, shape).fill(Double.NaN);
    }

    /** Asserts that every entry is within {@code accuracy * scale} of the expected one. */
    public void assertClose(Array actual, double[] expected, double scale) {
        assertClose(values(actual), expected, accuracy * scale);
    }

    /** Returns where the arrays of this build's kernels lie. */
    public static Memory memory() {
        return TORCH ? new TorchArray.Place(device()) : Memory.ND4J;
    }

    public static Array array(DataType type, double[] values, long... shape) {
        return memory().allocate(type, shape).write(values);
    }

    public static Array array(DataType type, float[] values, long... shape) {
        return memory().allocate(type, shape).write(values);
    }

    public static Array zeros(DataType type, long... shape) {
        return memory().allocate(type, shape).fill(0);
    }

    /** Returns a copy in another type. */
    public static Array copy(Array array, DataType type) {
        return memory().allocate(type, array.shape()).copy(array);
    }

    /** Returns a copy to compute with: DOUBLE of a DOUBLE array, else FLOAT. */
    public static INDArray nd4j(Array array) {
        return array.type() == DataType.DOUBLE
                ? Nd4j.createFromArray(array.doubles()).reshape(array.shape())
                : Nd4j.createFromArray(array.floats()).reshape(array.shape());
    }

    public static double[] values(Array array) {
        return array.doubles();
    }

    public static void assertClose(double[] actual, double[] expected, double tolerance) {
        assertThat(actual).hasSameSizeAs(expected);
        for (int i = 0; i < expected.length; i++) {
            // Negated, so that a NaN fails.
            if (!(Math.abs(actual[i] - expected[i]) <= tolerance)) {
                throw new AssertionError("entry " + i + ": expected " + expected[i] + " within " + tolerance + ", got "
                        + actual[i] + ", off by " + Math.abs(actual[i] - expected[i]));
            }
        }
    }

    /** Returns standard normal numbers that a float holds exactly. */
    public static double[] normal(long seed, int length) {
        Random random = new Random(seed);
        double[] values = new double[length];
        for (int i = 0; i < length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }

    /** A value as a function of its index. */
    interface Entry {
        double at(int i);
    }

    /** Returns the values of the first {@code length} indices. */
    static double[] each(int length, Entry entry) {
        double[] values = new double[length];
        for (int i = 0; i < length; i++) {
            values[i] = entry.at(i);
        }
        return values;
    }

    /** Returns the floats nearest to {@code factor * x + offset}. */
    static double[] scaled(double[] x, double factor, double offset) {
        return each(x.length, i -> (float) (factor * x[i] + offset));
    }

    /** Returns the column sums of the matrix {@code [m, n]} whose values are {@code entry}'s. */
    static double[] columns(int m, int n, Entry entry) {
        double[] sums = new double[n];
        for (int i = 0; i < m * n; i++) {
            sums[i % n] += entry.at(i);
        }
        return sums;
    }
}
