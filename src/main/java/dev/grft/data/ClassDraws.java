package dev.grft.data;

import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * Draws examples of a shard with replacement, with probabilities inverse to the size of their class over all shards.
 * Takes eight bytes for each example of the shard and for each class.
 */
public final class ClassDraws {
    private final int[] examples; // [n], class by class
    private final int[] first; // [K+1] where each class begins among them
    private final double[] until; // [K] probability of the classes up to each

    /**
     * Returns the draws of a shard.
     *
     * @param labels of its examples, {@code [n]}, each in [0, K)
     * @param counts how many examples of each class all shards have, {@code [K]}
     */
    public ClassDraws(int[] labels, int[] counts) {
        first = new int[counts.length + 1];
        for (int label : labels) {
            first[label + 1]++;
        }
        until = new double[counts.length];
        double total = 0;
        for (int k = 0; k < counts.length; k++) {
            total += first[k + 1] == 0 ? 0 : (double) first[k + 1] / counts[k];
            until[k] = total;
            first[k + 1] += first[k];
        }
        for (int k = 0; k < counts.length; k++) {
            until[k] /= total;
        }
        examples = new int[labels.length];
        int[] next = first.clone();
        for (int i = 0; i < labels.length; i++) {
            examples[next[labels[i]]++] = i;
        }
    }

    /** Returns an example, in [0, n). */
    public int index(SplittableRandom random) {
        double drawn = random.nextDouble();
        int found = Arrays.binarySearch(until, drawn);
        int k = found < 0 ? -found - 1 : found + 1; // the first class beyond it
        while (first[k] == first[k + 1]) { // of classes without an example, none begins there
            k++;
        }
        return examples[first[k] + random.nextInt(first[k + 1] - first[k])];
    }
}
