package dev.grft.bench;

import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * One line of the table: what was measured of ours, beside one peer.
 *
 * @param name what was measured
 * @param ours null where time is not what was measured
 * @param peer what stands beside it, or null
 * @param theirs the peer's times, or null
 * @param more further numbers by key, with the unit at its end
 */
record Row(
        String name,
        @Nullable Times ours,
        @Nullable String peer,
        @Nullable Times theirs,
        Map<String, Double> more) {

    private static final String LINE = "%-27s %28s  %-34s %28s %6s %7s %4s";

    /** What stands above the lines: times and their ratio are medians, with the first and third quartile; then the ratio of the fastest. */
    static final String HEADING = String.format(LINE, "", "ours, ms", "peer", "peer, ms", "ratio", "fastest", "n");

    /** Returns the row of our times alone. */
    static Row of(String name, Times ours) {
        return new Row(name, ours, null, null, Map.of());
    }

    /** Returns this row with another number. */
    Row with(String key, double number) {
        Map<String, Double> all = new LinkedHashMap<>(more);
        all.put(key, number);
        return new Row(name, ours, peer, theirs, all);
    }

    /** Returns this row beside a peer. */
    Row beside(String other, @Nullable Times times) {
        return new Row(name, ours, other, times, more);
    }

    /** Returns the median of ours over the peer's: below 1, ours is faster. Null without one of them. */
    @Nullable
    Double ratio() {
        return ours == null || theirs == null ? null : ours.median() / theirs.median();
    }

    /** Returns the fastest of ours over the peer's fastest: what a machine shows that nothing disturbs. Null without one of them. */
    @Nullable
    Double fastestRatio() {
        return ours == null || theirs == null ? null : ours.fastest() / theirs.fastest();
    }

    /** Returns what goes into {@code bench.json}. */
    Map<String, @Nullable Object> json() {
        Map<String, @Nullable Object> json = new LinkedHashMap<>();
        json.put("name", name);
        put(json, "ours", ours);
        json.put("peer", peer);
        put(json, "peer", theirs);
        json.put("ratio", ratio());
        json.put("fastest_ratio", fastestRatio());
        json.put("n", ours == null ? 1 : ours.count());
        json.putAll(more);
        return json;
    }

    private static void put(Map<String, @Nullable Object> json, String who, @Nullable Times times) {
        json.put(who + "_ms", times == null ? null : times.median());
        json.put(who + "_q1", times == null ? null : times.quantile(0.25));
        json.put(who + "_q3", times == null ? null : times.quantile(0.75));
    }

    /** Returns the line of the table; see {@link #HEADING}. */
    @Override
    public String toString() {
        StringBuilder line = new StringBuilder(String.format(
                LINE,
                name,
                text(ours),
                peer == null ? "" : peer,
                text(theirs),
                text(ratio()),
                text(fastestRatio()),
                ours == null ? "" : ours.count()));
        more.forEach((key, number) -> line.append(String.format(Locale.ROOT, "  %s %.4g", key, number)));
        return line.toString().stripTrailing();
    }

    private static String text(@Nullable Double ratio) {
        return ratio == null ? "" : String.format(Locale.ROOT, "%.2f", ratio);
    }

    private static String text(@Nullable Times times) {
        return times == null
                ? ""
                : String.format(
                        Locale.ROOT, "%.2f (%.2f-%.2f)", times.median(), times.quantile(0.25), times.quantile(0.75));
    }
}
