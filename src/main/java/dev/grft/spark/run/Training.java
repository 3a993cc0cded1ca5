package dev.grft.spark.run;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.Delta;
import dev.grft.Penalty;
import dev.grft.Selection;
import dev.grft.checkpoint.DeltaFile;
import dev.grft.checkpoint.TrainingState;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.data.Labels;
import dev.grft.data.Preprocess;
import dev.grft.report.History;
import dev.grft.report.Memory;
import dev.grft.report.Metrics;
import dev.grft.report.ModelCard;
import dev.grft.report.Progress;
import dev.grft.report.Tracking;
import dev.grft.spark.images.Images;
import dev.grft.spark.images.Inputs;
import dev.grft.spark.work.Inference;
import dev.grft.spark.work.ModelBroadcast;
import dev.grft.spark.work.Replicas;
import dev.grft.spark.work.Rounds;
import dev.grft.spark.work.Sampler;
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
import java.lang.ref.Reference;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Function;
import org.apache.hadoop.fs.Path;
import org.deeplearning4j.nn.conf.MultiLayerConfiguration;
import org.jspecify.annotations.Nullable;

/** Trains by a method, on the cluster, from where it was interrupted. */
final class Training {
    private static final String SECONDS = "seconds";
    private static final String INPUT_SECONDS = "inputSeconds";
    private static final String CHOOSING = "choosing";
    private static final String MEMORY = "memory";

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
        Path folder = path.getParent();
        Images images = session.trainingImages();
        Labels labels = images.labels();
        EpochChoice choice = EpochChoice.of(session, labels, folder, images.count());
        ModelBroadcast model = session.model(labels.size());
        Tuning tuning = tuning(method);
        Layout layout = tuning.layout(model.config());
        Probe head = selecting.head(settings.training().headInit().equals("probe"), labels);
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
        Progress.Meter meter = session.phase("train " + method, shown(images.count()));
        List<Long> ends = ends(method, images.count());
        Part part = new Part(folder, folder, 0, ends.get(0), inputs, Map.of());
        Result result = run(part, tuning, layout, model, start, null, images, meter, choice);
        Delta delta = delta(tuning, layout, result.state.trained(), null, labels);
        for (int i = 1; i < ends.size() && (choice == null || !choice.enough()); i++) {
            Path again = new Path(folder, "part-" + (i + 1));
            String inputsOfPart = Inputs.digest(inputs, Integer.toString(i));
            Selection selection = slices.again(new Path(again, "selection.safetensors"), inputsOfPart, i + 1, delta);
            tuning = ofSlices(selection);
            layout = tuning.layout(model.config());
            Delta held = settings.selection().released().equals("keep") ? delta.released(selection) : null;
            start = tuning.trained(layout, delta.on(selection));
            part = new Part(folder, again, ends.get(i - 1), ends.get(i), inputsOfPart, result.carried);
            if (held == null) {
                result = run(part, tuning, layout, model, start, null, images, meter, choice);
            } else {
                try (ModelBroadcast moved = session.moved(held)) {
                    result = run(part, tuning, layout, moved, start, held, images, meter, choice);
                }
            }
            delta = delta(tuning, layout, result.state.trained(), held, labels);
        }
        if (choice != null) {
            delta = choice.best();
        }
        DeltaFile file = new DeltaFile(
                delta,
                method,
                Config.toYaml(settings),
                Provenance.json(session, images.digest(), choice == null ? null : choice.split()));
        file.write(session.hadoop(), path);
        if (session.directory().isOf(method)) {
            Provenance.writeManifest(
                    session, images.digest(), session.pretrained().sha256());
        }
        Metrics metrics = session.metrics();
        metrics.phase(method, "train", result.seconds());
        ObjectNode node = metrics.of(method);
        node.put("learning_rate", settings.training().learningRate());
        node.put("steps", result.made());
        node.put("seconds_per_step", result.seconds() / result.made());
        node.put("input_seconds_per_step", result.inputSeconds() / result.made());
        node.put("input_share", result.inputSeconds() / result.seconds());
        node.put("bytes_per_step", bytesPerRound(layout));
        long memory = (long) Double.parseDouble(result.carried.getOrDefault(MEMORY, "0"));
        if (memory > 0) {
            node.put("live_memory_bytes", memory);
        }
        node.remove(List.of("epoch", "chosen_on", "chosen_accuracy"));
        if (choice != null) {
            metrics.phase(method, "choose", Double.parseDouble(result.carried.getOrDefault(CHOOSING, "0")));
            node.put("epoch", choice.bestEpoch());
            node.put("chosen_on", choice.split().toString());
            node.put("chosen_accuracy", choice.accuracy());
        }
        metrics.write();
        ModelCard.write(session.storage(), folder, file, session.pretrained(), settings, null);
        Tracking.Run tracked = session.tracked(folder, true);
        tracked.results(node);
        tracked.files(path, new Path(folder, ModelCard.NAME));
        return file;
    }

    /** Returns what is sent: the vector once to an executor, a gradient back from each shard. */
    private long bytesPerRound(Layout layout) {
        return 4L * layout.size() * (1 + settings.training().shards());
    }

    /** Returns what the differences of a part and those that it left alone come to. */
    private Delta delta(Tuning tuning, Layout layout, float[] trained, @Nullable Delta held, Labels labels) {
        Delta delta = tuning.delta(
                layout, trained, labels.names(), session.pretrained().sha256());
        return held == null
                ? delta
                : delta.and(held, session.pretrained().config().matrices().keySet());
    }

    /** Returns the steps after which the parts of a training end, each with slices of its own; the last is that of all. */
    private List<Long> ends(String method, long images) {
        List<Long> ends = new ArrayList<>();
        Integer every = method.equals(DeltaFile.GRFT) ? settings.selection().everyEpochs() : null;
        long steps = steps(images);
        for (int epochs = every == null ? settings.training().epochs() : every;
                ends.isEmpty() || ends.get(ends.size() - 1) < steps;
                epochs += every == null ? 1 : every) {
            long end = Math.min(steps, stepsOf(epochs, images));
            if (ends.isEmpty() || end > ends.get(ends.size() - 1)) { // several epochs may be in one step
                ends.add(end);
            }
        }
        return ends;
    }

    private Tuning tuning(String method) {
        Settings.Tuning tuning = settings.tuning();
        return switch (method) {
            case "grft" -> ofSlices(slices.selection().selection());
            case "random" ->
                ofSlices(Selection.random(
                        slices.selection().selection(), settings.run().seed()));
            case "magnitude" -> ofSlices(slices.byMagnitude());
            case "last-layers" ->
                ofSlices(slices.ofLastLayers(tuning.lastLayers().blocks()));
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

    private SliceTuning ofSlices(Selection selection) {
        return new SliceTuning(selection, settings.tuning().biases());
    }

    /** Returns the sections and keys that a training by a method depends on, beside its selection. */
    private static String[] ofMethod(String method) {
        List<String> keys = new ArrayList<>(List.of("training", "penalty", "augmentation"));
        switch (method) {
            case "grft" -> keys.addAll(List.of("selection.everyEpochs", "selection.released", "tuning.biases"));
            case "random", "magnitude" -> keys.add("tuning.biases");
            case "last-layers" -> keys.addAll(List.of("tuning.lastLayers", "tuning.biases"));
            case "gps" -> keys.add("tuning.gps");
            case "lora" -> keys.add("tuning.lora");
            case "adapter" -> keys.add("tuning.adapter");
            default -> {}
        }
        return keys.toArray(String[]::new);
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
                EpochChoice.inputs(session),
                Config.fingerprint(settings, ofMethod(method)));
    }

    /**
     * A part of a training that is made in one go.
     *
     * @param folder gets {@code history.jsonl}, of all parts
     * @param own gets {@code state/}
     * @param first steps of the parts before
     * @param end number of its last step
     * @param carried what the part before has left
     */
    record Part(Path folder, Path own, long first, long end, String inputs, Map<String, String> carried) {}

    /**
     * What a training comes to.
     *
     * @param made its steps, those of earlier parts included
     * @param carried what the next part needs to know, such as the seconds of all parts
     */
    record Result(LearnerState state, long made, Map<String, String> carried) {
        /** Returns the seconds of all parts, without those of evaluations. */
        double seconds() {
            return Double.parseDouble(carried.getOrDefault(SECONDS, "0"));
        }

        /** Returns how many of them it waited for images. */
        double inputSeconds() {
            return Double.parseDouble(carried.getOrDefault(INPUT_SECONDS, "0"));
        }
    }

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
        return stepsOf(settings.training().epochs(), images);
    }

    private long stepsOf(int epochs, long images) {
        return (long) Math.ceil((double) epochs * images / settings.training().batchSize());
    }

    /**
     * Trains all numbers of a new model, from the newest state in the folder if it is of the same inputs.
     *
     * @param folder gets {@code state/} and {@code history.jsonl}
     * @param start the trained vector to begin with
     */
    Result run(
            Path folder,
            WholeTuning tuning,
            Layout layout,
            ModelBroadcast model,
            float[] start,
            Images images,
            Preprocess preprocess,
            String inputs,
            Progress.Meter meter) {
        Part part = new Part(folder, folder, 0, steps(images.count()), inputs, Map.of());
        return run(part, tuning, layout, model, start, images, preprocess, Penalty.NONE, meter, null, null);
    }

    private Result run(
            Part part,
            Tuning tuning,
            Layout layout,
            ModelBroadcast model,
            float[] start,
            @Nullable Delta held,
            Images images,
            Progress.Meter meter,
            @Nullable EpochChoice choice) {
        return run(
                part,
                tuning,
                layout,
                model,
                start,
                images,
                session.preprocess(),
                settings.penalty().toPenalty(),
                meter,
                choice,
                trained -> delta(tuning, layout, trained, held, images.labels()));
    }

    private Result run(
            Part part,
            Tuning tuning,
            Layout layout,
            ModelBroadcast model,
            float[] start,
            Images images,
            Preprocess preprocess,
            Penalty penalty,
            Progress.Meter meter,
            @Nullable EpochChoice choice,
            @Nullable Function<float[], Delta> meaning) {
        Settings.Training training = settings.training();
        Trainer.Plan plan = new Trainer.Plan(
                part.first,
                part.end,
                steps(images.count()),
                training.batchSize(),
                images.count(),
                training.syncEvery(),
                training.clipNorm(),
                training.checkpointEvery());
        MultiLayerConfiguration configuration = Network.configuration(
                layout,
                training,
                penalty,
                model.config().depth(),
                allSteps(images.count()),
                plan.stepsPerEpoch(),
                part.first);
        Sampler sampler = new Sampler(
                preprocess,
                session.augment(),
                settings.run().seed(),
                training.batchSize(),
                training.shards(),
                part.first);
        Replicas.Recipe recipe = new Replicas.Recipe(model, tuning, configuration, true, session.device());
        Rounds rounds = new Rounds(session.context(), images.shards(), sampler, recipe, plan.steps());
        Keeper keeper = new Keeper(part, meter, choice);
        if (choice != null) {
            choice.watch(
                    trained -> Inference.of(session.on(), preprocess, recipe, trained),
                    Objects.requireNonNull(meaning),
                    keeper::history);
        }
        Memory memory = session.context().isLocal() ? Memory.watch(Replicas::bytes) : null;
        Trainer trainer = new Trainer(
                plan,
                new Learner(configuration, LearnerState.start(start)),
                rounds,
                keeper,
                step -> {
                    if (memory != null) {
                        memory.look();
                    }
                    keeper.history().add(step);
                    session.gauges().step(step, bytesPerRound(layout));
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
                },
                choice == null ? Trainer.Judge.NONE : choice);
        try {
            LearnerState end = trainer.run();
            if (memory != null) {
                keeper.needed(memory.bytes());
            }
            return new Result(end, part.first + end.step(), keeper.carried());
        } finally {
            Reference.reachabilityFence(trainer); // its memory is measured
        }
    }

    /** States in {@code state/} of the part, the history beside that of the first. */
    private final class Keeper implements Trainer.Keeper {
        private final Part part;
        private final Path states;
        private final Progress.Meter meter;
        private final @Nullable EpochChoice choice;
        private final double began;
        private final double choosing;
        private Map<String, String> earlier;
        private double memory;
        private double inputSeconds;
        private @Nullable History history;

        Keeper(Part part, Progress.Meter meter, @Nullable EpochChoice choice) {
            this.part = part;
            this.states = new Path(part.own, "state");
            this.meter = meter;
            this.choice = choice;
            this.began = meter.seconds();
            this.choosing = choice == null ? 0 : choice.seconds();
            this.earlier = part.carried;
        }

        @Override
        public @Nullable LearnerState latest() {
            Optional<TrainingState> found = force ? Optional.empty() : TrainingState.latest(session.hadoop(), states);
            if (found.isEmpty() || !found.get().fingerprint().equals(part.inputs)) {
                if (found.isPresent()) {
                    session.progress()
                            .say("the state in %s is of a training with other inputs; beginning anew", states);
                }
                session.storage().delete(states);
                return begin(null, part.first);
            }
            TrainingState state = found.get();
            earlier = state.sums();
            meter.skip((state.step() - part.first) * settings.training().batchSize());
            session.progress().say("going on after step %d, from %s", state.step(), states);
            return begin(
                    new LearnerState(state.parameters(), state.updater(), state.step() - part.first), state.step());
        }

        private @Nullable LearnerState begin(@Nullable LearnerState state, long step) {
            if (choice != null) {
                choice.restore(earlier);
            }
            history = new History(
                    session.storage(),
                    new Path(part.folder, "history.jsonl"),
                    step,
                    session.tracked(part.folder, step > 0));
            return state;
        }

        @Override
        public void keep(LearnerState state) {
            history().write(); // first: lines after the newest state are dropped, but nothing brings back missing ones
            new TrainingState(part.first + state.step(), state.trained(), state.updater(), part.inputs, carried())
                    .write(session.hadoop(), states);
            TrainingState.prune(session.hadoop(), states, settings.training().keep());
        }

        /** Notes the memory that this part has needed. */
        void needed(long bytes) {
            memory = bytes;
        }

        History history() {
            return Objects.requireNonNull(history, "asked for before the latest state");
        }

        /** Returns what the earlier parts and runs have carried, and what came since. */
        Map<String, String> carried() {
            Map<String, String> carried = new HashMap<>();
            double measured = choice == null ? 0 : choice.seconds() - choosing;
            if (choice != null) {
                carried.putAll(choice.carried());
                carried.put(CHOOSING, sum(CHOOSING, measured));
            }
            carried.put(SECONDS, sum(SECONDS, meter.seconds() - began - measured));
            carried.put(INPUT_SECONDS, sum(INPUT_SECONDS, inputSeconds));
            carried.put(
                    MEMORY, Double.toString(Math.max(memory, Double.parseDouble(earlier.getOrDefault(MEMORY, "0")))));
            return carried;
        }

        private String sum(String key, double more) {
            return Double.toString(Double.parseDouble(earlier.getOrDefault(key, "0")) + more);
        }
    }
}
