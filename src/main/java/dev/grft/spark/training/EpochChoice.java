package dev.grft.spark.training;

import dev.grft.Delta;
import dev.grft.UserError;
import dev.grft.checkpoint.artifact.DeltaFile;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.data.Labels;
import dev.grft.measures.Measure;
import dev.grft.measures.Measures;
import dev.grft.report.History;
import dev.grft.spark.images.Images;
import dev.grft.spark.images.Inputs;
import dev.grft.spark.run.Run;
import dev.grft.spark.run.Session;
import dev.grft.spark.work.Inference;
import dev.grft.train.Trainer;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.BooleanSupplier;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import org.apache.hadoop.fs.Path;
import org.jspecify.annotations.Nullable;

/**
 * Measures a training after each epoch and keeps the delta of the best one by {@code training.watch}, the first of equals: on the
 * validation images, or on the test images, which is the protocol of GPS's published code and no fair measure. Ends the training when
 * it has not become better for some epochs.
 *
 * <p>What it has seen is carried in the states of the training, so that an interrupted one makes the same choice; the best
 * delta lies beside them.
 */
public final class EpochChoice implements Trainer.Judge {
    /** What is said of every accuracy whose epoch was chosen on the test images. */
    public static final String NOT_COMPARABLE = "chosen on test, not comparable";

    private static final Pattern NAME = Pattern.compile("best-\\d+\\.safetensors");

    private final Run run;
    private final Session session;
    private final Settings settings;
    private final Split split;
    private final Labels labels;
    private final Path state;
    private final long examples;
    private final Measure watched;
    private double value = Double.NaN; // of what is watched, at the best epoch
    private long step; // with which it ended; 0 before the first
    private int since;
    private boolean due;
    private double seconds;
    private @Nullable Part part;

    /** Which images the epoch is chosen on. */
    public enum Split {
        VALIDATION,
        TEST;

        @Override
        public String toString() {
            return this == TEST ? "test" : "validation";
        }
    }

    /** What is measured at present: a network, what its numbers mean, where to write it down, and whether patience waits. */
    private record Part(
            Function<float[], Inference> network,
            Function<float[], Delta> meaning,
            Supplier<History> history,
            BooleanSupplier waits) {}

    private EpochChoice(Run run, Split split, Labels labels, Path folder, long examples) {
        this.run = run;
        this.session = run.session();
        this.settings = run.settings();
        this.split = split;
        this.labels = labels;
        this.state = new Path(folder, "state");
        this.examples = examples;
        this.watched = settings.watched(labels.size());
    }

    /**
     * Returns the choice that the settings ask for; null if the last epoch counts.
     *
     * @param folder of the training
     * @param examples number of training images
     * @throws UserError if there is no such measure of so many classes
     */
    public static @Nullable EpochChoice of(Run run, Labels labels, Path folder, long examples) {
        Split split = split(run.settings());
        if (split == null) {
            return null;
        }
        EpochChoice choice = new EpochChoice(run, split, labels, folder, examples);
        choice.watched.requireOf(labels.size());
        return choice;
    }

    /**
     * Returns the images that the epoch is chosen on; null if the last one counts.
     *
     * @throws UserError if they are not held out
     */
    public static @Nullable Split split(Settings settings) {
        if (settings.evaluation().protocol().equals(Settings.Evaluation.GPS_PAPER)) {
            return Split.TEST;
        }
        Integer patience = settings.training().patience();
        if (patience == null) {
            return null;
        }
        if (settings.data().validation() == null || settings.data().trainOnValidation()) {
            throw UserError.of(
                    "training.patience is %d, but %s; set data.validation to held-out images, or training.patience to null",
                    patience,
                    settings.data().validation() == null
                            ? "data.validation is not set"
                            : "data.trainOnValidation also trains on the validation images");
        }
        return Split.VALIDATION;
    }

    /** Returns a digest of what the choice depends on beside the training; nothing if there is none. */
    public static String inputs(Run run) {
        Split split = split(run.settings());
        return split == null
                ? ""
                : Inputs.digest(
                        split.toString(),
                        split == Split.TEST
                                ? run.images().testListing()
                                : run.images().validationListing(),
                        run.settings().watched(1).word(), // null is the same as the measure that it stands for
                        Config.fingerprint(
                                run.settings(), "evaluation", "training.maxSteps")); // the last step is measured, too
    }

    /** Goes on from what a state carries, or back to it. */
    void restore(Carried.Choice from) {
        value = from.value();
        step = from.step();
        since = from.since();
        due = from.due();
    }

    /** Returns what a state has to carry, given the seconds of all evaluations. */
    Carried.Choice carried(double all) {
        return new Carried.Choice(all, value, step, since, due);
    }

    /** Deletes the deltas of epochs that ended after a step. */
    void deleteAfter(long last) {
        kept().stream().filter(file -> step(file) > last).forEach(session.storage()::delete);
    }

    /** Deletes the deltas that no training needs which goes on from a step or a later one. */
    void prune(long from) {
        List<Path> kept = kept();
        for (int i = 1; i < kept.size() && step(kept.get(i)) <= from; i++) {
            session.storage().delete(kept.get(i - 1));
        }
    }

    /** Returns the deltas of epochs that were the best so far, the earliest first. */
    private List<Path> kept() {
        return session.storage().list(state).stream()
                .filter(file -> NAME.matcher(file.getName()).matches())
                .sorted(Comparator.comparingLong(EpochChoice::step))
                .toList();
    }

    private static long step(Path file) {
        return Long.parseLong(file.getName().replaceAll("\\D", ""));
    }

    private Path file(long of) {
        return new Path(state, "best-" + of + ".safetensors");
    }

    /**
     * Measures the networks of this part of the training from now on.
     *
     * @param waits whether the training goes on though no epoch was better for long enough
     */
    void watch(
            Function<float[], Inference> network,
            Function<float[], Delta> meaning,
            Supplier<History> history,
            BooleanSupplier waits) {
        part = new Part(network, meaning, history, waits);
    }

    @Override
    public boolean due() {
        return due;
    }

    @Override
    public void epoch(long made, float[] trained) {
        due = true; // until all of it is done: what fails is done again
        long began = System.nanoTime();
        Part now = Objects.requireNonNull(part);
        Images images =
                split == Split.TEST ? run.images().test(labels) : run.images().validation(labels);
        Measures<?> measures = Measures.of(labels);
        now.network()
                .apply(trained)
                .measure(images, session.progress().silent(images.count()), measures, judgment -> {});
        Map<Measure, Double> values = measures.values();
        double reached = Objects.requireNonNull(values.get(watched));
        boolean better = step == 0 || watched.better(reached, value);
        if (better) {
            session.requireClaim();
            new DeltaFile(
                            now.meaning().apply(trained),
                            settings.tuning().method(),
                            Config.toYaml(run.images().settled()),
                            Provenance.json(run, images.digest(), labels.standard(), split),
                            split == Split.VALIDATION ? measures.bestThresholds() : List.of())
                    .write(session.hadoop(), file(made));
        }
        now.history().get().add(made, epoch(made), split.toString(), values, watched, better);
        if (better) {
            value = reached;
            step = made;
        }
        since = better ? 0 : since + 1;
        due = false;
        session.progress()
                .say(
                        "epoch %.2f: %s on the %s images%s",
                        epoch(made),
                        measures.line(),
                        split,
                        Double.isNaN(value)
                                ? "; " + watched.title() + " has been undefined so far, so no epoch can be better than"
                                        + " the first; see training.watch"
                                : better ? ", the best " + watched.title() + " so far" : "");
        seconds += (System.nanoTime() - began) / 1e9;
    }

    private double epoch(long made) {
        return (double) made * settings.training().batchSize() / examples;
    }

    @Override
    public boolean enough() {
        Integer patience = settings.training().patience();
        return patience != null
                && since >= patience
                && !Objects.requireNonNull(part).waits().getAsBoolean();
    }

    /** Returns the delta of the best epoch, with the thresholds that were chosen on the images that the epoch was chosen on. */
    public DeltaFile best() {
        return DeltaFile.read(session.hadoop(), file(step));
    }

    /** Returns the images that it was chosen on. */
    public Split split() {
        return split;
    }

    /** Returns what it was chosen by. */
    public Measure watched() {
        return watched;
    }

    /** Returns the value of what is watched at the best epoch. */
    public double value() {
        return value;
    }

    /** Returns the epoch that was the best, from 1, a fraction if it was cut short. */
    public double bestEpoch() {
        return epoch(step);
    }

    /** Returns the seconds of all measuring in this process. */
    public double seconds() {
        return seconds;
    }
}
