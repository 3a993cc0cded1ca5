package dev.grft.vit;

import java.util.List;

/** A part of the network with parameters. It is made of other parts; the smallest one is a {@link Parameter}. */
abstract class Layer {

    /** Returns the parts, in the order of the forward. */
    abstract List<? extends Layer> parts();

    /** Returns the arrays that train, in the order of the trained vector. */
    public List<TrainedArray> trained() {
        return parts().stream().flatMap(part -> part.trained().stream()).toList();
    }

    /** Returns whether the backward has something to write here, or something here watches the gradients. */
    public boolean active() {
        return parts().stream().anyMatch(Layer::active);
    }

    /** Returns whether a part before this one is active: if so, the backward of this one must return its input's gradient. */
    final boolean activeBefore(Layer one) {
        return parts().stream().takeWhile(part -> part != one).anyMatch(Layer::active);
    }

    /** Ties the parts to their trained arrays and gradients. */
    public void bind(Bindings bindings) {
        parts().forEach(part -> part.bind(bindings));
    }

    /** Takes over the present values of the trained arrays; to be called whenever they changed. */
    public void refresh() {
        parts().forEach(Layer::refresh);
    }

    /** Returns the bytes of native memory that {@link #close} frees. */
    public long bytes() {
        return parts().stream().mapToLong(Layer::bytes).sum();
    }

    /** Frees the native memory that the parts hold beside the buffers, the weights and the trained vector. */
    public void close() {
        parts().forEach(Layer::close);
    }
}
