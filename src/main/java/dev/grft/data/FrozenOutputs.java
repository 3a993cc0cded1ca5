package dev.grft.data;

import org.jspecify.annotations.Nullable;

/**
 * What a network's frozen stages, those below the first that trains, make of the images of a batch. An image's output is the same
 * whenever the image comes again, so it is kept; what is not kept yet is computed from the image, alone.
 */
public final class FrozenOutputs {
    private final float[] @Nullable [] outputs; // [B][n], null: not kept
    private final float[] @Nullable [] images; // [B][3*S*S], null where the output is kept
    private final int length;
    private final Keeper keeper;

    /** Keeps outputs from now on, as far as there is room. */
    public interface Keeper {
        /** Keeps the output of the image at position {@code b} of the batch, {@code [n]}. */
        void keep(int b, float[] output);
    }

    /**
     * Returns the outputs of a batch.
     *
     * @param outputs {@code [B][n]}, null where an output is not kept; the array is filled
     * @param images {@code [B][3*S*S]}, as the network reads them; null where the output is kept
     * @param length n
     */
    public FrozenOutputs(float[] @Nullable [] outputs, float[] @Nullable [] images, int length, Keeper keeper) {
        this.outputs = outputs;
        this.images = images;
        this.length = length;
        this.keeper = keeper;
    }

    /** Returns B, the number of images. */
    public int size() {
        return outputs.length;
    }

    /** Returns n, the length of an output. */
    public int length() {
        return length;
    }

    /** Computes the output of one image. */
    public interface Stages {
        /** Returns the output {@code [n]} of an image {@code [3*S*S]}. */
        float[] of(float[] image);
    }

    /** Returns the output of the image at position {@code b}, {@code [n]}; computed and kept if it was not kept. For reading only. */
    public float[] at(int b, Stages stages) {
        float[] output = outputs[b];
        float[] image = images[b];
        if (output == null && image != null) {
            output = stages.of(image);
            outputs[b] = output;
            images[b] = null;
            keeper.keep(b, output);
        }
        if (output == null) {
            throw new IllegalStateException("image " + b + " has neither pixels nor an output");
        }
        return output;
    }
}
