package dev.grft.train;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.Penalty;
import dev.grft.ProcessStatus;
import dev.grft.Task;
import dev.grft.bench.Setup;
import dev.grft.config.TrainingSettings;
import dev.grft.data.Batch;
import dev.grft.tuning.BuiltInScore;
import dev.grft.tuning.SliceTuning;
import dev.grft.tuning.WholeTuning;
import dev.grft.vit.Keep;
import dev.grft.vit.Layout;
import dev.grft.vit.VitConfig;
import dev.grft.vit.Weights;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.Backend;
import dev.grft.vit.kernels.CpuKernels;
import dev.grft.vit.kernels.Memory;
import java.io.IOException;
import java.io.InputStream;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.deeplearning4j.nn.conf.MultiLayerConfiguration;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What is closed gives its native memory back at once. */
class NativeMemoryTest {
    private static final VitConfig CONFIG = new VitConfig(32, 4, 64, 2, 2, 128, 10, 1e-6);
    private static final TrainingSettings SETTINGS = Setup.settings().training();
    private static final Batch BATCH = Batch.of(
            IntStream.range(0, 4).mapToObj(id -> Setup.example(CONFIG, id)).toList(), Setup.preprocess(CONFIG));

    /** What is made, used and closed again and again. */
    enum Kind {
        NETWORK {
            @Override
            void use(Weights weights) {
                SliceTuning tuning = new SliceTuning(Setup.selection(CONFIG, 2));
                try (Replica replica = new Replica(
                        weights, tuning, configuration(tuning.layout(CONFIG)), new CpuKernels(), Keep.ALL)) {
                    replica.load(new float[tuning.layout(CONFIG).size()]);
                    replica.gradient(BATCH);
                }
            }
        },
        LEARNER {
            @Override
            void use(Weights weights) {
                Layout layout = new WholeTuning().layout(CONFIG);
                try (Learner learner =
                        new Learner(configuration(layout), LearnerState.start(new float[layout.size()]))) {
                    learner.apply(new StepGradient(new float[layout.size()], 0, 1), 0);
                }
            }
        },
        SCORER {
            @Override
            void use(Weights weights) {
                float[] head = new float[10 * CONFIG.width()];
                try (Scorer scorer = new Scorer(
                        weights,
                        CONFIG.matrices(),
                        BuiltInScore.SUMMED_GRADIENT,
                        head,
                        new float[10],
                        Task.SINGLE_LABEL,
                        new CpuKernels(),
                        Keep.ALL)) {
                    scorer.addLoss(BATCH);
                    scorer.addContrastive(BATCH, 0.1);
                }
            }
        },
        DELTAS {
            private final WholeTuning tuning = new WholeTuning();
            private Deltas deltas;

            @Override
            void use(Weights weights) {
                if (deltas == null) {
                    deltas = new Deltas(weights, new CpuKernels());
                }
                VitConfig config = CONFIG.withClasses(7);
                deltas.load(
                        "one",
                        tuning,
                        7,
                        Task.SINGLE_LABEL,
                        new float[tuning.layout(config).size()]);
                deltas.probabilities(BATCH);
                deltas.remove("one");
            }
        };

        abstract void use(Weights weights);

        static MultiLayerConfiguration configuration(Layout layout) {
            return Network.configuration(layout, SETTINGS, Penalty.NONE, 1, 1);
        }
    }

    @Tag("thorough")
    @ParameterizedTest
    @EnumSource
    void afterAThousandIsThatAfterTen(Kind kind) throws Exception {
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xms1500m", // the heap is resident from the start, and large enough
                        "-Xmx1500m",
                        "-Xmn1300m",
                        "-XX:+AlwaysPreTouch",
                        "-XX:+UseSerialGC",
                        "-cp",
                        System.getProperty("java.class.path"),
                        NativeMemoryTest.class.getName(),
                        kind.name())
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        String told;
        try (InputStream out = process.getInputStream()) {
            told = new String(out.readAllBytes(), StandardCharsets.UTF_8);
        }

        assertThat(process.waitFor()).as(told).isZero();
        String[] numbers = told.strip().split(" ", -1);
        // A thousand networks have 2 GB. What is left are ND4J's records of arrays, which are collected with their Java
        // objects.
        assertThat(Long.parseLong(numbers[1])).as("garbage collections").isLessThan(6);
        assertThat(Long.parseLong(numbers[0])).as("bytes more").isLessThan(160L << 20);
    }

    /** Prints how many bytes more are resident after a thousand than after ten, and the number of garbage collections meanwhile. */
    public static void main(String[] arguments) throws IOException {
        Backend.prepare();
        Backend.threads(1);
        Kind kind = Kind.valueOf(arguments[0]);
        try (Weights weights = Weights.zeros(CONFIG, DataType.FLOAT, Memory.ND4J)) {
            long after = 0;
            long collected = 0;
            for (int i = 1; i <= 1000; i++) {
                kind.use(weights);
                if (i == 10) {
                    System.gc();
                    after = ProcessStatus.bytes("VmRSS");
                    collected = collections();
                }
            }
            System.out.println(ProcessStatus.bytes("VmRSS") - after + " " + (collections() - collected));
        }
    }

    private static long collections() {
        return ManagementFactory.getGarbageCollectorMXBeans().stream()
                .mapToLong(bean -> bean.getCollectionCount())
                .sum();
    }

    @Test
    void severalDeltasShareTheWorkingArraysOfOne() {
        VitConfig config = CONFIG.withClasses(0);
        SliceTuning tuning = new SliceTuning(Setup.selection(CONFIG, 2));
        try (Weights weights = Weights.zeros(config, DataType.FLOAT, Memory.ND4J);
                Deltas one = new Deltas(weights, new CpuKernels());
                Deltas eight = new Deltas(weights, new CpuKernels())) {
            float[] trained = new float[tuning.layout(CONFIG).size()];
            one.load("0", tuning, 10, Task.SINGLE_LABEL, trained);
            IntStream.range(0, 8).forEach(i -> eight.load(Integer.toString(i), tuning, 10, Task.SINGLE_LABEL, trained));
            long head = 4L * 10 * (CONFIG.width() + 1);
            long ofADelta = 4L * trained.length + 2 * head; // and its head: pretrained, and with the difference

            Map<String, float[][]> all = eight.probabilities(BATCH);

            assertThat(all.values()).allSatisfy(each -> assertThat(each).isDeepEqualTo(one.probabilities("0", BATCH)));
            assertThat(eight.bytes()).isEqualTo(one.bytes() + 7 * ofADelta);
            assertThat(List.copyOf(all.keySet())).isEqualTo(eight.names());
        }
    }
}
