package dev.grft.tuning;

import dev.grft.Entries;
import dev.grft.MatrixShape;
import dev.grft.Selection;
import java.util.List;
import java.util.Map;

/** What a {@link Method} makes its tuning of. Each is computed when it is called for, and kept in the run directory if it is costly. */
public interface Ingredients {

    /** Returns the settings of the method. */
    TuningSettings settings();

    /** Returns the seed of the run. */
    long seed();

    /** Returns the slices that GRFT selects. */
    Selection selection();

    /** Returns any slices, as many of each matrix as GRFT selects and along the same axes. */
    Selection alike();

    /** Returns the factors of some slices' steps by matrix, see {@link SliceRates}; a matrix without an entry has factors of 1. */
    Map<String, List<Double>> rates(Selection selection);

    /** Returns the slices of the largest weights, within the same budget. */
    Selection byMagnitude();

    /** Returns slices of the last encoder blocks alone, by score, of about as many parameters as {@link #selection}. */
    Selection ofLastLayers(int blocks);

    /** Returns the entries of each neuron with the largest summed gradient. */
    List<Entries> entries(int perNeuron);

    /**
     * Returns the matrices of the model whose names end with one of the words, in network order.
     *
     * @param key of the configuration that holds the words, for messages
     * @throws dev.grft.UserError if there is none
     */
    Map<String, MatrixShape> matrices(List<String> words, String key);
}
