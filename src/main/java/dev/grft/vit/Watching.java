package dev.grft.vit;

import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Kernels;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** An adaptation that trains nothing and adds nothing: it looks at what goes by. */
public interface Watching extends Adaptation {

    @Override
    default List<TrainedArray> trained() {
        return List.of();
    }

    @Override
    default @Nullable Array merged(Kernels kernels, Buffers buffers, Array frozen) {
        return readsOutput() ? null : frozen;
    }

    @Override
    default void bind(Bindings bindings) {}

    @Override
    default void backward(Kernels kernels, Buffers buffers, Array x, Array dy, int examples) {}
}
