package dev.grft.spark.work;

import dev.grft.data.Labels;
import java.io.Serializable;

/**
 * What a measure needs of the probabilities of one image: a few numbers, however many classes there are.
 *
 * <p>Not a record: records do not survive Kryo, which a cluster may be configured to serialize with.
 */
public final class Judgment implements Serializable {
    private static final long serialVersionUID = 1L;

    public final long id;
    public final String name;
    public final int label;
    public final int predicted; // of equal probabilities the lowest class
    public final float probability; // of the predicted class
    public final float ofLabel; // probability of the true class
    public final int above; // classes that come before the true one: of larger probability, of equal ones the lower

    /**
     * Judges one image.
     *
     * @param label index of the true class
     * @param probabilities {@code [K]}
     */
    Judgment(long id, String name, int label, float[] probabilities) {
        this.id = id;
        this.name = name;
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
}
