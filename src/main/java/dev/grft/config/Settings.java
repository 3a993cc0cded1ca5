package dev.grft.config;

import dev.grft.Checks;
import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.data.Labels;
import dev.grft.measures.Measure;
import dev.grft.tuning.Method;
import dev.grft.tuning.TuningSettings;
import dev.grft.vit.VitConfig;
import java.io.Serializable;
import java.net.URI;
import java.net.URISyntaxException;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * All settings of a run: a record for each section of {@code conf/base.yaml}, a component for each key, of
 * the same name. Defaults and units stand there, and only there; ranges are checked here.
 *
 * <p>Every constructor throws {@link UserError} for a value out of range; its message begins with the key.
 */
public record Settings(
        Run run,
        TuningSettings tuning,
        Compare compare,
        Map<String, Map<String, Object>> methods,
        Model model,
        DataSettings data,
        AugmentationSettings augmentation,
        SelectionSettings selection,
        Penalty penalty,
        Probe probe,
        TrainingSettings training,
        Evaluation evaluation,
        Predict predict,
        Tracking tracking,
        Lineage lineage,
        Engine engine)
        implements Serializable {

    public Settings {
        methods = copy(methods);
        methods.forEach((method, keys) -> {
            Checks.word("methods", method, Method.words());
            keys.keySet()
                    .forEach(key -> Checks.require(
                            OF_METHODS.contains(key.substring(0, key.indexOf('.'))) && !key.equals("training.shards"),
                            "methods." + method + "." + key,
                            "a key of " + String.join(", ", OF_METHODS) + ", and not training.shards",
                            key));
            Checks.require(
                    compare.budgets().isEmpty() || OF_BUDGET.stream().allMatch(key -> keys.get(key) == null),
                    "compare.budgets",
                    "empty if methods." + method + " has a budget or a preset of its own",
                    compare.budgets());
        });
        for (String other : compare.methods()) {
            Checks.require(
                    !other.equals(tuning.method()),
                    "compare.methods",
                    "without tuning.method (" + tuning.method() + ") itself",
                    compare.methods());
        }
        Checks.require(
                "squash".equals(data.crop())
                        || data.resize() == 0
                        || model.imageSize() == 0
                        || data.resize() >= model.imageSize(),
                "data.resize",
                "0 or at least model.imageSize (" + model.imageSize() + ")",
                data.resize());
        Checks.require(
                !data.balance().equals("sampler") || training.syncEvery() == 1,
                "data.balance",
                "none or weights if training.syncEvery is more than 1 (" + training.syncEvery()
                        + "): the sampler draws a varying number of images of each shard, so shards cannot step alone",
                data.balance());
        Checks.require(
                !training.ratesByScore() || Method.of(tuning.method()).isOfSlices(),
                "training.sliceRates",
                "uniform for tuning.method " + tuning.method() + ", which trains no slices",
                "'" + training.sliceRates() + "'");
        Task task = data.toTask();
        if (training.watch() != null) {
            Checks.word(
                    "training.watch",
                    training.watch(),
                    Measure.watchable(task).stream().map(Measure::word).toArray(String[]::new));
        }
        Checks.require(
                task != Task.REGRESSION || training.labelSmoothing() == 0,
                "training.labelSmoothing",
                "0 for data.task regression, which has no classes",
                training.labelSmoothing());
        Checks.require(
                task == Task.SINGLE_LABEL || !selection.contrastive(),
                "selection.loss",
                "fresh or probe for data.task " + task + ": the contrastive loss compares images of one class each",
                selection.loss());
        Checks.require(
                !augmentation.mixing().mixes() || training.batchSize() >= 2 * training.shards(),
                "training.batchSize",
                "at least twice training.shards (" + training.shards()
                        + ") with augmentation.mixup or cutmix, which mix the images of a shard",
                training.batchSize());
        Checks.require(
                !augmentation.mixing().mixes()
                        || training.microBatch() % 2 == 0
                        || training.microBatch() >= training.examplesOfShard(),
                "training.microBatch",
                "even with augmentation.mixup or cutmix, which mix pairs of images",
                training.microBatch());
    }

    /** Returns {@code tuning.biases}; if it is null, true unless a preset is set. */
    public boolean withBiases() {
        return tuning.biases() == null ? selection.preset() == null : tuning.biases();
    }

    /** Returns whether images are cropped at random: in training, or to make two views of each for the contrastive loss. */
    public boolean cropsAtRandom() {
        return augmentation.crop() || selection.contrastive();
    }

    /**
     * Returns the measure that an epoch and a learning rate are chosen by: {@code training.watch}, or the main one of the task.
     *
     * @param classes how many classes or targets there are
     */
    public Measure watched(int classes) {
        return training.watch() == null ? Measure.main(data.toTask(), classes) : Measure.of(training.watch());
    }

    /** The sections that may differ between the methods of an application. */
    private static final List<String> OF_METHODS =
            List.of("tuning", "augmentation", "selection", "penalty", "training");

    /** What {@code compare.budgets} takes the place of. */
    private static final List<String> OF_BUDGET =
            List.of("selection.preset", "selection.budget.count", "selection.budget.fraction");

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
                predict,
                tracking,
                lineage,
                engine);
    }

    /** Where the run lives. */
    public record Run(String directory, long seed) implements Serializable {
        public Run {
            Checks.notBlank("run.directory", directory);
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
            methods.forEach(method -> Checks.word("compare.methods", method, Method.words()));
            Checks.distinct("compare.methods", methods);
            seeds = List.copyOf(seeds);
            Checks.distinct("compare.seeds", seeds);
            budgets = List.copyOf(budgets);
            budgets.forEach(budget -> checkBudget("compare.budgets", budget));
            Checks.distinct("compare.budgets", budgets);
            learningRates = List.copyOf(learningRates);
            learningRates.forEach(rate -> Checks.positive("compare.learningRates", rate));
            Checks.distinct("compare.learningRates", learningRates);
            if (ratesAt != null) {
                checkBudget("compare.ratesAt", ratesAt);
            }
        }

        private static void checkBudget(String key, double budget) {
            boolean holds = budget > 0 && (budget < 1 || budget == Math.rint(budget));
            Checks.require(holds, key, "a share in (0, 1) or a whole number >= 1", budget);
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
                Checks.notBlank("model.pretrained", pretrained);
            }
            Checks.require(imageSize >= 0, "model.imageSize", ">= 0", imageSize);
            if (preset != null) {
                checkPreset(preset);
            }
            Checks.word("model.saveType", saveType, "fp32", "fp16", "bf16");
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

    /** What holds the trained parameters back. */
    public record Penalty(double lambda, @Nullable Integer lastLayers, double head, boolean decoupled)
            implements Serializable {
        public Penalty {
            Checks.notNegative("penalty.lambda", lambda);
            Checks.require(
                    lastLayers == null || lastLayers >= 1, "penalty.lastLayers", "null (all) or >= 1", lastLayers);
            Checks.notNegative("penalty.head", head);
        }

        /** Returns the method's penalty. */
        public dev.grft.Penalty toPenalty() {
            return new dev.grft.Penalty(
                    lambda, lastLayers == null ? dev.grft.Penalty.ALL : lastLayers, head, decoupled);
        }
    }

    /** The linear probe: the fresh head, trained alone. */
    public record Probe(
            int epochs,
            int batchSize,
            double learningRate,
            @Nullable Double weightDecay) implements Serializable {
        public Probe {
            Checks.count("probe.epochs", epochs);
            Checks.count("probe.batchSize", batchSize);
            Checks.positive("probe.learningRate", learningRate);
            if (weightDecay != null) {
                Checks.notNegative("probe.weightDecay", weightDecay);
            }
        }

        /** Returns the same with a weight decay. */
        public Probe decaying(double decay) {
            return new Probe(epochs, batchSize, learningRate, decay);
        }
    }

    /** Evaluation and prediction. */
    public record Evaluation(int batchSize, boolean flip, String protocol) implements Serializable {
        /** The protocol by which the epoch is chosen on the test images. */
        public static final String GPS_PAPER = "gps-paper";

        public Evaluation {
            Checks.word("evaluation.protocol", protocol, "validation", GPS_PAPER);
            Checks.count("evaluation.batchSize", batchSize);
        }
    }

    /** What {@code predict} writes of each image. */
    public record Predict(@Nullable Integer topK) implements Serializable {
        private static final int OF_MANY = 5;

        public Predict {
            Checks.require(topK == null || topK >= 1, "predict.topK", "null or >= 1", topK);
        }

        /** Returns how many of a model's classes get their probability in one array; 0: all of them, each in a column. */
        public int classesInArray(int classes) {
            int wanted = topK != null ? topK : classes > Labels.MANY ? OF_MANY : 0;
            return Math.min(wanted, classes);
        }
    }

    /**
     * The MLflow server that runs are reported to; null: none. Credentials are no settings, see {@code report/Tracking}.
     *
     * @param model whether the merged model is sent, too
     * @param registerAs name under which that model is registered, or {@code NAME@ALIAS}; null: it is not registered
     */
    public record Tracking(
            @Nullable String uri,
            String experiment,
            boolean model,
            @Nullable String registerAs,
            double timeoutSeconds) implements Serializable {
        private static final Pattern SERVER = Pattern.compile("https?://[^/?#@\\s]+(/[^?#\\s]*)?");
        /** Returns whether an address is that of a server, with a host that can be called, and without credentials. */
        static boolean isServer(String uri) {
            try {
                return SERVER.matcher(uri).matches() && new URI(uri).getHost() != null;
            } catch (URISyntaxException e) {
                return false;
            }
        }

        private static final Pattern REGISTERED = Pattern.compile("[^/:@\\s]([^/:@]*[^/:@\\s])?(@[A-Za-z0-9_-]+)?");

        public Tracking {
            if (uri != null && !isServer(uri)) { // not repeated: it may hold a password
                throw new UserError(
                        "tracking.uri must be http:// or https://, a host and perhaps a path, without user, password or"
                                + " query; credentials come from MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and"
                                + " MLFLOW_TRACKING_PASSWORD");
            }
            Checks.notBlank("tracking.experiment", experiment);
            Checks.require(
                    registerAs == null || REGISTERED.matcher(registerAs).matches(),
                    "tracking.registerAs",
                    "null, a name without / and :, or NAME@ALIAS",
                    registerAs);
            Checks.positive("tracking.timeoutSeconds", timeoutSeconds);
        }

        /** Returns whether the merged model is sent; one that is registered always is. */
        public boolean sendsModel() {
            return model || registerAs != null;
        }
    }

    /**
     * Where events of OpenLineage go; null: nowhere. The key of a server is no setting, see {@code report/lineage}.
     *
     * @param uri a server, a local file that ends with {@code .jsonl}, or a folder on any file system
     * @param job what the job is called after its verb; null: as the run directory
     */
    public record Lineage(
            @Nullable String uri,
            String namespace,
            @Nullable String job,
            double timeoutSeconds) implements Serializable {
        private static final Pattern OF_SERVER = Pattern.compile("(?i)https?:.*");
        private static final Pattern REMOTE_LINES = Pattern.compile("(?!file:)[A-Za-z][A-Za-z0-9+.-]+:.*\\.jsonl");

        public Lineage {
            if (uri != null
                    && OF_SERVER.matcher(uri).matches()
                    && !Tracking.isServer(uri)) { // not repeated: it may hold a password
                throw new UserError(
                        "lineage.uri of a server must be http:// or https://, a host of letters, digits, - and ., and perhaps"
                                + " a port and a path, without user, password or query; its key comes from"
                                + " OPENLINEAGE_API_KEY");
            }
            Checks.require(
                    uri == null || (!uri.isBlank() && !REMOTE_LINES.matcher(uri).matches()),
                    "lineage.uri",
                    "null, a server, a local file that ends with .jsonl, or a folder",
                    uri);
            Checks.notBlank("lineage.namespace", namespace);
            Checks.require(job == null || !job.isBlank(), "lineage.job", "null or a name", job);
            Checks.positive("lineage.timeoutSeconds", timeoutSeconds);
        }
    }

    /** The machinery. {@code kernels} and {@code blasThreads} change the last bits only, {@code precision} rounds. */
    public record Engine(
            String kernels,
            String precision,
            boolean requireGpu,
            boolean mixed,
            int blasThreads,
            boolean recompute,
            double frozenCacheGiB,
            String rounds,
            double timeoutSeconds,
            double graceSeconds,
            double leaseSeconds)
            implements Serializable {
        public Engine {
            Checks.word("engine.kernels", kernels, "auto", "cpu", "torch", "nd4j");
            if (requireGpu && (kernels.equals("cpu") || kernels.equals("nd4j"))) {
                throw UserError.of(
                        "engine.requireGpu is true, but engine.kernels is %s, which computes on CPUs; set it to auto",
                        kernels);
            }
            Checks.word("engine.precision", precision, "fp32", "bf16", "tf32");
            Checks.count("engine.blasThreads", blasThreads);
            Checks.notNegative("engine.frozenCacheGiB", frozenCacheGiB);
            Checks.word("engine.rounds", rounds, "auto", "jobs", "standing");
            Checks.positive("engine.timeoutSeconds", timeoutSeconds);
            Checks.positive("engine.graceSeconds", graceSeconds);
            Checks.positive("engine.leaseSeconds", leaseSeconds);
        }

        /** Returns whether a training has standing tasks, if all executors can connect to the driver. */
        public boolean standing() {
            return !rounds.equals("jobs");
        }

        /** Returns the bytes of {@code frozenCacheGiB}. */
        public long frozenCacheBytes() {
            return (long) (frozenCacheGiB * (1L << 30));
        }
    }
}
