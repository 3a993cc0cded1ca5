package dev.grft.measures;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.data.Labels;
import dev.grft.data.Target;
import java.util.ArrayList;

/** What a measure needs of the probabilities of one image of one class: a few numbers, however many classes there are. */
public final class ClassJudgment extends Judgment {
    private static final long serialVersionUID = 1L;

    final int label;
    final int predicted; // of equal probabilities the lowest class
    final float probability; // of the predicted class
    final float ofLabel; // probability of the true class
    final int above; // classes that come before the true one: of larger probability, of equal ones the lower

    /**
     * Judges one image.
     *
     * @param label index of the true class
     * @param probabilities {@code [K]}
     */
    public ClassJudgment(long id, String name, int label, float[] probabilities) {
        super(id, name);
        this.label = label;
        this.predicted = Labels.likeliest(probabilities);
        this.probability = probabilities[predicted];
        this.ofLabel = probabilities[label];
        int before = 0;
        for (int k = 0; k < probabilities.length; k++) {
            before += probabilities[k] > ofLabel || (probabilities[k] == ofLabel && k < label) ? 1 : 0;
        }
        this.above = before;
    }

    /** Returns how sure the model is of a wrong class. */
    @Override
    public double mistake() {
        return predicted == label ? -1 : probability;
    }

    @Override
    public void put(Labels names, ObjectNode line) {
        line.put("label", names.name(label));
        line.put("predicted", names.name(predicted));
        line.put("probability", (double) probability);
        line.put("probability_of_label", (double) ofLabel);
    }

    /** Judges the images of a piece. */
    static final class Piece implements Judging<ClassJudgment> {
        private final ArrayList<ClassJudgment> all = new ArrayList<>(); // which Kryo can read
        private int[] counts = {}; // by cell

        @Override
        public void add(long id, String name, Target target, float[] probabilities) {
            all.add(new ClassJudgment(id, name, target.label(), probabilities));
            counts = OddsHistogram.counted(counts, target, probabilities);
        }

        @Override
        public Judgments<ClassJudgment> end() {
            return new Judgments<>(all, counts, new byte[0]);
        }
    }
}
