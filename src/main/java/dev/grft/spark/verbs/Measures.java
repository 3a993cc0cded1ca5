package dev.grft.spark.verbs;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.data.Labels;
import dev.grft.report.Metrics;
import dev.grft.spark.work.Inference;
import java.util.ArrayList;
import java.util.List;
import org.nd4j.evaluation.classification.Evaluation;
import org.nd4j.linalg.factory.Nd4j;

/** The measures of a model on images, added up image by image: DL4J's evaluation, and the mean cross-entropy. */
final class Measures {
    private static final int TOP = 5;
    private static final int AT_ONCE = 1024;
    private static final ObjectMapper MAPPER = new ObjectMapper();

    private final Labels labels;
    private final Evaluation evaluation;
    private final List<Inference.Output> waiting = new ArrayList<>();
    private double loss;
    private long examples;

    Measures(Labels labels) {
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
