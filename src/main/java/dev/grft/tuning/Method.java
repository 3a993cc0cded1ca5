package dev.grft.tuning;

import dev.grft.Checks;
import dev.grft.MatrixShape;
import dev.grft.Selection;
import dev.grft.vit.VitConfig;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/**
 * A way to fine-tune, as {@code tuning.method} and {@code compare.methods} name it. All that the rest of the program reads of a
 * method stands in its entry here; what it computes stands in its {@link Tuning}. {@link #register} adds a method.
 *
 * @param word of the configuration, the command line and the files of a run
 * @param keys of the configuration that its training depends on, beside those that every training depends on: sections or single keys
 * @param needs what is computed before its training
 * @param learningRate that it works with if none is given, for batches of 16 examples and Adam, > 0
 * @param matching makes its number of parameters that of the slices, for {@code compare.match}; null if it has no size of its own
 * @param maker returns its tuning
 */
public record Method(
        String word,
        List<String> keys,
        Needs needs,
        double learningRate,
        @Nullable Matching matching,
        Function<Ingredients, Tuning> maker) {

    private static final int BATCH = 16;
    private static final double HEAD_RATE = 3e-3; // measured with a ViT-S/14, see results.md

    /** What is computed before a training, and is part of its inputs. */
    public enum Needs {
        /** The linear probe, whose head a training may begin with. */
        PROBE,
        /** Scores and the selection by them, under the settings of GRFT. */
        SLICES,
        /** Scores, under the settings of the method itself. */
        SCORES
    }

    /** Makes a method as large as another. */
    @FunctionalInterface
    public interface Matching {
        /**
         * Returns the keys to change.
         *
         * @param parameters how many to train beside the head, if it can; else the nearest number
         * @param own the settings of the method so far
         * @param eligible the matrices that slices and entries are selected from
         */
        Map<String, Object> changes(
                double parameters, VitConfig config, TuningSettings own, Map<String, MatrixShape> eligible);
    }

    /** All methods by word, in the order in which they were registered. */
    static final Map<String, Method> ALL = Collections.synchronizedMap(new LinkedHashMap<>());

    /** The paper's method: the rows or columns with the largest squared gradients. */
    public static final Method GRFT = register(new Method(
            "grft",
            List.of("selection.everyEpochs", "selection.released", "tuning.biases"),
            Needs.SLICES,
            1e-3,
            null,
            from -> slices(from, from.selection())));

    /** Baseline: as many slices of each matrix as GRFT selects, drawn at random. */
    public static final Method RANDOM = register(new Method(
            "random",
            List.of("tuning.biases"),
            Needs.SLICES,
            1e-3,
            null,
            from -> slices(from, Selection.random(from.alike(), from.seed()))));

    /** Baseline: the slices of the largest weights. */
    public static final Method MAGNITUDE = register(new Method(
            "magnitude", List.of("tuning.biases"), Needs.SLICES, 1e-3, null, from -> slices(from, from.byMagnitude())));

    /** Baseline: slices of the last blocks alone. */
    public static final Method LAST_LAYERS = register(new Method(
            "last-layers",
            List.of("tuning.lastLayers", "tuning.biases"),
            Needs.SLICES,
            1e-3,
            null,
            from -> slices(from, from.ofLastLayers(from.settings().lastLayers().blocks()))));

    /** GPS: single entries of each neuron, and biases. */
    public static final Method GPS = register(new Method(
            "gps",
            List.of("tuning.gps"),
            Needs.SCORES,
            1e-3,
            Method::matchedGps,
            from -> new EntryTuning(from.entries(from.settings().gps().perNeuron()))));

    /** LoRA: low-rank updates. */
    public static final Method LORA =
            register(new Method("lora", List.of("tuning.lora"), Needs.PROBE, 1e-3, Method::matchedLora, Method::lora));

    /** Adapter Tuning: bottleneck layers. */
    public static final Method ADAPTER = register(new Method(
            "adapter", List.of("tuning.adapter"), Needs.PROBE, 3e-3, Method::matchedAdapter, Method::adapter));

    /** BitFit: every bias. */
    public static final Method BITFIT =
            register(new Method("bitfit", List.of(), Needs.PROBE, 1e-3, null, from -> WholeTuning.biases()));

    /** The linear probe, which is trained on features and has settings of its own. */
    public static final Method LINEAR =
            register(new Method("linear", List.of(), Needs.PROBE, 1e-3, null, from -> SliceTuning.headOnly()));

    /** Full fine-tuning. */
    public static final Method FULL =
            register(new Method("full", List.of(), Needs.PROBE, 3e-5, null, from -> new WholeTuning()));

    public Method {
        keys = List.copyOf(keys);
        Checks.positive("the learning rate of method " + word, learningRate);
    }

    /**
     * Adds a method and returns it.
     *
     * @throws IllegalArgumentException if there is one of that word
     */
    public static Method register(Method method) {
        if (ALL.putIfAbsent(method.word, method) != null) {
            throw new IllegalArgumentException("there is a method " + method.word + " already");
        }
        return method;
    }

    /**
     * Returns the method of a word.
     *
     * @throws IllegalArgumentException if there is none; settings have been checked for that
     */
    public static Method of(String word) {
        Method method = ALL.get(word);
        if (method == null) {
            throw new IllegalArgumentException("no method " + word + ", only " + String.join(", ", words()));
        }
        return method;
    }

    /** Returns all methods, in the order in which they were registered; a copy. */
    public static List<Method> all() {
        synchronized (ALL) {
            return List.copyOf(ALL.values());
        }
    }

    /** Returns the words of all methods. */
    public static List<String> words() {
        return all().stream().map(Method::word).toList();
    }

    /**
     * Returns the learning rate that it works with if none is given: it grows with the root of the batch, as timm scales {@code lr_base}
     * for Adam, and has two digits.
     */
    public double learningRate(int batchSize) {
        return twoDigits(learningRate * Math.sqrt((double) batchSize / BATCH));
    }

    /**
     * Returns the factor of a fresh head's learning rate if none is given, 1 or more. The head has everything to learn: with the method's own rate its
     * rate is 3e-3 for batches of 16. A lower rate lowers both. With a higher one the head stays at 3e-3 until that is the rate of all.
     *
     * @param rate of the other parameters
     */
    public double headFactor(double rate, int batchSize) {
        double root = Math.sqrt((double) batchSize / BATCH);
        return Math.max(1, twoDigits(Math.min(HEAD_RATE / learningRate, HEAD_RATE * root / rate)));
    }

    private static double twoDigits(double value) {
        return Double.parseDouble(String.format(Locale.ROOT, "%.1e", value));
    }

    /** Returns its tuning. */
    public Tuning tuning(Ingredients from) {
        return maker.apply(from);
    }

    /** Returns whether slices train: with GRFT's penalty, which the other methods do not have by themselves. */
    public boolean isOfSlices() {
        return needs == Needs.SLICES;
    }

    /** Returns whether the number of parameters follows the selection's budget, by itself or because it is matched. */
    public boolean usesBudget(boolean matched) {
        return isOfSlices() || (matching != null && matched);
    }

    @Override
    public String toString() {
        return word;
    }

    private static Tuning slices(Ingredients from, Selection selection) {
        return new SliceTuning(selection, from.settings().trainsBiases(), from.rates(selection));
    }

    private static Tuning lora(Ingredients from) {
        TuningSettings.Lora own = from.settings().lora();
        return new LoraTuning(
                from.matrices(own.targets(), "tuning.lora.targets"), own.rank(), own.scale(), own.dropout());
    }

    private static Tuning adapter(Ingredients from) {
        TuningSettings.Adapter own = from.settings().adapter();
        return new AdapterTuning(from.matrices(own.targets(), "tuning.adapter.form"), own.size(), own.scale());
    }

    private static Map<String, Object> matchedGps(
            double parameters, VitConfig config, TuningSettings own, Map<String, MatrixShape> eligible) {
        double neurons = sum(eligible.values(), MatrixShape::out);
        return Map.of(
                "tuning.gps.perNeuron",
                atLeastOne((parameters - neurons) / neurons)); // each has a bias, which trains, too
    }

    private static Map<String, Object> matchedLora(
            double parameters, VitConfig config, TuningSettings own, Map<String, MatrixShape> eligible) {
        TuningSettings.Lora lora = own.lora();
        double ofRank = sum(config.matrices(lora.targets()).values(), shape -> shape.in() + shape.out());
        int rank = atLeastOne(parameters / ofRank);
        return Map.of("tuning.lora.rank", rank, "tuning.lora.alpha", lora.alpha() / lora.rank() * rank);
    }

    private static Map<String, Object> matchedAdapter(
            double parameters, VitConfig config, TuningSettings own, Map<String, MatrixShape> eligible) {
        double maps = config.depth() * own.adapter().targets().size();
        double size = (parameters / maps - config.width()) / (2 * config.width() + 1);
        return Map.of("tuning.adapter.size", atLeastOne(size));
    }

    private static double sum(Collection<MatrixShape> shapes, ToDoubleFunction<MatrixShape> of) {
        return shapes.stream().mapToDouble(of).sum();
    }

    private static int atLeastOne(double number) {
        return (int) Math.max(1, Math.round(number));
    }
}
