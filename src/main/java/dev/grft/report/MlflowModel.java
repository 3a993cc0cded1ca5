package dev.grft.report;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.Task;
import dev.grft.checkpoint.artifact.SparkModel;
import dev.grft.checkpoint.file.Json;
import dev.grft.checkpoint.file.Storage;
import dev.grft.data.Sha256;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.apache.hadoop.fs.Path;

/**
 * A merged model as {@code mlflow.pyfunc.load_model} and {@code mlflow.spark.load_model} load it: the weights and their {@code config.json}, which timm or transformers read, a
 * Python module that serves them, the signature and an input example; and the same as a {@link SparkModel}. Nothing in it is a pickle.
 *
 * @param weights path of {@code merged.safetensors}; its description lies beside it
 * @param labels names of the outputs, in the order of the head
 * @param thresholds of several labels, one for each; none: 0.5 each
 * @param spark the same model for Spark
 * @param exif what is done with the rotation of a photo: {@code ignore} or {@code transpose}
 * @param flip whether predictions are means over each image and its mirror image
 */
public record MlflowModel(
        Path weights,
        SparkModel spark,
        Task task,
        List<String> labels,
        List<Float> thresholds,
        String exif,
        boolean flip) {
    private static final String MODULE = "grft_model";
    private static final String DESCRIPTION = "config.json";
    private static final String PREPROCESSOR = "preprocessor_config.json";
    private static final String IMAGE = "image";
    private static final String PYTHON = "3.11"; // with which it was tried
    private static final String FLOAT = "float";

    /** A gray picture of 16 x 16 pixels, PNG in Base64. */
    private static final String EXAMPLE =
            "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAGUlEQVR4nGNsaGhgIAUwkaR6VMOohiGlAQDJTAGgLgFHggAAAABJRU5ErkJggg==";

    public MlflowModel {
        labels = List.copyOf(labels);
        thresholds = List.copyOf(thresholds);
    }

    /** Returns a digest of what the model computes. */
    String digest(Storage storage) {
        String all = storage.sha256(weights) + texts(storage);
        return Sha256.of(all.getBytes(StandardCharsets.UTF_8));
    }

    /** Returns the files of the run directory that belong to it, by their paths in the model's folder. */
    Map<String, Path> files(Storage storage) {
        Map<String, Path> files = new LinkedHashMap<>();
        files.put("data/model.safetensors", weights);
        files.put("data/" + DESCRIPTION, Storage.beside(weights, DESCRIPTION));
        if (!isTimms(storage)) {
            files.put("data/" + PREPROCESSOR, Storage.beside(weights, PREPROCESSOR));
        }
        files.putAll(spark.files());
        return files;
    }

    private boolean isTimms(Storage storage) {
        Path description = Storage.beside(weights, DESCRIPTION);
        return Json.parse(description.toString(), storage.readString(description))
                .has("architecture");
    }

    /** Returns the text files that belong to it, by their paths in the model's folder; all but {@code MLmodel}. */
    Map<String, String> texts(Storage storage) {
        ObjectNode told = Json.MAPPER.createObjectNode();
        told.put("task", task.word());
        labels.forEach(told.putArray("labels")::add);
        ArrayNode limits = told.putArray("thresholds");
        for (int k = 0; k < labels.size() && task == Task.MULTI_LABEL; k++) {
            limits.add(thresholds.isEmpty() ? 0.5f : thresholds.get(k));
        }
        told.put("exif", exif);
        told.put("flip", flip);

        ObjectNode example = Json.MAPPER.createObjectNode();
        example.putArray("columns").add(IMAGE);
        example.putArray("data").addArray().add(EXAMPLE);

        Map<String, String> texts = new LinkedHashMap<>();
        texts.put("data/grft.json", Json.pretty(told));
        texts.put("code/" + MODULE + ".py", module());
        texts.put(
                "requirements.txt",
                "mlflow\npandas\npillow\ntorch\n"
                        + (isTimms(storage) ? "timm>=1.0.9\n" : "torchvision\ntransformers\n"));
        texts.put(
                "python_env.yaml",
                "python: \"" + PYTHON + "\"\nbuild_dependencies:\n- pip\ndependencies:\n- -r requirements.txt\n");
        texts.put("input_example.json", Json.pretty(example));
        texts.put(
                "serving_input_example.json",
                Json.pretty(Json.MAPPER.createObjectNode().set("dataframe_split", example)));
        texts.putAll(spark.texts(task));
        return texts;
    }

    private static String module() {
        try (InputStream in = MlflowModel.class.getResourceAsStream(MODULE + ".py")) {
            if (in == null) {
                throw new IOException("it lacks " + MODULE + ".py");
            }
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new IllegalStateException("the program's own jar cannot be read", e);
        }
    }

    /**
     * Returns the description that MLflow reads first, {@code MLmodel}. It is JSON, as YAML allows.
     *
     * @param run id of the run that the model belongs to
     * @param path of the model's folder among the files of the run
     */
    ObjectNode description(String run, String path) {
        ObjectNode root = Json.MAPPER.createObjectNode();
        root.put("artifact_path", path);
        root.put("run_id", run);
        root.put("model_uuid", UUID.randomUUID().toString().replace("-", ""));
        root.put("utc_time_created", Instant.now().toString().replace('T', ' ').replace("Z", ""));
        ObjectNode flavors = root.putObject("flavors");
        flavors.set("spark", spark.flavor());
        ObjectNode function = flavors.putObject("python_function");
        function.put("loader_module", MODULE);
        function.put("code", "code");
        function.put("data", "data");
        function.put("python_version", PYTHON);
        function.putObject("env").put("virtualenv", "python_env.yaml");
        ObjectNode signature = root.putObject("signature");
        ArrayNode inputs = Json.MAPPER.createArrayNode();
        column(inputs, IMAGE, "binary");
        signature.put("inputs", Json.line(inputs));
        signature.put("outputs", Json.line(outputs()));
        signature.putNull("params");
        root.putObject("saved_input_example_info")
                .put("artifact_path", "input_example.json")
                .put("serving_input_path", "serving_input_example.json")
                .put("type", "dataframe")
                .put("pandas_orient", "split");
        root.putObject("metadata")
                .put("grft_version", Build.version())
                .put("task", task.word())
                .put("outputs", labels.size());
        return root;
    }

    private ArrayNode outputs() {
        ArrayNode columns = Json.MAPPER.createArrayNode();
        switch (task) {
            case SINGLE_LABEL -> {
                column(columns, "label", "string");
                column(columns, "probability", FLOAT);
                array(columns, "probabilities", FLOAT);
            }
            case MULTI_LABEL -> {
                array(columns, "labels", "string");
                array(columns, "probabilities", FLOAT);
            }
            case REGRESSION -> labels.forEach(label -> column(columns, "predicted_" + label, FLOAT));
        }
        return columns;
    }

    private static void column(ArrayNode columns, String name, String type) {
        columns.addObject().put("name", name).put("type", type).put("required", true);
    }

    private static void array(ArrayNode columns, String name, String type) {
        columns.addObject()
                .put("name", name)
                .put("type", "array")
                .put("required", true)
                .putObject("items")
                .put("type", type);
    }
}
