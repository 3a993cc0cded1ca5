package dev.grft.spark.training;

import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What a training hands on from part to part, and from a process that was interrupted to the next, in its states.
 *
 * @param seconds of all parts, without those of evaluations
 * @param inputSeconds how many of them it waited for images
 * @param memory the largest live memory of a part, bytes; 0 if it was not measured
 * @param losses what the watch over the loss has seen, see {@link dev.grft.train.Divergence#text}
 * @param choice the choice of the epoch so far; null if the last epoch counts
 */
public record Carried(
        double seconds,
        double inputSeconds,
        double memory,
        String losses,
        @Nullable Choice choice) {
    /** What a training begins with. */
    public static final Carried NOTHING = new Carried(0, 0, 0, "", null);

    /**
     * The best epoch so far.
     *
     * @param seconds that all evaluations took
     * @param value of what is watched, at the best epoch
     * @param step with which it ended; 0 before the first
     * @param since epochs since then
     * @param due whether the epoch with which the state ends has still to be measured
     */
    public record Choice(double seconds, double value, long step, int since, boolean due) {
        /** Before the first epoch. */
        static final Choice NONE = new Choice(0, Double.NaN, 0, 0, false);
    }

    private static final String SECONDS = "seconds";
    private static final String INPUT_SECONDS = "inputSeconds";
    private static final String MEMORY = "memory";
    private static final String LOSSES = "losses";
    private static final String CHOICE_SECONDS = "choosing";
    private static final String CHOICE_VALUE = "best.value";
    private static final String CHOICE_STEP = "best.step";
    private static final String CHOICE_SINCE = "best.since";
    private static final String CHOICE_DUE = "epoch.due";

    /** Returns what {@link #text} wrote. */
    static Carried parse(Map<String, String> text) {
        return new Carried(
                number(text, SECONDS),
                number(text, INPUT_SECONDS),
                number(text, MEMORY),
                text.getOrDefault(LOSSES, ""),
                text.containsKey(CHOICE_VALUE)
                        ? new Choice(
                                number(text, CHOICE_SECONDS),
                                number(text, CHOICE_VALUE),
                                (long) number(text, CHOICE_STEP),
                                (int) number(text, CHOICE_SINCE),
                                Boolean.parseBoolean(text.get(CHOICE_DUE)))
                        : null);
    }

    private static double number(Map<String, String> text, String key) {
        return Double.parseDouble(text.getOrDefault(key, "0"));
    }

    /** Returns it as a state holds it. */
    Map<String, String> text() {
        Map<String, String> text = new HashMap<>();
        text.put(SECONDS, Double.toString(seconds));
        text.put(INPUT_SECONDS, Double.toString(inputSeconds));
        text.put(MEMORY, Double.toString(memory));
        text.put(LOSSES, losses);
        if (choice != null) {
            text.put(CHOICE_SECONDS, Double.toString(choice.seconds));
            text.put(CHOICE_VALUE, Double.toString(choice.value));
            text.put(CHOICE_STEP, Long.toString(choice.step));
            text.put(CHOICE_SINCE, Integer.toString(choice.since));
            text.put(CHOICE_DUE, Boolean.toString(choice.due));
        }
        return text;
    }
}
