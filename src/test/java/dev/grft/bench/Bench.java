package dev.grft.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.grft.vit.kernels.Backend;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

/** Measures what this project's work costs; see {@code src/site/markdown/benchmark.md}. */
@Command(
        name = "jobs/bench.sh",
        sortOptions = false,
        description = "Measures kernels, whole steps, memory and Spark's share; prints a table and writes bench.json.")
public final class Bench implements Callable<Integer> {
    @CommandLine.Spec
    private CommandLine.Model.CommandSpec spec;

    @Option(
            names = "--peer",
            description = "Install PyTorch, timm, peft and JAX (several GB), and measure their work in turn with ours.")
    private boolean peer;

    @Option(
            names = "--peers",
            paramLabel = "REGEX",
            description =
                    "Of the peers only those in whose name it is found, such as torch-slices. All that stand beside a"
                            + " measurement are in memory at once.")
    private Pattern peers = Pattern.compile("");

    @Option(
            names = "--python",
            hidden = true,
            description = "The interpreter that jobs/bench.sh has installed them for.")
    private @Nullable Path python;

    @Option(
            names = "--mkl",
            description = "Build with Intel's MKL, which multiplies on Intel's processors in place of OpenBLAS.")
    private boolean mkl;

    @Option(
            names = "--precision",
            paramLabel = "NAME",
            description =
                    "engine.precision of ours, and PyTorch with autocast for bf16: fp32 or bf16; default ${DEFAULT-VALUE}.")
    private String precision = "fp32";

    @Option(names = "--quick", description = "Few repetitions: shows that everything runs, not how fast.")
    private boolean quick;

    @Option(
            names = "--warm-up",
            paramLabel = "SECONDS",
            description = "For how long each side runs before it counts; default ${DEFAULT-VALUE}.")
    private int warmUp = 40;

    @Option(
            names = "--repetitions",
            paramLabel = "N",
            description = "How often each side counts; default ${DEFAULT-VALUE}.")
    private int repetitions = 15;

    @Option(names = "--model", paramLabel = "NAME", description = "timm's name; default ${DEFAULT-VALUE}.")
    private String model = "vit_base_patch16_224";

    @Option(names = "--batch", paramLabel = "N", description = "Examples in a step; default ${DEFAULT-VALUE}.")
    private int batch = 8;

    @Option(names = "--threads", paramLabel = "N", description = "Default: one for each core.")
    private int threads = Runtime.getRuntime().availableProcessors();

    @Option(
            names = "--only",
            paramLabel = "REGEX",
            description = "Measure only parts whose name it matches: kernels,"
                    + " forward, slice step, lora step, full step, score pass, methods, switching, photos, memory and start, Spark; and growth and"
                    + " full rounds, which are measured only if asked for.")
    private Pattern only = Pattern.compile("");

    @Option(
            names = {"-h", "--help"},
            usageHelp = true,
            description = "Print this.")
    @SuppressWarnings("unused") // picocli looks at it
    private boolean help;

    @Option(names = "--output", paramLabel = "FILE", description = "Default ${DEFAULT-VALUE}.")
    private Path output = Path.of("bench.json");

    /** Exits with 0, or with 2 if an option is wrong. */
    public static void main(String... arguments) {
        System.exit(new CommandLine(new Bench()).execute(arguments));
    }

    @Override
    public Integer call() throws IOException {
        Backend.prepare();
        if (batch < 1 || threads < 1) {
            throw new ParameterException(
                    spec.commandLine(), "--batch and --threads must be at least 1, got " + batch + " and " + threads);
        }
        if (warmUp < 0 || repetitions < 1) {
            throw new ParameterException(
                    spec.commandLine(),
                    "--warm-up must be at least 0 and --repetitions at least 1, got " + warmUp + " and " + repetitions);
        }
        if (peer && python == null) {
            throw new ParameterException(spec.commandLine(), "--peer needs jobs/bench.sh, which installs the peers");
        }
        if (mkl && !Backend.onMkl()) {
            throw new ParameterException(
                    spec.commandLine(),
                    "--mkl needs jobs/bench.sh, which builds with it, and one of Intel's processors");
        }
        if (!precision.equals("fp32") && !precision.equals("bf16")) {
            throw new ParameterException(spec.commandLine(), "--precision must be fp32 or bf16, got " + precision);
        }
        Setup setup =
                new Setup(model, batch, threads, quick ? 2 : warmUp, quick ? 3 : repetitions, python, peers, precision);
        measure(setup, quick, only, System.out, output);
        System.out.println("written to " + output);
        return 0;
    }

    /** Measures the parts that {@code only} matches; prints each row and writes the file anew after each part. */
    static List<Row> measure(Setup setup, boolean quick, Pattern only, PrintStream out, Path file) throws IOException {
        Map<String, Supplier<List<Row>>> parts = new LinkedHashMap<>();
        parts.put("kernels", () -> KernelBench.rows(setup, quick));
        parts.put("forward", () -> steps(setup, Steps::forward));
        parts.put("slice step", () -> steps(setup, Steps::sliceStep));
        parts.put("lora step", () -> steps(setup, Steps::loraStep));
        parts.put("full step", () -> steps(setup, Steps::fullStep));
        parts.put("score pass", () -> steps(setup, Steps::scorePass));
        parts.put("methods", () -> steps(setup, Steps::methods));
        parts.put("switching", () -> Switching.rows(setup));
        parts.put("photos", () -> Photos.rows(setup));
        parts.put("memory and start", () -> new Applications(setup, quick).startAndMemory());
        parts.put("Spark", () -> new Applications(setup, quick).sparksShare());
        if (!only.pattern().isEmpty()) { // large models and batches: only for who asks
            parts.put("growth", () -> new Costs(setup, quick ? 1 : 3).rows());
            parts.put("full rounds", () -> new Applications(setup, quick).sparksShareOfFull());
        }

        out.printf(
                "%s, batch %d, %d threads, %s, %s%n",
                setup.model(), setup.batch(), setup.threads(), setup.precision(), Backend.onMkl() ? "MKL" : "OpenBLAS");
        out.println(Row.HEADING);
        List<Row> rows = new ArrayList<>();
        for (Map.Entry<String, Supplier<List<Row>>> part : parts.entrySet()) {
            if (only.matcher(part.getKey()).find()) {
                List<Row> measured = part.getValue().get();
                measured.forEach(out::println);
                rows.addAll(measured);
                write(rows, setup, file);
                System.gc(); // native arrays go with the objects that hold them
            }
        }
        return rows;
    }

    private static List<Row> steps(Setup setup, Function<Steps, List<Row>> part) {
        try (Steps steps = new Steps(setup)) {
            return part.apply(steps);
        }
    }

    /** Writes a list of {@link Row#json}, each with the sizes of the measurement. */
    private static void write(List<Row> rows, Setup setup, Path file) throws IOException {
        List<Map<String, @Nullable Object>> list = new ArrayList<>();
        for (Row row : rows) {
            Map<String, @Nullable Object> json = row.json();
            json.put("model", setup.model());
            json.put("batch", setup.batch());
            json.put("threads", setup.threads());
            list.add(json);
        }
        Files.writeString(
                file, new ObjectMapper().writerWithDefaultPrettyPrinter().writeValueAsString(list) + "\n");
    }
}
