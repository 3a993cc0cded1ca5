package dev.grft.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.Budget;
import dev.grft.Orientation;
import dev.grft.Preset;
import dev.grft.UserError;
import dev.grft.tuning.Method;
import dev.grft.tuning.TuningSettings;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ConfigTest {
    private static final Configuration HADOOP = new Configuration(false);

    @TempDir
    private Path folder;

    private byte[] base;
    private int files;

    @BeforeEach
    void readTheDefaults() throws IOException {
        base = Files.readAllBytes(Path.of("conf/base.yaml"));
    }

    @Test
    void keysOfAMethodMayStandBelowTheirSections() {
        String nested =
                file("methods:\n  lora:\n    training:\n      learningRate: 3e-3\n    tuning: {lora: {rank: 2}}\n");
        String dotted = file("methods: {lora: {training.learningRate: 3e-3, tuning.lora.rank: 2}}");
        assertThat(load(List.of(nested)).methods())
                .isEqualTo(load(List.of(dotted)).methods())
                .hasSize(1);
        String twice = file("methods: {lora: {training.epochs: 3, training: {epochs: 4}}}");
        assertThatThrownBy(() -> load(List.of(twice)))
                .hasMessage(twice + ": methods.lora.training.epochs is given twice; remove one (line 1)");
        String none = file("methods: {lora: {training: {epoch: 3}}}");
        assertThatThrownBy(() -> load(List.of(none)))
                .hasMessageContaining("unknown key methods.lora.training.epoch; did you mean training.epochs?");
    }

    @Test
    void biasesTrainBesideSlicesUnlessAPresetIsSet() {
        assertThat(biases("grft")).isTrue();
        assertThat(biases("random")).isTrue();
        assertThat(biases("lora")).isFalse();
        assertThat(biases("grft", "selection.preset=vtab-rows")).isFalse();
        assertThat(biases("grft", "selection.preset=vtab-rows", "tuning.biases=true"))
                .isTrue();
        assertThat(biases("random", "methods.random.tuning.biases=false")).isFalse();
    }

    private static boolean biases(String method, String... assignments) {
        return Config.forMethod(Config.load(List.of(), List.of(assignments), HADOOP), method)
                .tuning()
                .trainsBiases();
    }

    @Test
    void theDefaultsGiveEveryKeyOfTheRecordsAndNoOtherInTheirOrder() {
        Layer defaults = Layer.ofFile("conf/base.yaml", base);
        assertThat(defaults.values().keySet()).containsExactlyElementsOf(Schema.KEYS.keySet());
    }

    @Test
    void theDefaultsExplainEveryKey() {
        List<String> lines = new String(base, StandardCharsets.UTF_8).lines().toList();
        for (int i = 1; i < lines.size(); i++) {
            if (lines.get(i).matches("\\s*\\w+:.*")) {
                assertThat(lines.get(i - 1)).as(lines.get(i)).matches("\\s*#.*|\\w+:");
            }
        }
    }

    @Test
    void eachKeyReachesTheComponentOfItsNameAndNoOther() {
        String[] lines = Config.toYaml(settings()).split("\n");
        List<String> sets = List.of(
                "run.directory=elsewhere",
                "run.seed=7000000000",
                "tuning.method=random",
                "tuning.biases=true",
                "tuning.lora.rank=3",
                "tuning.lora.alpha=2.5",
                "tuning.lora.dropout=0.25",
                "tuning.lora.targets=[attn.qkv]",
                "tuning.adapter.form=pfeiffer",
                "tuning.adapter.size=5",
                "tuning.adapter.scale=0.5",
                "tuning.gps.perNeuron=7",
                "tuning.lastLayers.blocks=2",
                "compare.methods=[full]",
                "compare.seeds=[1, 7000000000]",
                "compare.budgets=[0.01, 0.1]",
                "compare.learningRates=[1e-3]",
                "compare.ratesAt=3",
                "compare.match=false",
                "model.pretrained=a.safetensors",
                "model.imageSize=64",
                "model.preset=vit_tiny_patch16_224",
                "model.saveType=bf16",
                "data.train=hdfs://nodes/train",
                "data.validation=/val",
                "data.trainOnValidation=true",
                "data.test=s3a://bucket/test",
                "data.format=parquet",
                "data.root=/images",
                "data.task=multi-label",
                "data.classes=10",
                "data.balance=weights",
                "data.imageColumn=photo",
                "data.labelColumn=no",
                "data.resize=72",
                "data.crop=squash",
                "data.mean=[0.1, 0.2, 0.3]",
                "data.std=[1, 2, 3]",
                "data.interpolation=lanczos",
                "data.exif=transpose",
                "data.maxBroken=0.5",
                "augmentation.crop=true",
                "augmentation.minScale=0.1",
                "augmentation.maxScale=0.9",
                "augmentation.minRatio=0.5",
                "augmentation.maxRatio=2",
                "augmentation.cropSource=2",
                "augmentation.padding=4",
                "augmentation.flip=true",
                "augmentation.verticalFlip=true",
                "augmentation.rotate=true",
                "augmentation.randAugment=rand-m9-mstd0.5-inc1",
                "augmentation.colorJitter.brightness=0.4",
                "augmentation.colorJitter.contrast=0.3",
                "augmentation.colorJitter.saturation=0.2",
                "augmentation.colorJitter.hue=0.1",
                "augmentation.colorJitter.probability=0.8",
                "augmentation.colorJitter.grayscale=0.2",
                "augmentation.erasing.probability=0.25",
                "augmentation.erasing.mode=const",
                "augmentation.erasing.count=2",
                "augmentation.mixup=0.8",
                "augmentation.cutmix=1",
                "augmentation.mixProbability=0.5",
                "augmentation.switchProbability=0.75",
                "selection.preset=fgvc-min-axis-cars",
                "selection.axis=column",
                "selection.budget.count=9",
                "selection.budget.fraction=0.25",
                "selection.matrices=[mlp.fc1]",
                "selection.score=per-batch",
                "selection.scores=scores.safetensors",
                "selection.perLength=false",
                "selection.loss=contrastive",
                "selection.temperature=0.5",
                "selection.batchSize=3",
                "selection.everyEpochs=2",
                "selection.released=restore",
                "penalty.lambda=3e-3",
                "penalty.lastLayers=2",
                "penalty.head=0.125",
                "penalty.decoupled=true",
                "probe.epochs=3",
                "probe.batchSize=5",
                "probe.learningRate=0.75",
                "probe.weightDecay=0.25",
                "training.epochs=33",
                "training.batchSize=128",
                "training.shards=8",
                "training.microBatch=4",
                "training.syncEvery=2",
                "training.headInit=probe",
                "training.learningRate=2e-3",
                "training.schedule=constant",
                "training.warmupEpochs=1.5",
                "training.minLearningRate=1e-5",
                "training.decayEpochs=2.5",
                "training.decayRate=0.25",
                "training.power=2",
                "training.headRate=3",
                "training.layerDecay=0.5",
                "training.sliceRates=score",
                "training.updater=sgd",
                "training.beta1=0.5",
                "training.beta2=0.75",
                "training.epsilon=1e-6",
                "training.momentum=0.5",
                "training.nesterov=true",
                "training.weightDecay=0.5",
                "training.decayAll=true",
                "training.clipNorm=2",
                "training.divergence=3",
                "training.onDivergence=halve",
                "training.labelSmoothing=0.1",
                "training.dropPath=0.2",
                "training.ema=0.99",
                "training.emaWarmup=false",
                "training.checkpointEvery=0",
                "training.keep=1",
                "training.maxSteps=10",
                "training.patience=3",
                "training.watch=auroc",
                "evaluation.batchSize=64",
                "evaluation.flip=true",
                "evaluation.protocol=gps-paper",
                "predict.topK=7",
                "tracking.uri=https://mlflow.example.com/mlflow",
                "tracking.experiment=flowers",
                "tracking.model=true",
                "tracking.registerAs=flowers@champion",
                "tracking.timeoutSeconds=0.25",
                "lineage.uri=hdfs://namenode:8020/lineage",
                "lineage.namespace=plants",
                "lineage.job=flowers",
                "lineage.timeoutSeconds=0.75",
                "engine.kernels=nd4j",
                "engine.precision=bf16",
                "engine.requireGpu=true",
                "engine.mixed=true",
                "engine.blasThreads=2",
                "engine.recompute=true",
                "engine.frozenCacheGiB=0.5",
                "engine.rounds=standing",
                "engine.timeoutSeconds=0.5",
                "engine.graceSeconds=3",
                "engine.leaseSeconds=5");
        assertThat(sets.stream().map(set -> set.substring(0, set.indexOf('='))))
                .containsExactlyElementsOf(Schema.KEYS.keySet());
        for (String set : sets) {
            String key = set.substring(0, set.indexOf('='));
            List<String> changed = new ArrayList<>();
            String[] after = Config.toYaml(settings(set)).split("\n");
            assertThat(after).hasSameSizeAs(lines);
            for (int i = 0; i < lines.length; i++) {
                if (!after[i].equals(lines[i])) {
                    changed.add(after[i].strip().replaceAll(":.*", ""));
                }
            }
            switch (key) {
                case "selection.preset" -> assertThat(changed).containsExactly("preset", "axis", "count");
                case "selection.budget.fraction" -> assertThat(changed).containsExactly("count", "fraction");
                default -> assertThat(changed).containsExactly(key.substring(key.lastIndexOf('.') + 1));
            }
        }
    }

    @Test
    void aBaselineOfGrftMayHaveAnotherKindOfBudget() {
        Settings share = load(
                List.of(), "methods.grft.selection.budget.count=8", "methods.random.selection.budget.fraction=0.01");
        Settings preset =
                load(List.of(), "methods.grft.selection.budget.count=8", "methods.random.selection.preset=vtab-rows");
        Settings count = load(
                List.of(),
                "methods.grft.selection.preset=vtab-rows",
                "methods.random.selection.preset=null",
                "methods.random.selection.budget.count=5");

        assertThat(Config.forMethod(share, "random").selection().budget().fraction())
                .isEqualTo(0.01);
        assertThat(Config.forMethod(preset, "random").selection().preset()).isEqualTo("vtab-rows");
        assertThat(Config.forMethod(count, "random").selection().budget().count())
                .isEqualTo(5);
        assertThat(Config.forMethod(share, "grft").selection().budget().count()).isEqualTo(8);
    }

    @Test
    void whatDiffersForAMethodCountsForItAlone() {
        String file = file("""
            tuning: {lora: {rank: 4}}
            methods:
              lora:
                training.learningRate: 5e-3
                tuning.lora.targets: [attn.qkv]
                selection.preset: null
              grft: {selection.preset: vtab-rows}
              full:
            """);
        Settings all = load(List.of(file), "methods.lora.penalty.lambda=0", "compare.methods=[lora]");
        Settings lora = Config.forMethod(all, "lora");
        Settings grft = Config.forMethod(all, "grft");

        assertThat(all.training()).isEqualTo(settings().training());
        assertThat(all.methods().keySet()).containsExactly("grft", "lora");
        assertThat(lora.tuning().method()).isEqualTo("lora");
        assertThat(lora.tuning().lora()).isEqualTo(new TuningSettings.Lora(4, 8, 0, List.of("attn.qkv")));
        assertThat(lora.training().learningRate()).isEqualTo(5e-3);
        assertThat(lora.penalty().lambda()).isZero();
        assertThat(lora.selection().preset()).isNull();
        assertThat(lora.methods()).isEmpty();
        assertThat(lora.compare().methods()).isEmpty();
        assertThat(grft.selection().preset()).isEqualTo("vtab-rows");
        assertThat(Config.forMethod(all, "random").selection())
                .as("a baseline of GRFT")
                .isEqualTo(grft.selection());
        assertThat(all.training().learningRate()).isNull();
        assertThat(grft.training().learningRate()).isEqualTo(Method.GRFT.learningRate(32));
        assertThatThrownBy(() -> Config.forMethod(load(List.of(), "training.minLearningRate=0.1"), "lora"))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("training.minLearningRate must be in [0, training.learningRate], here [0, ");
        assertThat(load(List.of(file(Config.toYaml(all)))))
                .as("written and read")
                .isEqualTo(all);
        assertThatThrownBy(() -> Config.forMethod(load(List.of(), "methods.lora.training.keep=0"), "lora"))
                .isInstanceOf(UserError.class)
                .hasMessage("methods.lora: training.keep must be >= 1, got 0");
    }

    @Test
    void thePenaltyIsForSlicesAndForMethodsThatAreGivenOne() {
        Settings all = settings(
                "penalty.lambda=0.5",
                "penalty.head=0.25",
                "methods.bitfit.penalty.lambda=0.125",
                "methods.full.penalty.head=0.0625");
        for (Method method : Method.all()) {
            Settings.Penalty penalty = Config.forMethod(all, method.word()).penalty();
            boolean slices =
                    List.of("grft", "random", "magnitude", "last-layers").contains(method.word());
            assertThat(penalty.lambda())
                    .as(method.word())
                    .isEqualTo(slices ? 0.5 : method.equals(Method.BITFIT) ? 0.125 : 0);
            assertThat(penalty.head())
                    .as(method.word())
                    .isEqualTo(slices ? 0.25 : method.equals(Method.FULL) ? 0.0625 : 0);
        }
    }

    @Test
    void sgdHasNoLearningRateOfItsOwn() {
        TrainingSettings none =
                Config.forMethod(settings("training.updater=sgd"), "lora").training();
        assertThatThrownBy(none::rate)
                .isInstanceOf(UserError.class)
                .hasMessage(
                        "training.learningRate is null, but training.updater sgd has no default: the defaults are for"
                                + " adam and adamw; set it, the verb rates finds one");
        assertThat(Config.forMethod(settings("training.updater=sgd", "methods.lora.training.learningRate=0.5"), "lora")
                        .training()
                        .rate())
                .isEqualTo(0.5);
    }

    @Test
    void aPenaltyThatAMethodDoesNotUseIsTold() {
        Settings given = settings("penalty.lambda=0.5", "methods.bitfit.penalty.lambda=0.125");
        assertThat(Config.unused(given, "full"))
                .isEqualTo("full trains no slices, so penalty.lambda=0.5 is not used; set"
                        + " methods.full.penalty.lambda instead");
        assertThat(Config.unused(settings("penalty.head=0.25"), "lora")).contains("set methods.lora.penalty.head");
        assertThat(Config.unused(given, "grft")).as("uses it").isNull();
        assertThat(Config.unused(given, "bitfit")).as("has its own").isNull();
        assertThat(Config.unused(settings(), "full")).as("the default").isNull();
        assertThat(Config.unused(settings("penalty.lambda=0"), "full"))
                .as("none")
                .isNull();
        assertThat(Config.unused(Config.forMethod(given, "full"), "full"))
                .as("told before")
                .isNull();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "methods: {lora: {training.epoch: 3}} | unknown key methods.lora.training.epoch; did you mean "
                        + "training.epochs? (line 1)",
                "methods: {lora: {training.epochs: x}} | methods.lora.training.epochs must be a whole number, got 'x' "
                        + "(line 1)",
                "methods: {lora: 3} | methods.lora must be a map such as {lora: {training.learningRate: 1e-3}}, "
                        + "got '3' (line 1)",
            })
    void whatDiffersForAMethodIsChecked(String yaml, String message) {
        String file = file(yaml);
        assertThatThrownBy(() -> load(List.of(file)))
                .isInstanceOf(UserError.class)
                .hasMessage(file + ": " + message);
    }

    @Test
    void everyConfigurationOfTheDemoIsValid() {
        Settings demo = load(List.of("conf/demo/demo.yaml"));
        assertThat(demo.compare().methods()).containsExactly("linear", "random", "full");
        assertThat(demo.data().test()).isEqualTo("conf/demo/hands/test.parquet");
        assertThat(Path.of("conf/demo/hands/test.parquet")).exists();
        Settings pretrain = load(List.of("conf/demo/pretrain.yaml"));
        assertThat(pretrain.model().preset()).isEqualTo("vit_demo_patch4_32");
        assertThat(pretrain.training().updater()).isEqualTo("adamw");
    }

    @Test
    void aLaterFileWinsOverAnEarlierOneAndASingleKeyOverBoth() {
        String first = file("training:\n  epochs: 3\n  batchSize: 16\n  keep: 5\n");
        String second = file("training: {batchSize: 64, keep: 6}");
        TrainingSettings training = load(List.of(first, second), "training.keep=7", "training.keep=8")
                .training();
        assertThat(training.epochs()).isEqualTo(3);
        assertThat(training.batchSize()).isEqualTo(64);
        assertThat(training.keep()).isEqualTo(8);
        assertThat(training.shards()).isEqualTo(settings().training().shards());
    }

    @Test
    void aListReplacesAList() {
        String first = file("compare: {methods: [linear, random]}");
        assertThat(load(List.of(first), "compare.methods=[full]").compare().methods())
                .containsExactly("full");
        assertThat(load(List.of(first), "compare.methods=[]").compare().methods())
                .isEmpty();
    }

    @Test
    void aFractionReplacesAnEarlierCountAndTheOtherWayRound() {
        String fraction = file("selection: {budget: {fraction: 0.01}}");
        assertThat(load(List.of(fraction)).selection().budget().toBudget()).isEqualTo(new Budget.Share(0.01));
        assertThat(load(List.of(fraction), "selection.budget.count=7")
                        .selection()
                        .budget()
                        .toBudget())
                .isEqualTo(new Budget.PerMatrix(7));
        assertThat(settings("selection.budget.fraction=null")
                        .selection()
                        .budget()
                        .toBudget())
                .isEqualTo(new Budget.PerMatrix(4));
    }

    @Test
    void countAndFractionInOneFileAreRefusedAndSoIsNeither() {
        String both = file("selection:\n  budget:\n    count: 3\n    fraction: 0.5\n");
        assertThatThrownBy(() -> load(List.of(both)))
                .isInstanceOf(UserError.class)
                .hasMessage(both + ": selection.budget must have exactly one of count and fraction, got count 3 and"
                        + " fraction 0.5; set the other to null (line 4)");
        assertThatThrownBy(() -> settings("selection.budget.count=null"))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith(
                        "--set: selection.budget must have exactly one of count and fraction, got neither");
    }

    @Test
    void aPresetDecidesAxisAndBudgetAndReplacesEarlierOnes() {
        String earlier = file("selection: {axis: column, budget: {fraction: 0.5}}");
        for (Preset preset : Preset.values()) {
            SelectionSettings selection =
                    load(List.of(earlier), "selection.preset=" + preset).selection();
            assertThat(selection.orientation()).isEqualTo(preset.orientation());
            assertThat(selection.budget().toBudget()).isEqualTo(preset.budget());
        }
    }

    @Test
    void anAxisOrBudgetThatAPresetContradictsIsRefused() {
        String both = file("selection:\n  preset: vtab-rows\n  axis: column\n");
        assertThatThrownBy(() -> load(List.of(both)))
                .isInstanceOf(UserError.class)
                .hasMessage(both + ": selection.axis must be row, as selection.preset vtab-rows decides it, got column;"
                        + " remove it or set selection.preset to null (line 3)");
        assertThatThrownBy(() -> settings("selection.preset=vtab-rows", "selection.budget.fraction=0.5"))
                .hasMessageContaining("selection.budget.fraction must be null, as selection.preset vtab-rows");
        assertThat(settings("selection.preset=vtab-rows", "selection.axis=row")
                        .selection()
                        .orientation())
                .isEqualTo(Orientation.ROW);
        assertThat(load(List.of(both), "selection.preset=null").selection().orientation())
                .isEqualTo(Orientation.COLUMN);
    }

    @Test
    void emptyFilesAndSectionsWithoutKeysChangeNothing() {
        assertThat(load(List.of(file(""), file("# nothing\n"), file("training:\n  # epochs: 3\n"))))
                .isEqualTo(settings());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "training.learnRate      | did you mean training.learningRate?",
                "training.learning_rate  | did you mean training.learningRate?",
                "training.batch-size     | did you mean training.batchSize?",
                "trainning.epochs        | did you mean training.epochs?",
                "learningRate            | did you mean probe.learningRate?",
                "penalty.lamda           | did you mean penalty.lambda?",
                "selection.fraction      | did you mean selection.budget.fraction?",
                "run.zzzzzzzz            | run has directory, seed",
                "''                      | the sections are run, tuning, compare, methods, model, data, augmentation,"
                        + " selection, penalty, probe, training, evaluation, predict, tracking, lineage, engine",
            })
    void anUnknownKeyIsRefusedWithTheNearestOne(String key, String remedy) {
        String name = key.substring(key.lastIndexOf('.') + 1);
        String section = key.contains(".") ? key.substring(0, key.lastIndexOf('.')) : "";
        String file = file(section.isEmpty() ? "'" + name + "': 1\n" : section + ":\n  " + name + ": 1\n");
        boolean unknownSection = section.equals("trainning");
        assertThatThrownBy(() -> load(List.of(file)))
                .isInstanceOf(UserError.class)
                .hasMessage(
                        unknownSection
                                ? file + ": unknown key trainning; did you mean training? (line 1)"
                                : file + ": unknown key " + key + "; " + remedy
                                        + (section.isEmpty() ? " (line 1)" : " (line 2)"));
        if (!key.isEmpty()) {
            assertThatThrownBy(() -> settings(key + "=1"))
                    .isInstanceOf(UserError.class)
                    .hasMessageStartingWith("--set: unknown key " + key + "; ");
        }
    }

    @Test
    void dotsInAFileAreExplained() {
        String file = file("training.epochs: 3");
        assertThatThrownBy(() -> load(List.of(file)))
                .hasMessage(file + ": unknown key training.epochs; indent the last name below its section instead of"
                        + " writing dots (line 1)");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "training: {epochs: ten}         | training.epochs must be a whole number, got 'ten'",
                "training: {epochs: 1.5}         | training.epochs must be a whole number, got '1.5'",
                "training: {epochs: 3000000000}  | training.epochs must be a whole number of at most 2147483647, got "
                        + "'3000000000'",
                "training: {epochs: null}        | training.epochs must be a whole number, got null",
                "training: {epochs: {a: 1}}      | training.epochs must be a whole number, got a section",
                "training: {learningRate: 1d}    | training.learningRate must be a number or null, got '1d'",
                "training: {learningRate: .nan}  | training.learningRate must be a number or null, got '.nan'",
                "training: {learningRate: 1e999} | training.learningRate must be a number or null, got '1e999'",
                "augmentation: {flip: yes}       | augmentation.flip must be true or false, got 'yes'",
                "compare: {methods: linear}          | compare.methods must be a list such as [a, b], got 'linear'",
                "compare: {methods: [[linear]]}      | compare.methods must be a list such as [a, b], got a list",
                "compare: {methods: [null]}          | compare.methods must be a list such as [a, b], got null",
                "run: {directory: [a]}           | run.directory must be text, got a list",
                "data: {mean: 0.5}               | data.mean must be a list of numbers such as [0.5, 0.5, 0.5] or"
                        + " null, got '0.5'",
                "training: 3                     | training must be a section with keys such as epochs, got '3'",
                "[training]                      | must have keys such as 'training:', got a list",
                "run: {seed: 1, seed: 2}         | run.seed is given twice; remove one",
                "tuning: {method: &a linear, lora: {targets: [*a]}} | tuning.lora.targets uses a YAML alias, which is"
                        + " not supported; write the value out",
            })
    void aValueOfAnotherTypeIsRefusedWithKeyFileAndLine(String yaml, String message) {
        String file = file("# a comment\n" + yaml + "\n");
        assertThatThrownBy(() -> load(List.of(file)))
                .isInstanceOf(UserError.class)
                .hasMessage(file + ": " + message + " (line 2)");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"run: [", "run:\n\tseed: 1", "run: {seed: 1", "run: 'x", "a: b: c", "run: {}\n---\nrun: {}"})
    void whatIsNotOneYamlDocumentIsRefusedInOneLine(String yaml) {
        String file = file(yaml);
        assertThatThrownBy(() -> load(List.of(file)))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith(file + ": ")
                .hasMessageMatching(".*\\(line \\d\\)");
    }

    @Test
    void numbersAndWordsAreReadAsTheirKeysNeedThemNotAsYamlGuesses() {
        Settings settings = load(List.of(file("""
            run: {seed: -3, directory: 007}
            data: {labelColumn: no, imageColumn: 'null', train: 2024-01-01}
            training: {learningRate: 1e-3, warmupEpochs: .5, clipNorm: 1., epochs: 0012}
            """)));
        assertThat(settings.run().seed()).isEqualTo(-3);
        assertThat(settings.run().directory()).isEqualTo("007");
        assertThat(settings.data().labelColumn()).isEqualTo("no");
        assertThat(settings.data().imageColumn()).isEqualTo("null");
        assertThat(settings.data().train()).isEqualTo("2024-01-01");
        assertThat(settings.training().learningRate()).isEqualTo(0.001);
        assertThat(settings.training().warmupEpochs()).isEqualTo(0.5);
        assertThat(settings.training().clipNorm()).isEqualTo(1);
        assertThat(settings.training().epochs()).isEqualTo(12);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "training.epochs | --set: expected key=value such as training.epochs=5, got 'training.epochs'",
                "=5              | --set: expected key=value such as training.epochs=5, got '=5'",
                "training=5      | --set: training is a section; set one of its keys, such as training.epochs",
                "selection.budget={count: 3} | --set: selection.budget is a section; set one of its keys, such as "
                        + "selection.budget.count",
                "training.epochs=    | --set: training.epochs must be a whole number, got nothing",
                "training.epochs=x   | --set: training.epochs must be a whole number, got 'x'",
                "training.epochs=-1  | --set: training.epochs must be >= 1, got -1",
            })
    void aBadSetIsRefused(String set, String message) {
        assertThatThrownBy(() -> settings(set)).isInstanceOf(UserError.class).hasMessage(message);
    }

    @Test
    void aSetThatIsNotYamlIsRefusedWithItsKey() {
        assertThatThrownBy(() -> settings("data.train=[a"))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith("--set: data.train ");
        assertThatThrownBy(() -> settings("data.train=*.parquet"))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith("--set: data.train ");
        assertThat(settings("data.train='*.parquet'").data().train()).isEqualTo("*.parquet");
        assertThat(settings("data.train=data/year=2024/x-*.parquet").data().train())
                .isEqualTo("data/year=2024/x-*.parquet");
    }

    @Test
    void aValueOutOfRangeIsRefusedWithTheFileAndLineThatGaveIt() {
        String file = file("selection:\n  budget:\n    fraction: 1.5\n");
        assertThatThrownBy(() -> load(List.of(file, file("run: {seed: 1}")), "training.keep=2"))
                .isInstanceOf(UserError.class)
                .hasMessage(file + ": selection.budget.fraction must be in (0, 1], got 1.5 (line 3)");
        assertThatThrownBy(() -> settings("data.resize=32", "model.imageSize=64"))
                .hasMessage("--set: data.resize must be 0 or at least model.imageSize (64), got 32");
    }

    @Test
    void aFileThatIsNotThereIsNamedWithThePlaceLookedAt() {
        String missing = folder.resolve("missing.yaml").toString();
        assertThatThrownBy(() -> load(List.of(missing)))
                .isInstanceOf(UserError.class)
                .hasMessage(missing + ": there is no such file (looked for file:" + missing + ")");
        assertThatThrownBy(() -> load(List.of(folder.toString())))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith(folder + ": ");
        assertThatThrownBy(() -> load(List.of("nofilesystem://x/y.yaml")))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith("nofilesystem://x/y.yaml: No FileSystem for scheme");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "runs/a b",
                "null",
                "~",
                "yes",
                "1",
                "1e3",
                "#x",
                "a: b",
                "a #b",
                "- a",
                "'",
                "\"",
                "\\",
                "ä/ü/中",
                "😀",
                "a\nb",
                " a ",
                "*x",
                "&x",
                "{x}",
                "[x]",
                "\u0085\u2028\u007f",
                "hdfs://nodes:8020/a",
                "a:",
                "0x1F",
                "2024-01-01"
            })
    void whatIsWrittenReadsBackEqual(String directory) {
        Settings.Run run = new Settings.Run(directory, Long.MIN_VALUE);
        Settings settings = with(
                settings(
                        "selection.preset=fgvc-min-axis-cars",
                        "penalty.lambda=-0.0",
                        "training.learningRate=1.1e-7",
                        "data.mean=[0.485, 0.456, 0.406]",
                        "training.minLearningRate=4.9e-324",
                        "compare.methods=[linear, random]",
                        "methods.lora.tuning.lora.targets=[attn.qkv, 'a b']"),
                run);
        String yaml = Config.toYaml(settings);
        assertThat(load(List.of(file(yaml)))).isEqualTo(settings);
        assertThat(Config.toYaml(load(List.of(file(yaml))))).isEqualTo(yaml);
    }

    /** Builds whose settings lack the key resized bilinearly, whatever the checkpoint said. */
    @Test
    void settingsOfABuildWithoutInterpolationAreBilinear() {
        String yaml = Config.toYaml(settings());
        String earlier = yaml.replace("  interpolation: null\n", "");
        assertThat(earlier).isNotEqualTo(yaml);

        assertThat(Config.parse("delta", earlier).data().interpolation()).isEqualTo("bilinear");
        assertThat(Config.parse("delta", yaml).data().interpolation()).isNull();
        assertThat(Config.parse("delta", yaml.replace("interpolation: null", "interpolation: lanczos"))
                        .data()
                        .interpolation())
                .isEqualTo("lanczos");
    }

    @Test
    void theResolvedConfigurationLooksLikeTheDefaultsWithoutComments() {
        assertThat(Config.toYaml(settings()))
                .startsWith("run:\n  directory: runs/run\n  seed: 42\ntuning:\n  method: grft\n")
                .contains("\n  match: true\nmethods: {}\nmodel:\n")
                .contains("\n  budget:\n    count: 4\n    fraction: null\n  matrices: null")
                .contains("\n  lambda: 1.0e-4\n  lastLayers: null\n  head: 0\n")
                .endsWith("""

                          recompute: false
                          frozenCacheGiB: 10
                          rounds: auto
                          timeoutSeconds: 600
                          graceSeconds: 25
                          leaseSeconds: 60
                        """);
    }

    @Test
    void aFingerprintDependsOnTheNamedValuesOnly() {
        Settings before = settings();
        Settings after = settings("training.epochs=5");
        assertThat(Config.fingerprint(after, "selection", "data"))
                .isEqualTo(Config.fingerprint(before, "data", "selection"));
        assertThat(Config.fingerprint(after, "training")).isNotEqualTo(Config.fingerprint(before, "training"));
        assertThat(Config.fingerprint(after, "training.epochs"))
                .isNotEqualTo(Config.fingerprint(before, "training.epochs"));
        assertThat(Config.fingerprint(after, "run.seed")).isEqualTo(Config.fingerprint(before, "run.seed"));
        assertThat(Config.fingerprint(before, "run")).isNotEqualTo(Config.fingerprint(before, "run.seed"));
        assertThatThrownBy(() -> Config.fingerprint(before, "runs"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("there is no section runs");
    }

    @Test
    void aFingerprintMayLeaveSingleKeysOut() {
        Settings before = settings();
        Set<String> without = Set.of("training.keep");

        assertThat(Config.fingerprint(settings("training.keep=9"), List.of("training"), without))
                .isEqualTo(Config.fingerprint(before, List.of("training"), without))
                .isNotEqualTo(Config.fingerprint(before, "training"));
        assertThat(Config.fingerprint(settings("training.epochs=9"), List.of("training"), without))
                .isNotEqualTo(Config.fingerprint(before, List.of("training"), without));
        assertThatThrownBy(() -> Config.fingerprint(before, List.of("training"), Set.of("training.kept")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("there is no section training.kept");
    }

    /** {@code printf 'run:\n  seed: 42\n' | sha256sum}. */
    @Test
    void aFingerprintIsTheSha256OfTheYaml() {
        assertThat(Config.fingerprint(settings(), "run.seed"))
                .isEqualTo("2811a14fc8dc6b585181c43bec5e9e0095730881855a1de6df6e363c1c6000d7");
    }

    @Test
    void theDefaultsOfTheJarAreThoseOfConf() {
        assertThat(Config.load(List.of(), List.of(), HADOOP)).isEqualTo(settings());
    }

    private Settings settings(String... sets) {
        return load(List.of(), sets);
    }

    private Settings load(List<String> paths, String... sets) {
        return Config.load(base, paths, List.of(sets), HADOOP);
    }

    @Test
    void anAddressWithAPasswordIsRefusedAndNotRepeated() {
        for (String address : List.of(
                "s3a://KEY:hunter2@bucket/x",
                "s3a://KEY:9/a/hunter2/b@bucket/x@y",
                "https://me:a/hunter2@host",
                "https://:hunter2@host",
                "http://me:hun@ter2@host/")) {
            String file = file("data:\n  train: " + address + "\n");
            for (List<String> given : List.of(List.of(file, ""), List.of("", "data.train=" + address))) {
                assertThatThrownBy(() -> Config.load(
                                given.get(0).isEmpty() ? List.of() : List.of(file),
                                given.get(1).isEmpty() ? List.of() : List.of(given.get(1)),
                                HADOOP))
                        .isInstanceOf(UserError.class)
                        .hasMessageStartingWith(given.get(0).isEmpty() ? "--set: " : file + ": ")
                        .hasMessageContaining("has an address with a password in it")
                        .hasMessageNotContaining("hunter2")
                        .hasMessageNotContaining("ter2");
            }
        }
        for (String harmless : List.of(
                "abfss://container@account.dfs/x",
                "hdfs://host:8020/a@b",
                "http://[::1]:80/a@b",
                "s3a://bucket/a:b@c")) {
            assertThat(Config.load(List.of(), List.of("data.train=" + harmless), HADOOP)
                            .data()
                            .train())
                    .isEqualTo(harmless);
        }
    }

    @Test
    void anAddressWithASignatureInItsQueryIsRefusedAndNotRepeated() {
        for (String address : List.of(
                "https://account.blob.core.windows.net/c/train?sv=2024-01-01&sp=r&sig=hunter2%3D",
                "abfss://c@account.dfs.core.windows.net/train?SIG=hunter2",
                "https://bucket.s3.amazonaws.com/x?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=hunter2",
                "https://storage.googleapis.com/b/x?X-Goog-Credential=hunter2",
                "https://bucket.s3.amazonaws.com/x?AWSAccessKeyId=hunter2&Expires=1",
                "https://host/model?access_token=hunter2")) {
            assertThatThrownBy(() -> Config.load(List.of(), List.of("data.train=" + address), HADOOP))
                    .isInstanceOf(UserError.class)
                    .hasMessageStartingWith("--set: has an address with a credential in its query (")
                    .hasMessageNotContaining("hunter2");
        }
        for (String harmless : List.of("s3a://bucket/photos?size=big", "file:///design=1/sig=2", "s3a://b/token=7/x")) {
            assertThat(Config.load(List.of(), List.of("data.train=" + harmless), HADOOP)
                            .data()
                            .train())
                    .isEqualTo(harmless);
        }
    }

    @Test
    void aTrackingServerIsAnAddressWithoutAQuery() {
        for (String wrong :
                List.of("mlflow.example.com", "file:/mlruns", "http://host?part=hunter2", "http://me@host")) {
            assertThatThrownBy(() -> Config.load(List.of(), List.of("tracking.uri=" + wrong), HADOOP))
                    .isInstanceOf(UserError.class)
                    .hasMessageStartingWith(
                            "--set: tracking.uri must be http:// or https://, a host and perhaps a path")
                    .hasMessageNotContaining("hunter2");
        }
    }

    @Test
    void aRegisteredModelHasANameThatMlflowTakes() {
        for (String wrong : List.of("a/b", "a:1", "a@", "a@b@c", "a@b c")) {
            assertThatThrownBy(() -> Config.load(List.of(), List.of("tracking.registerAs=" + wrong), HADOOP))
                    .hasMessage("--set: tracking.registerAs must be null, a name without / and :, or NAME@ALIAS, got "
                            + wrong);
        }
        assertThat(Config.load(List.of(), List.of("tracking.registerAs=flowers"), HADOOP)
                        .tracking()
                        .sendsModel())
                .isTrue();
    }

    @Test
    void valuesAreEveryKeyAsText() {
        assertThat(Config.values(settings()))
                .containsOnlyKeys(Schema.KEYS.keySet())
                .containsEntry("training.learningRate", "null")
                .containsEntry("tracking.uri", "null");
    }

    private String file(String yaml) {
        try {
            Path path = folder.resolve("file" + files++ + ".yaml");
            return Files.writeString(path, yaml).toString();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Settings with(Settings settings, Settings.Run run) {
        return new Settings(
                run,
                settings.tuning(),
                settings.compare(),
                settings.methods(),
                settings.model(),
                settings.data(),
                settings.augmentation(),
                settings.selection(),
                settings.penalty(),
                settings.probe(),
                settings.training(),
                settings.evaluation(),
                settings.predict(),
                settings.tracking(),
                settings.lineage(),
                settings.engine());
    }
}
