package dev.grft.cost;

import dev.grft.cost.CostModel.Step;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** What limits a step on some executors, and the key that changes it. */
enum Limit {
    COMPUTING,
    SHARDS,
    IMAGES,
    NETWORK,
    ROUNDS,
    DRIVER;

    /** A step that is shorter by less is no shorter. */
    static final double GAIN = 1.05;

    /** Local steps between two rounds beyond which executors train models of their own. */
    private static final int MOST_LOCAL = 100;

    /**
     * Returns what limits a step: computing, images or the round, whichever takes longest. Of a round it is the longest part. In place of
     * computing and images it is the shards, if there are fewer than executors compute at a time.
     */
    static Limit of(CostModel costs, int executors, Executor executor) {
        Step step = costs.step(executors, executor);
        if (waiting(step) > Math.max(step.computing(), step.feeding())) {
            return step.network() >= Math.max(step.spark(), step.driver())
                    ? NETWORK
                    : step.driver() > step.spark() ? DRIVER : ROUNDS;
        }
        if ((long) executors * executor.lanes() > costs.division().shards()) {
            return SHARDS;
        }
        return step.feeding() > step.computing() ? IMAGES : COMPUTING;
    }

    private static double waiting(Step step) {
        return step.network() + step.spark() + step.driver();
    }

    private static double busy(Step step) {
        return step.computing() + step.feeding();
    }

    /** Returns the word of the table. */
    String word() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** Returns sentences for people: what limits, by how much, the remedy, and up to how many executors help. */
    static String sentence(CostModel costs, int executors, Executor executor) {
        Limit limit = of(costs, executors, executor);
        String what = switch (limit) {
            case COMPUTING ->
                text("Computing limits: %s, and nothing else takes as long.", perSecond(costs, executors, executor));
            case SHARDS -> shards(costs.division(), executors, executor);
            case IMAGES -> images(costs, executors, executor);
            case NETWORK, ROUNDS, DRIVER -> limit.round(costs, executors, executor);
        };
        return what + " " + more(costs, executors, executor);
    }

    private static String shards(Division division, int executors, Executor executor) {
        long lanes = (long) executors * executor.lanes();
        String few = text(
                executor.gpu()
                        ? "Shards limit: %,d GPUs are there, but a step has %,d shards"
                        : "Shards limit: %,d tasks run at a time, but a step has %,d shards",
                lanes,
                division.shards());
        return division.shards() < division.batch()
                ? text(
                        "%s: raise training.shards to %,d (the last bits change).",
                        few, Math.min(lanes, division.batch()))
                : few + " of one image: raise training.batchSize and training.shards (the results change).";
    }

    private static String images(CostModel costs, int executors, Executor executor) {
        Step step = costs.step(executors, executor);
        String waits = text(
                "Preparing images limits: a step waits %,.0f ms for images and computes %,.0f ms.",
                step.feeding() * 1e3, step.computing() * 1e3);
        String lighter = " Lighter changes under augmentation shorten it.";
        if (!executor.gpu()) {
            return waits + lighter;
        }
        Sharing sharing = Sharing.of(costs, executors, executor);
        return waits
                + (sharing == null
                        ? " More tasks on each GPU gain less than 5 %." + lighter
                        : " " + sharing.words(costs, executor));
    }

    private String round(CostModel costs, int executors, Executor executor) {
        Step step = costs.step(executors, executor);
        Division division = costs.division();
        boolean given = executor.round().given() != null;
        // Rounds of local steps exchange more vectors; a quarter of the time is left for all of them. Of a given round
        // it is not known how
        // much depends on vectors: all is taken to.
        double vectors = (double) Division.LOCAL_VECTORS / division.returned();
        double round = division.syncEvery()
                * ((given ? vectors : 1) * step.spark() + vectors * (step.network() + step.driver()));
        long every = Math.max(2, (long) Math.min(1e6, Math.ceil(4 * round / busy(step))));
        List<String> remedies = new ArrayList<>();
        if (!division.standing() && !given) {
            remedies.add("set engine.rounds=standing");
        }
        long lanes = (long) executors * executor.lanes();
        if (!division.standing() && division.shards() > lanes) {
            remedies.add(text("set training.shards=%,d (the last bits change)", lanes));
        }
        if (every > MOST_LOCAL && best(costs, most(division, executor), executor) < executors) {
            remedies.add("use fewer executors");
        }
        remedies.add(
                every > MOST_LOCAL
                        ? "raise training.batchSize or training.syncEvery (which change the results)"
                        : text(
                                "raise training.batchSize, or set training.syncEvery to about %,d (both change the results)",
                                every));
        String remedy = String.join(", or ", remedies);
        return text(
                "%s limits: a step waits %,.0f ms for its round; %,.0f ms are computing and images. %s.",
                given && this == ROUNDS
                        ? "The round (--round)"
                        : this == ROUNDS ? "The start of rounds" : "The " + word(),
                waiting(step) * 1e3,
                busy(step) * 1e3,
                remedy.substring(0, 1).toUpperCase(Locale.ROOT) + remedy.substring(1));
    }

    static String executors(int n) {
        return text("%,d %s", n, n == 1 ? "executor" : "executors");
    }

    /** Returns up to which number executors help, and what then limits. */
    static String more(CostModel costs, int executors, Executor executor) {
        Division division = costs.division();
        int most = most(division, executor);
        int best = best(costs, most, executor);
        Step few = costs.step(best, executor);
        double grows = waiting(costs.step(most, executor)) - waiting(few);
        String why;
        if (grows >= (GAIN - 1) * few.seconds()) {
            why = text("each executor adds to a round what it saves (training.batchSize is %,d)", division.batch());
        } else if (waiting(few) > busy(few)) {
            why = "the round takes most of a step and does not get shorter";
        } else {
            why = text("a step has %,d shards (training.shards)", division.shards());
        }
        return best > executors
                ? text("Executors help up to %,d: %s.", best, why)
                : text("More than %s less than 5 %%: %s.", executors(best) + (best == 1 ? " gains" : " gain"), why);
    }

    /** Returns the executors beyond which some have no shard. */
    private static int most(Division division, Executor executor) {
        return Math.max(1, (division.shards() + executor.lanes() - 1) / executor.lanes());
    }

    /** Returns the fewest executors whose step is not longer than the shortest by more than a twentieth. */
    static int best(CostModel costs, int most, Executor executor) {
        double[] seconds = new double[Math.max(1, most)];
        double shortest = Double.POSITIVE_INFINITY;
        for (int n = 1; n <= seconds.length; n++) {
            seconds[n - 1] = costs.step(n, executor).seconds();
            shortest = Math.min(shortest, seconds[n - 1]);
        }
        int n = 1;
        while (seconds[n - 1] > GAIN * shortest) {
            n++;
        }
        return n;
    }

    private static String perSecond(CostModel costs, int executors, Executor executor) {
        return text(
                "%,d %s %s images/s",
                executors,
                executors == 1 ? "executor trains" : "executors train",
                number(costs.division().batch()
                        / costs.step(executors, executor).seconds()));
    }

    /** Returns a number with three digits or more. */
    static String number(double number) {
        return number >= 100 ? text("%,.0f", number) : number >= 10 ? text("%.1f", number) : text("%.2f", number);
    }

    static String text(String format, Object... values) {
        return String.format(Locale.ROOT, format, values);
    }
}
