package dev.grft.vit.kernels.blas;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.sun.jna.NativeLibrary;
import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.Backend;
import dev.grft.vit.kernels.CpuKernels;
import dev.grft.vit.kernels.Memory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BlasTest {
    private static final Path PROCESSORS = Path.of("/proc/cpuinfo");

    @ParameterizedTest(name = "{0}")
    @CsvSource(
            nullValues = "null",
            value = {
                "Diamond Rapids, GenuineIntel, 19, avx2 fma avx512f avx512cd avx512bw avx512dq avx512vl avx512_bf16, SKYLAKEX",
                "Nova Lake,      GenuineIntel, 18, avx2 fma avx_vnni,                                                HASWELL",
                "Emerald Rapids, GenuineIntel, 6, avx2 fma avx512f avx512cd avx512bw avx512dq avx512vl avx512_bf16,  null",
                "Pentium 4,      GenuineIntel, 15, sse2,                                                             null",
                "Zen 5,          AuthenticAMD, 26, avx2 fma avx512f avx512cd avx512bw avx512dq avx512vl avx512_bf16, null",
                "another,        HygonGenuine, 24, avx2 fma,                                                         null"
            })
    void kernelsAreThoseOfTheProcessor(String name, String vendor, String family, String flags, String core) {
        assertThat(Blas.core(List.of(
                        "processor\t: 0",
                        "vendor_id\t: " + vendor,
                        "cpu family\t: " + family,
                        "model name\t: " + name,
                        "flags\t\t: fpu " + flags)))
                .isEqualTo(core);
    }

    @Test
    void anArmProcessorIsLeftToOpenBlas() {
        assertThat(Blas.core(List.of("processor\t: 0", "Features\t: fp asimd", "CPU implementer\t: 0x41")))
                .isNull();
    }

    @Test
    void thatLibraryIsLoadedWithTheProcessorsKernels() throws IOException {
        assumeTrue(Files.isReadable(PROCESSORS), "no /proc/cpuinfo");
        List<String> cpuinfo = Files.readAllLines(PROCESSORS);
        String set = System.getenv(Blas.OPENBLAS_KERNELS);
        String wanted = set == null ? Blas.core(cpuinfo) : set;
        Array one = Memory.ND4J.allocate(DataType.FLOAT, 1, 1).fill(1);
        new CpuKernels().gemm(false, one, false, one, 1, 0, Memory.ND4J.allocate(DataType.FLOAT, 1, 1));

        if (Blas.hasMkl() && Blas.intel(cpuinfo)) {
            assertThat(Backend.onMkl()).isTrue();
            return;
        }
        assertThat(Backend.onMkl()).isFalse();
        String library;
        try (var maps = Files.lines(Path.of("/proc/self/maps"))) {
            library = maps.filter(line -> line.contains("libopenblas_nolapack"))
                    .map(line -> line.substring(line.indexOf('/')))
                    .findFirst()
                    .orElseThrow();
        }
        String core = NativeLibrary.getInstance(library)
                .getFunction("openblas_get_corename")
                .invokeString(new Object[0], false);
        if (wanted != null) {
            assertThat(core).isEqualToIgnoringCase(wanted);
        } else if (cpuinfo.stream().anyMatch(line -> line.matches("flags\\s*:.* avx2 .*"))) {
            assertThat(core).isIn("Haswell", "Zen", "SkylakeX", "Cooperlake", "SapphireRapids");
        }
    }
}
