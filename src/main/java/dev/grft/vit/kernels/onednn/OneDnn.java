package dev.grft.vit.kernels.onednn;

import com.sun.jna.Function;
import com.sun.jna.Pointer;
import dev.grft.UserError;
import org.bytedeco.dnnl.engine;
import org.bytedeco.dnnl.global.dnnl;
import org.bytedeco.javacpp.Loader;

/** oneDNN in this process: loaded at the first use, with threads by OpenMP. */
public final class OneDnn {
    private static volatile int threads = 1;

    private OneDnn() {}

    /** What this processor has for products in bfloat16. */
    public enum Bf16 {
        /** Tiles of a matrix (AMX), about eight times the rate of float. */
        AMX,
        /** Dot products of pairs (AVX512_BF16), about twice the rate of float. */
        AVX512,
        /** AVX-512 alone: numbers are converted to float, and products take longer than those of float. */
        CONVERTED
    }

    /** The native library, once it is loaded. */
    private static final class Library {
        static final engine ENGINE;
        static final Function SET_THREADS;

        static {
            Loader.load(dnnl.class);
            ENGINE = new engine(engine.kind.cpu, 0);
            SET_THREADS = Function.getFunction(
                    new Pointer(Loader.addressof("omp_set_num_threads").address()));
        }
    }

    /**
     * Returns what this processor has.
     *
     * @throws UserError if it has not even AVX-512, or this build has no oneDNN for it
     */
    public static Bf16 bf16() {
        try {
            Loader.load(dnnl.class);
        } catch (LinkageError e) {
            throw new UserError(
                    "engine.precision: this build has no oneDNN for this system, which bf16 needs; use fp32", e);
        }
        int instructions = dnnl.dnnl_get_effective_cpu_isa();
        if (!has(instructions, dnnl.dnnl_cpu_isa_avx512_core)) {
            throw UserError.of("engine.precision: bf16 needs a processor with AVX-512; use fp32");
        }
        return has(instructions, dnnl.dnnl_cpu_isa_avx512_core_amx)
                ? Bf16.AMX
                : has(instructions, dnnl.dnnl_cpu_isa_avx512_core_bf16) ? Bf16.AVX512 : Bf16.CONVERTED;
    }

    private static boolean has(int instructions, int wanted) {
        return (instructions & wanted) == wanted;
    }

    /** Sets how many threads each product of this process may use. The last bits depend on this number. */
    public static void threads(int number) {
        threads = number;
    }

    /** Returns how many threads each product of this process may use. */
    public static int threads() {
        return threads;
    }

    /** Has what this thread calls next use so many threads: OpenMP keeps the number for each thread that calls. */
    static void use(int number) {
        Library.SET_THREADS.invokeVoid(new Object[] {number});
    }

    static engine engine() {
        return Library.ENGINE;
    }
}
