package dev.grft.spark;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.Delta;
import dev.grft.Penalty;
import dev.grft.Selection;
import dev.grft.checkpoint.DeltaFile;
import dev.grft.checkpoint.TrainingState;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.data.Preprocess;
import dev.grft.report.History;
import dev.grft.report.Memory;
import dev.grft.report.Metrics;
import dev.grft.report.Progress;
import dev.grft.train.Initial;
import dev.grft.train.Learner;
import dev.grft.train.LearnerState;
import dev.grft.train.Network;
import dev.grft.train.Probe;
import dev.grft.train.Trainer;
import dev.grft.tuning.AdapterTuning;
import dev.grft.tuning.EntryTuning;
import dev.grft.tuning.LoraTuning;
import dev.grft.tuning.SliceTuning;
import dev.grft.tuning.Tuning;
import dev.grft.tuning.WholeTuning;
import dev.grft.vit.Layout;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.apache.hadoop.fs.Path;
import org.deeplearning4j.nn.conf.MultiLayerConfiguration;
import org.jspecify.annotations.Nullable;

/** Trains by a method, on the cluster, from where it was interrupted. */
final class Training {
    private static final String SECONDS = "seconds";
    private static final String INPUT_SECONDS = "inputSeconds";

    private final Session session;
    private final Settings settings;
    private final Selecting selecting;
    private final Selecting slices;
    private final boolean force;

    /** Returns the training by the method of the session's settings. */
    Training(Session session, boolean force) {
        this.session = session;
        this.settings = session.settings();
        this.selecting = new Selecting(session, force);
        this.slices = new Selecting(session.forMethod(DeltaFile.GRFT), force);
        this.force = force;
    }

    /** Returns the delta; trained now, unless the run directory has it already. */
    DeltaFile delta() {
        String method = settings.tuning().method();
        if (method.equals("linear")) {
            return selecting.probe();
        }
        Path path = path(method);
        String inputs = inputs(method);
        return session.artefact(
                path, inputs, force, () -> DeltaFile.read(session.hadoop(), path), () -> train(method, path, inputs));
    }

    private Path path(String method) {
        return new Path(session.directory().method(method), "delta.safetensors");
    }

    private DeltaFile train(String method, Path path, String inputs) {
        Tuning tuning = tuning(method);
        Images images = session.trainingImages();
        ModelBroadcast model = session.model(images.labels().size());
        Layout layout = tuning.layout(model.config());
        Probe head = selecting.head(settings.training().headInit().equals("probe"), images.labels());
        float[] start = Initial.start(layout, settings.run().seed());
        layout.write(head.weight(), Delta.HEAD_WEIGHT, start);
        layout.write(head.bias(), Delta.HEAD_BIAS, start);
        if (tuning instanceof WholeTuning) {
            session.progress().say("train %s: all %,d numbers", method, layout.size());
        } else {
            session.progress()
                    .say(
                            "train %s: %,d numbers, of which %,d in the head",
                            method, layout.size(), head.weight().length + head.bias().length);
        }
        Progress.Meter meter = session.progress().phase("train " + method, shown(images.count()));
        Memory.resetPeak();
        Result result = run(
                path.getParent().toString(),
                tuning,
                layout,
                model,
                start,
                images,
                session.preprocess(),
                settings.penalty().toPenalty(),
                inputs,
                meter);
        Delta delta = tuning.delta(
                layout,
                result.state.trained(),
                images.labels().names(),
                session.pretrained().sha256());
        DeltaFile file =
                new DeltaFile(delta, method, Config.toYaml(settings), Provenance.json(session, images.digest()));
        file.write(session.hadoop(), path);
        Provenance.writeManifest(session, images.digest(), session.pretrained().sha256());
        Metrics metrics = session.metrics();
        metrics.phase(method, "train", result.seconds);
        ObjectNode node = metrics.of(method);
        long steps = steps(images.count());
        node.put("learning_rate", settings.training().learningRate());
        node.put("steps", steps);
        node.put("seconds_per_step", result.seconds / steps);
        node.put("input_seconds_per_step", result.inputSeconds / steps);
        node.put("input_share", result.inputSeconds / result.seconds);
        // The vector goes out once to an executor, a gradient comes back from each shard.
        node.put("bytes_per_step", 4L * layout.size() * (1 + settings.training().shards()));
        if (session.context().isLocal()) {
            Memory.peak().ifPresent(bytes -> node.put("peak_memory_bytes", bytes));
        }
        metrics.write();
        return file;
    }

    private Tuning tuning(String method) {
        Settings.Tuning tuning = settings.tuning();
        return switch (method) {
            case "grft" -> new SliceTuning(slices.selection().selection());
            case "random" ->
                new SliceTuning(Selection.random(
                        slices.selection().selection(), settings.run().seed()));
            case "magnitude" -> new SliceTuning(slices.byMagnitude());
            case "last-layers" ->
                new SliceTuning(slices.ofLastLayers(tuning.lastLayers().blocks()));
            case "gps" -> new EntryTuning(selecting.entries(tuning.gps().perNeuron()));
            case "lora" ->
                new LoraTuning(
                        selecting.matrices(tuning.lora().targets(), "tuning.lora.targets"),
                        tuning.lora().rank(),
                        tuning.lora().alpha() / tuning.lora().rank(),
                        tuning.lora().dropout());
            case "adapter" ->
                new AdapterTuning(
                        selecting.matrices(
                                tuning.adapter().form().equals("houlsby")
                                        ? List.of("attn.proj", "mlp.fc2")
                                        : List.of("mlp.fc2"),
                                "tuning.adapter.form"),
                        tuning.adapter().size(),
                        tuning.adapter().scale());
            case "bitfit" -> WholeTuning.biases();
            case "full" -> new WholeTuning();
            default -> throw new IllegalArgumentException("no method " + method);
        };
    }

    private String inputs(String method) {
        return Inputs.digest(
                "train",
                method,
                switch (method) {
                    case "grft", "random", "last-layers", "magnitude" -> slices.selectionInputs();
                    case "gps" -> selecting.selectionInputs();
                    default -> selecting.probeInputs();
                },
                Config.fingerprint(settings, "tuning", "training", "penalty", "augmentation"));
    }

    /** What a training comes to, and the seconds of all its parts; of these, those of waiting for images. */
    record Result(LearnerState state, double seconds, double inputSeconds) {}

    /** Returns how many images a training shows. */
    long shown(long images) {
        return steps(images) * settings.training().batchSize();
    }

    private long steps(long images) {
        int most = settings.training().maxSteps();
        return most > 0 ? Math.min(most, allSteps(images)) : allSteps(images);
    }

    /** Returns the steps of all epochs, for which the learning rate is laid out even if fewer are made. */
    private long allSteps(long images) {
        return (long) Math.ceil((double) settings.training().epochs()
                * images
                / settings.training().batchSize());
    }

    /**
     * Trains, from the newest state in the folder if it is of the same inputs.
     *
     * @param folder gets {@code state/} and {@code history.jsonl}
     * @param start the trained vector to begin with
     */
    Result run(
            String folder,
            Tuning tuning,
            Layout layout,
            ModelBroadcast model,
            float[] start,
            Images images,
            Preprocess preprocess,
            Penalty penalty,
            String inputs,
            Progress.Meter meter) {
        Settings.Training training = settings.training();
        Trainer.Plan plan = new Trainer.Plan(
                steps(images.count()),
                training.batchSize(),
                images.count(),
                training.syncEvery(),
                training.clipNorm(),
                training.checkpointEvery());
        MultiLayerConfiguration configuration = Network.configuration(
                layout, training, penalty, model.config().depth(), allSteps(images.count()), plan.stepsPerEpoch());
        Sampler sampler = new Sampler(
                preprocess, session.augment(), settings.run().seed(), training.batchSize(), training.shards());
        Replicas.Recipe recipe = new Replicas.Recipe(model, tuning, configuration, true, session.device());
        Rounds rounds = new Rounds(
                session.context(),
                images.shards(),
                sampler,
                recipe,
                settings.engine().timeoutSeconds());
        Keeper keeper = new Keeper(folder, inputs, meter);
        LearnerState end = new Trainer(
                        plan, new Learner(configuration, LearnerState.start(start)), rounds, keeper, step -> {
                            keeper.history().add(step);
                            keeper.inputSeconds += step.inputSeconds();
                            meter.add(
                                    step.examples(),
                                    String.format(
                                            Locale.ROOT,
                                            "step %d/%d, epoch %.2f, loss %.4f",
                                            step.step(),
                                            step.steps(),
                                            step.epoch(),
                                            step.loss()));
                        })
                .run();
        return new Result(end, keeper.seconds(), keeper.inputSeconds);
    }

    /** States in {@code state/}, the history beside it. */
    private final class Keeper implements Trainer.Keeper {
        private final String folder;
        private final Path states;
        private final String inputs;
        private final Progress.Meter meter;
        private double earlier;
        private double inputSeconds;
        private @Nullable History history;

        Keeper(String folder, String inputs, Progress.Meter meter) {
            this.folder = folder;
            this.states = new Path(folder, "state");
            this.inputs = inputs;
            this.meter = meter;
        }

        @Override
        public @Nullable LearnerState latest() {
            Optional<TrainingState> found = force ? Optional.empty() : TrainingState.latest(session.hadoop(), states);
            if (found.isEmpty() || !found.get().fingerprint().equals(inputs)) {
                if (found.isPresent()) {
                    session.progress()
                            .say("the state in %s is of a training with other inputs; beginning anew", states);
                }
                session.storage().delete(states);
                history = history(0);
                return null;
            }
            TrainingState state = found.get();
            earlier = Double.parseDouble(state.sums().getOrDefault(SECONDS, "0"));
            inputSeconds = Double.parseDouble(state.sums().getOrDefault(INPUT_SECONDS, "0"));
            history = history(state.step());
            meter.skip(state.step() * settings.training().batchSize());
            session.progress().say("going on after step %d, from %s", state.step(), states);
            return new LearnerState(state.parameters(), state.updater(), state.step());
        }

        @Override
        public void keep(LearnerState state) {
            history().write(); // first: lines after the newest state are dropped, but nothing brings back missing ones
            new TrainingState(
                            state.step(),
                            state.trained(),
                            state.updater(),
                            inputs,
                            Map.of(
                                    SECONDS, Double.toString(seconds()),
                                    INPUT_SECONDS, Double.toString(inputSeconds)))
                    .write(session.hadoop(), states);
            TrainingState.prune(session.hadoop(), states, settings.training().keep());
        }

        History history() {
            if (history == null) {
                history = history(0);
            }
            return history;
        }

        double seconds() {
            return earlier + meter.seconds();
        }

        private History history(long step) {
            return new History(session.storage(), new Path(folder, "history.jsonl"), step);
        }
    }
}
