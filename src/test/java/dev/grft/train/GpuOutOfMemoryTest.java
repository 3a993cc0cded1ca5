package dev.grft.train;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.MatrixShape;
import dev.grft.Penalty;
import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.bench.Setup;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.data.Batch;
import dev.grft.tuning.Score;
import dev.grft.tuning.SliceTuning;
import dev.grft.tuning.Tuning;
import dev.grft.vit.Keep;
import dev.grft.vit.VitConfig;
import dev.grft.vit.Weights;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.CpuKernels;
import dev.grft.vit.kernels.Kernels;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.hadoop.conf.Configuration;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;

/** A GPU whose memory runs out in the middle of a batch, whatever computes with it. */
class GpuOutOfMemoryTest {
    private static final VitConfig CONFIG = new VitConfig(8, 4, 16, 3, 2, 32, 2, 1e-6);
    private static final Settings SETTINGS = Config.load(List.of(), List.of(), new Configuration());

    /** Returns kernels that compute nothing. */
    private static Kernels full() {
        CpuKernels kernels = new CpuKernels();
        return (Kernels) Proxy.newProxyInstance(
                Kernels.class.getClassLoader(), new Class<?>[] {Kernels.class}, (proxy, method, arguments) -> {
                    if (method.getName().equals("gemm")) {
                        throw new RuntimeException("CUDA error: out of memory");
                    }
                    try {
                        return method.invoke(kernels, arguments);
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
                });
    }

    private static Batch batch() {
        return Batch.of(
                IntStream.range(0, 3).mapToObj(id -> Setup.example(CONFIG, id)).toList(), Setup.preprocess(CONFIG));
    }

    private static Weights weights() {
        return Weights.copyOf(CONFIG, Initial.vit(CONFIG, 1), DataType.FLOAT);
    }

    private static void assertNamesTheBatch(ThrowingCallable work) {
        assertThatThrownBy(work)
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith(
                        "a batch of 3 images of 8 x 8 does not fit in the GPU's memory: it needs more than is free; run check");
    }

    @Test
    void aScoreNamesItsBatch() {
        Map<String, MatrixShape> eligible = new LinkedHashMap<>(CONFIG.matrices());
        try (Weights weights = weights();
                Scorer scorer = new Scorer(
                        weights,
                        eligible,
                        Score.of(SETTINGS.selection().score()),
                        new float[2 * 16],
                        new float[2],
                        Task.SINGLE_LABEL,
                        full(),
                        Keep.ALL)) {
            assertNamesTheBatch(() -> scorer.addLoss(batch()));
            assertNamesTheBatch(() -> scorer.addActivations(batch()));
            assertNamesTheBatch(() -> scorer.addSampled(batch(), new long[3], 1));
            assertNamesTheBatch(() -> scorer.addContrastive(batch(), 0.07));
        }
    }

    @Test
    void deltasNameTheirBatch() {
        try (Weights weights = weights();
                Deltas deltas = new Deltas(weights, full())) {
            Tuning tuning = SliceTuning.headOnly();
            deltas.load(
                    "one",
                    tuning,
                    2,
                    Task.SINGLE_LABEL,
                    new float[tuning.layout(CONFIG).size()]);
            assertNamesTheBatch(() -> deltas.probabilities(batch()));
        }
    }

    @Test
    void aReplicaNamesItsBatch() {
        Tuning tuning = SliceTuning.headOnly();
        try (Weights weights = weights();
                Replica replica = new Replica(
                        weights,
                        tuning,
                        Network.configuration(tuning.layout(CONFIG), SETTINGS.training(), Penalty.NONE, 1, 1),
                        full(),
                        Keep.ALL)) {
            assertNamesTheBatch(() -> replica.gradient(batch()));
            assertNamesTheBatch(() -> replica.probabilities(batch()));
            assertNamesTheBatch(() -> replica.features(batch()));
            assertNamesTheBatch(() -> replica.everything(batch()));
        }
    }
}
