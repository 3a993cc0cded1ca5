package dev.grft.config;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import dev.grft.Preset;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The files of {@code conf/experiments}, each over what its benchmark shares. */
class ExperimentsTest {
    private static final Path EXPERIMENTS = Path.of("conf/experiments");
    private static final YAMLMapper YAML = new YAMLMapper();

    static List<Path> files() throws IOException {
        try (Stream<Path> all = Files.walk(EXPERIMENTS)) {
            return all.filter(file -> file.toString().endsWith(".yaml") && !file.endsWith("common.yaml"))
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

    /** Returns what applies when a method runs, as single keys, by method. */
    private static Map<String, List<String>> methods(Path file) throws IOException {
        Map<String, List<String>> methods = new LinkedHashMap<>();
        for (String layer : layers(file)) {
            for (Map.Entry<String, JsonNode> method :
                    YAML.readTree(Path.of(layer).toFile()).get("methods").properties()) {
                List<String> sets = methods.computeIfAbsent(method.getKey(), name -> new ArrayList<>());
                for (Map.Entry<String, JsonNode> key : method.getValue().properties()) {
                    sets.add(key.getKey() + "=" + key.getValue());
                }
            }
        }
        return methods;
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
    void eachFileSettlesEveryMethodWithKeysThatThereAre(Path file) throws Exception {
        Map<String, List<String>> methods = methods(file);

        assertThat(methods.keySet()).containsExactlyInAnyOrder("grft", "gps", "lora", "adapter", "linear", "full");
        for (Map.Entry<String, List<String>> method : methods.entrySet()) {
            assertThat(method.getValue()).as(method.getKey()).isNotEmpty();
            load(file, method.getValue()); // refuses unknown keys and values out of range
        }
        assertThat(methods.get("gps")).anyMatch(set -> set.startsWith("tuning.gps.perNeuron="));
    }

    @Test
    void theSettingsOfGpsAreThoseOfItsScripts() throws Exception {
        Path camelyon = EXPERIMENTS.resolve("vtab/patch_camelyon.yaml");
        assertThat(load(camelyon, List.of()).training().learningRate()).isEqualTo(0.004);
        assertThat(load(camelyon, List.of()).training().batchSize()).isEqualTo(32);
        assertThat(methods(camelyon).get("gps")).contains("tuning.gps.perNeuron=2");
        Path birds = EXPERIMENTS.resolve("fgvc/nabirds.yaml");
        assertThat(load(birds, List.of()).training().learningRate()).isEqualTo(0.0001);
        assertThat(load(birds, List.of()).data().root()).isEqualTo("data/fgvc/nabirds/images");
        assertThat(methods(birds).get("gps")).contains("tuning.gps.perNeuron=20");
    }
}
