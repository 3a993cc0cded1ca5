package dev.grft.spark.verbs;

import dev.grft.Delta;
import dev.grft.Selection;
import dev.grft.checkpoint.artifact.DeltaFile;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.data.Labels;
import dev.grft.data.Target;
import dev.grft.report.Metrics;
import dev.grft.report.Progress;
import dev.grft.spark.images.Images;
import dev.grft.spark.images.Inputs;
import dev.grft.spark.run.Run;
import dev.grft.spark.training.Provenance;
import dev.grft.spark.work.Balance;
import dev.grft.spark.work.Inference;
import dev.grft.spark.work.ModelBroadcast;
import dev.grft.train.Probe;
import dev.grft.tuning.Method;
import dev.grft.vit.kernels.Backend;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.IntStream;
import org.apache.hadoop.fs.Path;
import org.jspecify.annotations.Nullable;

/**
 * The linear probe: a head, trained on the pretrained features of the training images. It is the method {@code linear}, the head under
 * which slices may be scored, and the head that trainings may begin with.
 */
final class LinearProbe extends Verb {
    LinearProbe(Run run, boolean force) {
        super(run, force);
    }

    /** Returns the head to begin with: that of the probe, or one that has seen nothing. */
    Probe head(boolean ofProbe, Labels labels) {
        if (ofProbe) {
            return Probe.of(labels.trained(delta().delta()));
        }
        return Probe.fresh(
                labels.size(),
                run.models().pretrained().config().features(),
                settings.run().seed());
    }

    /** Returns the linear probe; made now, unless the run directory has it already. */
    DeltaFile delta() {
        Path path = new Path(run.directory().method(Method.LINEAR.word()), "delta.safetensors");
        return run.artifacts()
                .artifact(
                        path,
                        inputs() + Thresholds.inputs(run),
                        force,
                        () -> DeltaFile.read(session.hadoop(), path),
                        () -> make(path));
    }

    private DeltaFile make(Path path) {
        Probed probed = run.artifacts().once(inputs(), Probed.class, this::train);
        Images images = run.images().training();
        Delta delta = images.labels()
                .told(new Delta(
                        Selection.none(),
                        Map.of(),
                        probed.probe.weight(),
                        probed.probe.bias(),
                        images.labels().names(),
                        run.models().pretrained().sha256(),
                        Map.of()));
        DeltaFile file = Thresholds.with(
                run,
                new DeltaFile(
                        delta,
                        Method.LINEAR.word(),
                        Config.toYaml(run.images().settled()),
                        Provenance.json(run, images.digest(), images.labels().standard(), null)));
        run.artifacts().replaceTrained(path, Method.LINEAR.word(), () -> file.write(session.hadoop(), path));
        if (run.directory().isOf(Method.LINEAR.word())) {
            Provenance.writeManifest(
                    run, images.digest(), run.models().pretrained().sha256());
        }
        Metrics metrics = run.artifacts().metrics();
        metrics.phase(Method.LINEAR.word(), "train", probed.seconds);
        metrics.of(Method.LINEAR.word()).put("weight_decay", probed.weightDecay);
        metrics.write();
        return file;
    }

    /** A head, its weight decay, and the seconds that it took. */
    private record Probed(Probe probe, double weightDecay, double seconds) {}

    private Probed train() {
        Images all = run.images().training();
        Images images = all.every(
                Probe.every(all.count(), run.models().pretrained().config().features()));
        Labels labels = images.labels();
        Progress.Meter meter = session.phase("probe: features", images.count());
        boolean again = settings.compare().seeds().size() > 1; // another seed's probe will read the same features
        List<Inference.Output> seen = (again
                        ? run.artifacts().once(featureInputs(), Features.class, () -> features(images, meter))
                        : features(images, meter))
                .outputs;
        float[][] features = seen.stream().map(output -> output.values).toArray(float[][]::new);
        Target[] targets =
                seen.stream().map(output -> labels.trained(output.target)).toArray(Target[]::new);
        session.progress().say("probe: training a head on %d images' features", features.length);
        int blasThreads = settings.engine().blasThreads();
        Backend.threads(blasThreads);
        int threads = Math.max(1, Runtime.getRuntime().availableProcessors() / blasThreads);
        long seed = settings.run().seed();
        Settings.Probe how = settings.probe();
        Probe.Examples on =
                new Probe.Examples(features, targets, labels.task(), labels.size(), weights(seen, labels.size()));
        if (how.weightDecay() == null) {
            Progress.Meter tried = session.phase("probe: choosing the weight decay", -1);
            Probe.DecayChoice decay =
                    Probe.DecayChoice.of(on, how, seed, threads, examples -> counted(tried, examples));
            session.progress().say("probe: %s", decay);
            how = how.decaying(decay.chosen());
        }
        Progress.Meter trained = session.phase("probe: training", (long) how.epochs() * features.length);
        Probe probe = Probe.train(on, how, seed, threads, examples -> counted(trained, examples));
        return new Probed(probe, Objects.requireNonNull(how.weightDecay()), meter.seconds());
    }

    /** Counts examples, and ends the training, which is no job of Spark's, if the application is to stop. */
    private void counted(Progress.Meter meter, long examples) {
        session.watch().check();
        meter.add(examples, "");
    }

    /** Returns the weight of each image, {@code [n]}, of mean 1; null if each counts the same. */
    private float @Nullable [] weights(List<Inference.Output> seen, int classes) {
        boolean balanced = !settings.data().balance().equals("none");
        if (!balanced && seen.stream().allMatch(output -> output.weight == 1)) {
            return null;
        }
        int[] counts = new int[classes];
        seen.stream()
                .flatMapToInt(output -> IntStream.of(output.target.classes()))
                .forEach(k -> counts[k]++);
        double mean =
                seen.stream().mapToDouble(output -> output.weight).average().orElseThrow();
        float[] ofClasses = Balance.weights(counts, balanced, mean);
        float[] weights = new float[seen.size()];
        for (int i = 0; i < weights.length; i++) {
            weights[i] = seen.get(i).weight
                    * ofClasses[Math.max(0, seen.get(i).target.label())];
        }
        return weights;
    }

    /** The pretrained features of training images, by id. */
    private record Features(List<Inference.Output> outputs) {}

    private Features features(Images images, Progress.Meter meter) {
        List<Inference.Output> outputs = new ArrayList<>();
        ModelBroadcast model = run.models().broadcast(images.labels());
        Inference.headOnly(run.engine(model.config()), model, run.images().preprocess())
                .features(images, meter, outputs::add);
        return new Features(outputs);
    }

    /** Returns a digest of all that a training from {@link #head} depends on beside its own settings: the model, the images, the seed. */
    String inputs(boolean ofProbe) {
        return ofProbe ? inputs() : Inputs.digest("fresh", featureInputs(), Config.fingerprint(settings, "run.seed"));
    }

    /** Returns a digest of all that it depends on: its settings, the seed and the features. */
    String inputs() {
        return Inputs.digest(
                "probe", featureInputs(), Config.fingerprint(settings, "probe", "run.seed", "data.balance"));
    }

    /** Returns a digest of what the features depend on: the model, the training images and how they are read. */
    private String featureInputs() {
        return Inputs.digest(
                "features",
                run.models().pretrained().identity(),
                run.images().trainingListing(),
                run.images().preprocess().toString(),
                Config.fingerprint(
                        settings,
                        "model.imageSize",
                        "data.format",
                        "data.imageColumn",
                        "data.labelColumn",
                        "data.task",
                        "evaluation.batchSize",
                        "engine.kernels",
                        "engine.precision",
                        "engine.blasThreads"));
    }
}
