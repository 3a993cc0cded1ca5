package dev.grft.vit.kernels.blas;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.openblas.global.openblas_nolapack;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Chooses the library that multiplies matrices on the CPU, by the processor.
 *
 * <p>MKL on Intel's processors, if the program was built with it ({@code mvn -Pmkl}), set to compute the same bits in every run.
 *
 * <p>OpenBLAS otherwise. It has kernels for the processors of its time. On an Intel processor newer than itself, of a family after 6, it
 * would take those of a Pentium 4 (Prescott), five times slower, so this class chooses better ones.
 */
public final class Blas {
    /** JavaCPP's property for the library in place of OpenBLAS; a value set by the user stays. */
    private static final String LIBRARY = "org.bytedeco.openblas.load";

    /** The variable by which OpenBLAS is configured; a value set by the user stays. */
    static final String OPENBLAS_KERNELS = "OPENBLAS_CORETYPE";

    private static final Logger LOG = LoggerFactory.getLogger(Blas.class);

    private static boolean chosen;

    private Blas() {}

    /**
     * Prepares this process; to be called before ND4J is first used.
     *
     * <p>Removes JavaCPP's limit of native memory, four times the heap, unless {@code org.bytedeco.javacpp.maxphysicalbytes} is set: an
     * executor needs a small heap beside large weights. Then chooses the library that multiplies matrices.
     */
    public static void prepare() {
        System.getProperties().putIfAbsent("org.bytedeco.javacpp.maxphysicalbytes", "0");
        choose();
    }

    /** Chooses for this process, once; to be called before a BLAS is loaded, which reads what is set here then. */
    private static synchronized void choose() {
        Path processors = Path.of("/proc/cpuinfo");
        if (chosen || !Files.isReadable(processors)) {
            return;
        }
        chosen = true;
        try {
            List<String> cpuinfo = Files.readAllLines(processors);
            if (intel(cpuinfo) && hasMkl()) {
                System.getProperties().putIfAbsent(LIBRARY, "mkl");
                Variables.putIfAbsent(
                        "MKL_CBWR", "AUTO"); // the same bits whatever else the process does and where arrays lie
            }
            String core = core(cpuinfo);
            if (core != null) {
                Variables.putIfAbsent(OPENBLAS_KERNELS, core);
            }
        } catch (IOException | LinkageError e) {
            LOG.warn(
                    "OpenBLAS chooses its kernels, perhaps slow ones on a new processor; set {} for others",
                    OPENBLAS_KERNELS,
                    e);
        }
    }

    /** Returns whether MKL is what has been loaded. By a function of its own: JavaCPP forgets the vendor while a thread sets its number of threads. */
    public static boolean mkl() {
        Loader.load(openblas_nolapack.class);
        return Loader.addressof("MKL_Set_Num_Threads") != null;
    }

    /** Returns whether MKL is among this program's jars. */
    static boolean hasMkl() {
        return Blas.class.getResource("/org/bytedeco/mkl/linux-x86_64/libmkl_rt.so.2") != null;
    }

    /** Returns whether the processor is Intel's. */
    static boolean intel(List<String> cpuinfo) {
        return value(cpuinfo, "vendor_id").equals("GenuineIntel");
    }

    /**
     * Returns the name of OpenBLAS's kernels for a processor, null to leave it to OpenBLAS.
     *
     * @param cpuinfo the lines of Linux's {@code /proc/cpuinfo}
     */
    static @Nullable String core(List<String> cpuinfo) {
        Set<String> flags = Set.of(value(cpuinfo, "flags").split(" "));
        boolean known = !intel(cpuinfo) || value(cpuinfo, "cpu family").equals("6");
        if (known || !flags.containsAll(Set.of("avx2", "fma"))) {
            return null;
        }
        return flags.containsAll(Set.of("avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"))
                ? "SKYLAKEX"
                : "HASWELL";
    }

    private static String value(List<String> cpuinfo, String key) {
        return cpuinfo.stream()
                .filter(line -> line.startsWith(key)
                        && line.substring(key.length()).stripLeading().startsWith(":"))
                .map(line -> line.substring(line.indexOf(':') + 1).strip())
                .findFirst()
                .orElse("");
    }
}
