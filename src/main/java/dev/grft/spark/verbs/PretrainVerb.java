package dev.grft.spark.verbs;

import dev.grft.Delta;
import dev.grft.Penalty;
import dev.grft.Selection;
import dev.grft.UserError;
import dev.grft.checkpoint.Checkpoint;
import dev.grft.checkpoint.file.Dtype;
import dev.grft.config.Config;
import dev.grft.data.ImageRecipe;
import dev.grft.data.Labels;
import dev.grft.data.Preprocess;
import dev.grft.data.Standard;
import dev.grft.measures.Measures;
import dev.grft.report.Metrics;
import dev.grft.report.Progress;
import dev.grft.spark.images.Images;
import dev.grft.spark.images.Inputs;
import dev.grft.spark.run.Run;
import dev.grft.spark.training.Carried;
import dev.grft.spark.training.PartSetup;
import dev.grft.spark.training.Provenance;
import dev.grft.spark.training.Steps;
import dev.grft.spark.training.TrainingLoop;
import dev.grft.spark.work.Inference;
import dev.grft.spark.work.ModelBroadcast;
import dev.grft.train.Initial;
import dev.grft.train.LearnerState;
import dev.grft.tuning.WholeTuning;
import dev.grft.vit.Layout;
import dev.grft.vit.VitConfig;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.apache.hadoop.fs.Path;
import org.jspecify.annotations.Nullable;

/**
 * Trains every parameter of a ViT, from scratch ({@code model.preset}) or from a checkpoint ({@code model.pretrained}), into a
 * new checkpoint. To the machinery the model is all zeros, and the trained vector is the difference to that: the weights.
 */
final class PretrainVerb extends Verb {
    PretrainVerb(Run run, boolean force) {
        super(run, force);
    }

    /** Leaves {@code model.safetensors} and {@code config.json} in the run directory, and measures them if it can. */
    void pretrain() {
        Path path = run.directory().path("model.safetensors");
        String inputs = inputs();
        run.artifacts()
                .artifact(
                        path,
                        Inputs.digest(inputs, Config.fingerprint(settings, "training.maxSteps", "model.saveType")),
                        force,
                        () -> path,
                        () -> make(path, inputs));
        if (settings.data().test() != null) {
            Path measured = run.directory().path("evaluation.json");
            run.artifacts()
                    .artifact(measured, evaluationInputs(path), force, () -> measured, () -> evaluate(path, measured));
        }
    }

    /** Returns a digest of all that a step of the training depends on. */
    private String inputs() {
        Set<String> without = new HashSet<>(EvaluateVerb.WHICH_IMAGES);
        without.addAll(Steps.noStepDependsOn(settings.training()));
        return Inputs.digest(
                "pretrain",
                settings.model().pretrained() == null
                        ? ""
                        : run.models().pretrained().identity(),
                run.images().trainingListing(),
                preprocess().toString(),
                Config.fingerprint(
                        settings,
                        List.of(
                                "run.seed",
                                "model.preset",
                                "model.imageSize",
                                "data",
                                "augmentation",
                                "training",
                                "engine.kernels",
                                "engine.precision"),
                        without));
    }

    private String evaluationInputs(Path model) {
        return Inputs.digest(
                "evaluate",
                session.storage().sha256(model),
                run.images().testListing(),
                preprocess().toString(),
                Config.fingerprint(
                        settings,
                        List.of("data", "evaluation", "engine.kernels", "engine.precision"),
                        EvaluateVerb.WHICH_IMAGES));
    }

    private Path make(Path path, String inputs) {
        Checkpoint from =
                settings.model().pretrained() == null ? null : run.models().pretrained();
        Preprocess preprocess = preprocess();
        Images images = run.images().training(preprocess, true);
        Labels labels = images.labels();
        VitConfig config = (from == null ? preset() : from.config()).withHead(labels.size(), labels.task());
        WholeTuning tuning = new WholeTuning();
        Layout layout = tuning.layout(config);
        session.progress().say("pretrain: all %,d parameters of a ViT %s", layout.size(), config);
        Steps steps = new Steps(settings.training(), images.count());
        TrainingLoop loop = new TrainingLoop(
                run, force, images, preprocess, Penalty.NONE, session.phase("pretrain", steps.shown()), null);
        Path folder = path.getParent();
        TrainingLoop.Part part = new TrainingLoop.Part(folder, folder, 0, steps.made(), inputs, Carried.NOTHING);
        TrainingLoop.Result result;
        try (ModelBroadcast zeros = ModelBroadcast.zeros(session.context(), config)) {
            PartSetup setup = new PartSetup(
                    tuning, layout, zeros, () -> LearnerState.start(start(layout, config, from, labels)), null, null);
            result = loop.run(part, setup, null);
        }
        Map<String, float[]> trained = new LinkedHashMap<>();
        for (String name : config.tensors().keySet()) {
            float[] numbers = layout.read(result.result(), name);
            if (numbers == null) {
                throw new IllegalStateException(name + " did not train");
            }
            trained.put(name, numbers);
        }
        fold(labels, trained, false);
        Checkpoint model =
                Checkpoint.of(path.toString(), architecture(), config, trained, preprocess.recipe(), labels.names());
        Dtype type = dtype(settings.model().saveType());
        run.artifacts().replaceTrained(path, "pretrain", () -> model.save(session.hadoop(), path.toString(), type));
        Provenance.writeManifest(run, images.digest(), session.storage().sha256(path));
        Metrics metrics = run.artifacts().metrics();
        metrics.of("pretrain").put("parameters", config.parameters());
        metrics.phase("pretrain", "train", result.carried().seconds());
        metrics.write();
        return path;
    }

    /** Returns the vector to begin with: random weights, or those of a checkpoint where it has them. */
    private float[] start(Layout layout, VitConfig config, @Nullable Checkpoint from, Labels labels) {
        Map<String, float[]> tensors = Initial.vit(config, settings.run().seed());
        if (from != null) {
            Map<String, float[]> old = new HashMap<>(from.tensors());
            if (!from.labels().equals(labels.names()) || from.config().task() != labels.task()) {
                old.keySet().removeIf(name -> name.startsWith("head."));
            } else {
                fold(labels, old, true);
            }
            tensors.putAll(old);
        }
        return Initial.vector(layout, tensors);
    }

    /** Turns the head of a training into that which is written, or back; they differ where values are standardized. */
    private static void fold(Labels labels, Map<String, float[]> tensors, boolean back) {
        Standard standard = labels.standard();
        if (standard != null) {
            tensors.computeIfPresent(Delta.HEAD_WEIGHT, (name, weight) -> standard.weight(weight, back));
            tensors.computeIfPresent(Delta.HEAD_BIAS, (name, bias) -> standard.bias(bias, back));
        }
    }

    /** Measures the model as it was saved, rounded. */
    private Path evaluate(Path path, Path measured) {
        Preprocess preprocess = preprocess();
        Checkpoint saved = Checkpoint.load(session.hadoop(), path.toString(), 0);
        Labels labels = Labels.inOrder(saved.config().task(), saved.labels());
        Delta delta = new Delta(
                Selection.none(),
                Map.of(),
                Objects.requireNonNull(saved.tensors().get(Delta.HEAD_WEIGHT)),
                Objects.requireNonNull(saved.tensors().get(Delta.HEAD_BIAS)),
                labels.names(),
                saved.sha256(),
                Map.of(),
                List.of(),
                saved.config().task());
        Images images = run.images().test(labels, preprocess);
        Progress.Meter meter = session.phase("evaluate", images.count());
        Measures<?> measures = Measures.of(labels);
        try (ModelBroadcast model = ModelBroadcast.of(session.context(), saved.config(), saved.tensors())) {
            Inference.of(run.engine(model.config()), model, preprocess, delta)
                    .measure(images, meter, measures, judgment -> {});
        }
        String json = measures.json("pretrain", images.digest(), null);
        run.artifacts().replace(measured, () -> session.storage().writeAtomically(measured, json));
        Metrics metrics = run.artifacts().metrics();
        metrics.measured("pretrain", labels.task(), measures.values()).put("test_images", images.count());
        metrics.phase("pretrain", "evaluate", meter.seconds());
        metrics.write();
        session.progress().say("pretrain: %s on the test images", measures.line());
        return measured;
    }

    /** Returns the sizes of a new model. */
    VitConfig preset() {
        String preset = settings.model().preset();
        if (preset == null) {
            throw new UserError("pretrain needs model.preset, the size of a new ViT such as vit_base_patch16_224, or"
                    + " model.pretrained, a checkpoint to continue from");
        }
        VitConfig config = VitConfig.preset(preset, 0);
        int imageSize = settings.model().imageSize();
        return imageSize == 0 ? config : config.withImageSize(imageSize);
    }

    private String architecture() {
        return settings.model().preset() == null
                ? run.models().pretrained().architecture()
                : settings.model().preset();
    }

    /** Returns how images are prepared. */
    Preprocess preprocess() {
        return settings.model().pretrained() == null
                ? run.images().preprocess(preset().imageSize(), ImageRecipe.same(0.5f, 0.5f, 1))
                : run.images().preprocess();
    }

    static Dtype dtype(String word) {
        return switch (word) {
            case "fp32" -> Dtype.F32;
            case "fp16" -> Dtype.F16;
            case "bf16" -> Dtype.BF16;
            default -> throw new IllegalArgumentException("no type of numbers is called " + word);
        };
    }
}
