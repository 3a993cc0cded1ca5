package dev.grft.report;

import com.fasterxml.jackson.databind.JsonNode;
import dev.grft.Addition;
import dev.grft.Delta;
import dev.grft.Task;
import dev.grft.checkpoint.Checkpoint;
import dev.grft.checkpoint.artifact.DeltaFile;
import dev.grft.checkpoint.file.Json;
import dev.grft.checkpoint.file.Storage;
import dev.grft.config.Settings;
import dev.grft.data.ImageRecipe;
import dev.grft.data.Preprocess;
import dev.grft.measures.Measure;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.hadoop.fs.Path;
import org.jspecify.annotations.Nullable;

/** What a person has to know of a delta before using it, as {@code README.md} beside it. */
public final class ModelCard {
    /** What the card is called. */
    public static final String NAME = "README.md";

    private static final int SHOWN = 20;
    private static final Pattern OWN = Pattern.compile("---\\Rtags: \\[image-\\w+, vision-transformer, ");

    private ModelCard() {}

    /**
     * Writes the card, unless another {@code README.md} is there, such as that of a project, and returns whether it did.
     *
     * @param folder of the delta
     * @param metrics of the method, once it has been evaluated; null before
     * @throws dev.grft.UserError if the folder cannot be written
     */
    public static boolean write(
            Storage storage,
            Path folder,
            DeltaFile file,
            Checkpoint pretrained,
            Settings settings,
            @Nullable JsonNode metrics) {
        Path card = new Path(folder, NAME);
        if (storage.exists(card) && !OWN.matcher(storage.readString(card)).lookingAt()) {
            return false;
        }
        storage.writeAtomically(card, text(folder, file, pretrained, settings, metrics));
        return true;
    }

    static String text(
            Path folder, DeltaFile file, Checkpoint pretrained, Settings settings, @Nullable JsonNode metrics) {
        Delta delta = file.delta();
        List<String> labels = delta.labels();
        long trained = delta.trainedWithoutHead();
        Measure main = Measure.main(delta.task(), labels.size());
        boolean values = delta.task() == Task.REGRESSION;
        String classes = String.join(", ", labels.subList(0, Math.min(SHOWN, labels.size())))
                + (labels.size() > SHOWN ? ", ..." : "");
        return String.join(
                "\n",
                "---",
                "tags: [" + (values ? "image-regression" : "image-classification") + ", vision-transformer, "
                        + file.method() + "]",
                "---",
                "# A delta by " + file.method() + ", " + labels.size() + (values ? " targets" : " classes"),
                "",
                "| | |",
                "|---|---|",
                row(
                        "pretrained",
                        "`" + pretrained.name() + "`, " + pretrained.config().text()),
                row("its SHA-256", "`" + delta.pretrainedSha256() + "`: the delta fits no other file"),
                row("data", "`" + settings.data().train() + "`"),
                row("images", images(pretrained, settings)),
                row("method", file.method()),
                row(
                        "trained",
                        String.format(
                                Locale.ROOT,
                                "%,d parameters, %.3f %% of the backbone, and a head of %,d",
                                trained,
                                100.0 * trained / pretrained.config().backboneParameters(),
                                delta.trained() - trained)),
                row(main.title(), result(main, metrics)),
                row("all measures", metrics == null ? "-" : measures(metrics)),
                row(values ? "targets" : "classes", classes),
                row("task", task(file)),
                row("made by", madeBy(file.provenance())),
                "",
                "The settings are in the header of `delta.safetensors`; `inspect` shows what it holds.",
                "",
                "## Java",
                "",
                "```java",
                "Checkpoint pretrained = Checkpoint.load(hadoop, \"" + pretrained.name() + "\", "
                        + settings.model().imageSize() + ");",
                "Delta delta = DeltaFile.read(hadoop, new Path(\"" + folder + "/delta.safetensors\")).delta();",
                "Checkpoint model = pretrained.merged(delta); // refuses any other pretrained file",
                "```",
                "",
                "## Spark",
                "",
                "```",
                "jobs/submit.sh predict --set run.directory=" + folder + " --set model.pretrained=" + pretrained.name()
                        + " \\",
                "  --set model.imageSize=" + settings.model().imageSize()
                        + " --images PATH --output predictions.parquet",
                "```",
                "",
                "## Python",
                "",
                python(folder, file),
                "");
    }

    private static String result(Measure main, @Nullable JsonNode metrics) {
        if (metrics == null || !metrics.path(main.key()).isNumber()) {
            return "not measured yet: `evaluate`";
        }
        double value = metrics.path(main.key()).asDouble();
        return String.format(
                Locale.ROOT,
                main.isShare() ? "%.2f %% of %,d test images%s" : "%.5g on %,d test images%s",
                main.isShare() ? 100 * value : value,
                metrics.path("test_images").asLong(),
                metrics.has(Metrics.NOTE) ? "; " + metrics.path(Metrics.NOTE).asText() : "");
    }

    private static String task(DeltaFile file) {
        return switch (file.delta().task()) {
            case SINGLE_LABEL -> "single-label: softmax of the outputs, an image shows one class";
            case MULTI_LABEL ->
                "multi-label: sigmoid of each output, an image shows any number of classes; "
                        + (file.thresholds().isEmpty()
                                ? "each from a probability of 0.5 on"
                                : "each from its threshold on, which has the best F1 on the validation images: "
                                        + thresholds(file));
            case REGRESSION -> "regression: the outputs are the values";
        };
    }

    private static String thresholds(DeltaFile file) {
        List<String> labels = file.delta().labels();
        return IntStream.range(0, Math.min(SHOWN, labels.size()))
                        .mapToObj(k -> String.format(
                                Locale.ROOT,
                                "%s %.3f",
                                labels.get(k),
                                file.thresholds().get(k)))
                        .collect(Collectors.joining(", "))
                + (labels.size() > SHOWN ? ", ..." : "");
    }

    private static String measures(JsonNode metrics) {
        Map<Measure, Double> values = new EnumMap<>(Measure.class);
        for (Measure measure : Measure.values()) {
            if (metrics.path(measure.key()).isNumber()) {
                values.put(measure, metrics.path(measure.key()).asDouble());
            }
        }
        return Measure.text(values);
    }

    private static String images(Checkpoint pretrained, Settings settings) {
        int side = pretrained.config().imageSize();
        Preprocess preprocess = settings.data().toPreprocess(side, pretrained.recipe());
        ImageRecipe recipe = preprocess.recipe();
        boolean squash = recipe.crop() == Preprocess.Crop.SQUASH;
        String resized = squash
                ? "squashed to " + side + " x " + side + " pixels by " + recipe.interpolation()
                : "shorter side resized to " + preprocess.resize() + " pixels by " + recipe.interpolation()
                        + ", the middle of " + side + " x " + side + " cropped";
        return resized + "; mean " + recipe.mean() + ", std " + recipe.std();
    }

    /** Returns the entries of a JSON object in words: what made the delta, and of which images. */
    private static String madeBy(String provenance) {
        return Json.parse("provenance", provenance).properties().stream()
                .map(entry -> entry.getKey().replace('_', ' ') + " "
                        + entry.getValue().asText())
                .collect(Collectors.joining(", "));
    }

    private static String python(Path folder, DeltaFile file) {
        Delta delta = file.delta();
        if (!delta.isMergeable()) {
            return "Adapters have no place in a plain ViT: this delta is for Java and Spark.";
        }
        boolean peft = delta.whole().isEmpty()
                && delta.additions().values().stream().noneMatch(some -> some.kind() == Addition.Kind.ENTRIES)
                && delta.trainedWithoutHead() > 0;
        String export = "jobs/submit.sh export --run " + folder + " --format ";
        return "```\n" + export + "transformers --output merged\n"
                + "python -c \"from transformers import ViTForImageClassification as V; V.from_pretrained('merged')\"\n"
                + export + "timm --output for-timm\n"
                + "python -c \"import timm; timm.create_model('local-dir:for-timm', pretrained=True)\"\n"
                + (peft ? export + "peft --output adapter # PeftModel.from_pretrained(MODEL, 'adapter')\n" : "")
                + "```";
    }

    private static String row(String name, String value) {
        return "| " + name + " | " + value.replace("|", "\\|").replace('\n', ' ') + " |";
    }
}
