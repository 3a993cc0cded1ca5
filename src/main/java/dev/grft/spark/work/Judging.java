package dev.grft.spark.work;

import java.util.ArrayList;
import java.util.List;

/** Makes {@link Judgments} of the probabilities of images, one after the other; as many numbers as bins, however many images. */
public final class Judging implements Inference.Fold<Judgments> {
    private final ArrayList<Judgment> all = new ArrayList<>(); // which Kryo can read
    private int[] counts = {}; // by cell

    @Override
    public void add(Inference.Output output) {
        add(output.id, output.name, output.target.label(), output.values);
    }

    /**
     * Adds an image.
     *
     * @param label index of the true class
     * @param probabilities {@code [K]}
     */
    public void add(long id, String name, int label, float[] probabilities) {
        all.add(new Judgment(id, name, label, probabilities));
        int classes = probabilities.length;
        if (classes > Auroc.MOST) {
            return;
        }
        int bits = Auroc.bits(classes);
        if (counts.length == 0) {
            counts = new int[Auroc.cells(classes)];
        }
        for (int k = 0; k < classes; k++) {
            if (k != label) {
                counts[Auroc.cell(k, probabilities[k], bits)]++;
            }
        }
    }

    /** Returns what became of them, in one element. */
    @Override
    public List<Judgments> end() {
        return List.of(new Judgments(all, counts));
    }
}
