package dev.grft.report;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.Selection;
import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.checkpoint.artifact.HistoryParts;
import dev.grft.checkpoint.artifact.SelectionFile;
import dev.grft.checkpoint.file.Storage;
import dev.grft.tuning.Method;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/**
 * {@code report.html}: what is in the directory of a run or a comparison, on one page that needs no network. What is not there
 * yet is left out. The page is a resource; here its data are collected, one JSON object with the keys
 *
 * <pre>
 *   directory, name, version, commit; the directory as the run called it
 *   manifest      manifest.json; of a comparison that of its first run
 *   data          data.json, and of the latest 20 predict-HASH.json their data
 *   broken        of broken-images.json and these, by set: path, images, count, and the first 100 as [name, reason]
 *   earlier       how many predict-HASH.json are older than these
 *   methods       of each: name, main, metrics, evaluation (its numbers), calibration, confusion, history, mistakes; of another
 *                 task than single-label results in place of confusion, and of values no calibration
 *   rates         rates.json of each method
 *   selection     see SelectionMap; with again, by part: slices, and jaccard with the first selection
 *   comparison    comparison.json
 * </pre>
 */
public final class Report {
    /** The name of the page in the directory. */
    public static final String NAME = "report.html";

    private static final int BROKEN = 100;
    private static final int OUTPUTS = 20; // a directory may have thousands, with up to 10,000 broken images each
    private static final Pattern PREDICTED = Pattern.compile("predict-[0-9a-f]{16}\\.json");
    private static final ObjectMapper MAPPER = new ObjectMapper();

    private final Configuration hadoop;
    private final Storage storage;
    private final Path directory;

    Report(Configuration hadoop, Path directory) {
        this.hadoop = hadoop;
        this.storage = new Storage(hadoop);
        this.directory = directory;
    }

    /**
     * Writes the page into the directory of a run or a comparison, unless it is there already, and returns its path.
     *
     * @throws UserError if there is nothing to report, or something cannot be read
     */
    public static Path write(Configuration hadoop, Path directory) {
        Report report = new Report(hadoop, directory);
        Path path = new Path(directory, NAME);
        String page = Page.of(report.data());
        if (!report.storage.exists(path) || !report.storage.readString(path).equals(page)) {
            report.storage.writeAtomically(path, page);
        }
        return path;
    }

    /** Returns what the page shows of the directory. */
    ObjectNode data() {
        ObjectNode root = MAPPER.createObjectNode();
        root.put("version", Build.version());
        root.put("commit", Build.commit());
        json("comparison.json").ifPresent(comparison -> root.set("comparison", comparison));
        json("data.json").ifPresent(data -> root.set("data", data));
        json("broken-images.json").ifPresent(broken -> root.set("broken", broken(broken)));
        List<Path> predicted = storage.latestFirst(directory).stream()
                .filter(file -> PREDICTED.matcher(file.getName()).matches())
                .toList();
        predicted.stream().limit(OUTPUTS).forEach(file -> addPredicted(root, parsed(file)));
        if (predicted.size() > OUTPUTS) {
            root.put("earlier", predicted.size() - OUTPUTS);
        }
        JsonNode metrics = json("metrics.json").orElse(MAPPER.createObjectNode());
        JsonNode manifest = manifest();
        root.set("manifest", manifest);
        boolean comparison = root.has("comparison");
        String called = manifest.at("/settings/run/directory").asText();
        Path place = comparison || called.isEmpty() ? directory : new Path(called); // the same page in a copy
        root.put("directory", place.toString());
        root.put("name", place.getName());
        String main = manifest.at("/settings/tuning/method").asText("");
        ArrayNode methods = root.putArray("methods");
        metrics.properties().forEach(method -> methods.add(method(method.getKey(), main, method.getValue())));
        Path selection = new Path(directory, "selection.safetensors");
        if (storage.exists(selection)) {
            root.set("selection", selection(SelectionFile.read(hadoop, selection)));
        }
        ArrayNode rates = root.putArray("rates");
        json("rates.json").ifPresent(rates::add);
        Method.words().forEach(method -> json(method + "/rates.json").ifPresent(rates::add));
        if (methods.isEmpty() && rates.isEmpty() && !comparison && !root.has("selection")) {
            throw UserError.of(
                    "%s: there is nothing to report, neither metrics.json nor selection.safetensors nor comparison.json;"
                            + " is run.directory right, and did select, train or run come before?",
                    directory);
        }
        return root;
    }

    private ObjectNode method(String name, String main, JsonNode metrics) {
        ObjectNode node = MAPPER.createObjectNode();
        node.put("name", name);
        node.put("main", name.equals(main));
        node.set("metrics", metrics);
        String folder = !name.equals(main) && storage.isDirectory(new Path(directory, name)) ? name + "/" : "";
        if (folder.isEmpty() && !name.equals(main) && !name.equals("pretrain")) {
            return node; // what lies in the directory itself is another method's
        }
        boolean measured = metrics.has(Metrics.MEASURED); // else the files are of a delta before this one
        json(folder + "evaluation.json").filter(evaluation -> measured).ifPresent(evaluation -> {
            if (Metrics.task(evaluation) == Task.SINGLE_LABEL) {
                node.set("confusion", Confusion.of(evaluation));
            } else {
                node.set("results", TaskResults.of(evaluation));
            }
            if (evaluation.has("calibration")) {
                node.set("calibration", evaluation.path("calibration"));
            }
            ObjectNode sums = node.putObject("evaluation");
            evaluation.properties().forEach(field -> {
                if (field.getValue().isValueNode()) {
                    sums.set(field.getKey(), field.getValue());
                }
            });
        });
        HistoryParts history = new HistoryParts(storage, new Path(directory, folder + "history.jsonl"));
        if (!history.existing().isEmpty()) {
            node.set(
                    "history",
                    Curves.of(
                            history.path(1).toString(),
                            () -> history.existing().stream().flatMap(file -> history.lines(file).stream())));
        }
        json(folder + "mistakes.json")
                .filter(mistakes -> measured)
                .ifPresent(mistakes -> node.set("mistakes", mistakes));
        return node;
    }

    private ObjectNode selection(SelectionFile file) {
        ObjectNode node = SelectionMap.of(file);
        ArrayNode again = node.putArray("again");
        for (int part = 2; ; part++) {
            Path path = new Path(directory, "part-" + part + "/selection.safetensors");
            if (!storage.exists(path)) {
                return node;
            }
            Selection later = SelectionFile.read(hadoop, path).selection();
            again.addObject()
                    .put("part", part)
                    .put("slices", later.count())
                    .put("jaccard", later.jaccard(file.selection()));
        }
    }

    private static ObjectNode broken(JsonNode all) {
        ObjectNode sets = MAPPER.createObjectNode();
        all.properties().forEach(set -> {
            ObjectNode node = sets.putObject(set.getKey());
            JsonNode reasons = set.getValue().path("broken");
            node.set("path", set.getValue().path("path"));
            node.set("images", set.getValue().path("images"));
            node.put("count", set.getValue().path("count").asLong(reasons.size())); // earlier builds named all
            ArrayNode first = node.putArray("first");
            reasons.properties().forEach(image -> {
                if (first.size() < BROKEN) {
                    first.addArray().add(image.getKey()).add(image.getValue());
                }
            });
        });
        return sets;
    }

    /** Adds the images that were labeled into an output. */
    private static void addPredicted(ObjectNode root, JsonNode predicted) {
        String key = "predict " + predicted.path("output").asText();
        if (predicted.has("data")) {
            root.withObject("/data").set(key, predicted.path("data"));
        }
        ObjectNode broken = MAPPER.createObjectNode().set(key, predicted.path("broken"));
        root.withObject("/broken").setAll(broken(broken));
    }

    /** Returns the manifest of the comparison's first run, of the directory, or of the first run in it; empty if there is none. */
    private JsonNode manifest() {
        List<Path> places = new ArrayList<>();
        json("comparison.json")
                .filter(comparison -> comparison.has(Comparison.FIRST))
                .map(comparison -> comparison.path(Comparison.FIRST).asText())
                .ifPresent(first -> places.add(new Path(directory, first)));
        places.add(directory);
        storage.list(directory).stream()
                .filter(path -> path.getName().startsWith("budget"))
                .forEach(budget -> places.addAll(storage.list(budget)));
        return places.stream()
                .map(place -> new Path(place, "manifest.json"))
                .filter(storage::exists)
                .findFirst()
                .map(this::parsed)
                .orElse(MAPPER.createObjectNode());
    }

    private Optional<JsonNode> json(String name) {
        Path path = new Path(directory, name);
        return storage.exists(path) ? Optional.of(parsed(path)) : Optional.empty();
    }

    private JsonNode parsed(Path path) {
        try {
            return MAPPER.readTree(storage.readString(path));
        } catch (JsonProcessingException e) {
            throw new UserError(
                    path + ": is not valid JSON (" + e.getOriginalMessage() + "); make it again with --force", e);
        }
    }
}
