package dev.grft.measures;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.Task;
import dev.grft.UserError;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** What is measured of a model on a set of images, in one number. The page report.md has the definition of each. */
public enum Measure {
    MAP("mAP", Kind.SHARE),
    RMSE("RMSE", Kind.ERROR),
    MAE("MAE", Kind.ERROR),
    R2("R²", Kind.NUMBER),
    ACCURACY("accuracy", Kind.SHARE),
    SUBSET_ACCURACY("subset accuracy", Kind.SHARE),
    BALANCED_ACCURACY("balanced accuracy", Kind.SHARE),
    MACRO_F1("macro F1", Kind.SHARE),
    MICRO_F1("micro F1", Kind.SHARE),
    TUNED_MACRO_F1("macro F1 at the thresholds", Kind.SHARE),
    TUNED_MICRO_F1("micro F1 at the thresholds", Kind.SHARE),
    AUROC("AUROC", Kind.SHARE),
    ECE("ECE", Kind.SHARE_OF_ERRORS),
    LOSS("loss", Kind.ERROR),
    TOP5_ACCURACY("top-5 accuracy", Kind.SHARE),
    MACRO_PRECISION("macro precision", Kind.SHARE),
    MACRO_RECALL("macro recall", Kind.SHARE),
    WEIGHTED_PRECISION("weighted precision", Kind.SHARE),
    WEIGHTED_F1("weighted F1", Kind.SHARE),
    MICRO_PRECISION("micro precision", Kind.SHARE),
    MICRO_RECALL("micro recall", Kind.SHARE),
    HAMMING_LOSS("Hamming loss", Kind.SHARE_OF_ERRORS),
    TUNED_MACRO_PRECISION("macro precision at the thresholds", Kind.SHARE),
    TUNED_MACRO_RECALL("macro recall at the thresholds", Kind.SHARE),
    TUNED_MICRO_PRECISION("micro precision at the thresholds", Kind.SHARE),
    TUNED_MICRO_RECALL("micro recall at the thresholds", Kind.SHARE),
    TUNED_SUBSET_ACCURACY("subset accuracy at the thresholds", Kind.SHARE),
    TUNED_HAMMING_LOSS("Hamming loss at the thresholds", Kind.SHARE_OF_ERRORS);

    private static final Set<Measure> MAIN = EnumSet.range(MAP, LOSS);

    private final String title;
    private final Kind kind;

    /** What a number says. */
    private enum Kind {
        /** A share in [0, 1], the higher the better. */
        SHARE,
        /** A share in [0, 1], the lower the better. */
        SHARE_OF_ERRORS,
        /** An error without an upper bound, the lower the better. */
        ERROR,
        /** A number, the higher the better. */
        NUMBER
    }

    Measure(String title, Kind kind) {
        this.title = title;
        this.kind = kind;
    }

    /** Returns the measure that a setting names, such as {@code macro-f1}. */
    public static Measure of(String word) {
        return valueOf(word.replace('-', '_').toUpperCase(Locale.ROOT));
    }

    /** Returns the measures that tables have of a task, the main one first. */
    public static List<Measure> shown(Task task) {
        return switch (task) {
            case SINGLE_LABEL -> List.of(ACCURACY, BALANCED_ACCURACY, MACRO_F1, AUROC, ECE);
            case MULTI_LABEL -> List.of(MAP, MACRO_F1, MICRO_F1, TUNED_MACRO_F1, SUBSET_ACCURACY, AUROC, ECE);
            case REGRESSION -> List.of(RMSE, MAE, R2);
        };
    }

    /** Returns the measure that models of a task are compared by, given the number of their classes or targets. */
    public static Measure main(Task task, int classes) {
        Measure main = shown(task).get(0);
        return main.isOf(classes) ? main : MICRO_F1;
    }

    /** Returns whether this measure is computed of so many classes. */
    public boolean isOf(int classes) {
        return (this != AUROC && this != MAP) || classes <= OddsHistogram.MOST;
    }

    /** Returns the measures that an epoch can be chosen by. */
    public static List<Measure> watchable(Task task) {
        return switch (task) {
            case SINGLE_LABEL -> List.of(ACCURACY, BALANCED_ACCURACY, MACRO_F1, AUROC, LOSS);
            case MULTI_LABEL -> List.of(MAP, MACRO_F1, MICRO_F1, AUROC, SUBSET_ACCURACY, HAMMING_LOSS, LOSS);
            case REGRESSION -> List.of(RMSE, MAE, R2, LOSS);
        };
    }

    /**
     * Requires that this measure, by which an epoch is chosen, is computed of so many classes.
     *
     * @throws UserError if it is not
     */
    public void requireOf(int classes) {
        if (!isOf(classes)) {
            throw UserError.of(
                    "training.watch is %s, which is computed for up to %,d classes, but there are %,d; choose another measure",
                    word(), OddsHistogram.MOST, classes);
        }
    }

    /** Returns its key in {@code evaluation.json} and {@code metrics.json}, such as {@code macro_f1}. */
    public String key() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** Returns its name in a setting, such as {@code macro-f1}. */
    public String word() {
        return key().replace('_', '-');
    }

    /** Returns its name in a sentence. */
    public String title() {
        return title;
    }

    /** Returns whether it is a share in [0, 1], which tables show in percent. */
    public boolean isShare() {
        return kind == Kind.SHARE || kind == Kind.SHARE_OF_ERRORS;
    }

    /** Returns whether a value is better than another one; every one is better than NaN, and NaN is better than none. */
    public boolean better(double value, double than) {
        boolean lower = kind == Kind.ERROR || kind == Kind.SHARE_OF_ERRORS;
        return Double.isNaN(than) ? !Double.isNaN(value) : lower ? value < than : value > than;
    }

    /** Returns the main measures of these on one line, in four digits. */
    public static String line(Map<Measure, Double> values) {
        Map<Measure, Double> few = new EnumMap<>(values);
        few.keySet().retainAll(MAIN);
        return text(few);
    }

    /** Returns all of these on one line, likewise. */
    public static String text(Map<Measure, Double> values) {
        return new TreeMap<>(values)
                .entrySet().stream()
                        .map(entry ->
                                entry.getKey().title + " " + entry.getKey().text(entry.getValue(), values))
                        .collect(Collectors.joining(", "));
    }

    /** Puts values into an object, by key. */
    public static void put(Map<Measure, Double> values, ObjectNode node) {
        values.forEach((measure, value) -> put(node, measure.key(), value));
    }

    /** Puts a number into an object; null for NaN, which JSON does not have. */
    public static void put(ObjectNode node, String key, double number) {
        node.put(key, Double.isFinite(number) ? (Double) number : null);
    }

    private String text(double value, Map<Measure, Double> beside) {
        if (Double.isNaN(value)) {
            return "undefined";
        }
        // Values, and so their errors, can be of any size.
        boolean anyUnit = this == RMSE || this == MAE || (this == LOSS && beside.containsKey(RMSE));
        return String.format(Locale.ROOT, anyUnit ? "%.5g" : "%.4f", value);
    }
}
