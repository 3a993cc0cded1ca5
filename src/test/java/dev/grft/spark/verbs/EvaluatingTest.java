package dev.grft.spark.verbs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.UserError;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

class EvaluatingTest extends OnTiny {
    private List<String> sets(Path directory, String method) {
        return shared.sets(directory, "training.epochs=1", "tuning.method=" + method);
    }

    @Test
    void theDeltaOfAnotherMethodIsRefused() {
        Path directory = folder.resolve("run");
        String delta = directory + "/delta.safetensors: was trained by bitfit, but tuning.method is linear;"
                + " set tuning.method=bitfit";
        Tiny.does(spark, sets(directory, "bitfit"), false, Verbs::train);

        assertThatThrownBy(() -> Tiny.does(spark, sets(directory, "linear"), false, Verbs::evaluate))
                .isInstanceOf(UserError.class)
                .hasMessage(delta);
        assertThat(directory.resolve("evaluation.json")).doesNotExist();

        Tiny.does(spark, sets(directory.resolve("linear"), "linear"), false, Verbs::train);
        assertThatThrownBy(() -> Tiny.does(spark, sets(directory, "linear"), false, Verbs::evaluate))
                .hasMessage(delta + ", or run.directory=" + directory + "/linear for the delta of linear");
        Tiny.does(spark, sets(directory.resolve("linear"), "linear"), false, Verbs::evaluate);
    }
}
