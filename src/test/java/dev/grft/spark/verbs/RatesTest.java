package dev.grft.spark.verbs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.grft.UserError;
import dev.grft.spark.verbs.Tiny.Printed;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

class RatesTest extends OnTiny {
    private Printed does(Path directory, Consumer<Verbs> verb, String method) {
        return Tiny.does(
                spark,
                shared.sets(directory, "tuning.method=" + method, "training.shards=1", "training.epochs=2"),
                false,
                verb);
    }

    @Test
    void aLearningRateIsFoundAndTheTrainingAfterwardsIsTheSame() throws Exception {
        Path tried = folder.resolve("tried");
        Printed printed = does(tried, Verbs::rates, "full");

        assertThat(printed.out())
                .containsPattern("rates full: the loss falls fastest at \\S+ and is back where it began at ");
        JsonNode rates = new ObjectMapper().readTree(Files.readString(tried.resolve("rates.json")));
        assertThat(printed.out()).contains("try --set methods.full.training.learningRate=");
        assertThat(rates.path("suggested").asDouble()).isBetween(1e-4, 1.0);
        assertThat(rates.path("steps").size()).isGreaterThan(50);
        assertThat(rates.path("steps").get(0).get(0).asDouble()).isEqualTo(1e-6);
        assertThat(tried.resolve("state")).doesNotExist();
        assertThat(tried.resolve("history.jsonl")).doesNotExist();
        assertThat(does(tried, Verbs::rates, "full").out())
                .as("read, not made again")
                .contains(rates.path("summary").asText());

        does(tried, Verbs::train, "full");
        Path alone = folder.resolve("alone");
        does(alone, Verbs::train, "full");
        assertThat(Tiny.tensors(tried.resolve("delta.safetensors")))
                .isEqualTo(Tiny.tensors(alone.resolve("delta.safetensors")));
        does(tried, Verbs::report, "full");
        assertThat(Files.readString(tried.resolve("report.html")))
                .contains(rates.path("summary").asText());
    }

    @Test
    void sgdIsRefusedWithoutARateButForTheSearchOfOne() {
        List<String> sets = shared.sets(folder.resolve("sgd"), "training.updater=sgd", "compare.methods=[linear]");

        for (Consumer<Verbs> verb : List.<Consumer<Verbs>>of(Verbs::train, Verbs::run, Verbs::check)) {
            assertThatThrownBy(() -> Tiny.does(spark, sets, false, verb))
                    .isInstanceOf(UserError.class)
                    .hasMessageStartingWith("training.learningRate is null, but training.updater sgd has no default");
        }
        assertThat(folder.resolve("sgd/selection.safetensors")).doesNotExist();
        assertThat(Tiny.does(spark, sets, false, Verbs::rates).out()).contains("(none now)");
    }

    @Test
    void theLinearProbeHasNone() {
        assertThatThrownBy(() -> does(folder.resolve("linear"), Verbs::rates, "linear"))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith("tuning.method linear has the learning rate probe.learningRate");
    }
}
