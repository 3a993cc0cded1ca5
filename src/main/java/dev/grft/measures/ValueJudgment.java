package dev.grft.measures;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.data.Labels;
import dev.grft.data.Target;
import java.util.ArrayList;

/** What a measure needs of the values that are predicted for one image: the values, and those that are true. */
public final class ValueJudgment extends Judgment {
    private static final long serialVersionUID = 1L;

    final float[] actual; // [T]
    final float[] predicted; // [T]

    ValueJudgment(long id, String name, float[] actual, float[] predicted) {
        super(id, name);
        this.actual = actual;
        this.predicted = predicted;
    }

    /** Returns the mean of the squared errors of the targets. */
    double loss() {
        double sum = 0;
        for (int t = 0; t < actual.length; t++) {
            sum += Math.pow((double) predicted[t] - actual[t], 2);
        }
        return sum / actual.length;
    }

    @Override
    public double mistake() {
        return loss();
    }

    @Override
    public void put(Labels names, ObjectNode line) {
        put(names, actual, line.putObject("values"));
        put(names, predicted, line.putObject("predicted"));
        Measure.put(line, "loss", loss());
    }

    private static void put(Labels names, float[] values, ObjectNode node) {
        for (int t = 0; t < values.length; t++) {
            Measure.put(node, names.name(t), values[t]);
        }
    }

    /** Judges the images of a piece. */
    static final class Piece implements Judging<ValueJudgment> {
        private final ArrayList<ValueJudgment> all = new ArrayList<>(); // which Kryo can read

        @Override
        public void add(long id, String name, Target target, float[] outputs) {
            all.add(new ValueJudgment(id, name, target.values(), outputs));
        }

        @Override
        public Judgments<ValueJudgment> end() {
            return new Judgments<>(all, new int[0], new byte[0]);
        }
    }
}
