package dev.grft.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.Copies;
import dev.grft.UserError;
import dev.grft.data.Augment;
import dev.grft.data.ImageRecipe;
import dev.grft.data.Interpolation;
import dev.grft.data.Preprocess;
import dev.grft.data.Preprocess.Crop;
import dev.grft.data.augmentation.Changes;
import dev.grft.data.augmentation.ColorJitter;
import dev.grft.data.augmentation.Erasing;
import dev.grft.data.augmentation.Mixing;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SettingsTest {

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "run.directory=' '         | run.directory must be text that is not blank, got ' '",
                "tuning.method=vpt | tuning.method must be one of grft, random, magnitude, last-layers, gps, lora,"
                        + " adapter, bitfit, linear, full, got 'vpt'",
                "compare.methods=[vpt] | compare.methods must be one of grft, random, magnitude, last-layers, gps,"
                        + " lora, adapter, bitfit, linear, full, got 'vpt'",
                "compare.methods=[full, grft] | compare.methods must be without tuning.method (grft) itself, "
                        + "got [full, grft]",
                "compare.methods=[full, full] | compare.methods must be without repetition, got [full, full]",
                "compare.budgets=[0] | compare.budgets must be a share in (0, 1) or a whole number >= 1, got 0",
                "compare.budgets=[1.5] | compare.budgets must be a share in (0, 1) or a whole number >= 1, got 1.5",
                "compare.ratesAt=0 | compare.ratesAt must be a share in (0, 1) or a whole number >= 1, got 0",
                "compare.learningRates=[0] | compare.learningRates must be > 0, got 0",
                "compare.seeds=[1, 1] | compare.seeds must be without repetition, got [1, 1]",
                "tuning.lora.rank=0 | tuning.lora.rank must be >= 1, got 0",
                "tuning.lora.dropout=1 | tuning.lora.dropout must be in [0, 1), got 1",
                "tuning.lora.targets=[] | tuning.lora.targets must be one name or more, such as mlp.fc1, got []",
                "tuning.adapter.form=parallel | tuning.adapter.form must be one of houlsby, pfeiffer, got 'parallel'",
                "tuning.gps.perNeuron=0 | tuning.gps.perNeuron must be >= 1, got 0",
                "methods.vpt.training.epochs=3 | methods must be one of grft, random, magnitude, last-layers, gps,"
                        + " lora, adapter, bitfit, linear, full, got 'vpt'",
                "methods.lora.data.train=x | methods.lora.data.train must be a key of tuning, augmentation, selection, "
                        + "penalty, training, and not training.shards, got data.train",
                "model.pretrained=''       | model.pretrained must be text that is not blank, got ''",
                "model.imageSize=-1        | model.imageSize must be >= 0, got -1",
                "model.saveType=int8       | model.saveType must be one of fp32, fp16, bf16, got 'int8'",
                "data.train=''             | data.train must be text that is not blank, got ''",
                "data.test=''              | data.test must be text that is not blank, got ''",
                "data.validation=''        | data.validation must be text that is not blank, got ''",
                "data.format=zip           | data.format must be one of auto, folder, parquet, webdataset, list, json,"
                        + " csv, jsonl, got 'zip'",
                "data.root=''              | data.root must be text that is not blank, got ''",
                "data.classes=1            | data.classes must be null or >= 2, got 1",
                "data.imageColumn=''       | data.imageColumn must be text that is not blank, got ''",
                "data.labelColumn=''       | data.labelColumn must be text that is not blank, got ''",
                "data.resize=-1            | data.resize must be >= 0, got -1",
                "data.crop=pad             | data.crop must be one of center, squash, got 'pad'",
                "data.mean=[1, 2]          | data.mean must be null or three numbers, for red, green and blue, got [1,"
                        + " 2]",
                "data.std=[1, 2, 0]        | data.std must be null or three numbers > 0, for red, green and blue, "
                        + "got [1, 2, 0]",
                "data.maxBroken=1.5        | data.maxBroken must be in [0, 1], got 1.5",
                "augmentation.maxScale=1.5 | augmentation.maxScale must be in (0, 1], got 1.5",
                "augmentation.minScale=0   | augmentation.minScale must be in (0, augmentation.maxScale], here (0, 1],"
                        + " got 0",
                "augmentation.minScale=2   | augmentation.minScale must be in (0, augmentation.maxScale], here (0, 1],"
                        + " got 2",
                "augmentation.maxRatio=0   | augmentation.maxRatio must be > 0, got 0",
                "augmentation.minRatio=2   | augmentation.minRatio must be in (0, augmentation.maxRatio], here (0,"
                        + " 1.3333], got 2",
                "augmentation.padding=-1   | augmentation.padding must be >= 0, got -1",
                "augmentation.colorJitter.brightness=-1 | augmentation.colorJitter.brightness must be >= 0, got -1",
                "augmentation.colorJitter.contrast=-1 | augmentation.colorJitter.contrast must be >= 0, got -1",
                "augmentation.colorJitter.saturation=-1 | augmentation.colorJitter.saturation must be >= 0, got -1",
                "augmentation.colorJitter.hue=0.6 | augmentation.colorJitter.hue must be in [0, 0.5], got 0.6",
                "augmentation.colorJitter.probability=2 | augmentation.colorJitter.probability must be in [0, 1], got"
                        + " 2",
                "augmentation.colorJitter.grayscale=-1 | augmentation.colorJitter.grayscale must be in [0, 1], got -1",
                "augmentation.erasing.probability=2 | augmentation.erasing.probability must be in [0, 1], got 2",
                "augmentation.erasing.mode=rand | augmentation.erasing.mode must be one of pixel, const, got 'rand'",
                "augmentation.erasing.count=0 | augmentation.erasing.count must be >= 1, got 0",
                "augmentation.mixup=-1     | augmentation.mixup must be >= 0, got -1",
                "augmentation.cutmix=-1    | augmentation.cutmix must be >= 0, got -1",
                "augmentation.mixProbability=2 | augmentation.mixProbability must be in [0, 1], got 2",
                "augmentation.switchProbability=2 | augmentation.switchProbability must be in [0, 1], got 2",
                "selection.preset=vtab     | selection.preset must be one of vtab-rows, fgvc-rows, vtab-min-axis, "
                        + "fgvc-min-axis-cub, fgvc-min-axis-nabirds, fgvc-min-axis-flowers, fgvc-min-axis-cars, "
                        + "fgvc-min-axis-dogs, got 'vtab'",
                "selection.axis=rows       | selection.axis must be one of row, column, min-axis, auto, got 'rows'",
                "selection.budget.count=0  | selection.budget.count must be >= 1, got 0",
                "selection.budget.fraction=0 | selection.budget.fraction must be in (0, 1], got 0",
                "selection.matrices=[]     | selection.matrices must be one name or more, such as mlp.fc1, got []",
                "selection.matrices=[a, a] | selection.matrices must be without repetition, got [a, a]",
                "selection.score=sum       | selection.score must be one of per-example, per-batch, summed-gradient,"
                        + " absolute, gradient-weight, relative-gradient, weight-activation, fisher, or one of your own,"
                        + " whose word has a dot, such as lab.curvature, got 'sum'",
                "selection.scores=''       | selection.scores must be text that is not blank, got ''",
                "selection.loss=ce         | selection.loss must be one of probe, fresh, contrastive, got 'ce'",
                "selection.temperature=0   | selection.temperature must be > 0, got 0",
                "selection.batchSize=0     | selection.batchSize must be >= 1, got 0",
                "selection.everyEpochs=0   | selection.everyEpochs must be null or >= 1, got 0",
                "selection.released=drop   | selection.released must be one of keep, restore, got 'drop'",
                "penalty.lambda=-1         | penalty.lambda must be >= 0, got -1",
                "penalty.lastLayers=0      | penalty.lastLayers must be null (all) or >= 1, got 0",
                "penalty.head=-0.5         | penalty.head must be >= 0, got -0.5",
                "probe.epochs=0            | probe.epochs must be >= 1, got 0",
                "probe.batchSize=0         | probe.batchSize must be >= 1, got 0",
                "probe.learningRate=0      | probe.learningRate must be > 0, got 0",
                "probe.weightDecay=-1      | probe.weightDecay must be >= 0, got -1",
                "training.epochs=0         | training.epochs must be >= 1, got 0",
                "training.batchSize=3      | training.batchSize must be at least training.shards (4), so that each"
                        + " shard gets an example, got 3",
                "data.balance=no           | data.balance must be one of none, weights, sampler, got 'no'",
                "training.microBatch=0     | training.microBatch must be >= 1, got 0",
                "training.shards=0         | training.shards must be >= 1, got 0",
                "training.syncEvery=0      | training.syncEvery must be >= 1, got 0",
                "training.headInit=zero    | training.headInit must be one of probe, fresh, got 'zero'",
                "training.learningRate=-1  | training.learningRate must be > 0, got -1",
                "training.warmupEpochs=21  | training.warmupEpochs must be in [0, training.epochs], here [0, 20], got"
                        + " 21",
                "training.minLearningRate=-1 | training.minLearningRate must be >= 0, got -1",
                "training.sliceRates=lamb  | training.sliceRates must be one of uniform, score, got 'lamb'",
                "training.updater=lamb     | training.updater must be one of adam, adamw, sgd, got 'lamb'",
                "training.beta1=1          | training.beta1 must be in [0, 1), got 1",
                "training.beta2=-0.1       | training.beta2 must be in [0, 1), got -0.1",
                "training.schedule=exponential | training.schedule must be one of constant, cosine, linear,"
                        + " polynomial, step, got 'exponential'",
                "training.decayEpochs=0    | training.decayEpochs must be > 0, got 0",
                "training.decayRate=1.5    | training.decayRate must be in (0, 1], got 1.5",
                "training.power=0          | training.power must be > 0, got 0",
                "training.headRate=0       | training.headRate must be > 0, got 0",
                "training.layerDecay=0     | training.layerDecay must be in (0, 1], got 0",
                "training.momentum=1       | training.momentum must be in [0, 1), got 1",
                "training.epsilon=0        | training.epsilon must be > 0, got 0",
                "training.weightDecay=-1   | training.weightDecay must be >= 0, got -1",
                "training.labelSmoothing=1 | training.labelSmoothing must be in [0, 1), got 1",
                "training.dropPath=1       | training.dropPath must be in [0, 1), got 1",
                "training.ema=1            | training.ema must be null or in (0, 1), got 1",
                "training.divergence=0.5   | training.divergence must be >= 1, got 0.5",
                "training.onDivergence=go  | training.onDivergence must be one of stop, halve, ignore, got 'go'",
                "training.clipNorm=-1      | training.clipNorm must be >= 0, got -1",
                "training.checkpointEvery=-1 | training.checkpointEvery must be >= 0, got -1",
                "training.keep=0           | training.keep must be >= 1, got 0",
                "training.maxSteps=-1      | training.maxSteps must be >= 0, got -1",
                "predict.topK=0            | predict.topK must be null or >= 1, got 0",
                "training.patience=0       | training.patience must be null or >= 1, got 0",
                "training.watch=f1         | training.watch must be one of accuracy, balanced-accuracy, macro-f1,"
                        + " auroc, loss, got 'f1'",
                "evaluation.protocol=test  | evaluation.protocol must be one of validation, gps-paper, got 'test'",
                "evaluation.batchSize=0    | evaluation.batchSize must be >= 1, got 0",
                "engine.kernels=cuda       | engine.kernels must be one of auto, cpu, torch, nd4j, got 'cuda'",
                "engine.blasThreads=0      | engine.blasThreads must be >= 1, got 0",
                "engine.frozenCacheGiB=-1  | engine.frozenCacheGiB must be >= 0, got -1",
                "engine.rounds=barrier     | engine.rounds must be one of auto, jobs, standing, got 'barrier'",
                "engine.timeoutSeconds=0   | engine.timeoutSeconds must be > 0, got 0",
                "engine.graceSeconds=0     | engine.graceSeconds must be > 0, got 0",
                "engine.leaseSeconds=0     | engine.leaseSeconds must be > 0, got 0",
            },
            quoteCharacter = '`')
    void aValueOutOfRangeIsRefusedInTheUsersWords(String set, String message) {
        assertThatThrownBy(() -> settings(set)).isInstanceOf(UserError.class).hasMessage("--set: " + message);
    }

    @Test
    void scoresThatDoNotGoWithTheRestAreRefused() {
        assertThatThrownBy(() -> settings("selection.score=fisher", "selection.loss=contrastive"))
                .hasMessage(
                        "--set: selection.loss must be probe or fresh with selection.score fisher, which draws classes"
                                + " from the head's probabilities, got 'contrastive'");
        assertThatThrownBy(() -> settings("selection.scores=a.safetensors", "selection.everyEpochs=2"))
                .hasMessage(
                        "--set: selection.everyEpochs must be null with selection.scores, which do not change during"
                                + " the training, got 2");
        assertThat(settings("selection.score=lab.snip").selection().dependsOnBatches())
                .isTrue();
        assertThat(settings("selection.score=summed-gradient", "selection.scores=a")
                        .selection()
                        .sumsGradients())
                .isFalse();
    }

    @Test
    void ratesOfSlicesAreRefusedForAMethodWithoutSlicesAndNotUsedForOneThatIsCompared() {
        assertThatThrownBy(() -> settings("tuning.method=lora", "training.sliceRates=score"))
                .isInstanceOf(UserError.class)
                .hasMessage("--set: training.sliceRates must be uniform for tuning.method lora, which trains no slices,"
                        + " got 'score'");
        Settings compared = settings("training.sliceRates=score", "compare.methods=[random, lora]");
        assertThat(rates(compared, "random")).isEqualTo("score");
        assertThat(rates(compared, "lora")).isEqualTo("uniform");
        assertThatThrownBy(() -> Config.forMethod(settings("methods.lora.training.sliceRates=score"), "lora"))
                .hasMessageStartingWith("methods.lora: training.sliceRates must be uniform for tuning.method lora");
    }

    @Test
    void ratesAreByScoreForRowsThatSquaredGradientsSelectUnlessAPresetIsSet() {
        assertThat(rates(settings(), "grft")).isEqualTo("score");
        assertThat(rates(settings("selection.score=summed-gradient"), "grft")).isEqualTo("score");
        assertThat(rates(settings("selection.score=weight-activation"), "grft")).isEqualTo("uniform");
        assertThat(rates(settings("selection.score=lab.snip"), "grft")).isEqualTo("uniform");
        assertThat(rates(settings("selection.scores=mine.safetensors"), "grft")).isEqualTo("uniform");
        assertThat(rates(settings("selection.preset=vtab-rows"), "grft")).isEqualTo("uniform");
        assertThat(rates(settings("training.sliceRates=uniform"), "grft")).isEqualTo("uniform");
        assertThat(rates(settings(), "random")).isEqualTo("uniform");
        assertThat(rates(settings(), "gps")).isEqualTo("uniform");
    }

    @Test
    void aFreshHeadTakesLargerStepsThanTheOtherParameters() {
        assertThat(headRate("lora", "training.batchSize=16")).isEqualTo(3);
        assertThat(headRate("adapter", "training.batchSize=16")).isEqualTo(1);
        assertThat(headRate("full", "training.batchSize=16")).isEqualTo(100);
        assertThat(headRate("lora", "training.batchSize=64"))
                .as("the batch changes both")
                .isEqualTo(3);
        assertThat(headRate("lora", "training.batchSize=64", "training.learningRate=3e-3"))
                .as("6e-3 for the head")
                .isEqualTo(2);
        assertThat(headRate("full", "training.learningRate=1e-6"))
                .as("a lower rate lowers both")
                .isEqualTo(100);
        assertThat(headRate("lora", "training.learningRate=1e-2"))
                .as("never smaller")
                .isEqualTo(1);
        assertThat(headRate("lora", "training.headInit=probe")).isEqualTo(1);
        assertThat(headRate("lora", "training.updater=sgd", "training.learningRate=1e-3"))
                .isEqualTo(1);
        assertThat(headRate("lora", "training.headRate=2")).isEqualTo(2);
        assertThat(settings().training().headFactor()).as("of pretrain").isEqualTo(1);
    }

    private static double headRate(String method, String... sets) {
        return Config.forMethod(settings(sets), method).training().headFactor();
    }

    private static String rates(Settings settings, String method) {
        return Config.forMethod(settings, method).training().sliceRates();
    }

    @Test
    void aMethodHasNoBudgetOfItsOwnIfBudgetsAreCompared() {
        assertThatThrownBy(() -> settings("compare.budgets=[2]", "methods.grft.selection.budget.count=8"))
                .isInstanceOf(UserError.class)
                .hasMessage(
                        "--set: compare.budgets must be empty if methods.grft has a budget or a preset of its own, got [2]");
        assertThat(settings("compare.budgets=[2]", "methods.grft.selection.score=fisher")
                        .methods())
                .containsKey("grft");
    }

    @Test
    void aMatrixCannotChangeItsAxisWhenItIsSelectedAgain() {
        assertThatThrownBy(() -> settings("selection.axis=auto", "selection.everyEpochs=2"))
                .isInstanceOf(UserError.class)
                .hasMessage(
                        "--set: selection.everyEpochs must be null with selection.axis auto, which could give a matrix"
                                + " rows once and columns later, got 2");
        assertThat(settings("selection.axis=min-axis", "selection.everyEpochs=2")
                        .selection()
                        .everyEpochs())
                .isEqualTo(2);
    }

    @ParameterizedTest
    @CsvSource({"resnet50", "vit_base_patch16_225", "vit_base_patch0_224", "vit_base_patch99999999999_224"})
    void aModelThatIsNotAViTIsRefused(String preset) {
        assertThatThrownBy(() -> settings("model.preset=" + preset))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith(
                        "--set: model.preset must be a ViT such as vit_base_patch16_224, got " + preset + " (");
    }

    @Test
    void numbersThatAreNotFiniteAreRefusedEvenWithoutAFile() {
        for (double bad : new double[] {Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY}) {
            assertThatThrownBy(() -> new Settings.Penalty(bad, null, 0, false)).isInstanceOf(UserError.class);
            assertThatThrownBy(() -> new Settings.Probe(1, 1, bad, 0.0)).isInstanceOf(UserError.class);
            assertThatThrownBy(() -> new SelectionSettings.Budget(null, bad)).isInstanceOf(UserError.class);
        }
    }

    @Test
    void aPenaltyWithoutLastLayersPullsAll() {
        assertThat(settings().penalty().toPenalty())
                .isEqualTo(new dev.grft.Penalty(1e-4, dev.grft.Penalty.ALL, 0, false));
        assertThat(settings("penalty.lastLayers=3", "penalty.decoupled=true")
                        .penalty()
                        .toPenalty())
                .isEqualTo(new dev.grft.Penalty(1e-4, 3, 0, true));
    }

    @Test
    void augmentationGetsItsSeed() {
        assertThat(settings("augmentation.flip=true").augmentation().toAugment(7))
                .isEqualTo(new Augment(
                        false,
                        0.08,
                        1,
                        0.75,
                        1.3333,
                        true,
                        7,
                        new Changes(
                                0,
                                false,
                                false,
                                null,
                                new ColorJitter(0, 0, 0, 0, 1, 0),
                                new Erasing(0, "pixel", 1),
                                new Mixing(0, 0, 1, 0.5))));
    }

    @Test
    void changesThatExcludeEachOtherAreRefused() {
        assertThatThrownBy(() -> settings("augmentation.crop=true", "augmentation.padding=4"))
                .hasMessage(
                        "--set: augmentation.padding must be 0 with augmentation.crop, which moves images, too, got 4");
        assertThatThrownBy(() -> settings("augmentation.cutmix=1", "training.batchSize=7"))
                .hasMessage(
                        "--set: training.batchSize must be at least twice training.shards (4) with augmentation.mixup"
                                + " or cutmix, which mix the images of a shard, got 7");
        assertThatThrownBy(() -> settings("augmentation.mixup=1", "training.microBatch=3"))
                .hasMessage(
                        "--set: training.microBatch must be even with augmentation.mixup or cutmix, which mix pairs of"
                                + " images, got 3");
        assertThat(settings("augmentation.mixup=1", "augmentation.mixProbability=0", "training.batchSize=7")
                        .augmentation()
                        .mixing()
                        .mixes())
                .isFalse();
    }

    @Test
    void imagesArePreparedAsTheRecipeSaysUnlessTheSettingsDo() {
        ImageRecipe recipe = ImageRecipe.same(0.5f, 0.25f, 0.5);

        assertThat(settings().data().toPreprocess(8, recipe)).isEqualTo(new Preprocess(8, 16, Crop.CENTER, recipe));
        Preprocess squashed = new Preprocess(8, 16, Crop.SQUASH, recipe);
        assertThat(settings().data().toPreprocess(8, squashed.recipe())).isEqualTo(squashed);
        assertThat(settings("data.crop=center").data().toPreprocess(8, squashed.recipe()))
                .isEqualTo(new Preprocess(8, 8, Crop.CENTER, recipe));
        assertThat(settings(
                                "data.resize=10",
                                "data.crop=squash",
                                "data.mean=[0.1, 0.2, 0.3]",
                                "data.std=[1, 2, 3]",
                                "data.interpolation=lanczos")
                        .data()
                        .toPreprocess(8, recipe))
                .isEqualTo(new Preprocess(
                        8,
                        10,
                        Crop.SQUASH,
                        new ImageRecipe(List.of(0.1f, 0.2f, 0.3f), List.of(1f, 2f, 3f), 1, Interpolation.LANCZOS)));
    }

    @Test
    void listsAreCopied() {
        List<String> methods = new ArrayList<>(List.of("full"));
        Settings.Compare compare = new Settings.Compare(methods, List.of(), List.of(), List.of(), null, true);
        methods.clear();
        assertThat(compare.methods()).containsExactly("full");
    }

    @Test
    void settingsTravelToExecutors() throws IOException, ClassNotFoundException {
        Settings settings = settings("data.mean=[0.5, 0.5, 0.5]");
        assertThat(Copies.sent(settings)).isEqualTo(settings);
    }

    private static Settings settings(String... sets) {
        try {
            byte[] base = Files.readAllBytes(Path.of("conf/base.yaml"));
            return Config.load(base, List.of(), List.of(sets), new Configuration(false));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
