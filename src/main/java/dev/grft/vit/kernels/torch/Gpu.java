package dev.grft.vit.kernels.torch;

import com.sun.jna.NativeLibrary;
import com.sun.jna.ptr.IntByReference;
import dev.grft.UserError;
import dev.grft.vit.kernels.blas.Variables;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The GPU that this process computes on, if it has taken one: the only one that CUDA shows it. */
public final class Gpu {
    private static final Logger LOG = LoggerFactory.getLogger(Gpu.class);
    private static final String VISIBLE = "CUDA_VISIBLE_DEVICES";
    private static final String DRIVER = "libcuda.so.1";
    private static final String NEEDED =
            "a GPU since Turing, the libraries of CUDA 13 and a driver for them (580 or newer, see nvidia-smi)";
    private static final byte FIRST = 0;
    private static final int NAME_BYTES = 256;
    private static final int MAJOR = 75; // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
    private static final int MINOR = 76;

    /** Major number of the compute capability of the first GPUs that multiply in bfloat16 and TF32. */
    private static final int AMPERE = 8;

    private static final Predicate<String> NUMBER = Pattern.compile("\\d{1,4}").asMatchPredicate();

    /** The messages of CUDA and cuBLAS, which allocate beside LibTorch. */
    private static final Pattern FULL =
            Pattern.compile("CUDA error: out of memory|CUDA out of memory|CUBLAS_STATUS_ALLOC_FAILED");

    /** The message of {@code c10::OutOfMemoryError}. */
    private static final Pattern OUT_OF_MEMORY = Pattern.compile(
            "CUDA out of memory\\. Tried to allocate ([\\d.]+ \\w+)\\. GPU \\d+ has a total capacity of ([\\d.]+ \\w+)");

    private static @Nullable String taken;
    private static boolean found;

    private Gpu() {}

    /**
     * Takes a GPU for this process, once and for all.
     *
     * @param address its number, as {@code nvidia-smi} counts, or the UUID of a GPU or of a MIG slice of one
     * @throws UserError if the process has taken another, {@code CUDA_VISIBLE_DEVICES} does not show it, or LibTorch cannot use it
     */
    public static synchronized void take(String address) {
        if (taken != null && !taken.equals(address)) {
            throw UserError.of(
                    "Spark has assigned the GPU %s to a task, but this executor computes on %s; give each executor one GPU"
                            + " (spark.executor.resource.gpu.amount=1)",
                    address, taken);
        }
        if (taken == null) {
            requireBuild(address);
            Variables.put(VISIBLE, visible(address, System.getenv(VISIBLE)));
            Variables.putIfAbsent("CUDA_DEVICE_ORDER", "PCI_BUS_ID"); // nvidia-smi's
            Torch.load();
            if (!torch.cuda_is_available()) {
                throw UserError.of(
                        "Spark has assigned the GPU %s to this executor, but CUDA cannot use it; it needs %s",
                        address, NEEDED);
            }
            begin();
            taken = address;
            found = true;
        }
    }

    /** Starts CUDA in this process. LibTorch says nothing of a GPU's memory before it has allocated some. */
    private static void begin() {
        try (Tensor first = TorchDevice.GPU.empty(torch.ScalarType.Byte, 1)) {
            first.zero_();
        }
    }

    /**
     * Takes the first GPU that this process sees, if the program has LibTorch for GPUs and this machine a driver and a GPU.
     *
     * @throws UserError if there is a driver, and the libraries of CUDA cannot be loaded
     */
    public static synchronized void takeFirst() {
        if (taken == null && Torch.forGpus() && hasDriver()) {
            Torch.load();
            boolean usable = torch.cuda_is_available();
            if (usable) {
                begin();
            } else {
                LOG.warn("{} is here, but CUDA cannot use a GPU: it needs {}. The CPU computes.", DRIVER, NEEDED);
            }
            found = usable;
            taken = "";
        }
    }

    private static boolean hasDriver() {
        try {
            NativeLibrary.getInstance(DRIVER);
            return true;
        } catch (UnsatisfiedLinkError e) {
            return false;
        }
    }

    /** Returns whether this process computes on a GPU. */
    public static synchronized boolean found() {
        return found;
    }

    private static void requireBuild(String address) {
        if (!Torch.forGpus()) {
            throw UserError.of(
                    "Spark has assigned the GPU %s to this executor, but the program has no LibTorch for GPUs; build it with mvn"
                            + " -Pcuda, or set engine.kernels to cpu, which leaves the GPU idle",
                    address);
        }
    }

    /**
     * Returns what {@code CUDA_VISIBLE_DEVICES} has to be for one GPU.
     *
     * @param before its value; null or empty if all GPUs are visible. A number counts its entries if none of them is a number.
     * @throws UserError if it does not show that GPU
     */
    static String visible(String address, @Nullable String before) {
        if (before == null || before.isBlank()) {
            return address;
        }
        List<String> shown = Arrays.stream(before.split(",")).map(String::strip).toList();
        if (shown.contains(address)) {
            return address;
        }
        boolean counted =
                NUMBER.test(address) && shown.stream().noneMatch(NUMBER); // else two addresses could be one GPU
        if (counted && Integer.parseInt(address) < shown.size()) {
            return shown.get(Integer.parseInt(address));
        }
        throw UserError.of(
                "Spark has assigned the GPU %s to this executor, but %s is %s there; unset it, or let the discovery script print"
                        + " addresses that are in it",
                address, VISIBLE, before);
    }

    /**
     * What a GPU is.
     *
     * @param name the driver's
     * @param major the first number of its compute capability
     * @param minor the second
     */
    public record Model(String name, int major, int minor) {
        /**
         * Requires that it multiplies in a precision.
         *
         * @throws UserError if it does not
         */
        public void require(String precision) {
            if (!precision.equals("fp32") && major < AMPERE) {
                throw UserError.of(
                        "engine.precision: %s needs a GPU of compute capability 8.0 or more (A100, L4, H100 and newer), %s has"
                                + " %d.%d; use fp32",
                        precision, name, major, minor);
            }
        }
    }

    /** Returns what the GPU is. The bindings of LibTorch need those of CUDA for that, so the driver is asked. */
    public static Model model() {
        NativeLibrary driver = NativeLibrary.getInstance(DRIVER);
        call(driver, "cuInit", 0);
        IntByReference device = new IntByReference();
        call(driver, "cuDeviceGet", device, (int) FIRST);
        byte[] name = new byte[NAME_BYTES];
        call(driver, "cuDeviceGetName", name, name.length, device.getValue());
        int length = 0;
        while (name[length] != 0) {
            length++;
        }
        return new Model(
                new String(name, 0, length, StandardCharsets.US_ASCII),
                attribute(driver, MAJOR, device.getValue()),
                attribute(driver, MINOR, device.getValue()));
    }

    private static int attribute(NativeLibrary driver, int attribute, int device) {
        IntByReference value = new IntByReference();
        call(driver, "cuDeviceGetAttribute", value, attribute, device);
        return value.getValue();
    }

    private static void call(NativeLibrary driver, String function, Object... arguments) {
        int status = driver.getFunction(function).invokeInt(arguments);
        if (status != 0) {
            throw UserError.of(
                    "the driver of the GPU failed: %s returned the error %d; see nvidia-smi", function, status);
        }
    }

    /**
     * Returns what a failure says of a GPU's memory that was not to be had.
     *
     * @param message of the failure
     * @return such as {@code 2.00 GiB more of the GPU's 79.10 GiB}, or {@code more than is free}; null of any other failure
     */
    public static @Nullable String outOfMemory(@Nullable String message) {
        Matcher out = OUT_OF_MEMORY.matcher(String.valueOf(message));
        if (out.find()) {
            return out.group(1) + " more of the GPU's " + out.group(2);
        }
        return FULL.matcher(String.valueOf(message)).find() ? "more than is free" : null;
    }

    /** Returns the bytes of its memory. */
    @SuppressWarnings("try") // the scope frees what is made in it
    public static long bytes() {
        try (PointerScope scope = new PointerScope()) {
            return torch.getMemoryInfo(FIRST).second();
        }
    }

    /** Returns the bytes of its memory that are free. If they are fewer than wanted, LibTorch gives back what it has reserved for later arrays. */
    public static long freeBytes(long wanted) {
        long free = freeBytes();
        if (free < wanted) {
            torch.emptyCache();
            free = freeBytes();
        }
        return free;
    }

    @SuppressWarnings("try") // the scope frees what is made in it
    private static long freeBytes() {
        try (PointerScope scope = new PointerScope()) {
            return torch.getMemoryInfo(FIRST).first();
        }
    }
}
