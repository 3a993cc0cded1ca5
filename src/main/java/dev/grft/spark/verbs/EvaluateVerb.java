package dev.grft.spark.verbs;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.Delta;
import dev.grft.UserError;
import dev.grft.checkpoint.artifact.DeltaFile;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.data.Labels;
import dev.grft.measures.Measures;
import dev.grft.report.Metrics;
import dev.grft.report.Predictions;
import dev.grft.report.Progress;
import dev.grft.report.Tracking;
import dev.grft.spark.images.Images;
import dev.grft.spark.images.Inputs;
import dev.grft.spark.images.Pictures;
import dev.grft.spark.run.Run;
import dev.grft.spark.training.EpochChoice;
import dev.grft.spark.training.Provenance;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.hadoop.fs.Path;

/**
 * Measures a delta on the test images: {@code evaluation.json} beside the delta, its line in {@code metrics.json}, and for people
 * {@code predictions.jsonl} and {@code mistakes.json}.
 */
final class EvaluateVerb extends Verb {
    /** Keys of the section {@code data} that say which images there are, of which inputs have a listing, not how they are read. */
    static final Set<String> WHICH_IMAGES = Set.of(
            "data.train",
            "data.validation",
            "data.trainOnValidation",
            "data.test",
            "data.root",
            "data.classes",
            "data.maxBroken");

    EvaluateVerb(Run run, boolean force) {
        super(run, force);
    }

    /**
     * Evaluates the delta of the run's method.
     *
     * @throws UserError if there is none, or it is of another method or pretrained model
     */
    void evaluate() {
        String method = settings.tuning().method();
        Path folder = new Path(run.directory().method(method));
        Path deltaPath = new Path(folder, "delta.safetensors");
        run.artifacts().requireDelta(deltaPath, "to evaluate");
        DeltaFile file = DeltaFile.read(session.hadoop(), deltaPath);
        requireOf(method, file, deltaPath);
        Path path = new Path(folder, "evaluation.json");
        String inputs = Inputs.digest(
                "evaluate",
                session.storage().sha256(deltaPath),
                run.models().pretrained().identity(),
                run.images().testListing(),
                run.images().preprocess().toString(),
                Config.fingerprint(
                        settings,
                        List.of("data", "evaluation", "model.imageSize", "engine.kernels", "engine.precision"),
                        WHICH_IMAGES));
        run.artifacts().artifact(path, inputs, force, () -> path, () -> make(method, file, deltaPath, path));
    }

    /** Refuses the delta of another method: its measures would count as those of this one. */
    private void requireOf(String method, DeltaFile file, Path path) {
        if (!file.method().equals(method)) {
            Path own = new Path(path.getParent(), method);
            throw UserError.of(
                    "%s: was trained by %s, but tuning.method is %s; set tuning.method=%s%s",
                    path,
                    file.method(),
                    method,
                    file.method(),
                    session.storage().exists(new Path(own, path.getName()))
                            ? ", or run.directory=" + own + " for the delta of " + method
                            : "");
        }
    }

    private Path make(String method, DeltaFile file, Path deltaPath, Path path) {
        Delta delta = file.delta();
        run.models().pretrained().requireFits(delta);
        boolean chosenOnTest = Provenance.isChosenOnTest(file);
        String note = chosenOnTest ? EpochChoice.NOT_COMPARABLE : null;
        Labels labels = Labels.of(delta);
        Images images = run.images().test(labels);
        Progress.Meter meter = session.phase("evaluate " + method, images.count());
        Measures<?> measures = Measures.of(labels, file.thresholdArray(), Provenance.deviations(file));
        Predictions predictions = new Predictions(labels, images.broken().total());
        run.inference(delta).measure(images, meter, measures, predictions::add);
        double seconds = meter.seconds();
        run.artifacts().replace(path, () -> {
            writeForPeople(path.getParent(), predictions, images);
            session.storage().writeAtomically(path, measures.json(method, images.digest(), note));
        });

        long backbone = run.models().pretrained().config().backboneParameters();
        long head = (long) delta.headWeight().length + delta.headBias().length;
        Metrics metrics = run.artifacts().metrics();
        ObjectNode node = metrics.measured(method, labels.task(), measures.values());
        node.put("trained", delta.trained());
        node.put("share", (double) delta.trained() / (backbone + head));
        node.put("parameters", backbone + head);
        node.put("trained_without_head", delta.trainedWithoutHead());
        node.put("share_without_head", (double) delta.trainedWithoutHead() / backbone);
        node.put("delta_bytes", session.storage().length(deltaPath));
        node.put("test_images", images.count());
        node.put("protocol", chosenOnTest ? Settings.Evaluation.GPS_PAPER : "validation");
        if (chosenOnTest) {
            node.put(Metrics.NOTE, EpochChoice.NOT_COMPARABLE);
        } else {
            node.remove(Metrics.NOTE);
        }
        metrics.phase(method, "evaluate", seconds);
        metrics.write();
        Tracking.Run tracked = run.tracked(path.getParent(), true);
        tracked.results(node);
        writeCard(path.getParent(), file, node, tracked);
        tracked.files(path);
        session.progress()
                .say(
                        "evaluate %s: %s%s",
                        method, measures.line(), chosenOnTest ? " (" + EpochChoice.NOT_COMPARABLE + ")" : "");
        return path;
    }

    /** Leaves single predictions, and pictures of the mistakes. */
    private void writeForPeople(Path folder, Predictions predictions, Images images) {
        List<Long> ids =
                predictions.mistakes().stream().map(mistake -> mistake.id).toList();
        Map<Long, String> pictures = new HashMap<>();
        Pictures.of(images, ids).forEach((id, picture) -> pictures.put(id, picture.uri));
        session.storage().writeAtomically(new Path(folder, "predictions.jsonl"), predictions.jsonl());
        session.storage().writeAtomically(new Path(folder, "mistakes.json"), predictions.mistakesJson(pictures));
    }
}
