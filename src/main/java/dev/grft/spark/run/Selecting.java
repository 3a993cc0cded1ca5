package dev.grft.spark.run;

import dev.grft.Budget;
import dev.grft.Delta;
import dev.grft.Entries;
import dev.grft.Grft;
import dev.grft.MatrixShape;
import dev.grft.Score;
import dev.grft.Scores;
import dev.grft.Selection;
import dev.grft.UserError;
import dev.grft.checkpoint.DeltaFile;
import dev.grft.checkpoint.EntriesFile;
import dev.grft.checkpoint.SelectionFile;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.data.Augment;
import dev.grft.data.Labels;
import dev.grft.report.Metrics;
import dev.grft.report.Progress;
import dev.grft.spark.images.Images;
import dev.grft.spark.images.Inputs;
import dev.grft.spark.work.Inference;
import dev.grft.spark.work.ModelBroadcast;
import dev.grft.spark.work.Scoring;
import dev.grft.train.Probe;
import dev.grft.vit.VitConfig;
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
        Scored scored = session.once(scoreInputs(), Scored.class, this::score);
        SelectionFile file = file(select(scored.scores, budget()), scored.scores);
        file.write(session.hadoop(), path);
        phase("grft", "select", scored.seconds);
        long backbone = file.backboneParameters();
        session.progress()
                .say(
                        "selected %s, %.3f %% of the backbone",
                        file.selection(), 100 * file.selection().share(backbone));
        return file;
    }

    /** Scores, and the seconds that they took. */
    private record Scored(Scores scores, double seconds) {}

    private Scored score() {
        Images images = session.trainingImages();
        Scoring scoring = scoring(session.model(images.labels().size()), images.labels(), chosenScore());
        Progress.Meter meter = session.phase("select: scoring", images.count());
        return new Scored(scoring.scores(images, meter), meter.seconds());
    }

    /**
     * Returns the scores of each half of the training images, drawn by the seed, under the head of all of them: selections
     * from the two tell how much a selection depends on the images. Made now, unless the run directory has them already.
     */
    List<Scores> halves() {
        return List.of(half(0), half(1));
    }

    private Scores half(int which) {
        Path path = session.directory().path("half-" + (which + 1) + ".safetensors");
        String inputs = Inputs.digest("half", scoreInputs(), Integer.toString(which));
        return session.artefact(path, inputs, force, () -> SelectionFile.read(session.hadoop(), path), () -> {
                    Images all = session.trainingImages();
                    Images images = all.half(settings.run().seed(), which);
                    Scoring scoring = scoring(session.model(all.labels().size()), all.labels(), chosenScore());
                    Progress.Meter meter = session.phase("select: half " + (which + 1), images.count());
                    SelectionFile file = file(Selection.none(), scoring.scores(images, meter));
                    file.write(session.hadoop(), path);
                    return file;
                })
                .scores();
    }

    /**
     * Returns the selection by the scores of a model that has been trained for a while, under its own head; made now, unless
     * the run directory has it already.
     *
     * @param part of the training, which the slices are selected for, from 1
     * @param delta what has been trained
     */
    Selection again(Path path, String inputs, int part, Delta delta) {
        return session.artefact(path, inputs, force, () -> SelectionFile.read(session.hadoop(), path), () -> {
                    Images images = session.trainingImages();
                    Progress.Meter meter = session.phase("select again: scoring", images.count());
                    Scores scores;
                    try (ModelBroadcast moved = session.moved(delta)) {
                        Probe head = new Probe(delta.headWeight(), delta.headBias());
                        scores = scoring(moved, head, chosenScore()).scores(images, meter);
                    }
                    SelectionFile file = file(select(scores, budget()), scores);
                    file.write(session.hadoop(), path);
                    phase("grft", "select " + part, meter.seconds());
                    long kept = file.selection().count()
                            - file.selection().without(delta.selection()).count();
                    session.progress().say("selected %s, %d of them trained before", file.selection(), kept);
                    return file;
                })
                .selection();
    }

    private SelectionFile file(Selection selection, Scores scores) {
        return new SelectionFile(
                selection,
                scores,
                session.pretrained().sha256(),
                session.pretrained().config().backboneParameters(),
                Config.toYaml(settings),
                Provenance.json(session, session.trainingImages().digest()));
    }

    private void phase(String method, String phase, double seconds) {
        Metrics metrics = session.metrics();
        metrics.phase(method, phase, seconds);
        metrics.write();
    }

    private Score chosenScore() {
        return Score.parse(settings.selection().score());
    }

    private Budget budget() {
        return settings.selection().budget().toBudget();
    }

    private Scoring scoring(ModelBroadcast model, Labels labels, Score score) {
        return scoring(model, head(settings.selection().loss().equals("probe"), labels), score);
    }

    private Scoring scoring(ModelBroadcast model, Probe head, Score score) {
        return new Scoring(model, settings.selection(), head, score, session.preprocess(), views(), session.device());
    }

    /** Returns the slices of the largest weights, by the selection's budget: needs no image. */
    Selection byMagnitude() {
        Map<String, MatrixShape> eligible = matrices(settings.selection().matrices(), "selection.matrices");
        Map<String, float[]> weights = session.pretrained().tensors();
        return select(Scores.ofWeights(eligible, weights), budget());
    }

    /** Returns slices of the last encoder blocks alone, by score, of about as many numbers as the selection has. */
    Selection ofLastLayers(int blocks) {
        SelectionFile file = selection();
        int first = session.pretrained().config().depth() - blocks;
        Scores scores = file.scores().only(matrix -> VitConfig.block(matrix) >= first);
        Budget budget = budget();
        if (budget instanceof Budget.PerMatrix) {
            long ofOne = select(scores, new Budget.PerMatrix(1)).trained();
            budget = new Budget.PerMatrix(
                    Math.toIntExact(Math.max(1, file.selection().trained() / ofOne)));
        }
        return select(scores, budget);
    }

    /** Returns the slices that the selection's budget buys by some scores. */
    Selection select(Scores scores) {
        return select(scores, budget());
    }

    private Selection select(Scores scores, Budget budget) {
        return Grft.select(
                scores,
                settings.selection().orientation(),
                budget,
                session.pretrained().config().backboneParameters(),
                settings.selection().ranking());
    }

    /** Returns the entries of each neuron that GPS trains; selected now, unless the run directory has them already. */
    List<Entries> entries(int perNeuron) {
        Path path = new Path(session.directory().method("gps"), "entries.safetensors");
        String inputs = Inputs.digest("entries", scoreInputs(), Integer.toString(perNeuron));
        return session.artefact(path, inputs, force, () -> EntriesFile.read(session.hadoop(), path), () -> {
                    Largest largest =
                            session.once(Inputs.digest("entries", scoreInputs()), Largest.class, Largest::new);
                    if (largest.perNeuron < perNeuron) {
                        Images images = session.trainingImages();
                        Scoring scoring =
                                scoring(session.model(images.labels().size()), images.labels(), Score.SUMMED_GRADIENT);
                        Progress.Meter meter = session.phase("select entries", images.count());
                        largest.entries = scoring.entries(images, perNeuron, meter);
                        largest.perNeuron = perNeuron;
                        largest.seconds = meter.seconds();
                    }
                    EntriesFile file = new EntriesFile(
                            largest.entries.stream()
                                    .map(some -> some.first(perNeuron))
                                    .toList(),
                            session.pretrained().sha256(),
                            Config.toYaml(settings),
                            Provenance.json(session, session.trainingImages().digest()));
                    file.write(session.hadoop(), path);
                    phase("gps", "select", largest.seconds);
                    return file;
                })
                .entries();
    }

    /** The largest entries of each neuron so far, as many as were asked for; those of a smaller budget come first. */
    private static final class Largest {
        List<Entries> entries = List.of();
        int perNeuron;
        double seconds;
    }

    /**
     * Returns the matrices of the model whose names end with one of the words.
     *
     * @throws UserError if there is none
     */
    Map<String, MatrixShape> matrices(List<String> words, String key) {
        Map<String, MatrixShape> found = session.pretrained().config().matrices(words);
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
                session.pretrained().config().features(),
                settings.run().seed());
    }

    /** Returns the linear probe; made now, unless the run directory has it already. */
    DeltaFile probe() {
        Path path = new Path(session.directory().method("linear"), "delta.safetensors");
        return session.artefact(
                path, probeInputs(), force, () -> DeltaFile.read(session.hadoop(), path), () -> makeProbe(path));
    }

    private DeltaFile makeProbe(Path path) {
        Probed probed = session.once(probeInputs(), Probed.class, this::trainProbe);
        Images images = session.trainingImages();
        Delta delta = new Delta(
                Selection.none(),
                Map.of(),
                probed.probe.weight(),
                probed.probe.bias(),
                images.labels().names(),
                session.pretrained().sha256(),
                Map.of());
        DeltaFile file =
                new DeltaFile(delta, "linear", Config.toYaml(settings), Provenance.json(session, images.digest()));
        file.write(session.hadoop(), path);
        if (session.directory().isOf("linear")) {
            Provenance.writeManifest(
                    session, images.digest(), session.pretrained().sha256());
        }
        phase("linear", "train", probed.seconds);
        return file;
    }

    /** A head, and the seconds that it took. */
    private record Probed(Probe probe, double seconds) {}

    private Probed trainProbe() {
        Images images = session.trainingImages();
        Labels labels = images.labels();
        Progress.Meter meter = session.phase("probe: features", images.count());
        boolean again = settings.compare().seeds().size() > 1; // another seed's probe will read the same features
        List<Inference.Output> seen = (again
                        ? session.once(featureInputs(), Features.class, () -> features(images, meter))
                        : features(images, meter))
                .outputs;
        float[][] features = seen.stream().map(output -> output.values).toArray(float[][]::new);
        int[] classes = seen.stream().mapToInt(output -> output.label).toArray();
        session.progress().say("probe: training a head on %d images' features", features.length);
        Probe probe = Probe.train(
                features,
                classes,
                labels.size(),
                settings.probe(),
                settings.run().seed());
        return new Probed(probe, meter.seconds());
    }

    /** The pretrained features of the training images, by id. */
    private record Features(List<Inference.Output> outputs) {}

    private Features features(Images images, Progress.Meter meter) {
        Inference.Output[] outputs =
                new Inference.Output[Math.toIntExact(images.broken().total())];
        long every = (images.count() + MOST_PROBED - 1) / MOST_PROBED;
        Inference.headOnly(session.on(), session.model(images.labels().size()), session.preprocess())
                .features(images, meter, output -> {
                    if (output.id % every == 0) {
                        outputs[(int) output.id] = output;
                    }
                });
        return new Features(Stream.of(outputs).filter(Objects::nonNull).toList());
    }

    /** Returns a digest of all that the first selection depends on. */
    String selectionInputs() {
        return Inputs.digest(
                "selection",
                scoreInputs(),
                Config.fingerprint(settings, "selection.axis", "selection.budget", "selection.perLength"));
    }

    /** Returns a digest of all that the scores depend on. */
    private String scoreInputs() {
        return Inputs.digest(
                "scores",
                probeInputs(),
                Config.fingerprint(
                        settings,
                        "selection.matrices",
                        "selection.score",
                        "selection.loss",
                        "selection.temperature",
                        "selection.batchSize"));
    }

    /** Returns a digest of all that the probe depends on: its settings, the seed and the features. */
    String probeInputs() {
        return Inputs.digest("probe", featureInputs(), Config.fingerprint(settings, "probe", "run.seed"));
    }

    /** Returns a digest of what the features depend on: the model, the training images and how they are read. */
    private String featureInputs() {
        return Inputs.digest(
                "features",
                session.pretrained().sha256(),
                session.trainingListing(),
                Config.fingerprint(
                        settings,
                        "model.imageSize",
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
