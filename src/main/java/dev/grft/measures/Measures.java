package dev.grft.measures;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.checkpoint.file.Json;
import dev.grft.data.Labels;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The measures of a model on images, added up image by image, as scikit-learn defines them. The pieces that the images come in do not change
 * a bit of them, if the images come in order.
 *
 * @param <J> what is kept of an image until it is added
 */
public abstract class Measures<J extends Judgment> {
    final Labels names; // of the head's outputs
    long examples;

    Measures(Labels names) {
        this.names = names;
    }

    /** Returns the measures of the task of a head, of no image yet, with a threshold of 0.5 for several labels. */
    public static Measures<?> of(Labels names) {
        return of(names, null, null);
    }

    /**
     * Returns the measures of the task of a head, of no image yet.
     *
     * @param names of the head's outputs: classes or targets
     * @param thresholds of several labels, {@code [K]}: an image is said to show a class if its probability is not below; null for 0.5 alone
     * @param deviations of the training values of each target, {@code [K]}, above 0: in them mistakes are compared; null for the targets' units
     */
    public static Measures<?> of(Labels names, float @Nullable [] thresholds, float @Nullable [] deviations) {
        return switch (names.task()) {
            case SINGLE_LABEL -> new ClassMeasures(names);
            case MULTI_LABEL -> new SetMeasures(names, thresholds);
            case REGRESSION -> new ValueMeasures(names, deviations);
        };
    }

    /** Returns what tasks judge images with. */
    public abstract Judging.Begin<J> judging();

    /** Adds the images of a piece. */
    public abstract void add(Judgments<J> some);

    /** Returns the value of each measure that there is of so many outputs; NaN if it is not defined for these images. */
    public abstract Map<Measure, Double> values();

    /** Returns the thresholds with the best F1 of each class, {@code [K]}; none if the task has none, or there are too many classes. */
    public List<Float> bestThresholds() {
        return List.of();
    }

    /** Returns the measures for a person, on one line. */
    public String line() {
        return Measure.line(values());
    }

    /** Adds what {@code evaluation.json} has beside the measures themselves. */
    abstract void put(ObjectNode root);

    /**
     * Returns {@code evaluation.json}.
     *
     * @param digest of the images
     * @param note what a reader has to know; null if there is nothing
     */
    public final String json(String method, String digest, @Nullable String note) {
        ObjectNode root = Json.MAPPER.createObjectNode();
        root.put("method", method);
        if (note != null) {
            root.put("note", note);
        }
        root.put("examples", examples);
        root.put("data_digest", digest);
        Measure.put(values(), root);
        put(root);
        return Json.pretty(root);
    }
}
