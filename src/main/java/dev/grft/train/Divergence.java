package dev.grft.train;

import dev.grft.UserError;
import dev.grft.config.TrainingSettings;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * Detects that the loss of a training stays above its start, and returns a checkpoint from before. Compares
 * medians of several steps, because single batches often have a large loss when batches are small.
 */
public final class Divergence {
    /** The loss of a training has diverged, or it or the gradient is no longer a finite number, and the training has ended. */
    public static final class Ended extends UserError {
        private static final long serialVersionUID = 1L;

        /** Takes the message in the manner of {@link String#format}. */
        public Ended(String message, Object... arguments) {
            super(String.format(Locale.ROOT, message, arguments));
        }
    }

    /** Steps at the end whose median counts, and for how many steps it must stay too large. */
    static final int LAST = 25;

    private static final int FIRST = 10;

    private final TrainingSettings settings;
    private final double floor;
    private final List<Double> first = new ArrayList<>(); // the first losses, FIRST at most
    private final List<Double> last = new ArrayList<>(); // the latest losses, LAST at most
    private int above; // steps since the median is too large
    private long step; // number of the last one
    private long good; // number of the step to go back to
    private long candidate; // number of a later one, which is good if the loss stays calm for LAST steps; 0 for none
    private int halvings;

    /**
     * Returns the watch of a training, which goes on from {@link #restore}.
     *
     * @param floor a smaller median of the first steps counts as this: the little that a head that fits its images well has at the
     *     start is soon exceeded
     */
    public Divergence(TrainingSettings settings, double floor) {
        this.settings = settings;
        this.floor = floor;
    }

    /**
     * Takes a step, or a round of local steps, before its checkpoint is made, and returns whether the training has diverged.
     *
     * @param made number of the step
     * @param loss mean loss of its examples
     */
    public boolean add(long made, double loss) {
        if (first.size() < FIRST) {
            first.add(loss);
        }
        last.add(loss);
        if (last.size() > LAST) {
            last.remove(0);
        }
        above = last.size() == LAST && median(last) > limit() ? above + 1 : 0;
        if (above > 0) {
            candidate = 0;
        } else if (candidate > 0 && made >= candidate + (long) LAST * settings.syncEvery()) {
            good = candidate;
            candidate = 0;
        }
        int every = settings.checkpointEvery(); // the checkpoint of a training that is interrupted does not count
        if (above == 0 && candidate == 0 && every > 0 && step / every != made / every) {
            candidate = made;
        }
        step = made;
        return above >= LAST || !Double.isFinite(loss);
    }

    /** Returns whether the loss is above its limit, but not for long enough yet. */
    public boolean suspects() {
        return above > 0;
    }

    private double limit() {
        return settings.divergence() * Math.max(floor, median(first));
    }

    private static double median(List<Double> losses) {
        double[] sorted =
                losses.stream().mapToDouble(Double::doubleValue).sorted().toArray();
        return sorted.length == 0 ? Double.NaN : (sorted[(sorted.length - 1) / 2] + sorted[sorted.length / 2]) / 2;
    }

    /** Returns the number of the step whose checkpoint is from before a divergence; 0, or that of an earlier part, for the start. */
    public long good() {
        return good;
    }

    /** Returns the number of the step that may become {@link #good}; 0 for none. */
    public long candidate() {
        return candidate;
    }

    /** Returns how often the learning rate has been halved. */
    public int halvings() {
        return halvings;
    }

    /** Counts a halving. */
    public void halve() {
        halvings++;
    }

    /** Takes note of the step from which the training goes on, after a divergence or in another part. */
    public void wentBack(long to) {
        good = to;
        candidate = 0;
        step = to;
    }

    /** Returns what {@link #restore} takes. */
    public String text() {
        return String.join(
                ";",
                Integer.toString(above),
                Long.toString(step),
                Long.toString(good),
                Long.toString(candidate),
                Integer.toString(halvings),
                text(first),
                text(last));
    }

    private static String text(List<Double> losses) {
        return losses.stream().map(String::valueOf).collect(Collectors.joining(" "));
    }

    /** Goes on from what {@link #text} returned, to the same bits; from an empty text, it begins. Halvings of its own since then stay. */
    public void restore(String text) {
        String[] parts = (text.isEmpty() ? "0;0;0;0;0;;" : text).split(";", -1);
        above = Integer.parseInt(parts[0]);
        step = Long.parseLong(parts[1]);
        good = Long.parseLong(parts[2]);
        candidate = Long.parseLong(parts[3]);
        halvings = Math.max(halvings, Integer.parseInt(parts[4]));
        restore(parts[5], first);
        restore(parts[6], last);
    }

    private static void restore(String text, List<Double> losses) {
        losses.clear();
        Arrays.stream(text.split(" ", -1))
                .filter(loss -> !loss.isEmpty())
                .map(Double::valueOf)
                .forEach(losses::add);
    }

    /** Returns what has been seen, for people. */
    @Override
    public String toString() {
        return String.format(
                Locale.ROOT,
                "the loss has diverged: step %d, median of the last %d steps %.4f, limit %.4f",
                step,
                last.size(),
                median(last),
                limit());
    }
}
