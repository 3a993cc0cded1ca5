package dev.grft.spark.verbs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.grft.UserError;
import dev.grft.checkpoint.artifact.DeltaFile;
import dev.grft.data.Pixels;
import dev.grft.spark.images.Images;
import dev.grft.spark.run.Session;
import dev.grft.spark.verbs.Tiny.Printed;
import dev.grft.vit.VitConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Every method, trained for real, side by side. */
class ComparingTest extends OnTiny {
    private static final String METHODS = "[linear, random, magnitude, last-layers, gps, lora, adapter, bitfit, full]";

    private List<String> sets(String... more) {
        List<String> all = new ArrayList<>(
                List.of("training.epochs=1", "compare.methods=" + METHODS, "tuning.lastLayers.blocks=1"));
        all.addAll(List.of(more));
        return shared.sets(folder.resolve("run"), all.toArray(String[]::new));
    }

    private JsonNode comparison() throws IOException {
        return new ObjectMapper().readTree(Files.readString(folder.resolve("run/comparison.json")));
    }

    @Test
    @Tag("thorough")
    void everyMethodIsTrainedAndEvaluatedWithEverySeedAndBudget() throws Exception {
        List<String> sets = sets("compare.seeds=[1, 2]", "compare.budgets=[0.02, 0.1]");

        Printed printed = Tiny.does(spark, sets, false, Verbs::compare);

        assertThat(folder.resolve("run/report.html")).content().contains("\"comparison\":{\"cells\"");
        assertThat(folder.resolve("run/data.json")).content().contains("data.train", "data.test");
        assertThat(comparison().path("first").asText()).isEqualTo("budget-0.02/seed-1");
        JsonNode cells = comparison().path("cells");
        List<String> told = new ArrayList<>();
        for (JsonNode cell : cells) {
            told.add(cell.path("method").asText() + " " + cell.path("budget").asText());
            assertThat(cell.path("seeds").size()).as(told.toString()).isEqualTo(2);
            assertThat(cell.path("accuracy_sd").isNumber()).isTrue();
            for (JsonNode seed : cell.path("seeds")) {
                assertThat(seed.path("accuracy").asDouble()).isBetween(0.0, 1.0);
                assertThat(seed.path("macro_f1").asDouble()).isBetween(0.0, 1.0);
                assertThat(seed.path("trained").asLong()).isPositive();
                assertThat(seed.path("delta_bytes").asLong()).isPositive();
                if (!cell.path("method").asText().equals("linear")) {
                    assertThat(seed.path("bytes_per_step").asLong())
                            .as("in local mode: one vector to the tasks, and one sum back")
                            .isEqualTo(4 * 2 * seed.path("trained").asLong());
                    assertThat(seed.path("seconds_per_step").asDouble()).isPositive();
                }
            }
        }
        assertThat(told)
                .containsExactly(
                        "linear null",
                        "random 0.02",
                        "magnitude 0.02",
                        "last-layers 0.02",
                        "gps 0.02",
                        "lora 0.02",
                        "adapter 0.02",
                        "bitfit null",
                        "full null",
                        "grft 0.02",
                        "random 0.1",
                        "magnitude 0.1",
                        "last-layers 0.1",
                        "gps 0.1",
                        "lora 0.1",
                        "adapter 0.1",
                        "grft 0.1");
        JsonNode picks = comparison().at("/selections/2 %");
        assertThat(picks.path("jaccard_between_seeds").asDouble(-1)).isBetween(0.0, 1.0);
        assertThat(picks.path("jaccard_between_halves").asDouble(-1)).isBetween(0.0, 1.0);
        assertThat(sum(picks.path("share_by_kind"))).isCloseTo(1, within(1e-9));
        assertThat(sum(picks.path("share_by_block"))).isCloseTo(1, within(1e-9));
        assertThat(printed.err().split("probe: training a head", -1))
                .as("probes, one for each seed")
                .hasSize(1 + 2);
        assertThat(printed.err().split("select: scoring [^\n]*18/18", -1))
                .as("scores, one for each seed")
                .hasSize(1 + 2);
        assertThat(printed.err().split("probe: features [^\n]*18/18", -1))
                .as("features")
                .hasSize(1 + 1);
        assertThat(printed.err().split("reading the images", -1)).as("sets").hasSize(1 + 2);
        assertThat(Files.readAllLines(folder.resolve("run/comparison.csv"))).hasSize(1 + 2 * 17);
        assertThat(printed.out())
                .contains("| grft at 10 % | 2 |", "| accuracy, % | at 2 % | at 10 % |", "Slices of GRFT at 2 %")
                .contains("run directory: ");

        Path delta = folder.resolve("run/budget-0.1/seed-2/lora/delta.safetensors");
        Object before = Files.getLastModifiedTime(delta);
        Printed again = Tiny.does(spark, sets, false, Verbs::compare);
        assertThat(Files.getLastModifiedTime(delta)).as("not made again").isEqualTo(before);
        assertThat(again.out()).isEqualTo(printed.out());
    }

    private static double sum(JsonNode shares) {
        double sum = 0;
        for (JsonNode share : shares) {
            sum += share.asDouble();
        }
        return sum;
    }

    /** They are not computed from images, so there are no scores of half of them. */
    @Test
    void givenScoresAreComparedWithoutHalves() throws Exception {
        List<String> scored = shared.sets(folder.resolve("scored"));
        Tiny.does(spark, scored, false, Verbs::select);
        List<String> sets = sets(
                "compare.methods=[]",
                "selection.scores=" + folder.resolve("scored/selection.safetensors"),
                "training.epochs=1");

        Tiny.does(spark, sets, false, Verbs::compare);

        assertThat(comparison().path("cells")).isNotEmpty();
        assertThat(comparison().toString()).doesNotContain("jaccard_between_halves\":0", "jaccard_between_halves\":1");
        assertThat(folder.resolve("run/halves")).doesNotExist();
    }

    @Test
    void budgetsTakeMatricesAndStepsOfThePresetWhichTheyReplace() throws Exception {
        List<String> sets = sets(
                "compare.methods=[]",
                "compare.budgets=[2]",
                "selection.preset=vtab-rows",
                "selection.matrices=null",
                "training.epochs=1");

        Tiny.does(spark, sets, false, Verbs::compare);

        assertThat(Tiny.tensors(folder.resolve("run/budget-2.0/seed-42/selection.safetensors")))
                .containsKey("patch_embed.proj.weight.rows.score")
                .containsKey("blocks.0.attn.qkv.weight.rows.score");
        String delta =
                folder.resolve("run/budget-2.0/seed-42/delta.safetensors").toString();
        assertThat(DeltaFile.read(new Configuration(), new org.apache.hadoop.fs.Path(delta))
                        .settings())
                .containsPattern("sliceRates: \"?uniform");
    }

    @Test
    void eachTrainingImageIsInOneHalfDrawnByTheSeed() {
        Session session = Session.in(spark, Tiny.settings(sets()), System.out, System.err);
        try (session) {
            Images all = session.main().images().training();

            List<Long> one = ids(all.half(1, 0));
            List<Long> other = ids(all.half(1, 1));

            assertThat(one).isNotEmpty().doesNotContainAnyElementsOf(other).isNotEqualTo(ids(all.half(2, 0)));
            assertThat(all.half(1, 0).count()).isEqualTo(one.size());
            List<Long> both = new ArrayList<>(one);
            both.addAll(other);
            assertThat(both).containsExactlyInAnyOrderElementsOf(ids(all));
        }
    }

    @Test
    void whatCropsAreCutFromIsKeptOnlyIfAMethodCropsAtRandom() throws Exception {
        String[] wide = {"compare.methods=[gps]", "augmentation.crop=false", "data.resize=9"};
        List<String> plain = sets(wide);
        List<String> contrastive = shared.sets(
                folder.resolve("contrastive"),
                Stream.concat(Stream.of("training.epochs=1", "methods.gps.selection.loss=contrastive"), Stream.of(wide))
                        .toArray(String[]::new));

        assertThat(sizes(plain)).containsOnly("8 x 8 and 0");
        assertThat(sizes(contrastive)).containsOnly("8 x 8 and 9 x 10");
        Tiny.does(spark, plain, false, Verbs::run);
        Tiny.does(spark, contrastive, false, Verbs::run);

        assertThat(Tiny.tensors(folder.resolve("contrastive/delta.safetensors")))
                .as("GRFT, which does not crop")
                .isEqualTo(Tiny.tensors(folder.resolve("run/delta.safetensors")));
        assertThat(Files.readString(folder.resolve("contrastive/evaluation.json")))
                .isEqualTo(Files.readString(folder.resolve("run/evaluation.json")));
        assertThat(folder.resolve("contrastive/gps/delta.safetensors")).exists();
    }

    private static List<String> sizes(List<String> sets) {
        Session session = Session.in(spark, Tiny.settings(sets), System.out, System.err);
        try (session) {
            return session.main()
                    .images()
                    .training()
                    .shards()
                    .flatMap(shard -> shard.withSources().examples().iterator())
                    .map(example -> {
                        Pixels source = example.source();
                        return example.pixels().height() + " x "
                                + example.pixels().width() + " and "
                                + (source == null ? "0" : source.height() + " x " + source.width());
                    })
                    .collect();
        }
    }

    private static List<Long> ids(Images images) {
        return images.examples().map(example -> example.id()).collect();
    }

    @ParameterizedTest
    @Tag("thorough")
    @ValueSource(
            strings = {
                "compare.budgets=[0.3]",
                "compare.budgets=[14] selection.axis=column selection.matrices=[mlp.fc1]",
                "compare.budgets=[3] selection.axis=column tuning.biases=true"
            })
    void methodsOfAnotherKindTrainAboutAsManyNumbersAsTheBudget(String more) throws Exception {
        Tiny.does(spark, sets(more.split(" ")), false, Verbs::compare);

        long budget = 0;
        for (JsonNode cell : comparison().path("cells")) {
            JsonNode seed = cell.path("seeds").elements().next();
            long trained = seed.path("trained_without_head").asLong();
            switch (cell.path("method").asText()) {
                case "random" -> budget = trained;
                case "gps", "lora", "adapter" ->
                    assertThat((double) trained / budget)
                            .as(cell.path("method").asText())
                            .isBetween(0.7, 1.3);
                default -> {}
            }
        }
        assertThat(budget).isPositive();
    }

    /** A budget of one row, whose block has 112 biases: 128 parameters, as has LoRA of rank 1 on four matrices. */
    @Test
    void onlyTheBiasesOfBlocksThatHaveSlicesCountForMethodsOfAnotherKind() throws Exception {
        Path deep = Tiny.pretrained(folder.resolve("deep"), new VitConfig(8, 4, 16, 4, 2, 32, 0, 1e-6), 1);
        List<String> sets = sets(
                "model.pretrained=" + deep,
                "compare.methods=[lora]",
                "compare.budgets=[0.002]",
                "selection.matrices=null",
                "tuning.biases=true",
                "tuning.lora.targets=[attn.proj]");

        Tiny.does(spark, sets, false, Verbs::compare);

        assertThat(comparison().path("cells"))
                .hasSize(2)
                .allSatisfy(cell -> assertThat(cell.path("seeds")
                                .elements()
                                .next()
                                .path("trained_without_head")
                                .asLong())
                        .as(cell.path("method").asText())
                        .isEqualTo(16 + 112));
    }

    @Test
    @Tag("thorough")
    void theLearningRateIsChosenOnTheValidationImages() throws Exception {
        Path validation = Tiny.images(folder.resolve("validation"), 3, 9);
        List<String> sets = sets(
                "compare.methods=[linear, lora]",
                "compare.learningRates=[1e-9, 0.03]",
                "training.headInit=fresh",
                "training.epochs=6",
                "training.warmupEpochs=0",
                "data.validation=" + validation);

        Printed printed = Tiny.does(spark, sets, false, Verbs::compare);

        assertThat(printed.err()).contains("compare: best on the validation images: ");
        for (JsonNode cell : comparison().path("cells")) {
            JsonNode seed = cell.path("seeds").elements().next();
            if (!cell.path("method").asText().equals("linear")) {
                assertThat(seed.path("learning_rate").asDouble())
                        .as("a head that has learned nothing is no better than chance")
                        .isEqualTo(0.03);
            }
        }
        assertThat(folder.resolve("run/trials/budget/rate-1.0E-9/lora/evaluation.json"))
                .exists();
        assertThat(folder.resolve("run/trials/budget/rate-0.03/evaluation.json"))
                .exists();
        assertThatThrownBy(() -> Tiny.does(spark, sets("compare.learningRates=[0.1]"), false, Verbs::compare))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("compare.learningRates are tried on data.validation, which is not set");
    }

    /** Both rates recognize every image, the larger with the smaller loss. */
    @Test
    void theLearningRateIsChosenByWhatTheMethodWatches() throws Exception {
        List<String> sets = sets(
                "compare.methods=[bitfit]",
                "compare.learningRates=[1e-4, 0.02]",
                "methods.grft.training.watch=loss",
                "training.headInit=probe", // all images are right from the start
                "training.epochs=4",
                "data.validation=" + Tiny.images(folder.resolve("validation"), 3, 9));

        Tiny.does(spark, sets, false, Verbs::compare);

        JsonNode small = trial("1.0E-4");
        JsonNode large = trial("0.02");
        assertThat(large.at("/bitfit/accuracy")).isEqualTo(small.at("/bitfit/accuracy"));
        assertThat(large.at("/grft/accuracy")).isEqualTo(small.at("/grft/accuracy"));
        assertThat(large.at("/grft/loss").asDouble())
                .isLessThan(small.at("/grft/loss").asDouble());
        for (JsonNode cell : comparison().path("cells")) {
            assertThat(cell.path("seeds")
                            .elements()
                            .next()
                            .path("learning_rate")
                            .asDouble())
                    .isEqualTo(cell.path("method").asText().equals("grft") ? 0.02 : 1e-4);
        }
    }

    @Test
    void aRateWithWhichTheTrainingDivergesIsNotChosen() throws Exception {
        String[] sets = {
            "compare.methods=[bitfit]",
            "compare.learningRates=[1e-4, 1e38]",
            "training.epochs=4",
            "training.warmupEpochs=0",
            "data.validation=" + Tiny.images(folder.resolve("validation"), 3, 9)
        };

        Printed printed = Tiny.does(spark, sets(sets), false, Verbs::compare);

        assertThat(printed.err())
                .contains("compare: grft diverges at training.learningRate 1.0E38 (training: the loss of step ")
                .contains("compare: bitfit diverges at training.learningRate 1.0E38");
        for (JsonNode cell : comparison().path("cells")) {
            assertThat(cell.path("seeds")
                            .elements()
                            .next()
                            .path("learning_rate")
                            .asDouble())
                    .isEqualTo(1e-4);
        }
        sets[1] = "compare.learningRates=[1e37, 1e38]";
        assertThatThrownBy(() -> Tiny.does(spark, sets(sets), false, Verbs::compare))
                .isInstanceOf(UserError.class)
                .hasMessage("compare.learningRates: the training of bitfit diverges at each of [1.0E37, 1.0E38];"
                        + " add lower rates");
    }

    private JsonNode trial(String rate) throws Exception {
        return new ObjectMapper()
                .readTree(Files.readString(folder.resolve("run/trials/budget/rate-" + rate + "/metrics.json")));
    }

    @Test
    void settingsOfOneMethodCountForItAloneAlsoInARun() throws Exception {
        List<String> sets = sets(
                "compare.methods=[lora, adapter]", "methods.lora.tuning.lora.rank=2", "methods.lora.training.epochs=2");

        Tiny.does(spark, sets, false, Verbs::run);

        assertThat(Files.readAllLines(folder.resolve("run/lora/history.jsonl"))).hasSize(6);
        assertThat(Files.readAllLines(folder.resolve("run/history.jsonl"))).hasSize(3);
        assertThat(Tiny.tensors(folder.resolve("run/lora/delta.safetensors")).get("blocks.0.mlp.fc1.weight.lora_a"))
                .startsWith("F32 [2, 16]");
    }

    @Test
    void anAdapterIsEvaluatedButNotMerged() throws Exception {
        List<String> sets = sets("compare.methods=[]", "tuning.method=adapter");

        Printed printed = Tiny.does(spark, sets, false, Verbs::run);

        assertThat(printed.err()).contains("not merged: adapters cannot be merged into a plain ViT");
        assertThat(folder.resolve("run/evaluation.json")).exists();
        assertThatThrownBy(() -> Tiny.does(spark, sets, false, Verbs::merge))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("has an adapter behind it");
        assertThat(folder.resolve("run/merged.safetensors")).doesNotExist();
    }
}
