package dev.grft.spark.work;

import java.io.Serializable;
import java.util.List;

/** What measures need of the probabilities of some images: a judgment of each, and counts for {@link Auroc}. */
public final class Judgments implements Serializable {
    private static final long serialVersionUID = 1L;

    public final List<Judgment> all;
    final int[] cells; // of Auroc, of the classes that the images are not of, ascending; none of too many classes
    final int[] counts; // of images, 1 or more

    Judgments(List<Judgment> all, int[] cells, int[] counts) {
        this.all = all;
        this.cells = cells;
        this.counts = counts;
    }
}
