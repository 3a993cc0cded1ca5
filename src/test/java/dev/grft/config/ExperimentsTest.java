package dev.grft.config;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.Preset;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The files of {@code conf/experiments}, each over what its benchmark shares. */
class ExperimentsTest {
    private static final Path EXPERIMENTS = Path.of("conf/experiments");

    static List<Path> files() throws IOException {
        try (Stream<Path> all = Files.walk(EXPERIMENTS)) {
            return all.filter(file -> file.toString().endsWith(".yaml") && !file.endsWith("common.yaml"))
                    .filter(file ->
                            !file.startsWith(EXPERIMENTS.resolve("comparison"))) // its data sets are named by hand
                    .sorted()
                    .toList();
        }
    }

    private static List<String> layers(Path file) {
        return List.of(file.resolveSibling("common.yaml").toString(), file.toString());
    }

    private static Settings load(Path file, List<String> sets) {
        return Config.load(layers(file), sets, new Configuration());
    }

    @Test
    void thereIsAFileForEachOfTheNineteenTasksAndTheFiveSets() throws Exception {
        assertThat(files())
                .filteredOn(file -> file.startsWith(EXPERIMENTS.resolve("vtab")))
                .hasSize(19);
        assertThat(files())
                .filteredOn(file -> file.startsWith(EXPERIMENTS.resolve("fgvc")))
                .hasSize(5);
    }

    @Test
    void theSmallBudgetOfTheComparisonLoads() {
        Settings settings = load(EXPERIMENTS.resolve("comparison/small.yaml"), List.of("run.directory=runs/small"));

        assertThat(settings.compare().budgets()).containsExactly(0.003);
        assertThat(settings.selection().eligible()).doesNotContain("patch_embed.proj");
    }

    @ParameterizedTest
    @MethodSource("files")
    void eachFileLoads(Path file) {
        Settings settings = load(file, List.of());

        assertThat(settings.data().train()).contains("/train");
        assertThat(settings.data().validation()).contains("/val");
        assertThat(settings.data().test()).contains("/test.");
        assertThat(settings.data().trainOnValidation()).isTrue();
        assertThat(settings.run().directory())
                .isEqualTo("runs/" + EXPERIMENTS.relativize(file).toString().replace(".yaml", ""));
        boolean vtab = file.startsWith(EXPERIMENTS.resolve("vtab"));
        assertThat(settings.data().classes() != null).isEqualTo(vtab);
        assertThat(settings.data().crop()).isEqualTo(vtab ? "squash" : "center");
        assertThat(settings.augmentation().flip()).isEqualTo(!vtab);
        assertThat(settings.selection().preset()).isEqualTo((vtab ? Preset.VTAB_ROWS : Preset.FGVC_ROWS).toString());
        assertThat(settings.training().epochs()).isEqualTo(100);
    }

    @ParameterizedTest
    @MethodSource("files")
    void eachFileSettlesEveryMethod(Path file) {
        Settings settings = load(file, List.of());

        assertThat(settings.methods().keySet()).containsExactly("adapter", "full", "gps", "grft", "lora");
        for (String method : new String[] {"grft", "gps", "lora", "adapter", "linear", "full"}) {
            Settings own = Config.forMethod(settings, method);
            assertThat(own.tuning().method()).isEqualTo(method);
            assertThat(own.penalty().lambda()).as(method).isEqualTo(method.equals("grft") ? 1e-4 : 0);
        }
        Settings gps = Config.forMethod(settings, "gps");
        assertThat(gps.selection().loss()).isEqualTo("contrastive");
        assertThat(gps.training().updater()).isEqualTo("adam");
        assertThat(gps.training().weightDecay()).isZero();
    }

    @Test
    void theSettingsOfGpsAreThoseOfItsScripts() {
        Settings camelyon = Config.forMethod(load(EXPERIMENTS.resolve("vtab/patch_camelyon.yaml"), List.of()), "gps");
        assertThat(camelyon.training().learningRate()).isEqualTo(0.004);
        assertThat(camelyon.training().batchSize()).isEqualTo(32);
        assertThat(camelyon.tuning().gps().perNeuron()).isEqualTo(2);
        Settings birds = Config.forMethod(load(EXPERIMENTS.resolve("fgvc/nabirds.yaml"), List.of()), "gps");
        assertThat(birds.training().learningRate()).isEqualTo(0.0001);
        assertThat(birds.data().root()).isEqualTo("data/fgvc/nabirds/images");
        assertThat(birds.tuning().gps().perNeuron()).isEqualTo(20);
    }
}
