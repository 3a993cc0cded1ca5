package dev.grft.vit;

/**
 * The name and shape of one array of trained numbers.
 *
 * @param name the parameter's timm name, or that name with a suffix for a method that adds arrays of its own
 * @param rows first dimension
 * @param columns second dimension; 1 for a vector
 */
public record TrainedArray(String name, int rows, int columns) implements java.io.Serializable {
    /** Returns the number of trained numbers. */
    public long size() {
        return (long) rows * columns;
    }
}
