package dev.grft.spark.verbs;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.Delta;
import dev.grft.Selection;
import dev.grft.checkpoint.artifact.DeltaFile;
import dev.grft.checkpoint.artifact.SelectionFile;
import dev.grft.config.Config;
import dev.grft.data.Labels;
import dev.grft.measures.Measure;
import dev.grft.report.Metrics;
import dev.grft.report.Tracking;
import dev.grft.spark.images.Images;
import dev.grft.spark.images.Inputs;
import dev.grft.spark.run.Run;
import dev.grft.spark.training.Carried;
import dev.grft.spark.training.EpochChoice;
import dev.grft.spark.training.PartSetup;
import dev.grft.spark.training.Provenance;
import dev.grft.spark.training.Steps;
import dev.grft.spark.training.TrainingLoop;
import dev.grft.spark.work.ModelBroadcast;
import dev.grft.train.Initial;
import dev.grft.train.LearnerState;
import dev.grft.train.Probe;
import dev.grft.tuning.Method;
import dev.grft.tuning.SliceTuning;
import dev.grft.tuning.Tuning;
import dev.grft.tuning.WholeTuning;
import dev.grft.vit.Layout;
import java.util.ArrayList;
import java.util.List;
import org.apache.hadoop.fs.Path;
import org.jspecify.annotations.Nullable;

/** Trains by the method of a run, on the cluster, from where it was interrupted, and leaves {@code delta.safetensors}. */
final class TrainVerb extends Verb {
    private static final String CHOOSE = "choose"; // a phase: measuring the epochs on the images that one is chosen by

    private final Method method;
    private final SelectVerb own;
    private final SelectVerb slices;

    TrainVerb(Run run, boolean force) {
        super(run, force);
        this.method = run.method();
        this.own = new SelectVerb(run, force);
        this.slices = new SelectVerb(run.forMethod(Method.GRFT), force);
    }

    /** Returns the delta; trained now, unless the run directory has it already. */
    DeltaFile delta() {
        if (method.equals(Method.LINEAR)) {
            return own.probe().delta();
        }
        settings.training().rate(); // refuse now, not after the scores
        Path path = new Path(run.directory().method(method.word()), "delta.safetensors");
        String inputs = inputs();
        return run.artifacts()
                .artifact(
                        path,
                        Inputs.digest(inputs, settings.training().maxSteps() + Thresholds.inputs(run)),
                        force,
                        () -> DeltaFile.read(session.hadoop(), path),
                        () -> train(path, inputs));
    }

    /** Returns a digest of all that a step of the training depends on. The number of steps decides the delta alone. */
    String inputs() {
        List<String> keys = new ArrayList<>(List.of("training", "penalty", "augmentation", "data.balance"));
        keys.addAll(method.keys());
        return Inputs.digest(
                settings.tuning().trainsBiases()
                        ? "train with the biases of blocks"
                        : "train", // once it was all biases
                method.word(),
                own.probe().inputs(beginsWithProbe()),
                switch (method.needs()) {
                    case SLICES -> slices.selectionInputs();
                    case SCORES -> own.summedInputs();
                    case PROBE -> "";
                },
                EpochChoice.inputs(run),
                Config.fingerprint(settings, keys, Steps.noStepDependsOn(settings.training())));
    }

    private DeltaFile train(Path path, String inputs) {
        Path folder = path.getParent();
        Images images = run.images().training();
        Labels labels = images.labels();
        EpochChoice choice = EpochChoice.of(run, labels, folder, images.count());
        Steps steps = new Steps(settings.training(), images.count());
        List<Long> ends =
                steps.ends(method.equals(Method.GRFT) ? settings.selection().everyEpochs() : null);

        PartSetup first = first(labels);
        PartSetup setup = first;
        TrainingLoop loop = new TrainingLoop(
                run,
                force,
                images,
                run.images().preprocess(),
                settings.penalty().toPenalty(),
                session.phase("train " + method, steps.shown()),
                choice);
        TrainingLoop.Part part = new TrainingLoop.Part(folder, folder, 0, ends.get(0), inputs, Carried.NOTHING);
        TrainingLoop.Result result = loop.run(part, setup, trained -> first.delta(run, trained, labels));
        Delta delta = setup.delta(run, result.result(), labels);

        int parts = 1;
        for (int i = 1; i < ends.size() && (choice == null || !choice.enough()); i++) {
            Path again = new Path(folder, "part-" + (i + 1));
            String inputsOfPart = Inputs.digest(inputs, Integer.toString(i));
            part = new TrainingLoop.Part(folder, again, ends.get(i - 1), ends.get(i), inputsOfPart, result.carried());
            // The training goes on from its last values, not from their average.
            Delta last = averaged() ? setup.delta(run, result.trained(), labels) : delta;
            try (PartSetup next = next(part, i + 1, labels, last, delta)) {
                result = loop.run(part, next, trained -> next.delta(run, trained, labels));
                delta = next.delta(run, result.result(), labels);
                setup = next;
                parts = i + 1;
            }
        }
        DeltaFile best = choice == null ? null : choice.best();
        return write(
                path,
                best == null ? delta : best.delta(),
                best == null ? List.of() : best.thresholds(),
                images,
                new Ended(result, parts, choice));
    }

    /** How a training ended: what its last part came to, how many it had, and the epoch that was chosen, if one was. */
    private record Ended(
            TrainingLoop.Result result, int parts, @Nullable EpochChoice choice) {}

    private boolean averaged() {
        return settings.training().ema() != null;
    }

    /** Returns the first part of a training: by the method's tuning, from the pretrained model. */
    PartSetup first(Labels labels) {
        ModelBroadcast model = run.models().broadcast(labels);
        Tuning tuning = method.tuning(new RunIngredients(run, own, slices));
        Layout layout = tuning.layout(model.config());
        Probe head = own.probe().head(beginsWithProbe(), labels);
        if (tuning instanceof WholeTuning) {
            session.progress().say("train %s: all %,d parameters", method, layout.size());
        } else {
            session.progress()
                    .say(
                            "train %s: %,d parameters, of which %,d in the head",
                            method, layout.size(), head.weight().length + head.bias().length);
        }
        return new PartSetup(
                tuning,
                layout,
                model,
                () -> LearnerState.start(start(layout, head)),
                run.models().pretrained(),
                null);
    }

    private boolean beginsWithProbe() {
        return settings.training().headInit().equals("probe");
    }

    /** Returns the vector to begin with: the head's numbers, and those that the method begins with. */
    private float[] start(Layout layout, Probe head) {
        float[] start = Initial.start(layout, settings.run().seed());
        layout.write(head.weight(), Delta.HEAD_WEIGHT, start);
        layout.write(head.bias(), Delta.HEAD_BIAS, start);
        return start;
    }

    /**
     * Returns a later part: slices that are selected again, from what the parts before have trained.
     *
     * @param average of what they have trained; the same if none is kept. Slices that are released have no average any more
     */
    private PartSetup next(TrainingLoop.Part part, int number, Labels labels, Delta delta, Delta average) {
        SelectionFile again =
                slices.again(new Path(part.own(), "selection.safetensors"), part.inputs(), number, labels, delta);
        Selection selection = again.selection();
        Tuning tuning = new SliceTuning(
                        selection,
                        settings.tuning().trainsBiases(),
                        new RunIngredients(run, own, slices).rates(selection, again::scores))
                .withBiasesOf(delta);
        Delta held = settings.selection().released().equals("keep") ? delta.released(selection) : null;
        ModelBroadcast model =
                held == null ? run.models().broadcast(labels) : run.models().moved(held);
        Layout layout = tuning.layout(model.config());
        return new PartSetup(
                tuning,
                layout,
                model,
                () -> new LearnerState(
                        tuning.trained(layout, labels.trained(delta).on(selection)),
                        new float[0],
                        0,
                        averaged()
                                ? tuning.trained(layout, labels.trained(average).on(selection))
                                : null),
                run.models().pretrained(),
                held);
    }

    /** Leaves the delta, its card, the metrics, and the manifest if the run directory is the method's own. */
    private DeltaFile write(Path path, Delta delta, List<Float> thresholds, Images images, Ended ended) {
        EpochChoice choice = ended.choice;
        DeltaFile file = Thresholds.with(
                run,
                new DeltaFile(
                        delta,
                        method.word(),
                        Config.toYaml(run.images().settled()),
                        Provenance.json(
                                run,
                                images.digest(),
                                images.labels().standard(),
                                choice == null ? null : choice.split()),
                        thresholds));
        run.artifacts().replaceTrained(path, method.word(), () -> file.write(session.hadoop(), path));
        if (run.directory().isOf(method.word())) {
            Provenance.writeManifest(
                    run, images.digest(), run.models().pretrained().sha256());
        }
        ObjectNode node = writeMetrics(ended);
        Path folder = path.getParent();
        Tracking.Run tracked = run.tracked(folder, true);
        tracked.results(node);
        tracked.files(path);
        writeCard(folder, file, null, tracked);
        return file;
    }

    private ObjectNode writeMetrics(Ended ended) {
        TrainingLoop.Result result = ended.result;
        EpochChoice choice = ended.choice;
        Carried carried = result.carried();
        Metrics metrics = run.artifacts().metrics();
        metrics.phase(method.word(), "train", carried.seconds());
        ObjectNode node = metrics.of(method.word());
        Metrics.forgetPhases(
                node, phase -> (phase.equals(CHOOSE) && choice == null) || SelectVerb.isAfter(phase, ended.parts));
        int halvings = result.halvings();
        node.put("learning_rate", settings.training().halved(halvings).rate());
        node.put("halvings", halvings);
        node.put("steps", result.made());
        node.put("seconds_per_step", carried.seconds() / result.made());
        node.put("input_seconds_per_step", carried.inputSeconds() / result.made());
        node.put("input_share", carried.inputSeconds() / carried.seconds());
        node.put("bytes_per_step", result.bytesPerStep());
        if (carried.memory() > 0) {
            node.put("live_memory_bytes", (long) carried.memory());
        }
        node.remove(List.of("epoch", "chosen_on", "chosen_by", "chosen_value"));
        if (choice != null) {
            metrics.phase(
                    method.word(),
                    CHOOSE,
                    carried.choice() == null ? 0 : carried.choice().seconds());
            node.put("epoch", choice.bestEpoch());
            node.put("chosen_on", choice.split().toString());
            node.put("chosen_by", choice.watched().word());
            Measure.put(node, "chosen_value", choice.value());
        }
        metrics.write();
        return node;
    }
}
