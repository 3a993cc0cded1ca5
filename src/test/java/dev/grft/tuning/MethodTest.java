package dev.grft.tuning;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.UserError;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;

class MethodTest {
    private static final Method TOY =
            new Method("toy", List.of(), Method.Needs.PROBE, 1e-3, null, from -> SliceTuning.headOnly());

    @Test
    void theMethodsAreInTheOrderOfTheirEntries() {
        assertThat(Method.words())
                .containsExactly(
                        "grft",
                        "random",
                        "magnitude",
                        "last-layers",
                        "gps",
                        "lora",
                        "adapter",
                        "bitfit",
                        "linear",
                        "full");
    }

    @Test
    void aWordFindsItsMethod() {
        assertThat(Method.of("lora")).isSameAs(Method.LORA);
        assertThatThrownBy(() -> Method.of("toy"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("no method toy, only grft, random");
    }

    @Test
    void aWordIsOfOneMethod() {
        assertThatThrownBy(() -> Method.register(
                        new Method("lora", List.of(), Method.Needs.PROBE, 1e-3, null, from -> SliceTuning.headOnly())))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("there is a method lora already");
        assertThat(Method.of("lora")).isSameAs(Method.LORA);
    }

    @Test
    void settingsTakeTheWordsOfRegisteredMethodsOnly() {
        assertThatThrownBy(() -> settings("tuning.method=toy"))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("adapter, bitfit, linear, full, got 'toy'");

        try (Registered registered = new Registered(TOY)) {
            Settings settings = settings("tuning.method=toy", "methods.toy.training.learningRate=0.5");

            assertThat(Method.of(settings.tuning().method())).isEqualTo(registered.method());
            assertThat(Config.forMethod(settings, "toy").training().learningRate())
                    .isEqualTo(0.5);
        }
    }

    @Test
    void aMethodsLearningRateGrowsWithTheRootOfTheBatch() {
        assertThat(Method.LORA.learningRate(16)).isEqualTo(Method.LORA.learningRate());
        assertThat(Method.LORA.learningRate(64)).isEqualTo(2 * Method.LORA.learningRate());
        assertThat(Method.LORA.learningRate(32)).as("two digits").isEqualTo(1.4 * Method.LORA.learningRate());
        assertThat(Config.forMethod(settings("training.batchSize=64"), "lora")
                        .training()
                        .learningRate())
                .isEqualTo(Method.LORA.learningRate(64));
    }

    @Test
    void slicesAreOfTheBlocksUnlessAPresetCountsThePatchEmbeddingAndEntriesAreOfAll() {
        assertThat(Config.forMethod(settings(), "grft").selection().matrices())
                .hasSize(4)
                .doesNotContain("patch_embed.proj");
        assertThat(Config.forMethod(settings("selection.preset=vtab-rows"), "grft")
                        .selection()
                        .matrices())
                .hasSize(5)
                .contains("patch_embed.proj");
        assertThat(Config.forMethod(settings(), "gps").selection().matrices()).contains("patch_embed.proj");
        assertThat(Config.forMethod(settings("selection.matrices=[mlp.fc1]"), "gps")
                        .selection()
                        .matrices())
                .containsExactly("mlp.fc1");
    }

    @Test
    void sizesThatCanBeMatchedFollowTheBudgetIfTheyAre() {
        assertThat(Method.all().stream()
                        .filter(method -> method.usesBudget(true))
                        .map(Method::word))
                .containsExactly("grft", "random", "magnitude", "last-layers", "gps", "lora", "adapter");
        assertThat(Method.all().stream()
                        .filter(method -> method.usesBudget(false))
                        .map(Method::word))
                .containsExactly("grft", "random", "magnitude", "last-layers");
    }

    private static Settings settings(String... sets) {
        return Config.load(List.of(), List.of(sets), new Configuration());
    }
}
