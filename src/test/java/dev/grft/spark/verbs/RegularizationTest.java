package dev.grft.spark.verbs;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Runs with balanced classes, smoothed labels, dropped paths, averages and batches in parts. */
class RegularizationTest extends OnTiny {
    private static final List<String> ALL = List.of(
            "data.balance=sampler",
            "training.labelSmoothing=0.1",
            "training.dropPath=0.5",
            "training.ema=0.9",
            "training.microBatch=1",
            "selection.everyEpochs=2",
            "training.patience=5",
            "data.validation=" + "TEST");

    private Map<String, String> delta(String name, List<String> more) {
        List<String> sets = new ArrayList<>(more);
        sets.replaceAll(set -> set.replace("=TEST", "=" + shared.test()));
        Path directory = folder.resolve(name);
        Tiny.does(spark, shared.sets(directory, sets.toArray(String[]::new)), false, Verbs::train);
        return Tiny.tensors(directory.resolve("delta.safetensors"));
    }

    private Map<String, String> delta(String name, String... more) {
        return delta(name, Arrays.asList(more));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "data.balance=sampler",
                "training.labelSmoothing=0.1",
                "training.dropPath=0.5",
                "training.ema=0.9",
                "training.sliceRates=uniform"
            })
    void eachChangesWhatIsTrained(String set) {
        assertThat(delta("with", set).get("head.weight"))
                .isNotEqualTo(delta("without").get("head.weight"));
    }

    @Test
    void aPenaltyThatTheMethodDoesNotUseIsToldOnce() {
        List<String> sets = shared.sets(folder.resolve("linear"), "tuning.method=linear", "penalty.lambda=0.5");
        String err = Tiny.does(spark, sets, false, verbs -> {
                    verbs.train();
                    verbs.evaluate();
                })
                .err();
        assertThat(err)
                .containsOnlyOnce("linear trains no slices, so penalty.lambda=0.5 is not used; set"
                        + " methods.linear.penalty.lambda instead");
    }

    @Test
    void classesOfEqualSizeHaveWeightsOfOneAndOthersHaveNot() throws IOException {
        Map<String, String> plain = delta("plain");
        assertThat(delta("equal", "data.balance=weights")).isEqualTo(plain);

        Path few = folder.resolve("few");
        try (Stream<Path> files = Files.walk(shared.train())) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                String name = shared.train().relativize(file).toString();
                if (!name.matches("red.[1-9].*")) {
                    Files.createDirectories(few.resolve(name).getParent());
                    Files.copy(file, few.resolve(name));
                }
            }
        }
        String[] fresh = {"data.train=" + few, "training.headInit=fresh", "selection.loss=fresh"};
        assertThat(delta("unequal", fresh[0], fresh[1], fresh[2], "data.balance=weights")
                        .get("head.weight"))
                .isNotEqualTo(delta("ignored", fresh).get("head.weight"));
        assertThat(delta("probed", fresh[0], "data.balance=weights", "tuning.method=linear"))
                .isNotEqualTo(delta("probe", fresh[0], "tuning.method=linear"));
    }

    @Test
    @Tag("thorough")
    void allOfThemGiveTheSameBitsWhenInterruptedAndWithoutKeepingActivations() {
        Map<String, String> whole = delta("whole", ALL);
        List<String> part = new ArrayList<>(ALL);
        part.add("training.maxSteps=4");
        delta("parts", part);
        part.set(part.size() - 1, "training.maxSteps=8"); // in the second selection
        delta("parts", part);
        assertThat(delta("parts", ALL)).isEqualTo(whole);

        List<String> again = new ArrayList<>(ALL);
        again.add("engine.recompute=true");
        assertThat(delta("again", again)).isEqualTo(whole);
    }

    @Test
    @Tag("thorough")
    void localStepsAreAveragedAndGoOnToTheSameBits() {
        String[] sets = {"training.ema=0.9", "training.syncEvery=2", "training.maxSteps=0"};
        Map<String, String> whole = delta("whole", sets);
        assertThat(delta("last", sets[1]).get("head.weight")).isNotEqualTo(whole.get("head.weight"));
        sets[2] = "training.maxSteps=4";
        delta("parts", sets);
        sets[2] = "training.maxSteps=0";
        assertThat(delta("parts", sets)).isEqualTo(whole);
    }
}
