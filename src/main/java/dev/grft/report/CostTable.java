package dev.grft.report;

import dev.grft.tuning.FrozenStages;
import java.util.List;
import java.util.Locale;
import java.util.function.IntFunction;

/** The costs of a step as text, by number of executors. */
final class CostTable {
    private CostTable() {}

    /** Returns a table: a line for each number of executors. */
    static String of(CostModel costs, int batch, int shards, List<Integer> executors, CostModel.Machine machine) {
        StringBuilder table = new StringBuilder(String.format(
                Locale.ROOT,
                "%,d parameters train; a step of %d examples in %d shards; %.0f GFLOP/s a task, %d tasks an executor, %s%n%n",
                costs.trained(),
                batch,
                shards,
                machine.gflops(),
                machine.tasks(),
                Double.isInfinite(machine.gigabits()) ? "one machine" : machine.gigabits() + " Gbit/s"));
        return table.append(lines(batch, executors, n -> costs.step(n, machine)))
                .toString();
    }

    /** Returns what executors keep of frozen stages, and a line for each number of executors that says what epochs after the first cost. */
    static String later(
            CostModel costs,
            FrozenStages frozen,
            long most,
            int batch,
            List<Integer> executors,
            CostModel.Machine machine) {
        return String.format(
                        Locale.ROOT,
                        "Nothing trains in %s, and images are not augmented. Executors keep what comes out on their disks: %,d bytes for each"
                                + " image. The %.0f GiB of an executor (engine.frozenCacheGiB) have room for %,d images. Epochs after the"
                                + " first then take:%n%n",
                        frozen,
                        frozen.bytes(),
                        most / (double) (1L << 30),
                        most / frozen.bytes())
                + lines(batch, executors, n -> costs.laterStep(n, machine));
    }

    private static String lines(int batch, List<Integer> executors, IntFunction<CostModel.Step> steps) {
        StringBuilder table = new StringBuilder(String.format(
                Locale.ROOT,
                "%9s  %10s  %8s  %12s %11s %10s %11s  %13s  %10s %10s%n",
                "executors",
                "ms a step",
                "images/s",
                "computing ms",
                "network ms",
                "Spark ms",
                "driver ms",
                "MB, executor",
                "MB in",
                "MB out"));
        for (int n : executors) {
            CostModel.Step step = steps.apply(n);
            table.append(String.format(
                    Locale.ROOT,
                    "%9d  %10.0f  %8.1f  %12.0f %11.1f %10.1f %11.1f  %13.0f  %10.1f %10.1f%n",
                    n,
                    step.seconds() * 1e3,
                    batch / step.seconds(),
                    step.computing() * 1e3,
                    step.network() * 1e3,
                    step.spark() * 1e3,
                    step.driver() * 1e3,
                    step.executorBytes() / 1e6,
                    step.bytesIn() / 1e6,
                    step.bytesOut() / 1e6));
        }
        return table.toString();
    }

    /** Returns what to change where this many executors would not help, or an empty text. */
    static String advice(CostModel costs, int shards, int executors, CostModel.Machine machine) {
        CostModel.Step step = costs.step(executors, machine);
        StringBuilder advice = new StringBuilder();
        if (executors * machine.tasks() > shards) {
            advice.append(String.format(
                    Locale.ROOT,
                    "%d tasks run at a time, but a step has %d shards: raise training.shards (the last bits change).%n",
                    executors * machine.tasks(),
                    shards));
        }
        double waiting = step.seconds() - step.computing();
        if (waiting > step.computing()) {
            int rounds = (int) Math.ceil(4 * waiting / step.computing());
            advice.append(String.format(
                    Locale.ROOT,
                    "With %d executors a step waits %.0f ms and computes %.0f ms: raise training.batchSize, or set"
                            + " training.syncEvery to about %d (both change the results).%n",
                    executors,
                    waiting * 1e3,
                    step.computing() * 1e3,
                    rounds));
        }
        return advice.toString();
    }
}
