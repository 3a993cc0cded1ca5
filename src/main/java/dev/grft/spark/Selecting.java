package dev.grft.spark;

import dev.grft.Delta;
import dev.grft.Grft;
import dev.grft.Scores;
import dev.grft.Selection;
import dev.grft.checkpoint.DeltaFile;
import dev.grft.checkpoint.SelectionFile;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.data.Augment;
import dev.grft.data.Labels;
import dev.grft.report.Metrics;
import dev.grft.report.Progress;
import dev.grft.train.Probe;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.apache.hadoop.fs.Path;
import org.jspecify.annotations.Nullable;

/** What comes before the training: the linear probe, and the selection by squared gradients. */
final class Selecting {
    /** More features than these are not collected: every second, third… image is used instead. */
    private static final long MOST_PROBED = 50_000;

    private final Session session;
    private final Settings settings;
    private final boolean force;
    private @Nullable SelectionFile selection;
    private @Nullable DeltaFile probe;
    private @Nullable String probeInputs;

    Selecting(Session session, boolean force) {
        this.session = session;
        this.settings = session.settings();
        this.force = force;
    }

    /** Returns the selection; made now, unless the run directory has it already. Made once, forced or not. */
    SelectionFile selection() {
        if (selection == null) {
            Path path = session.directory().path("selection.safetensors");
            selection = session.artefact(
                    path,
                    selectionInputs(),
                    force,
                    () -> SelectionFile.read(session.hadoop(), path),
                    () -> makeSelection(path));
        }
        return selection;
    }

    private SelectionFile makeSelection(Path path) {
        Images images = session.trainingImages();
        ModelBroadcast model = session.model(images.labels().size());
        Probe head = head(settings.selection().loss().equals("probe"), images.labels());
        Progress.Meter meter = session.progress().phase("select: scoring", images.count());
        Scores scores = new Scoring(model, settings.selection(), head, session.preprocess(), views(), session.device())
                .scores(images, meter);
        long backbone = session.pretrained().config().backboneParameters();
        Selection selection = Grft.select(
                scores,
                settings.selection().orientation(),
                settings.selection().budget().toBudget(),
                backbone);
        SelectionFile file = new SelectionFile(
                selection,
                scores,
                session.pretrained().sha256(),
                backbone,
                Config.toYaml(settings),
                Provenance.json(session, images.digest()));
        file.write(session.hadoop(), path);
        Metrics metrics = session.metrics();
        metrics.phase("grft", "select", meter.seconds());
        metrics.write();
        session.progress().say("selected %s, %.3f %% of the backbone", selection, 100 * selection.share(backbone));
        return file;
    }

    /**
     * Returns the random changes that make two views of an image, for the contrastive loss: a crop and a flip, whatever the
     * training uses. GPS changes colors, too.
     */
    private Augment views() {
        return new Augment(true, 0.2, 1, 3.0 / 4, 4.0 / 3, true, settings.run().seed());
    }

    /** Returns the head to begin with: that of the probe, or one that has seen nothing. */
    Probe head(boolean ofProbe, Labels labels) {
        if (ofProbe) {
            Delta delta = probe().delta();
            return new Probe(delta.headWeight(), delta.headBias());
        }
        return Probe.fresh(
                labels.size(),
                session.pretrained().config().width(),
                settings.run().seed());
    }

    /** Returns the linear probe; made now, unless the run directory has it already. Made once, forced or not. */
    DeltaFile probe() {
        if (probe == null) {
            Path path =
                    new Path(session.directory().method("linear", settings.run().method()), "delta.safetensors");
            probe = session.artefact(
                    path, probeInputs(), force, () -> DeltaFile.read(session.hadoop(), path), () -> makeProbe(path));
        }
        return probe;
    }

    private DeltaFile makeProbe(Path path) {
        Images images = session.trainingImages();
        Labels labels = images.labels();
        Progress.Meter meter = session.progress().phase("probe: features", images.count());
        Inference.Output[] outputs =
                new Inference.Output[Math.toIntExact(images.broken().total())];
        long every = (images.count() + MOST_PROBED - 1) / MOST_PROBED;
        Inference.headOnly(session, labels.size()).features(images, meter, output -> {
            if (output.id % every == 0) {
                outputs[(int) output.id] = output;
            }
        });
        List<Inference.Output> seen =
                Stream.of(outputs).filter(Objects::nonNull).toList();
        float[][] features = seen.stream().map(output -> output.values).toArray(float[][]::new);
        int[] classes = seen.stream().mapToInt(output -> output.label).toArray();
        session.progress().say("probe: training a head on %d images' features", features.length);
        Probe probe = Probe.train(
                features,
                classes,
                labels.size(),
                settings.probe(),
                settings.run().seed());
        Delta delta = new Delta(
                Selection.none(),
                Map.of(),
                probe.weight(),
                probe.bias(),
                labels.names(),
                session.pretrained().sha256(),
                Map.of());
        DeltaFile file = new DeltaFile(
                delta, "linear", Map.of(), Config.toYaml(settings), Provenance.json(session, images.digest()));
        file.write(session.hadoop(), path);
        Metrics metrics = session.metrics();
        metrics.phase("linear", "train", meter.seconds());
        metrics.write();
        return file;
    }

    /** Returns a digest of all that the selection depends on. */
    String selectionInputs() {
        return Inputs.digest("selection", probeInputs(), Config.fingerprint(settings, "selection"));
    }

    /** Returns a digest of all that the probe depends on: the model, the training images and how they are read. */
    String probeInputs() {
        if (probeInputs == null) { // lists all files of the images, which every later artefact asks for
            probeInputs = Inputs.digest(
                    "probe",
                    session.pretrained().sha256(),
                    session.trainingListing(),
                    Config.fingerprint(
                            settings,
                            "probe",
                            "model.imageSize",
                            "run.seed",
                            "data.train",
                            "data.format",
                            "data.imageColumn",
                            "data.labelColumn",
                            "data.resize",
                            "data.crop",
                            "data.mean",
                            "data.std",
                            "training.shards",
                            "evaluation.batchSize",
                            "engine.kernels",
                            "engine.blasThreads"));
        }
        return probeInputs;
    }
}
