package dev.grft.spark.run;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.Delta;
import dev.grft.UserError;
import dev.grft.checkpoint.artifact.DeltaFile;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.data.Labels;
import dev.grft.report.Metrics;
import dev.grft.report.ModelCard;
import dev.grft.report.Predictions;
import dev.grft.report.Progress;
import dev.grft.report.Tracking;
import dev.grft.spark.images.Images;
import dev.grft.spark.images.Inputs;
import dev.grft.spark.images.Pictures;
import dev.grft.spark.work.Inference;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.fs.Path;
import org.nd4j.evaluation.classification.Evaluation;
import org.nd4j.linalg.factory.Nd4j;

/**
 * Measures a delta on the test images: {@code evaluation.json} beside the delta, its line in {@code metrics.json}, and for people
 * {@code predictions.jsonl} and {@code mistakes.json}.
 */
final class Evaluating {
    private static final int TOP = 5;
    private static final int AT_ONCE = 1024;
    private static final ObjectMapper MAPPER = new ObjectMapper();

    private final Session session;
    private final Settings settings;
    private final boolean force;

    Evaluating(Session session, boolean force) {
        this.session = session;
        this.settings = session.settings();
        this.force = force;
    }

    /**
     * Evaluates the delta of the method of the session's settings.
     *
     * @throws UserError if there is none, or it belongs to another pretrained model
     */
    void evaluate() {
        String method = settings.tuning().method();
        Path folder = new Path(session.directory().method(method));
        Path deltaPath = new Path(folder, "delta.safetensors");
        session.requireDelta(deltaPath, "to evaluate");
        Path path = new Path(folder, "evaluation.json");
        String inputs = Inputs.digest(
                "evaluate",
                session.storage().sha256(deltaPath),
                session.pretrained().sha256(),
                session.testListing(),
                Config.fingerprint(settings, "data", "evaluation", "model.imageSize", "engine.kernels"));
        session.artefact(path, inputs, force, () -> path, () -> make(method, deltaPath, path));
    }

    private Path make(String method, Path deltaPath, Path path) {
        DeltaFile file = DeltaFile.read(session.hadoop(), deltaPath);
        Delta delta = file.delta();
        session.pretrained().requireFits(delta);
        boolean chosenOnTest = Provenance.isChosenOnTest(file);
        Labels labels = Labels.inOrder(delta.labels());
        Images images = session.testImages(labels);
        Progress.Meter meter = session.phase("evaluate " + method, images.count());
        Score score = new Score(labels);
        Predictions predictions = new Predictions(labels, images.broken().total());
        session.inference(delta).probabilities(images, meter, output -> {
            score.add(output);
            predictions.add(output.id, output.name, output.label, output.values);
        });
        double seconds = meter.seconds();
        writeForPeople(path.getParent(), predictions, images);
        session.storage().writeAtomically(path, score.json(method, images.digest(), chosenOnTest));

        long backbone = session.pretrained().config().backboneParameters();
        long head = (long) delta.headWeight().length + delta.headBias().length;
        Metrics metrics = session.metrics();
        ObjectNode node = metrics.of(method);
        node.put("accuracy", score.accuracy());
        node.put("macro_f1", score.macroF1());
        node.put("loss", score.loss());
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
        ModelCard.write(session.storage(), path.getParent(), file, session.pretrained(), settings, node);
        Tracking.Run tracked = session.tracked(path.getParent(), true);
        tracked.results(node);
        tracked.files(new Path(path.getParent(), ModelCard.NAME), path);
        session.progress()
                .say(
                        "evaluate %s: accuracy %.4f, loss %.4f%s",
                        method,
                        score.accuracy(),
                        score.loss(),
                        chosenOnTest ? " (" + EpochChoice.NOT_COMPARABLE + ")" : "");
        return path;
    }

    /** Leaves single predictions, and pictures of the mistakes. */
    private void writeForPeople(Path folder, Predictions predictions, Images images) {
        List<Long> ids =
                predictions.mistakes().stream().map(Predictions.Prediction::id).toList();
        Map<Long, String> pictures = new HashMap<>();
        Pictures.of(images, ids).forEach((id, picture) -> pictures.put(id, picture.uri));
        session.storage().writeAtomically(new Path(folder, "predictions.jsonl"), predictions.jsonl());
        session.storage().writeAtomically(new Path(folder, "mistakes.json"), predictions.mistakesJson(pictures));
    }

    /** Adds up DL4J's evaluation and the loss. */
    static final class Score {
        private final Labels labels;
        private final Evaluation evaluation;
        private final List<Inference.Output> waiting = new ArrayList<>();
        private double loss;
        private long examples;

        Score(Labels labels) {
            this.labels = labels;
            this.evaluation = new Evaluation(labels.names(), Math.min(TOP, labels.size()));
        }

        void add(Inference.Output output) {
            loss -= Math.log(Math.max(output.values[output.label], Float.MIN_NORMAL));
            examples++;
            waiting.add(output);
            if (waiting.size() == AT_ONCE) {
                evaluate();
            }
        }

        private void evaluate() {
            if (waiting.isEmpty()) {
                return;
            }
            float[][] targets = new float[waiting.size()][labels.size()];
            float[][] predictions = new float[waiting.size()][];
            for (int i = 0; i < targets.length; i++) {
                targets[i][waiting.get(i).label] = 1;
                predictions[i] = waiting.get(i).values;
            }
            evaluation.eval(Nd4j.create(targets), Nd4j.create(predictions));
            waiting.clear();
        }

        double accuracy() {
            evaluate();
            return evaluation.accuracy();
        }

        /** Returns the mean of the classes' F1, each class counting the same. */
        double macroF1() {
            evaluate();
            double sum = 0;
            for (int k = 0; k < labels.size(); k++) {
                sum += evaluation.f1(k);
            }
            return sum / labels.size();
        }

        double loss() {
            return loss / examples;
        }

        String json(String method, String digest) {
            return json(method, digest, false);
        }

        String json(String method, String digest, boolean chosenOnTest) {
            evaluate();
            ObjectNode root = MAPPER.createObjectNode();
            root.put("method", method);
            if (chosenOnTest) {
                root.put(Metrics.NOTE, EpochChoice.NOT_COMPARABLE);
            }
            root.put("examples", examples);
            root.put("data_digest", digest);
            root.put("accuracy", accuracy());
            root.put("macro_f1", macroF1());
            if (labels.size() > TOP) {
                root.put("top5_accuracy", evaluation.topNAccuracy());
            }
            root.put("loss", loss());
            ObjectNode classes = root.putObject("classes");
            for (int k = 0; k < labels.size(); k++) {
                ObjectNode one = classes.putObject(labels.name(k));
                one.put("precision", evaluation.precision(k));
                one.put("recall", evaluation.recall(k));
                one.put("f1", evaluation.f1(k));
            }
            ArrayNode confusion = root.putArray("confusion"); // [actual][predicted]
            for (int actual = 0; actual < labels.size(); actual++) {
                ArrayNode row = confusion.addArray();
                for (int predicted = 0; predicted < labels.size(); predicted++) {
                    row.add(evaluation.getConfusionMatrix().getCount(actual, predicted));
                }
            }
            try {
                return MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(root) + "\n";
            } catch (JsonProcessingException e) {
                throw new IllegalStateException(e);
            }
        }
    }
}
