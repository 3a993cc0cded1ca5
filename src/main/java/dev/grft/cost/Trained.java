package dev.grft.cost;

import dev.grft.MatrixShape;
import dev.grft.config.Settings;
import dev.grft.train.Network;
import dev.grft.tuning.FrozenStages;
import dev.grft.tuning.Method;
import dev.grft.tuning.SliceTuning;
import dev.grft.tuning.Tuning;
import dev.grft.tuning.WholeTuning;
import dev.grft.vit.Layout;
import dev.grft.vit.TrainedArray.Role;
import dev.grft.vit.VitConfig;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What a method trains, counted from the sizes of a model.
 *
 * @param matrices trained parameters of each matrix that has some
 * @param added parameters of each array that the method adds to the model
 * @param parameters all that train, the head included
 * @param whole of these, parameters of arrays that train whole: a task holds their sums with the pretrained values
 * @param decaying of these, parameters that weight decay needs the pretrained values of
 * @param summed numbers of the gradients that are summed for scores; 0 if none are
 * @param frozen stages whose outputs executors keep, unless they have GPUs; null if none are kept
 */
record Trained(
        VitConfig config,
        Tuning tuning,
        Map<String, Long> matrices,
        Map<String, Long> added,
        long parameters,
        long whole,
        long decaying,
        long summed,
        @Nullable FrozenStages frozen) {

    /** Returns the head and some slices. */
    static Trained slices(VitConfig config, Map<String, Long> slices) {
        long head = (long) config.classes() * (config.features() + 1);
        long all = head + slices.values().stream().mapToLong(Long::longValue).sum();
        return new Trained(config, new WholeTuning(), slices, Map.of(), all, 0, 0, 0, null);
    }

    /** Returns what the method of some settings trains. */
    static Trained of(VitConfig config, Settings settings) {
        Method method = Method.of(settings.tuning().method());
        Sketch sketch = new Sketch(config, settings);
        Tuning tuning = method.tuning(sketch);
        Layout layout = tuning.layout(config);
        Map<String, Long> matrices = new LinkedHashMap<>();
        Map<String, Long> added = new LinkedHashMap<>();
        layout.arrays()
                .forEach((name, array) -> (array.role() == Role.ADDED ? added : matrices).put(name, array.size()));
        matrices.keySet().retainAll(config.matrices().keySet());
        boolean slices = method.needs() == Method.Needs.SLICES;
        boolean sums = method.needs() == Method.Needs.SCORES
                || (slices && settings.selection().sumsGradients());
        return new Trained(
                config,
                tuning,
                tuning instanceof SliceTuning own ? own.selection().sizes() : matrices,
                added,
                layout.size(),
                layout.size(array -> config.tensors().containsKey(array.name())),
                layout.size(array -> Network.needsPretrained(array, settings.training())),
                sums ? entries(config.matrices(settings.selection().eligible())) : 0,
                FrozenStages.of(
                        config,
                        layout,
                        settings.augmentation().toAugment(settings.run().seed()),
                        settings.training().dropPath(),
                        false));
    }

    private static long entries(Map<String, MatrixShape> matrices) {
        return matrices.values().stream().mapToLong(MatrixShape::size).sum();
    }

    /** Returns the bytes of a trained vector. */
    long vector() {
        return Float.BYTES * parameters;
    }
}
