package dev.grft.vit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.UserError;
import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.CpuKernels;
import dev.grft.vit.kernels.Kernels;
import dev.grft.vit.kernels.Machine;
import dev.grft.vit.kernels.Nd4jKernels;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Models that are no plain ViTs; their gradients are checked in {@link GradientTest}, their logits with the files of libraries. */
class VariantTest {
    private static final VitConfig SIZES = new VitConfig(8, 4, 12, 2, 3, 24, 3, 1e-6);

    static Stream<Named<Variant>> forms() {
        return Stream.of(
                        new Variant(true, 0, 0, false, true, Activation.GELU, Pooling.CLASS_TOKEN),
                        new Variant(true, 4, 0, false, true, Activation.GELU, Pooling.CLASS_TOKEN),
                        new Variant(true, 2, 1, false, true, Activation.GELU, Pooling.CLASS_TOKEN_AND_MEAN),
                        new Variant(true, 2, 1, true, true, Activation.QUICK_GELU, Pooling.CLASS_TOKEN_AND_MEAN),
                        new Variant(true, 2, 3, false, false, Activation.GELU, Pooling.MEAN_THEN_NORM),
                        new Variant(false, 1, 0, false, true, Activation.TANH_GELU, Pooling.MEAN_THEN_NORM),
                        new Variant(false, 0, 0, false, false, Activation.TANH_GELU, Pooling.MEAN),
                        new Variant(true, 0, 1, true, false, Activation.QUICK_GELU, Pooling.CLASS_TOKEN))
                .map(form -> Named.of(form.words(), form));
    }

    static VitConfig of(VitConfig sizes, Variant form) {
        return new VitConfig(
                sizes.imageSize(),
                sizes.patchSize(),
                sizes.width(),
                sizes.depth(),
                sizes.heads(),
                sizes.mlpWidth(),
                sizes.classes(),
                sizes.epsilon(),
                form);
    }

    @Test
    void tensorsAreCounted() {
        Variant form = new Variant(true, 4, 0, true, true, Activation.GELU, Pooling.CLASS_TOKEN_AND_MEAN);
        VitConfig config = of(SIZES, form);

        assertThat(config.tokens()).isEqualTo(1 + 4 + 4);
        assertThat(config.features()).isEqualTo(24);
        long more = 4 * 12 - 12 + 2 * 12 + 2 * 2 * 12 + 3 * 12; // registers, a position, norm, scales, head
        assertThat(config.parameters()).isEqualTo(SIZES.parameters() + more);
        assertThat(config.matrices()).isEqualTo(SIZES.matrices());
    }

    @Test
    void aFormThatCannotBeIsTold() {
        assertThatThrownBy(() -> new Variant(false, 0, 0, false, false, Activation.GELU, Pooling.CLASS_TOKEN))
                .isInstanceOf(UserError.class)
                .hasMessage("model: the head reads the class token, but there is none");
        assertThatThrownBy(() -> new Variant(true, 2, 2, false, false, Activation.GELU, Pooling.MEAN))
                .isInstanceOf(UserError.class)
                .hasMessage("model: positioned must be 0, 1 or 3, got 2");
    }

    @ParameterizedTest
    @MethodSource("forms")
    void bothKernelsComputeTheSame(Variant form) {
        Map<String, Step> steps = Map.of(
                "cpu", new Step(form, new CpuKernels(), Keep.ALL, name -> true),
                "nd4j", new Step(form, new Nd4jKernels(), Keep.ALL, name -> true));
        Step cpu = steps.get("cpu");
        Step nd4j = steps.get("nd4j");

        Machine.assertClose(cpu.logits, nd4j.logits, 1e-4);
        cpu.trained
                .gradients
                .keySet()
                .forEach(name -> Machine.assertClose(cpu.trained.gradient(name), nd4j.trained.gradient(name), 1e-4));
    }

    @ParameterizedTest
    @MethodSource("forms")
    void aParameterThatTrainsAloneHasTheSameBits(Variant form) {
        Step all = new Step(form, new CpuKernels(), Keep.ALL, name -> true);
        for (String name : of(SIZES, form).tensors().keySet()) {
            Step alone = new Step(form, new CpuKernels(), Keep.ALL, name::equals);
            assertThat(alone.logits).as(name).containsExactly(all.logits);
            assertThat(alone.trained.gradients).hasSize(1);
            assertThat(alone.trained.gradient(name)).as(name).containsExactly(all.trained.gradient(name));
        }
    }

    @ParameterizedTest
    @MethodSource("forms")
    void recomputingAndPredictingGiveTheSameBits(Variant form) {
        Step all = new Step(form, new CpuKernels(), Keep.ALL, name -> true);
        Step inputs = new Step(form, new CpuKernels(), Keep.INPUTS, name -> true);

        assertThat(inputs.logits).containsExactly(all.logits);
        all.trained
                .gradients
                .keySet()
                .forEach(name ->
                        assertThat(inputs.trained.gradient(name)).as(name).containsExactly(all.trained.gradient(name)));
        try (Weights weights = Step.weights(form)) {
            Vit vit = new Vit(weights, Trainable.NOTHING, new CpuKernels(), Keep.NOTHING);
            assertThat(Machine.values(vit.forward(Step.images()))).containsExactly(all.logits);
        }
    }

    /** A forward and a backward in float. */
    private static final class Step {
        final double[] logits;
        final Trained trained;

        Step(Variant form, Kernels kernels, Keep keep, Trainable trains) {
            try (Weights weights = weights(form)) {
                Vit vit = new Vit(weights, trains, kernels, keep);
                trained = Trained.of(vit, DataType.FLOAT);
                Array y = vit.forward(images());
                logits = Machine.values(y);
                vit.backward(Machine.array(DataType.FLOAT, Machine.normal(7, (int) y.length()), y.shape()));
            }
        }

        static Weights weights(Variant form) {
            VitConfig config = of(SIZES, form);
            return Weights.copyOf(config, GradientTest.tensors(config), DataType.FLOAT, Machine.memory());
        }

        static Array images() {
            return Machine.array(DataType.FLOAT, Machine.normal(5, 3 * 3 * 8 * 8), 3, 3, 8, 8);
        }
    }
}
