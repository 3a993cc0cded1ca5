package dev.grft.spark;

import dev.grft.Delta;
import dev.grft.Penalty;
import dev.grft.data.Preprocess;
import dev.grft.report.Progress;
import dev.grft.train.Network;
import dev.grft.tuning.SliceTuning;
import dev.grft.tuning.Tuning;
import dev.grft.tuning.WholeTuning;
import dev.grft.vit.Layout;
import java.util.function.Consumer;
import org.apache.spark.api.java.JavaRDD;

/** A model with a delta, ready to look at images on the executors. */
final class Inference {
    private final Session session;
    private final Preprocess preprocess;
    private final Replicas.Recipe recipe;
    private final float[] trained;

    private Inference(Session session, ModelBroadcast model, Preprocess preprocess, Tuning tuning, float[] trained) {
        this.session = session;
        this.preprocess = preprocess;
        this.trained = trained;
        Layout layout = tuning.layout(model.config());
        this.recipe = new Replicas.Recipe(
                model,
                tuning,
                Network.configuration(
                        layout,
                        session.settings().training(),
                        Penalty.NONE,
                        model.config().depth(),
                        1,
                        1),
                false,
                session.device());
    }

    /** Returns the pretrained model with a head of zeros: for its features. */
    static Inference headOnly(Session session, int classes) {
        ModelBroadcast model = session.model(classes);
        SliceTuning tuning = SliceTuning.headOnly();
        return new Inference(
                session,
                model,
                session.preprocess(),
                tuning,
                new float[tuning.layout(model.config()).size()]);
    }

    /** Returns the pretrained model with a delta. */
    static Inference of(Session session, Delta delta) {
        return of(session, session.model(delta.labels().size()), session.preprocess(), delta);
    }

    /** Returns any model with a delta. */
    static Inference of(Session session, ModelBroadcast model, Preprocess preprocess, Delta delta) {
        Tuning tuning = delta.whole().isEmpty() ? new SliceTuning(delta.selection()) : new WholeTuning();
        return new Inference(session, model, preprocess, tuning, tuning.trained(tuning.layout(model.config()), delta));
    }

    /** Hands the features of all images over, in no particular order. */
    void features(Images images, Progress.Meter meter, Consumer<Passes.Output> each) {
        Passes.features(
                session.context(),
                images,
                preprocess,
                session.settings().evaluation().batchSize(),
                recipe,
                trained,
                meter,
                each);
    }

    /** Returns the probabilities of all images, to be computed where they are and when they are needed. */
    JavaRDD<Passes.Output> probabilities(Images images) {
        return Passes.probabilities(
                images, preprocess, session.settings().evaluation().batchSize(), recipe, trained);
    }

    /** Hands the probabilities of all images over, in no particular order. */
    void probabilities(Images images, Progress.Meter meter, Consumer<Passes.Output> each) {
        Passes.probabilities(
                session.context(),
                images,
                preprocess,
                session.settings().evaluation().batchSize(),
                recipe,
                trained,
                meter,
                each);
    }
}
