package dev.grft.spark.training;

import dev.grft.Delta;
import dev.grft.checkpoint.Checkpoint;
import dev.grft.data.Labels;
import dev.grft.spark.run.Run;
import dev.grft.spark.work.ModelBroadcast;
import dev.grft.spark.work.Replicas;
import dev.grft.train.Average;
import dev.grft.train.Learner;
import dev.grft.train.LearnerState;
import dev.grft.tuning.Tuning;
import dev.grft.vit.Layout;
import java.util.Map;
import java.util.Objects;
import java.util.function.Supplier;
import org.deeplearning4j.nn.conf.MultiLayerConfiguration;
import org.jspecify.annotations.Nullable;

/** What trains in one part of a training, on which model. */
public final class PartSetup implements AutoCloseable {
    private final Tuning tuning;
    private final Layout layout;
    private final ModelBroadcast model;
    private final Supplier<LearnerState> start;
    private final @Nullable Checkpoint pretrained;
    private final @Nullable Delta held;

    /**
     * Returns a part.
     *
     * @param layout of the trained vector
     * @param model that the trained parameters are differences to
     * @param start returns the state to begin with when the training needs it; a part does not keep it
     * @param pretrained that the trained parameters are differences to; null for zeros
     * @param held what earlier parts have trained and this one leaves alone, which is merged into the model; null for nothing
     */
    public PartSetup(
            Tuning tuning,
            Layout layout,
            ModelBroadcast model,
            Supplier<LearnerState> start,
            @Nullable Checkpoint pretrained,
            @Nullable Delta held) {
        this.tuning = tuning;
        this.layout = layout;
        this.model = model;
        this.start = start;
        this.pretrained = pretrained;
        this.held = held;
    }

    public Tuning tuning() {
        return tuning;
    }

    public Layout layout() {
        return layout;
    }

    public ModelBroadcast model() {
        return model;
    }

    /**
     * Returns the learner of this part at its start. Held parameters lie beside the trained ones, so weight decay needs
     * the pretrained model alone.
     */
    public Learner learner(MultiLayerConfiguration configuration, @Nullable Average average) {
        Map<String, float[]> tensors = pretrained == null ? Map.of() : pretrained.tensors();
        return new Learner(
                configuration,
                start.get(),
                average,
                pretrained == null
                        ? null
                        : array -> tuning.pretrained(array, name -> Objects.requireNonNull(tensors.get(name), name)));
    }

    /** Returns what executors make the networks of this part by; the caller closes it. */
    public Replicas.Recipe recipe(Run run, MultiLayerConfiguration configuration) {
        return new Replicas.Recipe(
                run.session().context(), model, tuning, configuration, true, run.device(model.config()));
    }

    /** Returns the delta of a trained vector, together with what was held. */
    public Delta delta(Run run, float[] trained, Labels labels) {
        Delta delta = labels.told(tuning.delta(
                layout, trained, labels.names(), run.models().pretrained().sha256()));
        return held == null
                ? delta
                : delta.and(held, run.models().pretrained().config().matrices().keySet());
    }

    /** Frees the model if it is this part's own. */
    @Override
    public void close() {
        if (held != null) {
            model.close();
        }
    }
}
