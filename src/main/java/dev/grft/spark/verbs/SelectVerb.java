package dev.grft.spark.verbs;

import dev.grft.Budget;
import dev.grft.Delta;
import dev.grft.Entries;
import dev.grft.Grft;
import dev.grft.MatrixShape;
import dev.grft.Orientation;
import dev.grft.Scores;
import dev.grft.Selection;
import dev.grft.UserError;
import dev.grft.checkpoint.artifact.EntriesFile;
import dev.grft.checkpoint.artifact.ScoresFile;
import dev.grft.checkpoint.artifact.SelectionFile;
import dev.grft.config.Config;
import dev.grft.data.Augment;
import dev.grft.data.Labels;
import dev.grft.report.Progress;
import dev.grft.spark.images.Images;
import dev.grft.spark.images.Inputs;
import dev.grft.spark.run.Run;
import dev.grft.spark.run.Session;
import dev.grft.spark.training.Provenance;
import dev.grft.spark.work.ModelBroadcast;
import dev.grft.spark.work.Scoring;
import dev.grft.train.Probe;
import dev.grft.tuning.BuiltInScore;
import dev.grft.tuning.LastBlocks;
import dev.grft.tuning.Method;
import dev.grft.tuning.Score;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.apache.hadoop.fs.Path;
import org.jspecify.annotations.Nullable;

/** Selects: the slices that GRFT trains by squared gradients, those of its baselines, and the entries that GPS trains. */
final class SelectVerb extends Verb {
    private static final String AGAIN = "select "; // a phase: for a part of the training

    private final LinearProbe probe;
    private @Nullable ScoresFile given;

    SelectVerb(Run run, boolean force) {
        super(run, force);
        this.probe = new LinearProbe(run, force);
    }

    /** Returns the linear probe, whose head scores and trainings may begin with. */
    LinearProbe probe() {
        return probe;
    }

    /** Returns the selection; made now, unless the run directory has it already. */
    SelectionFile selection() {
        Path path = run.directory().path("selection.safetensors");
        return run.artifacts()
                .artifact(
                        path,
                        selectionInputs(),
                        force,
                        () -> SelectionFile.read(session.hadoop(), path),
                        () -> makeSelection(path));
    }

    private SelectionFile makeSelection(Path path) {
        Scored scored = run.artifacts().once(scoreInputs(), Scored.class, this::score);
        SelectionFile file = file(select(scored.scores, budget()), scored.scores);
        run.artifacts().replace(path, () -> file.write(session.hadoop(), path));
        run.artifacts().phase(Method.GRFT.word(), "select", scored.seconds);
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
        if (settings.selection().scores() != null) {
            return new Scored(given().scores(), 0);
        }
        Images images = run.images().training();
        return scored(images, images.labels(), "select: scoring");
    }

    /** Returns the scores by some of the images, under the head of all classes. */
    private Scored scored(Images images, Labels labels, String phase) {
        Score score = chosenScore();
        Scoring scoring = scoring(run.models().broadcast(labels), labels, score);
        Progress.Meter meter = session.phase(phase, images.count());
        Scores sums = scoring.scores(images, meter);
        double seconds = meter.seconds();
        return new Scored(score.finished(sums, run.models().pretrained()::tensors), seconds);
    }

    /** Returns the scores of {@code selection.scores}, which are read once. */
    ScoresFile given() {
        ScoresFile found = given;
        if (found == null) {
            found = ScoresFile.read(
                    session.hadoop(),
                    new Path(Objects.requireNonNull(settings.selection().scores())),
                    run.models().pretrained().config().matrices().keySet(),
                    eligible(),
                    settings.selection().orientation());
            session.datasets().weights(new Path(settings.selection().scores()), found::sha256);
            given = found;
            session.progress()
                    .say("scores of %s, SHA-256 %s", settings.selection().scores(), found.sha256());
        }
        return found;
    }

    /**
     * Returns the scores of each half of the training images, drawn by the seed, under the head of all of them: selections
     * from the two tell how much a selection depends on the images. Made now, unless the run directory has them already. None if the
     * scores are given.
     */
    List<Scores> halves() {
        if (settings.selection().scores() != null) {
            return List.of();
        }
        Session.Claim claim = session.claim(run);
        try (claim) {
            return List.of(half(0), half(1));
        }
    }

    private Scores half(int which) {
        Path path = run.directory().path("half-" + (which + 1) + ".safetensors");
        String inputs = Inputs.digest("half", scoreInputs(), Integer.toString(which));
        return run.artifacts()
                .artifact(path, inputs, force, () -> SelectionFile.read(session.hadoop(), path), () -> {
                    Images all = run.images().training();
                    Images images = all.half(settings.run().seed(), which);
                    Scores scores = scored(images, all.labels(), "select: half " + (which + 1)).scores;
                    SelectionFile file = file(Selection.none(), scores);
                    run.artifacts().replace(path, () -> file.write(session.hadoop(), path));
                    return file;
                })
                .scores();
    }

    /**
     * Returns the selection and the scores of a model that has been trained for a while, under its own head; made now, unless
     * the run directory has it already.
     *
     * @param part of the training, which the slices are selected for, from 1
     * @param labels of the training
     * @param delta what has been trained
     */
    SelectionFile again(Path path, String inputs, int part, Labels labels, Delta delta) {
        return run.artifacts().artifact(path, inputs, force, () -> SelectionFile.read(session.hadoop(), path), () -> {
            Images images = run.images().training();
            Progress.Meter meter = session.phase("select again: scoring", images.count());
            Scores scores;
            try (ModelBroadcast moved = run.models().moved(delta)) {
                Score score = chosenScore();
                Scores sums = scoring(moved, Probe.of(labels.trained(delta)), labels, score)
                        .scores(images, meter);
                scores = score.finished(
                        sums, () -> run.models().pretrained().merged(delta).tensors());
            }
            SelectionFile file = file(select(scores, budget()), scores);
            run.artifacts().replace(path, () -> file.write(session.hadoop(), path));
            run.artifacts().phase(Method.GRFT.word(), AGAIN + part, meter.seconds());
            long kept = file.selection().count()
                    - file.selection().without(delta.selection()).count();
            session.progress().say("selected %s, %d of them trained before", file.selection(), kept);
            return file;
        });
    }

    /** Returns whether a phase of the metrics is a selection for a later part of a training than this one. */
    static boolean isAfter(String phase, int part) {
        return phase.startsWith(AGAIN) && Integer.parseInt(phase.substring(AGAIN.length())) > part;
    }

    private SelectionFile file(Selection selection, Scores scores) {
        return new SelectionFile(
                selection,
                scores,
                run.models().pretrained().sha256(),
                run.models().pretrained().config().backboneParameters(),
                Config.toYaml(settings),
                Provenance.json(run, run.images().training().digest()));
    }

    /** Returns the score that is computed, which may come from a jar of the user's. */
    Score chosenScore() {
        return Score.of(settings.selection().score());
    }

    private Budget budget() {
        return settings.selection().budget().toBudget();
    }

    private Scoring scoring(ModelBroadcast model, Labels labels, Score score) {
        return scoring(model, probe.head(ofProbe(score), labels), labels, score);
    }

    /** Returns whether the head of the linear probe takes part in a score. */
    private boolean ofProbe(Score score) {
        return settings.selection().loss().equals("probe") && score.pass() != Score.Pass.ACTIVATIONS;
    }

    private Scoring scoring(ModelBroadcast model, Probe head, Labels labels, Score score) {
        return new Scoring(
                model,
                run.selection(model.config()),
                head,
                score,
                settings.run().seed(),
                labels.standard(),
                run.images().preprocess(),
                Augment.views(settings.run().seed()),
                run.device(model.config()));
    }

    /** Returns any slices, as many of each matrix as the selection has and along the same axes. Scores only if these depend on them. */
    Selection alike() {
        boolean known =
                budget() instanceof Budget.PerMatrix && settings.selection().orientation() != Orientation.AUTO;
        return known ? select(Scores.zero(eligible())) : selection().selection();
    }

    /** Returns the slices of the largest weights, by the selection's budget: needs no image. */
    Selection byMagnitude() {
        return select(Scores.ofWeights(eligible(), run.models().pretrained().tensors()));
    }

    private Map<String, MatrixShape> eligible() {
        return matrices(settings.selection().eligible(), "selection.matrices");
    }

    /** Returns slices of the last encoder blocks alone, by score, of about as many parameters as the selection has. */
    Selection ofLastLayers(int blocks) {
        SelectionFile file = selection();
        int first = run.models().pretrained().config().depth() - blocks;
        return LastBlocks.of(file.scores(), first, budget(), file.selection().trained(), this::select);
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
                run.models().pretrained().config().backboneParameters(),
                settings.selection().ranking());
    }

    /** Returns the entries of each neuron that GPS trains; selected now, unless the run directory has them already. */
    List<Entries> entries(int perNeuron) {
        Path path = new Path(run.directory().method(Method.GPS.word()), "entries.safetensors");
        String inputs = Inputs.digest("entries", summedInputs(), Integer.toString(perNeuron));
        return run.artifacts()
                .artifact(path, inputs, force, () -> EntriesFile.read(session.hadoop(), path), () -> {
                    Largest largest =
                            run.artifacts().once(Inputs.digest("entries", summedInputs()), Largest.class, Largest::new);
                    if (largest.perNeuron < perNeuron) {
                        Images images = run.images().training();
                        Scoring scoring = scoring(
                                run.models().broadcast(images.labels()), images.labels(), BuiltInScore.SUMMED_GRADIENT);
                        Progress.Meter meter = session.phase("select entries", images.count());
                        largest.entries = scoring.entries(images, perNeuron, meter);
                        largest.perNeuron = perNeuron;
                        largest.seconds = meter.seconds();
                    }
                    EntriesFile file = new EntriesFile(
                            largest.entries.stream()
                                    .map(some -> some.first(perNeuron))
                                    .toList(),
                            run.models().pretrained().sha256(),
                            Config.toYaml(settings),
                            Provenance.json(run, run.images().training().digest()));
                    run.artifacts().replace(path, () -> file.write(session.hadoop(), path));
                    run.artifacts().phase(Method.GPS.word(), "select", largest.seconds);
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
        Map<String, MatrixShape> found = run.models().pretrained().config().matrices(words);
        if (found.isEmpty()) {
            throw UserError.of(
                    "%s: %s name no matrix of the model; choose from patch_embed.proj, attn.qkv, attn.proj, mlp.fc1,"
                            + " mlp.fc2",
                    key, words);
        }
        return found;
    }

    /** Returns a digest of all that the first selection depends on. */
    String selectionInputs() {
        return Inputs.digest(
                "selection",
                scoreInputs(),
                Config.fingerprint(
                        settings, "selection.matrices", "selection.axis", "selection.budget", "selection.perLength"));
    }

    /** Returns a digest of all that the scores depend on. */
    private String scoreInputs() {
        if (settings.selection().scores() != null) {
            return Inputs.digest(
                    "given scores",
                    run.models().pretrained().sha256(),
                    given().sha256(),
                    Config.fingerprint(settings, "selection.matrices", "selection.axis")); // what is read of it
        }
        if (settings.selection().sumsGradients()) {
            return summedInputs();
        }
        Score score = chosenScore();
        String unsharded = unsharded(score);
        return score instanceof BuiltInScore ? unsharded : Inputs.digest("own score", unsharded, score.digest());
    }

    /** Returns a digest of all that sums of gradients depend on, such as GPS's: they are summed shard by shard. */
    String summedInputs() {
        return Inputs.digest(
                "summed", unsharded(BuiltInScore.SUMMED_GRADIENT), Config.fingerprint(settings, "training.shards"));
    }

    private String unsharded(Score score) {
        List<String> keys = new ArrayList<>(List.of(
                "selection.matrices",
                "selection.score",
                "selection.loss",
                "selection.temperature",
                "selection.batchSize"));
        if (settings.selection().contrastive()) {
            keys.add("augmentation.cropSource"); // views are cut from sources of this size
        }
        String views = settings.selection().contrastive()
                ? Augment.views(settings.run().seed()).toString()
                : "";
        return Inputs.digest(
                "scores", probe.inputs(ofProbe(score)), Config.fingerprint(settings, keys, Set.of()), views);
    }
}
