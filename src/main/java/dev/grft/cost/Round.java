package dev.grft.cost;

import dev.grft.Checks;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * What a round costs beside computing, images and the network: its start and end, and what the driver does with the trained parameters.
 *
 * @param given seconds of all this, whatever the executors; null to count it from what was measured (see {@code src/site/markdown/cost.md})
 * @param update seconds in which the driver writes a trained parameter out and updates it
 */
public record Round(@Nullable Double given, double update) {
    /** A round of Spark with one shard and nothing in it, and what each shard adds to it, seconds. */
    private static final double JOB = 0.02;

    private static final double SHARD = 0.002;

    private static final double STANDING = 0.004; // a round of standing tasks, seconds
    private static final double EXECUTOR = 0.001; // what each executor adds to it

    /** Driver: to read and add a parameter of one of a shard's gradient. Seconds. */
    private static final double GATHER = 15e-9;

    /** Driver of standing tasks: to send a trained parameter to an executor, to read and add one of its sum. Seconds. */
    private static final double TRADE = 7e-9;

    /** As measured on one executor. */
    static final Round COUNTED = new Round(null, 25e-9);

    public Round {
        if (given != null) {
            Checks.require(given >= 0 && given <= 3600, "--round", "in [0, 3600000] milliseconds", given * 1e3);
        }
    }

    /** Returns the seconds that it takes to start and end a round of which so many sums come to the driver. */
    double spark(boolean standing, int sums) {
        return given != null ? given : standing ? STANDING + EXECUTOR * sums : JOB + SHARD * sums;
    }

    /** Returns the seconds in which the driver writes, reads, adds and updates trained parameters. */
    double driver(long parameters, boolean standing, int sums) {
        return given != null ? 0 : parameters * (update + (standing ? TRADE : GATHER) * sums);
    }

    @Override
    public String toString() {
        return given != null
                ? String.format(Locale.ROOT, "%.0f ms, given", given * 1e3)
                : String.format(
                        Locale.ROOT,
                        "4 ms and 1 ms an executor with standing tasks, else 20 ms and 2 ms a shard (cost.md); the driver's update %.1f ns"
                                + " a parameter, measured here",
                        update * 1e9);
    }
}
