package dev.grft.bench;

import dev.grft.MatrixShape;
import dev.grft.Selection;
import dev.grft.train.Initial;
import dev.grft.tuning.LoraTuning;
import dev.grft.tuning.SliceTuning;
import dev.grft.tuning.Tuning;
import dev.grft.tuning.WholeTuning;
import dev.grft.vit.Bindings;
import dev.grft.vit.Keep;
import dev.grft.vit.Layout;
import dev.grft.vit.Vit;
import dev.grft.vit.VitConfig;
import dev.grft.vit.Weights;
import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.Backend;
import dev.grft.vit.kernels.Kernels;
import dev.grft.vit.kernels.Machine;
import dev.grft.vit.kernels.Memory;
import dev.grft.vit.kernels.torch.Gpu;
import dev.grft.vit.kernels.torch.Torch;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * Trains and measures LibTorch's kernels on a GPU, without Spark, DL4J and ND4J's native library, which a machine with nothing but PyTorch lacks: see
 * {@code src/test/gpu/README.md}. It ends with 1 if a training has other bits the second time.
 */
@Command(name = "src/test/gpu/run.sh", sortOptions = false)
public final class GpuRun implements Callable<Integer> {
    private static final int STEPS = 5;
    private static final float RATE = 1e-3f;

    @Option(names = "--cpu", description = "Compute on the CPU, in the way of a GPU.")
    private boolean cpu;

    @Option(names = "--model", description = "Default ${DEFAULT-VALUE}.")
    private String model = "vit_base_patch16_224";

    @Option(names = "--batches", split = ",", description = "Default ${DEFAULT-VALUE}.")
    private List<Integer> batches = List.of(64, 256);

    @Option(names = "--repetitions", description = "Of each step that counts; default ${DEFAULT-VALUE}.")
    private int repetitions = 10;

    @Option(names = "--python", description = "A Python with torch and timm, and peft for LoRA, to measure beside.")
    private @Nullable Path python;

    /** Exits with 0, with 1 if bits differ, or with 2 if an option is wrong. */
    public static void main(String... arguments) {
        System.exit(new CommandLine(new GpuRun()).execute(arguments));
    }

    @Override
    public Integer call() {
        if (!cpu) {
            Backend.takeGpu("torch", null);
        }
        if (!cpu && !Backend.onGpu("torch")) {
            System.err.println("no GPU that LibTorch can use; --cpu for a rehearsal");
            return 2;
        }
        System.out.println(cpu ? "CPU, in the way of a GPU" : Gpu.model());
        boolean same = true;
        for (String precision : cpu ? List.of("fp32", "bf16") : List.of("fp32", "tf32", "bf16")) {
            Kernels kernels = kernels(precision);
            Weights weights = Weights.copyOf(config(), Initial.vit(config(), 1), DataType.FLOAT, kernels.memory());
            try (weights) {
                same &= trainsTheSameTwice(precision, weights);
                for (int batch : batches) {
                    measure(precision, batch, weights);
                }
            }
        }
        if (!cpu && !Boolean.getBoolean("org.bytedeco.javacpp.pathsFirst")) { // not by a table of another version
            System.out.printf("GPU memory: %,d bytes, %,d free%n", Backend.ofGpu(), Backend.freeOnGpu(Long.MAX_VALUE));
        }
        return same ? 0 : 1;
    }

    private Kernels kernels(String precision) {
        Torch.load();
        Torch.tf32(precision.equals("tf32"));
        return Machine.asOnGpu(precision.equals("bf16"));
    }

    private VitConfig config() {
        return VitConfig.preset(model, 100);
    }

    /** Returns what trains, by the name of the peer's work. */
    private Map<String, Tuning> tunings() {
        Selection selection = Setup.selection(config(), 4);
        Map<String, MatrixShape> blocks = new LinkedHashMap<>(config().matrices());
        blocks.keySet().removeIf(matrix -> !matrix.startsWith("blocks."));
        Map<String, Tuning> all = new LinkedHashMap<>();
        all.put("slices", new SliceTuning(selection));
        all.put("lora", new LoraTuning(blocks, 4, 1, 0));
        all.put("full", new WholeTuning());
        return all;
    }

    private boolean trainsTheSameTwice(String precision, Weights weights) {
        boolean same = true;
        for (String method : List.of("slices", "full")) {
            String first = trained(precision, weights, tunings().get(method));
            String second = trained(precision, weights, tunings().get(method));
            same &= first.equals(second);
            System.out.printf(
                    "%s, %s, %d steps: %s, %s%n",
                    precision, method, STEPS, first, first.equals(second) ? "the same again" : "then " + second);
        }
        return same;
    }

    /** Returns the last loss and a digest of the trained vector. */
    private String trained(String precision, Weights weights, Tuning tuning) {
        try (Network network = new Network(weights, tuning, kernels(precision), 8)) {
            double loss = 0;
            for (int i = 0; i < STEPS; i++) {
                loss = network.step();
            }
            return String.format(Locale.ROOT, "loss %.9g, SHA-256 %s", loss, network.digest());
        }
    }

    private void measure(String precision, int batch, Weights weights) {
        Setup setup = new Setup(model, batch, 1, 1, repetitions, python, Pattern.compile(""), precision);
        measure(setup, "forward", weights, null);
        tunings().forEach((method, tuning) -> measure(setup, method, weights, tuning));
    }

    private void measure(Setup setup, String name, Weights weights, @Nullable Tuning tuning) {
        List<Work> works = new ArrayList<>();
        try (Network network = new Network(weights, tuning, kernels(setup.precision()), setup.batch())) {
            works.add(Work.of(name, tuning == null ? network::predict : network::step));
            Optional<Peer> peer = cpu ? setup.peer("torch-" + name) : setup.peer("torch-" + name, "--device", "cuda");
            peer.ifPresent(works::add);
            List<Times> times = Work.inTurn(works, 1, setup.repetitions());
            StringBuilder line = new StringBuilder(
                    String.format(Locale.ROOT, "%s, batch %d, %s:", setup.precision(), setup.batch(), name));
            for (int w = 0; w < works.size(); w++) {
                double median = times.get(w).median();
                line.append(String.format(
                        Locale.ROOT,
                        "  %s %.1f ms, %.0f images/s",
                        w == 0 ? "ours" : works.get(w).name(),
                        median,
                        1e3 * setup.batch() / median));
            }
            System.out.println(line);
        } catch (RuntimeException e) {
            String memory = Gpu.outOfMemory(e.getMessage());
            if (memory == null) {
                throw e;
            }
            System.out.printf("%s, batch %d, %s: out of memory, %s%n", setup.precision(), setup.batch(), name, memory);
        } finally {
            works.forEach(Work::close);
        }
    }

    /** A network, its batch of noise, and gradient descent on the host. */
    private static final class Network implements AutoCloseable {
        private final Kernels kernels;
        private final Vit vit;
        private final float[] vector;
        private final float[] pixels;
        private final float[] wanted;
        private final List<Array> own = new ArrayList<>();
        private final Array trained;
        private final Array gradient;
        private final Array images;
        private final Array targets;
        private final Array losses;
        private final Array dlogits;

        /** Returns a network that trains, or of a null tuning none. */
        Network(Weights weights, @Nullable Tuning tuning, Kernels kernels, int batch) {
            VitConfig config = weights.config();
            this.kernels = kernels;
            this.vit = new Vit(
                    weights,
                    (tuning == null ? SliceTuning.headOnly() : tuning).trainable(),
                    kernels,
                    tuning == null ? Keep.NOTHING : Keep.ALL);
            Layout layout = vit.layout();
            this.vector = floats(Machine.normal(2, layout.size()), 1e-3); // with zeros LoRA has no gradient
            this.trained = array(layout.size());
            this.gradient = array(layout.size());
            this.images = array(batch, 3, config.imageSize(), config.imageSize());
            this.targets = array(batch, config.classes());
            this.losses = array(batch);
            this.dlogits = array(batch, config.classes());
            this.pixels = floats(Machine.normal(1, Math.toIntExact(images.length())), 1);
            this.wanted = new float[batch * config.classes()];
            for (int b = 0; b < batch; b++) {
                wanted[b * config.classes() + b % config.classes()] = 1;
            }
            vit.bind(new Bindings(layout.views(trained), layout.views(gradient.fill(0))));
            load();
        }

        private Array array(long... shape) {
            Memory memory = kernels.memory();
            Array made = memory.allocate(DataType.FLOAT, shape);
            own.add(made);
            return made;
        }

        private static float[] floats(double[] values, double scale) {
            float[] copy = new float[values.length];
            for (int i = 0; i < copy.length; i++) {
                copy[i] = (float) (scale * values[i]);
            }
            return copy;
        }

        private void load() {
            trained.write(vector);
            vit.refresh();
        }

        void predict() {
            vit.forward(images.write(pixels)).floats();
        }

        /** Returns the mean loss before the step. */
        double step() {
            Array logits = vit.forward(images.write(pixels));
            kernels.crossEntropy(logits, targets.write(wanted), losses, dlogits);
            vit.backward(dlogits);
            float[] sum = gradient.floats();
            for (int i = 0; i < sum.length; i++) {
                vector[i] -= RATE * sum[i] / losses.length();
            }
            load();
            double loss = 0;
            for (float each : losses.floats()) {
                loss += each;
            }
            return loss / losses.length();
        }

        String digest() {
            ByteBuffer bytes = ByteBuffer.allocate(Float.BYTES * vector.length);
            bytes.asFloatBuffer().put(vector);
            try {
                return HexFormat.of()
                        .formatHex(MessageDigest.getInstance("SHA-256").digest(bytes.array()))
                        .substring(0, 16);
            } catch (NoSuchAlgorithmException e) {
                throw new IllegalStateException(e);
            }
        }

        @Override
        public void close() {
            vit.close();
            own.forEach(Array::close);
            kernels.free();
        }
    }
}
