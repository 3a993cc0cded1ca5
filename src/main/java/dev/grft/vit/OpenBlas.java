package dev.grft.vit;

import com.sun.jna.NativeLibrary;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells OpenBLAS which of its kernels suit the processor. Version 0.3.19, that of ND4J, takes for processors newer than itself the kernels
 * of a Pentium 4 (Prescott), five times slower on Intel's Emerald Rapids, where it was seen; and for those that it knows and that have
 * bfloat16 the Cooper Lake kernels, whose product of a DOUBLE matrix with a transposed one is wrong in this build where the result
 * has more than 192 columns.
 */
final class OpenBlas {
    /** The variable by which OpenBLAS is told; whoever sets it decides. */
    static final String VARIABLE = "OPENBLAS_CORETYPE";

    private static final Logger LOG = LoggerFactory.getLogger(OpenBlas.class);
    private static final int ZEN_4 = 25; // AMD's newest family that OpenBLAS 0.3.19 knows

    private static boolean chosen;

    private OpenBlas() {}

    /** Chooses the kernels of this process, once; to be called before OpenBLAS is loaded, which reads the variable then. */
    static synchronized void choose() {
        Path processors = Path.of("/proc/cpuinfo");
        if (chosen || System.getenv(VARIABLE) != null || !Files.isReadable(processors)) {
            return;
        }
        chosen = true;
        try {
            String core = core(Files.readAllLines(processors));
            if (core != null) {
                // Java cannot change the environment that native code sees.
                NativeLibrary.getProcess().getFunction("setenv").invokeInt(new Object[] {VARIABLE, core, 0});
            }
        } catch (IOException | LinkageError e) {
            LOG.warn(
                    "OpenBLAS chooses its kernels, perhaps slow ones on a new processor; set {} for others",
                    VARIABLE,
                    e);
        }
    }

    /**
     * Returns the name of the kernels for a processor, null to leave it to OpenBLAS. But for Cooper Lake it is the one that OpenBLAS
     * chooses itself where it knows the processor.
     *
     * @param cpuinfo the lines of Linux's {@code /proc/cpuinfo}
     */
    static @Nullable String core(List<String> cpuinfo) {
        Set<String> flags = Set.of(value(cpuinfo, "flags").split(" "));
        boolean intel = value(cpuinfo, "vendor_id").equals("GenuineIntel");
        boolean newAmd = value(cpuinfo, "vendor_id").equals("AuthenticAMD")
                && Integer.parseInt(value(cpuinfo, "cpu family")) > ZEN_4;
        if (!(intel || newAmd) || !flags.containsAll(Set.of("avx2", "fma"))) {
            return null;
        }
        if (flags.containsAll(Set.of("avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"))) {
            return "SKYLAKEX";
        }
        return intel ? "HASWELL" : "ZEN";
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
