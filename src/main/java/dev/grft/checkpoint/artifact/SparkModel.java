package dev.grft.checkpoint.artifact;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.Task;
import dev.grft.checkpoint.file.Json;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.hadoop.fs.Path;

/**
 * A trained model as a saved pipeline of Spark ML with one stage, which {@code mlflow.spark.load_model} loads.
 *
 * @param delta path of {@code delta.safetensors}
 * @param pretrained path of the pretrained checkpoint, with its file system
 * @param pretrainedSha256 in hexadecimal
 * @param version of Spark
 */
public record SparkModel(Path delta, String pretrained, String pretrainedSha256, String version) {
    /** What {@code model.json} of a saved model has as its format. */
    public static final String FORMAT = "grft.model";

    /** The version of the format. */
    public static final String FORMAT_VERSION = "1";

    private static final String FOLDER = "sparkml";
    private static final String STAGE = "grft";
    private static final String OF_STAGE = FOLDER + "/stages/0_" + STAGE + "/";
    private static final String METADATA = "metadata/part-00000";

    /** Returns {@code model.json}: where the pretrained checkpoint of a saved model lies, and its SHA-256. */
    public static String reference(String pretrained, String pretrainedSha256) {
        return Json.pretty(Json.MAPPER
                .createObjectNode()
                .put("format", FORMAT)
                .put("pretrained", pretrained)
                .put("pretrained_sha256", pretrainedSha256)
                .put("version", FORMAT_VERSION));
    }

    /** Returns the flavor in {@code MLmodel}. */
    public ObjectNode flavor() {
        return Json.MAPPER.createObjectNode().put("model_data", FOLDER).put("pyspark_version", version);
    }

    /** Returns the files of the run directory that belong to it, by their paths in the model's folder. */
    public Map<String, Path> files() {
        return Map.of(OF_STAGE + delta.getName(), delta);
    }

    /** Returns the text files that belong to it, by their paths in the model's folder. */
    public Map<String, String> texts(Task task) {
        ObjectNode pipeline = metadata("org.apache.spark.ml.PipelineModel", "PipelineModel_" + STAGE);
        pipeline.withObject("/paramMap").putArray("stageUids").add(STAGE);
        String type = switch (task) {
            case SINGLE_LABEL -> "GrftClassificationModel";
            case MULTI_LABEL -> "GrftMultiLabelModel";
            case REGRESSION -> "GrftRegressionModel";
        };
        Map<String, String> texts = new LinkedHashMap<>();
        texts.put(FOLDER + "/" + METADATA, Json.line(pipeline) + "\n");
        texts.put(OF_STAGE + METADATA, Json.line(metadata("dev.grft.ml." + type, STAGE)) + "\n");
        texts.put(OF_STAGE + "model.json", reference(pretrained, pretrainedSha256));
        return texts;
    }

    private ObjectNode metadata(String type, String uid) {
        ObjectNode metadata = Json.MAPPER.createObjectNode();
        metadata.put("class", type)
                .put("timestamp", 0)
                .put("sparkVersion", version)
                .put("uid", uid);
        metadata.putObject("paramMap");
        metadata.putObject("defaultParamMap");
        return metadata;
    }
}
