package dev.grft.bench;

import dev.grft.vit.VitConfig;
import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.Backend;
import dev.grft.vit.kernels.CpuKernels;
import dev.grft.vit.kernels.Kernels;
import dev.grft.vit.kernels.Machine;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.Options;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;
import org.openjdk.jmh.util.Statistics;

/** The kernels of one encoder block, with the shapes of a step, each alone, by JMH. */
@State(Scope.Thread)
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
public class KernelBench {
    private static final String MODEL = "grft.bench.model";
    private static final String BATCH = "grft.bench.batch";
    private static final String THREADS = "grft.bench.threads";
    private static final int SLICES = 4;

    private final Kernels kernels = new CpuKernels();
    private final VitConfig config = VitConfig.preset(System.getProperty(MODEL), 0);
    private final int batch = Integer.getInteger(BATCH);
    private final int m = batch * config.tokens();
    private final int d = config.width();
    private final int mlp = config.mlpWidth();

    private final Array x = normal(m, d);
    private final Array y = normal(m, d);
    private final Array normalized = normal(m, d);
    private final Array inverse = Machine.zeros(DataType.FLOAT, m).fill(1);
    private final Array gain = Machine.zeros(DataType.FLOAT, d).fill(1);
    private final Array offset = Machine.zeros(DataType.FLOAT, d);
    private final Array hidden = normal(m, mlp);
    private final Array activated = normal(m, mlp);
    private final Array units =
            Machine.zeros(DataType.FLOAT, m, mlp).fill(1); // lest a thousand products become ever smaller
    private final Array bias = Machine.zeros(DataType.FLOAT, mlp);
    private final Array qkv = normal(m, 3 * d);
    private final Array dqkv = normal(m, 3 * d);
    private final Array softmax = normal(m * config.heads(), config.tokens());
    private final Array fc1 = normal(mlp, d);
    private final Array part = normal(SLICES, m);
    private final Array slices = normal(SLICES, d);
    private final int[] rows =
            IntStream.range(0, SLICES).map(i -> i * mlp / SLICES).toArray();

    public KernelBench() {
        Backend.threads(Integer.getInteger(THREADS));
    }

    private static Array normal(int rows, int columns) {
        return Machine.array(DataType.FLOAT, Machine.normal(rows, rows * columns), rows, columns);
    }

    /** The bias of fc1 and the GELU behind it. */
    @Benchmark
    public void biasAndGelu() {
        kernels.gelu(bias, hidden, activated);
    }

    @Benchmark
    public void geluBackward() {
        kernels.geluBackward(units, activated);
    }

    @Benchmark
    public void layerNorm() {
        kernels.layerNorm(x, gain, offset, 1e-6, normalized, inverse, y);
    }

    @Benchmark
    public void layerNormBackward() {
        kernels.layerNormBackward(x, gain, normalized, inverse, y);
    }

    /** Softmax included. */
    @Benchmark
    public void attention() {
        kernels.attention(qkv, config.heads(), batch, softmax, y);
    }

    @Benchmark
    public void attentionBackward() {
        kernels.attentionBackward(y, qkv, softmax, config.heads(), batch, dqkv);
    }

    /** The forward of fc1. */
    @Benchmark
    public void largeProduct() {
        kernels.gemm(false, x, true, fc1, 1, 0, hidden);
    }

    /** The gradient of some rows of fc1. */
    @Benchmark
    public void sliceGradient() {
        kernels.columnsToRows(hidden, rows, part);
        kernels.gemm(false, part, false, x, 1, 0, slices);
    }

    /**
     * Returns a row for each kernel.
     *
     * @param quick in this process, for a first impression
     */
    static List<Row> rows(Setup setup, boolean quick) {
        Map<String, String> properties = Map.of(
                MODEL, setup.model(),
                BATCH, Integer.toString(setup.batch()),
                THREADS, Integer.toString(setup.threads()));
        properties.forEach(System::setProperty);
        Options options = new OptionsBuilder()
                .include(KernelBench.class.getName())
                .forks(quick ? 0 : 1)
                .jvmArgsAppend(properties.entrySet().stream()
                        .map(p -> "-D" + p.getKey() + "=" + p.getValue())
                        .toArray(String[]::new))
                .warmupIterations(1)
                .warmupTime(TimeValue.milliseconds(quick ? 100 : 3000))
                .measurementIterations(1)
                .measurementTime(TimeValue.milliseconds(quick ? 100 : 5000))
                .verbosity(VerboseMode.SILENT)
                .build();
        VitConfig config = setup.config();
        double perWeight = 2.0 * setup.batch() * config.tokens() * config.width();
        List<Row> rows = new ArrayList<>();
        try {
            for (RunResult result : new Runner(options).run()) {
                String name = result.getPrimaryResult().getLabel();
                Row row = Row.of(
                        "kernel: " + words(name),
                        times(result.getPrimaryResult().getStatistics()));
                double flops = switch (name) {
                    case "largeProduct" -> perWeight * config.mlpWidth();
                    case "sliceGradient" -> perWeight * SLICES;
                    default -> 0;
                };
                rows.add(
                        flops == 0 ? row : row.with("gflops", flops / row.ours().median() / 1e6));
            }
        } catch (RunnerException e) {
            throw new IllegalStateException(e);
        }
        return rows;
    }

    private static Times times(Statistics statistics) {
        double[] all = new double[Math.toIntExact(statistics.getN())];
        int i = 0;
        for (var value = statistics.getRawData(); value.hasNext(); ) {
            var one = value.next();
            for (long n = 0; n < one.getValue(); n++) {
                all[i++] = one.getKey();
            }
        }
        return new Times(all);
    }

    private static String words(String name) {
        return name.replaceAll("([A-Z])", " $1").toLowerCase(Locale.ROOT);
    }
}
