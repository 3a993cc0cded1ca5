package dev.grft.spark;

import dev.grft.Budget;
import dev.grft.Delta;
import dev.grft.Entries;
import dev.grft.Grft;
import dev.grft.MatrixShape;
import dev.grft.Penalty;
import dev.grft.Scores;
import dev.grft.Selection;
import dev.grft.UserError;
import dev.grft.checkpoint.DeltaFile;
import dev.grft.checkpoint.SelectionFile;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.data.Augment;
import dev.grft.data.Labels;
import dev.grft.report.Metrics;
import dev.grft.report.Progress;
import dev.grft.train.Probe;
import dev.grft.tuning.ScoreWatch.Rule;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.apache.hadoop.fs.Path;

/** What comes before the training: the linear probe, and the selection by squared gradients. */
final class Selecting {
    /** More features than these are not collected: every second, third… image is used instead. */
    private static final long MOST_PROBED = 50_000;

    private final Session session;
    private final Settings settings;
    private final boolean force;

    Selecting(Session session, boolean force) {
        this.session = session;
        this.settings = session.settings();
        this.force = force;
    }

    /** Returns the selection; made now, unless the run directory has it already. */
    SelectionFile selection() {
        Path path = session.directory().path("selection.safetensors");
        return session.artefact(
                path,
                selectionInputs(),
                force,
                () -> SelectionFile.read(session.hadoop(), path),
                () -> makeSelection(path));
    }

    private SelectionFile makeSelection(Path path) {
        Images images = session.trainingImages();
        ModelBroadcast model = session.model(images.labels().size());
        Rule rule = Scoring.rule(settings.selection().score());
        Scoring scoring = scoring(images, model, rule);
        Progress.Meter meter = session.progress().phase("select: scoring", images.count());
        Scores scores = scoring.scores(images, meter);
        long backbone = session.pretrained().config().backboneParameters();
        Selection selection = select(scores, settings.selection().budget().toBudget());
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

    private Scoring scoring(Images images, ModelBroadcast model, Rule rule) {
        Probe head = head(settings.selection().loss().equals("probe"), images.labels());
        return new Scoring(model, settings.selection(), head, rule, session.preprocess(), views(), session.device());
    }

    /** Returns the slices of the largest weights, by the selection's budget: needs no image. */
    Selection byMagnitude() {
        Map<String, MatrixShape> eligible = matrices(settings.selection().matrices(), "selection.matrices");
        Map<String, float[]> weights = session.pretrained().tensors();
        return select(
                Scores.ofWeights(eligible, weights),
                settings.selection().budget().toBudget());
    }

    /** Returns slices of the last encoder blocks alone, by score, of about as many numbers as the selection has. */
    Selection ofLastLayers(int blocks) {
        SelectionFile file = selection();
        int first = session.pretrained().config().depth() - blocks;
        Scores scores = file.scores().only(matrix -> Penalty.block(matrix) >= first);
        Budget budget = settings.selection().budget().toBudget();
        if (budget instanceof Budget.PerMatrix) {
            long ofOne = select(scores, new Budget.PerMatrix(1)).trained();
            budget = new Budget.PerMatrix(
                    Math.toIntExact(Math.max(1, file.selection().trained() / ofOne)));
        }
        return select(scores, budget);
    }

    private Selection select(Scores scores, Budget budget) {
        return Grft.select(
                scores,
                settings.selection().orientation(),
                budget,
                session.pretrained().config().backboneParameters(),
                settings.selection().perLength());
    }

    /** Returns the entries of each neuron that GPS trains. */
    List<Entries> entries(int perNeuron) {
        Images images = session.trainingImages();
        ModelBroadcast model = session.model(images.labels().size());
        Scoring scoring = scoring(images, model, Rule.SUM);
        Progress.Meter meter = session.progress().phase("select entries", images.count());
        List<Entries> entries = scoring.entries(images, perNeuron, meter);
        Metrics metrics = session.metrics();
        metrics.phase("gps", "select", meter.seconds());
        metrics.write();
        return entries;
    }

    /**
     * Returns the matrices of the model whose names end with one of the words.
     *
     * @throws UserError if there is none
     */
    Map<String, MatrixShape> matrices(List<String> words, String key) {
        Map<String, MatrixShape> found =
                Scoring.eligible(session.pretrained().config().matrices(), words);
        if (found.isEmpty()) {
            throw UserError.of(
                    "%s: %s name no matrix of the model; choose from patch_embed.proj, attn.qkv, attn.proj, mlp.fc1,"
                            + " mlp.fc2",
                    key, words);
        }
        return found;
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

    /** Returns the linear probe; made now, unless the run directory has it already. */
    DeltaFile probe() {
        Path path = new Path(session.directory().method("linear"), "delta.safetensors");
        return session.artefact(
                path, probeInputs(), force, () -> DeltaFile.read(session.hadoop(), path), () -> makeProbe(path));
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
        DeltaFile file =
                new DeltaFile(delta, "linear", Config.toYaml(settings), Provenance.json(session, images.digest()));
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
        return Inputs.digest(
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
}
