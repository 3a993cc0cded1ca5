package dev.grft.spark.run;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.grft.UserError;
import dev.grft.checkpoint.file.Storage;
import dev.grft.config.Settings;
import dev.grft.data.BrokenImages;
import dev.grft.data.PassedOver;
import dev.grft.spark.images.Inputs;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.hadoop.fs.Path;
import org.jspecify.annotations.Nullable;

/**
 * The folder of a run, on any file system: what each verb leaves for the next one.
 *
 * <pre>
 *   manifest.json                      what it takes to repeat the run
 *   selection.safetensors, .json       the scores and the selected slices
 *   entries.safetensors                the entries that GPS trains
 *   part-2/, part-3/, ...              selection and state of each later part of a training that selects again
 *   delta.safetensors                  what was trained: numbers, indices, head, labels
 *   README.md                          what a person has to know of the delta
 *   merged.safetensors, config.json    the fine-tuned model as a plain one
 *   history.jsonl                      a line for each step, and for each epoch that was evaluated
 *   metrics.json                       accuracy, sizes and seconds, by method
 *   evaluation.json                    measures on the test images, by class, and the confusion matrix
 *   predictions.jsonl                  a line for each test image, or for each n-th: label, prediction, probabilities
 *   mistakes.json                      the most confident mistakes, with pictures
 *   data.json                          images by class, and pictures of some
 *   images.json                        the sets of images that were read, to know copies of them
 *   broken-images.json                 the images that could not be decoded
 *   predict-HASH.json, ...             the same of the images that were labeled, for each output
 *   report.html                        all of this, to look at
 *   tracking.json                      the run of a tracking server that this one is reported to
 *   state/                             what it takes to go on after an interruption
 *   state-old-1/, ...                  checkpoints that a later training did not go on from
 *   METHOD/                            delta, history and state of a method to compare with
 *   lease.json                         the driver that writes here; gone when it has ended
 *   inputs.json                        of what inputs each of these was made
 * </pre>
 */
public final class RunDirectory {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    private final Storage storage;
    private final String directory;
    private final String main;

    /**
     * Returns a run directory.
     *
     * @param main the method whose artifacts lie in the directory itself
     */
    RunDirectory(Storage storage, String directory, String main) {
        this.storage = storage;
        this.directory = directory;
        this.main = main;
    }

    /** Returns the run directory of some settings. */
    static RunDirectory of(Storage storage, Settings settings) {
        return new RunDirectory(
                storage, settings.run().directory(), settings.tuning().method());
    }

    /** Returns where something lies; the parts are joined by slashes. */
    public Path path(String... parts) {
        return new Path(directory + "/" + String.join("/", parts));
    }

    /** Returns the folder of a method: the run directory itself for the main one, a folder in it for any other. */
    public String method(String method) {
        return method.equals(main) ? directory : directory + "/" + method;
    }

    /** Returns whether the directory itself, its manifest too, is of this method. */
    public boolean isOf(String method) {
        return method.equals(main);
    }

    /** Returns whether an artifact is there and was made of these inputs. */
    boolean isMade(Path artifact, String inputs) {
        return inputs.equals(inputs().get(key(artifact))) && storage.exists(artifact);
    }

    /** Returns whether it is noted of what inputs an artifact was made, and the artifact is there. */
    boolean isNoted(Path artifact) {
        return inputs().containsKey(key(artifact)) && storage.exists(artifact);
    }

    /** Removes the note of what inputs an artifact was made; before another one takes its place. */
    void unmade(Path artifact) {
        Map<String, String> all = new TreeMap<>(inputs());
        if (all.remove(key(artifact)) != null) {
            write(path("inputs.json"), all);
        }
    }

    /** Notes of what inputs an artifact was made; after it was written. */
    void made(Path artifact, String inputs) {
        Map<String, String> all = new TreeMap<>(inputs());
        all.put(key(artifact), inputs);
        write(path("inputs.json"), all);
    }

    private String key(Path artifact) {
        String root = path("x").getParent().toString();
        String name = artifact.toString();
        return name.startsWith(root + "/") ? name.substring(root.length() + 1) : name;
    }

    private Map<String, String> inputs() {
        return read(path("inputs.json"), new TypeReference<Map<String, String>>() {});
    }

    /** Returns the sets of images that were read, in the order of their first reading. */
    List<KnownImages.Known> images() {
        return read(path("images.json"), new TypeReference<Map<String, List<KnownImages.Known>>>() {})
                .getOrDefault("sets", List.of());
    }

    void writeImages(List<KnownImages.Known> sets) {
        write(path("images.json"), Map.of("sets", sets));
    }

    /** Adds to {@code broken-images.json}: by set, how many images are broken, and the names and reasons of those that are named. */
    void reportBroken(String key, String path, BrokenImages broken) {
        Path report = path("broken-images.json");
        Map<String, Object> all = new LinkedHashMap<>(read(report, new TypeReference<Map<String, Object>>() {}));
        all.put(key, Broken.of(path, broken));
        write(report, all);
    }

    /** What {@code broken-images.json} says of a set, with its fields in this order. */
    private record Broken(String path, long images, long count, Map<String, String> broken) {
        static Broken of(String path, BrokenImages broken) {
            return new Broken(path, broken.total(), broken.count(), broken.reasons());
        }
    }

    /**
     * Writes what was labeled into an output: a file for each, since drivers that predict do not claim the directory.
     *
     * @param summary what {@code data.json} says of a set; null if not all images were read
     */
    void reportPredicted(String output, String path, BrokenImages broken, @Nullable Map<String, Object> summary) {
        Map<String, Object> said = new LinkedHashMap<>();
        said.put("output", output);
        if (summary != null) {
            said.put("data", summary);
        }
        said.put("broken", Broken.of(path, broken));
        write(path("predict-" + Inputs.digest(output).substring(0, 16) + ".json"), said);
    }

    /** Returns how many images of a set were broken when they were read. */
    public long broken(String key) {
        Object set = read(path("broken-images.json"), new TypeReference<Map<String, Object>>() {})
                .get(key);
        if (!(set instanceof Map<?, ?> known)) {
            return 0;
        }
        if (known.get("count") instanceof Number count) {
            return count.longValue();
        }
        return known.get("broken") instanceof Map<?, ?> named ? named.size() : 0; // earlier builds named all
    }

    /** Sets what {@code data.json} says of a set of images. */
    void describe(String key, Map<String, Object> summary) {
        Path file = path("data.json");
        Map<String, Object> all = new LinkedHashMap<>(read(file, new TypeReference<Map<String, Object>>() {}));
        all.put(key, summary);
        write(file, all);
    }

    /** Returns whether {@code data.json} describes the set of this digest already, and which files were ignored. */
    boolean describes(String key, String digest, PassedOver passedOver) {
        return read(path("data.json"), new TypeReference<Map<String, Object>>() {})
                                .get(key)
                        instanceof Map<?, ?> known
                && digest.equals(known.get("digest"))
                && passedOver.notes().equals(known.get("notes"))
                && String.valueOf(passedOver.reasons()).equals(String.valueOf(known.get("passedOverBy")));
    }

    private <T> Map<String, T> read(Path file, TypeReference<Map<String, T>> type) {
        if (!storage.exists(file)) {
            return Map.of();
        }
        try {
            return MAPPER.readValue(storage.readString(file), type);
        } catch (JsonProcessingException e) {
            throw new UserError(file + ": is not valid JSON (" + e.getOriginalMessage() + "); delete it", e);
        }
    }

    private void write(Path file, Map<String, ?> content) {
        try {
            storage.writeAtomically(
                    file, MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(content) + "\n");
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }

    @Override
    public String toString() {
        return directory;
    }
}
