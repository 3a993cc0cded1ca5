package dev.grft.config;

import dev.grft.Orientation;
import dev.grft.Preset;
import dev.grft.Ranking;
import dev.grft.Score;
import dev.grft.UserError;
import dev.grft.data.Augment;
import dev.grft.data.Preprocess;
import dev.grft.vit.VitConfig;
import java.io.Serializable;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Everything that a run can be told: a record for each section of {@code conf/base.yaml}, a component for each key, of
 * the same name. Defaults and units stand there, and only there; ranges are checked here.
 *
 * <p>Every constructor throws {@link UserError} for a value out of range; its message begins with the key.
 */
public record Settings(
        Run run,
        Tuning tuning,
        Compare compare,
        Map<String, Map<String, Object>> methods,
        Model model,
        Data data,
        Augmentation augmentation,
        Selection selection,
        Penalty penalty,
        Probe probe,
        Training training,
        Evaluation evaluation,
        Tracking tracking,
        Engine engine)
        implements Serializable {

    public Settings {
        methods = copy(methods);
        methods.forEach((method, keys) -> {
            checkWord("methods", method, METHODS);
            keys.keySet()
                    .forEach(key -> check(
                            OF_METHODS.contains(key.substring(0, key.indexOf('.'))) && !key.equals("training.shards"),
                            "methods." + method + "." + key,
                            "a key of " + String.join(", ", OF_METHODS) + ", and not training.shards",
                            key));
        });
        for (String other : compare.methods()) {
            check(
                    !other.equals(tuning.method()),
                    "compare.methods",
                    "without tuning.method (" + tuning.method() + ") itself",
                    compare.methods());
        }
        check(
                !data.crop().equals("center")
                        || data.resize() == 0
                        || model.imageSize() == 0
                        || data.resize() >= model.imageSize(),
                "data.resize",
                "0 or at least model.imageSize (" + model.imageSize() + ")",
                data.resize());
    }

    /** Returns whether images are cropped at random: in training, or to make two views of each for the contrastive loss. */
    public boolean cropsAtRandom() {
        return augmentation.crop() || selection.contrastive();
    }

    private static final String[] METHODS = {
        "grft", "random", "magnitude", "last-layers", "gps", "lora", "adapter", "bitfit", "linear", "full"
    };

    /** The sections that may differ between the methods of an application. */
    private static final List<String> OF_METHODS =
            List.of("tuning", "augmentation", "selection", "penalty", "training");

    private static Map<String, Map<String, Object>> copy(Map<String, Map<String, Object>> methods) {
        TreeMap<String, Map<String, Object>> copy = new TreeMap<>();
        methods.forEach((method, keys) -> copy.put(method, Collections.unmodifiableMap(new TreeMap<>(keys))));
        return Collections.unmodifiableMap(copy);
    }

    /** Returns the same with other keys for single methods. */
    Settings withMethods(Map<String, Map<String, Object>> others) {
        return new Settings(
                run,
                tuning,
                compare,
                others,
                model,
                data,
                augmentation,
                selection,
                penalty,
                probe,
                training,
                evaluation,
                tracking,
                engine);
    }

    /** Where the run lives. */
    public record Run(String directory, long seed) implements Serializable {
        public Run {
            checkText("run.directory", directory);
        }
    }

    /** What trains beside the head, and the numbers of the methods that have some of their own. */
    public record Tuning(String method, boolean biases, Lora lora, Adapter adapter, Gps gps, LastLayers lastLayers)
            implements Serializable {
        public Tuning {
            checkWord("tuning.method", method, METHODS);
        }
    }

    /** Low-rank updates (arXiv 2106.09685). */
    public record Lora(int rank, double alpha, double dropout, List<String> targets) implements Serializable {
        public Lora {
            checkCount("tuning.lora.rank", rank);
            checkPositive("tuning.lora.alpha", alpha);
            check(dropout >= 0 && dropout < 1, "tuning.lora.dropout", "in [0, 1)", dropout);
            targets = List.copyOf(targets);
            checkMatrices("tuning.lora.targets", targets);
        }
    }

    /** Bottleneck layers (arXiv 1902.00751). */
    public record Adapter(String form, int size, double scale) implements Serializable {
        public Adapter {
            checkWord("tuning.adapter.form", form, "houlsby", "pfeiffer");
            checkCount("tuning.adapter.size", size);
            checkPositive("tuning.adapter.scale", scale);
        }
    }

    /** Single entries of each neuron (arXiv 2312.10136). */
    public record Gps(int perNeuron) implements Serializable {
        public Gps {
            checkCount("tuning.gps.perNeuron", perNeuron);
        }
    }

    /** The same budget, spent at the end of the network. */
    public record LastLayers(int blocks) implements Serializable {
        public LastLayers {
            checkCount("tuning.lastLayers.blocks", blocks);
        }
    }

    /** What is compared with what. */
    public record Compare(
            List<String> methods,
            List<Long> seeds,
            List<Double> budgets,
            List<Double> learningRates,
            @Nullable Double ratesAt,
            boolean match)
            implements Serializable {
        public Compare {
            methods = List.copyOf(methods);
            methods.forEach(method -> checkWord("compare.methods", method, METHODS));
            checkDistinct("compare.methods", methods);
            seeds = List.copyOf(seeds);
            checkDistinct("compare.seeds", seeds);
            budgets = List.copyOf(budgets);
            budgets.forEach(budget -> checkBudget("compare.budgets", budget));
            checkDistinct("compare.budgets", budgets);
            learningRates = List.copyOf(learningRates);
            learningRates.forEach(rate -> checkPositive("compare.learningRates", rate));
            checkDistinct("compare.learningRates", learningRates);
            if (ratesAt != null) {
                checkBudget("compare.ratesAt", ratesAt);
            }
        }

        private static void checkBudget(String key, double budget) {
            boolean holds = budget > 0 && (budget < 1 || budget == Math.rint(budget));
            check(holds, key, "a share in (0, 1) or a whole number >= 1", budget);
        }
    }

    /** The network. */
    public record Model(
            @Nullable String pretrained,
            int imageSize,
            @Nullable String preset,
            String saveType) implements Serializable {
        public Model {
            if (pretrained != null) {
                checkText("model.pretrained", pretrained);
            }
            check(imageSize >= 0, "model.imageSize", ">= 0", imageSize);
            if (preset != null) {
                checkPreset(preset);
            }
            checkWord("model.saveType", saveType, "fp32", "fp16", "bf16");
        }

        private static void checkPreset(String preset) {
            try {
                VitConfig.preset(preset, 0);
            } catch (UserError | IllegalArgumentException e) {
                throw new UserError(
                        "model.preset must be a ViT such as vit_base_patch16_224, got " + preset + " (" + e.getMessage()
                                + ")",
                        e);
            }
        }
    }

    /** The images. */
    public record Data(
            @Nullable String train,
            @Nullable String validation,
            boolean trainOnValidation,
            @Nullable String test,
            String format,
            @Nullable String root,
            @Nullable Integer classes,
            String imageColumn,
            String labelColumn,
            int resize,
            String crop,
            @Nullable List<Double> mean,
            @Nullable List<Double> std,
            double maxBroken)
            implements Serializable {
        public Data {
            if (train != null) {
                checkText("data.train", train);
            }
            if (validation != null) {
                checkText("data.validation", validation);
            }
            if (test != null) {
                checkText("data.test", test);
            }
            checkWord("data.format", format, "auto", "folder", "parquet", "webdataset", "list", "json", "csv", "jsonl");
            if (root != null) {
                checkText("data.root", root);
            }
            check(classes == null || classes >= 2, "data.classes", "null or >= 2", classes);
            checkText("data.imageColumn", imageColumn);
            checkText("data.labelColumn", labelColumn);
            check(resize >= 0, "data.resize", ">= 0", resize);
            checkWord("data.crop", crop, "center", "squash");
            if (mean != null) {
                mean = List.copyOf(mean);
                check(
                        mean.size() == 3 && mean.stream().allMatch(Double::isFinite),
                        "data.mean",
                        "null or three numbers, for red, green and blue",
                        mean);
            }
            if (std != null) {
                std = List.copyOf(std);
                check(
                        std.size() == 3 && std.stream().allMatch(x -> x > 0 && Double.isFinite(x)),
                        "data.std",
                        "null or three numbers > 0, for red, green and blue",
                        std);
            }
            check(maxBroken >= 0 && maxBroken <= 1, "data.maxBroken", "in [0, 1]", maxBroken);
        }

        /** Returns how an image becomes square. */
        public Preprocess.Crop toCrop() {
            return Preprocess.Crop.valueOf(crop.toUpperCase(Locale.ROOT));
        }
    }

    /** Random changes to training images. */
    public record Augmentation(
            boolean crop, double minScale, double maxScale, double minRatio, double maxRatio, boolean flip)
            implements Serializable {
        public Augmentation {
            check(maxScale > 0 && maxScale <= 1, "augmentation.maxScale", "in (0, 1]", maxScale);
            check(
                    minScale > 0 && minScale <= maxScale,
                    "augmentation.minScale",
                    "in (0, augmentation.maxScale], here (0, " + text(maxScale) + "]",
                    minScale);
            checkPositive("augmentation.maxRatio", maxRatio);
            check(
                    minRatio > 0 && minRatio <= maxRatio,
                    "augmentation.minRatio",
                    "in (0, augmentation.maxRatio], here (0, " + text(maxRatio) + "]",
                    minRatio);
        }

        /** Returns these changes with the random numbers of a seed. */
        public Augment toAugment(long seed) {
            return new Augment(crop, minScale, maxScale, minRatio, maxRatio, flip, seed);
        }
    }

    /** Which slices train. A preset decides axis and budget; what was given for them is then not kept. */
    public record Selection(
            @Nullable String preset,
            String axis,
            Budget budget,
            List<String> matrices,
            String score,
            boolean perLength,
            String loss,
            double temperature,
            int batchSize,
            @Nullable Integer everyEpochs,
            String released)
            implements Serializable {
        public Selection {
            checkWord("selection.axis", axis, words(Orientation.values()));
            if (preset != null) {
                checkWord("selection.preset", preset, words(Preset.values()));
                Preset chosen = Preset.parse(preset);
                axis = chosen.orientation().toString();
                budget = Budget.of(chosen.budget());
            }
            matrices = List.copyOf(matrices);
            checkMatrices("selection.matrices", matrices);
            checkWord("selection.score", score, words(Score.values()));
            checkWord("selection.loss", loss, "probe", "fresh", "contrastive");
            checkPositive("selection.temperature", temperature);
            checkCount("selection.batchSize", batchSize);
            check(everyEpochs == null || everyEpochs >= 1, "selection.everyEpochs", "null or >= 1", everyEpochs);
            check(
                    everyEpochs == null || !axis.equals("auto"),
                    "selection.everyEpochs",
                    "null with selection.axis auto, which could give a matrix rows once and columns later",
                    everyEpochs);
            checkWord("selection.released", released, "keep", "restore");
        }

        /** Returns whether the loss compares two views of each image, which are cropped at random. */
        public boolean contrastive() {
            return loss.equals("contrastive");
        }

        /** Returns the rule that gives each matrix its axis. */
        public Orientation orientation() {
            return Orientation.parse(axis);
        }

        /** Returns what slices of different length compete by. */
        public Ranking ranking() {
            return perLength ? Ranking.PER_PARAMETER : Ranking.BY_SCORE;
        }
    }

    /** How many; one of the two. */
    public record Budget(@Nullable Integer count, @Nullable Double fraction) implements Serializable {
        public Budget {
            if ((count == null) == (fraction == null)) {
                throw new UserError("selection.budget must have exactly one of count and fraction, got "
                        + (count == null ? "neither" : "count " + count + " and fraction " + text(fraction))
                        + "; set the other to null");
            }
            if (count != null) {
                checkCount("selection.budget.count", count);
            }
            if (fraction != null) {
                check(fraction > 0 && fraction <= 1, "selection.budget.fraction", "in (0, 1]", fraction);
            }
        }

        private static Budget of(dev.grft.Budget budget) {
            return budget instanceof dev.grft.Budget.PerMatrix perMatrix
                    ? new Budget(perMatrix.count(), null)
                    : new Budget(null, ((dev.grft.Budget.Share) budget).fraction());
        }

        /** Returns the method's budget. */
        public dev.grft.Budget toBudget() {
            return count != null
                    ? new dev.grft.Budget.PerMatrix(count)
                    : new dev.grft.Budget.Share(Objects.requireNonNull(fraction));
        }
    }

    /** What holds the trained numbers back. */
    public record Penalty(double lambda, @Nullable Integer lastLayers, double head, boolean decoupled)
            implements Serializable {
        public Penalty {
            checkNotNegative("penalty.lambda", lambda);
            check(lastLayers == null || lastLayers >= 1, "penalty.lastLayers", "null (all) or >= 1", lastLayers);
            checkNotNegative("penalty.head", head);
        }

        /** Returns the method's penalty. */
        public dev.grft.Penalty toPenalty() {
            return new dev.grft.Penalty(
                    lambda, lastLayers == null ? dev.grft.Penalty.ALL : lastLayers, head, decoupled);
        }
    }

    /** The linear probe: the fresh head, trained alone. */
    public record Probe(int epochs, int batchSize, double learningRate, double weightDecay) implements Serializable {
        public Probe {
            checkCount("probe.epochs", epochs);
            checkCount("probe.batchSize", batchSize);
            checkPositive("probe.learningRate", learningRate);
            checkNotNegative("probe.weightDecay", weightDecay);
        }
    }

    /** The training of the slices and the head. */
    public record Training(
            int epochs,
            int batchSize,
            int shards,
            int syncEvery,
            String headInit,
            double learningRate,
            String schedule,
            double warmupEpochs,
            double minLearningRate,
            String updater,
            double beta1,
            double beta2,
            double epsilon,
            double weightDecay,
            double clipNorm,
            int checkpointEvery,
            int keep,
            int maxSteps,
            @Nullable Integer patience)
            implements Serializable {
        /** Returns how many examples of a step's batch a shard has at most. */
        public int examplesOfShard() {
            return (batchSize + shards - 1) / shards;
        }

        public Training {
            checkCount("training.epochs", epochs);
            checkCount("training.batchSize", batchSize);
            checkCount("training.shards", shards);
            check(
                    batchSize >= shards,
                    "training.batchSize",
                    "at least training.shards (" + shards + "), so that each shard gets an example",
                    batchSize);
            checkCount("training.syncEvery", syncEvery);
            checkWord("training.headInit", headInit, "probe", "fresh");
            checkPositive("training.learningRate", learningRate);
            checkWord("training.schedule", schedule, "constant", "cosine");
            check(
                    warmupEpochs >= 0 && warmupEpochs <= epochs,
                    "training.warmupEpochs",
                    "in [0, training.epochs], here [0, " + epochs + "]",
                    warmupEpochs);
            check(
                    minLearningRate >= 0 && minLearningRate <= learningRate,
                    "training.minLearningRate",
                    "in [0, training.learningRate], here [0, " + text(learningRate) + "]",
                    minLearningRate);
            checkWord("training.updater", updater, "adam", "adamw", "sgd");
            check(beta1 >= 0 && beta1 < 1, "training.beta1", "in [0, 1)", beta1);
            check(beta2 >= 0 && beta2 < 1, "training.beta2", "in [0, 1)", beta2);
            checkPositive("training.epsilon", epsilon);
            checkNotNegative("training.weightDecay", weightDecay);
            checkNotNegative("training.clipNorm", clipNorm);
            check(checkpointEvery >= 0, "training.checkpointEvery", ">= 0", checkpointEvery);
            checkCount("training.keep", keep);
            check(maxSteps >= 0, "training.maxSteps", ">= 0", maxSteps);
            check(patience == null || patience >= 1, "training.patience", "null or >= 1", patience);
        }
    }

    /** Evaluation and prediction. */
    public record Evaluation(int batchSize, String protocol) implements Serializable {
        /** The protocol by which the epoch is chosen on the test images. */
        public static final String GPS_PAPER = "gps-paper";

        public Evaluation {
            checkWord("evaluation.protocol", protocol, "validation", GPS_PAPER);
            checkCount("evaluation.batchSize", batchSize);
        }
    }

    /** Where a server of MLflow is told of runs; null: nowhere. Credentials are no settings, see {@code report/Tracking}. */
    public record Tracking(@Nullable String uri, String experiment, double timeoutSeconds) implements Serializable {
        private static final Pattern SERVER = Pattern.compile("https?://[^/?#@\\s]+(/[^?#\\s]*)?");

        public Tracking {
            if (uri != null && !SERVER.matcher(uri).matches()) { // not repeated: it may hold a password
                throw new UserError(
                        "tracking.uri must be http:// or https://, a host and perhaps a path, without user, password or"
                                + " query; credentials come from MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and"
                                + " MLFLOW_TRACKING_PASSWORD");
            }
            checkText("tracking.experiment", experiment);
            checkPositive("tracking.timeoutSeconds", timeoutSeconds);
        }
    }

    /** The machinery. Of what is computed {@code kernels} and {@code blasThreads} change the last bits only. */
    public record Engine(
            String kernels,
            boolean requireGpu,
            boolean mixed,
            int blasThreads,
            boolean recompute,
            double timeoutSeconds,
            double graceSeconds)
            implements Serializable {
        public Engine {
            checkWord("engine.kernels", kernels, "auto", "cpu", "nd4j");
            if (requireGpu && kernels.equals("cpu")) {
                throw new UserError("engine.requireGpu is true, but engine.kernels is cpu; set it to auto");
            }
            checkCount("engine.blasThreads", blasThreads);
            checkPositive("engine.timeoutSeconds", timeoutSeconds);
            checkPositive("engine.graceSeconds", graceSeconds);
        }
    }

    private static void check(boolean holds, String key, String expected, @Nullable Object got) {
        if (!holds) {
            throw new UserError(key + " must be " + expected + ", got " + text(got));
        }
    }

    private static void checkCount(String key, int count) {
        check(count >= 1, key, ">= 1", count);
    }

    private static void checkPositive(String key, double number) {
        check(number > 0 && Double.isFinite(number), key, "> 0", number);
    }

    private static void checkNotNegative(String key, double number) {
        check(number >= 0 && Double.isFinite(number), key, ">= 0", number);
    }

    private static void checkText(String key, String text) {
        check(!text.isBlank(), key, "text that is not blank", "'" + text + "'");
    }

    private static void checkWord(String key, String word, String... words) {
        check(Arrays.asList(words).contains(word), key, "one of " + String.join(", ", words), "'" + word + "'");
    }

    private static void checkMatrices(String key, List<String> names) {
        check(
                !names.isEmpty() && names.stream().noneMatch(String::isBlank),
                key,
                "one name or more, such as mlp.fc1",
                names);
        checkDistinct(key, names);
    }

    private static void checkDistinct(String key, List<?> names) {
        check(new HashSet<>(names).size() == names.size(), key, "without repetition", names);
    }

    private static String[] words(Object[] choices) {
        return Arrays.stream(choices).map(Object::toString).toArray(String[]::new);
    }

    /** Returns a number as a person writes it: 20 rather than 20.0, 1.0e-4 rather than 1.0E-4. */
    static String text(@Nullable Object value) {
        if (value instanceof Double number) {
            boolean whole = number == Math.rint(number) && Math.abs(number) < 1e7 && !number.equals(-0.0);
            return whole
                    ? Long.toString(number.longValue())
                    : Double.toString(number).toLowerCase(Locale.ROOT);
        }
        if (value instanceof List<?> list) {
            return "[" + String.join(", ", list.stream().map(Settings::text).toList()) + "]";
        }
        return String.valueOf(value);
    }
}
