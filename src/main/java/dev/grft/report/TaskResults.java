package dev.grft.report;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.NullNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.Task;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;

/**
 * An {@code evaluation.json} of several labels or of values as the report shows it. Keys: {@code total}, how many classes or targets there
 * are; {@code classes}, rows of {@code [name, images, average precision, AUROC, threshold, precision, recall, F1, ECE]}, from precision to F1 at the
 * threshold (null if there is none), of more than 1,000 those of the least F1, as there is no average precision; {@code curve}, rows of
 * {@code [threshold, precision, recall]} of all classes together; {@code targets}, the first 100 as {@code evaluation.json} has them, each
 * with its {@code name}.
 */
final class TaskResults {
    private static final int ROWS = 1_000;
    private static final int TARGETS = 100;
    private static final List<String> OF_CLASS = List.of("images", "average_precision", "auroc", "threshold");
    private static final List<String> AT_THRESHOLD = List.of("precision", "recall", "f1");

    private TaskResults() {}

    static ObjectNode of(JsonNode evaluation) {
        ObjectNode root = new ObjectMapper().createObjectNode();
        if (Metrics.task(evaluation) == Task.REGRESSION) {
            putTargets(evaluation.path("targets").properties(), root);
        } else {
            putClasses(evaluation, root);
        }
        return root;
    }

    private static void putTargets(Set<Map.Entry<String, JsonNode>> targets, ObjectNode root) {
        root.put("total", targets.size());
        ArrayNode list = root.putArray("targets");
        targets.stream().limit(TARGETS).forEach(target -> {
            ObjectNode one = list.addObject().put("name", target.getKey());
            target.getValue().properties().forEach(field -> one.set(field.getKey(), field.getValue()));
        });
    }

    private static void putClasses(JsonNode evaluation, ObjectNode root) {
        List<Map.Entry<String, JsonNode>> all =
                new ArrayList<>(evaluation.path("classes").properties());
        Set<Integer> shown = new TreeSet<>();
        boolean averaged = all.stream().anyMatch(one -> one.getValue().has("average_precision"));
        String by = averaged ? "average_precision" : "f1"; // there is none of so many classes
        IntStream.range(0, all.size())
                .boxed()
                .sorted(Comparator.comparingDouble(
                        (Integer k) -> all.get(k).getValue().path(by).asDouble(1)))
                .limit(ROWS)
                .forEach(shown::add);
        root.put("total", all.size());
        ArrayNode classes = root.putArray("classes");
        for (int k : shown) {
            JsonNode of = all.get(k).getValue();
            String prefix = of.has("tuned_f1") ? "tuned_" : "";
            ArrayNode row = classes.addArray().add(all.get(k).getKey());
            OF_CLASS.forEach(key -> row.add(number(of, key)));
            AT_THRESHOLD.forEach(key -> row.add(number(of, prefix + key)));
            row.add(number(of, "ece"));
        }
        root.set("curve", evaluation.path("precision_recall"));
    }

    private static JsonNode number(JsonNode node, String key) {
        JsonNode number = node.path(key);
        return number.isNumber() ? number : NullNode.getInstance();
    }
}
