package dev.grft.measures;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.data.Labels;
import dev.grft.data.Target;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** What a measure needs of the probabilities of one image of several classes: which it shows, and which the model says. */
public final class SetJudgment extends Judgment {
    /** The threshold of a class that has no other. */
    public static final float HALF = 0.5f;

    private static final long serialVersionUID = 1L;
    private static final float SUREST = 0x1p-25f; // half of the least that a float below 1 is below it

    final int[] shown; // classes, ascending
    final float[] ofShown; // their probabilities
    final int[] half; // classes whose probability is not below 0.5
    final int[] predicted; // not below their thresholds
    final double loss; // mean binary cross-entropy of the classes

    /**
     * Judges one image.
     *
     * @param target the classes that it shows
     * @param probabilities {@code [K]}
     * @param thresholds {@code [K]}; null for 0.5
     */
    SetJudgment(long id, String name, Target target, float[] probabilities, float @Nullable [] thresholds) {
        super(id, name);
        this.shown = target.classes();
        this.ofShown = new float[shown.length];
        double sum = 0;
        int next = 0;
        for (int k = 0; k < probabilities.length; k++) {
            boolean here = next < shown.length && shown[next] == k;
            if (here) {
                ofShown[next++] = probabilities[k];
            }
            sum -= Math.log(
                    here ? Math.max(probabilities[k], Float.MIN_NORMAL) : Math.max(1 - probabilities[k], SUREST));
        }
        this.loss = sum / probabilities.length;
        this.half = predicted(probabilities, null);
        this.predicted = thresholds == null ? half : predicted(probabilities, thresholds);
    }

    /**
     * Returns the classes that an image of these probabilities is said to show, ascending: those whose probability is not below the threshold.
     *
     * @param probabilities {@code [K]}
     * @param thresholds {@code [K]}; null for 0.5
     */
    public static int[] predicted(float[] probabilities, float @Nullable [] thresholds) {
        return IntStream.range(0, probabilities.length)
                .filter(k -> probabilities[k] >= (thresholds == null ? HALF : thresholds[k]))
                .toArray();
    }

    @Override
    public double mistake() {
        return Arrays.equals(shown, predicted) ? -1 : loss;
    }

    @Override
    public void put(Labels names, ObjectNode line) {
        put(names, shown, line.putArray("labels"));
        put(names, predicted, line.putArray("predicted"));
        Measure.put(line, "loss", loss);
    }

    private static void put(Labels names, int[] classes, ArrayNode list) {
        for (int k : classes) {
            list.add(names.name(k));
        }
    }

    /** Judges the images of a piece. */
    static final class Piece implements Judging<SetJudgment> {
        private final float @Nullable [] thresholds;
        private final ArrayList<SetJudgment> all = new ArrayList<>(); // which Kryo can read
        private int[] counts = {}; // by cell
        private final Reliability reliability;

        Piece(int classes, float @Nullable [] thresholds) {
            this.thresholds = thresholds;
            this.reliability = Reliability.ofLabels(classes);
        }

        @Override
        public void add(long id, String name, Target target, float[] probabilities) {
            all.add(new SetJudgment(id, name, target, probabilities, thresholds));
            counts = OddsHistogram.counted(counts, target, probabilities);
            reliability.add(target, probabilities);
        }

        @Override
        public Judgments<SetJudgment> end() {
            return new Judgments<>(all, counts, reliability.packed());
        }
    }
}
