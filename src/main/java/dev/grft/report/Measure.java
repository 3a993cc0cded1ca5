package dev.grft.report;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.EnumMap;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** What is measured of a model on a set of images, in one number. The page report.md has the definition of each. */
public enum Measure {
    ACCURACY("accuracy", true),
    BALANCED_ACCURACY("balanced accuracy", true),
    MACRO_F1("macro F1", true),
    AUROC("AUROC", true),
    ECE("ECE", true),
    LOSS("loss", true),
    TOP5_ACCURACY("top-5 accuracy", false),
    MACRO_PRECISION("macro precision", false),
    MACRO_RECALL("macro recall", false),
    WEIGHTED_PRECISION("weighted precision", false),
    WEIGHTED_F1("weighted F1", false);

    private final String title;
    private final boolean main;

    Measure(String title, boolean main) {
        this.title = title;
        this.main = main;
    }

    /** Returns the measure that a setting names, such as {@code macro-f1}. */
    public static Measure of(String word) {
        return valueOf(word.replace('-', '_').toUpperCase(Locale.ROOT));
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

    /** Returns whether a value is better than another one; every one is better than NaN, and NaN is better than none. */
    public boolean better(double value, double than) {
        boolean lower = this == LOSS || this == ECE;
        return Double.isNaN(than) ? !Double.isNaN(value) : lower ? value < than : value > than;
    }

    /** Returns the main measures of these on one line, in four digits. */
    public static String line(Map<Measure, Double> values) {
        Map<Measure, Double> few = new EnumMap<>(values);
        few.keySet().removeIf(measure -> !measure.main);
        return text(few);
    }

    /** Returns all of these on one line, likewise. */
    static String text(Map<Measure, Double> values) {
        return new TreeMap<>(values)
                .entrySet().stream()
                        .map(entry -> entry.getKey().title + " " + text(entry.getValue()))
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

    private static String text(double value) {
        return Double.isNaN(value) ? "undefined" : String.format(Locale.ROOT, "%.4f", value);
    }
}
