package dev.grft.measures;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.data.Labels;
import dev.grft.data.Target;
import java.util.ArrayList;
import org.jspecify.annotations.Nullable;

/** What a measure needs of the values that are predicted for one image: the values, and those that are true. */
public final class ValueJudgment extends Judgment {
    private static final long serialVersionUID = 1L;

    final float[] actual; // [T]
    final float[] predicted; // [T]

    private final boolean inDeviations; // whether these are known
    private final double deviations; // root of the mean squared error of the targets, each in its deviations

    /**
     * Judges one image.
     *
     * @param actual {@code [T]}
     * @param predicted {@code [T]}
     * @param deviations of the training values of each target, {@code [T]}; null if they are not known
     */
    ValueJudgment(long id, String name, float[] actual, float[] predicted, float @Nullable [] deviations) {
        super(id, name);
        this.actual = actual;
        this.predicted = predicted;
        this.inDeviations = deviations != null;
        this.deviations = Math.sqrt(meanSquare(deviations));
    }

    /** Returns the mean of the squared errors of the targets, each in its own unit. */
    double loss() {
        return meanSquare(null);
    }

    private double meanSquare(float @Nullable [] units) {
        double sum = 0;
        for (int t = 0; t < actual.length; t++) {
            sum += Math.pow(((double) predicted[t] - actual[t]) / (units == null ? 1 : units[t]), 2);
        }
        return sum / actual.length;
    }

    /** Returns the error in deviations of the targets, so that none counts more for its unit; the loss if they are not known. */
    @Override
    public double mistake() {
        return inDeviations ? deviations : loss();
    }

    @Override
    public void put(Labels names, ObjectNode line) {
        put(names, actual, line.putObject("values"));
        put(names, predicted, line.putObject("predicted"));
        Measure.put(line, "loss", loss());
        if (inDeviations) {
            Measure.put(line, "deviations", deviations);
        }
    }

    private static void put(Labels names, float[] values, ObjectNode node) {
        for (int t = 0; t < values.length; t++) {
            Measure.put(node, names.name(t), values[t]);
        }
    }

    /** Judges the images of a piece. */
    static final class Piece implements Judging<ValueJudgment> {
        private final float @Nullable [] deviations;
        private final ArrayList<ValueJudgment> all = new ArrayList<>(); // which Kryo can read

        Piece(float @Nullable [] deviations) {
            this.deviations = deviations;
        }

        @Override
        public void add(long id, String name, Target target, float[] outputs) {
            all.add(new ValueJudgment(id, name, target.values(), outputs, deviations));
        }

        @Override
        public Judgments<ValueJudgment> end() {
            return new Judgments<>(all, new int[0], new byte[0]);
        }
    }
}
