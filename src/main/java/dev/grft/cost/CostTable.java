package dev.grft.cost;

import dev.grft.tuning.FrozenStages;
import java.util.List;
import java.util.Locale;
import java.util.function.IntFunction;

/** The costs of a step as text, by number of executors. */
final class CostTable {
    private CostTable() {}

    /** Returns a table: a line for each number of executors. */
    static String of(CostModel costs, List<Integer> executors, Executor executor) {
        return head(costs, executor) + "\n"
                + lines(
                        costs.division().batch(),
                        executors,
                        n -> costs.step(n, executor),
                        n -> Limit.of(costs, n, executor).word(),
                        executor.gpu());
    }

    /** Returns what trains, and the executors. */
    static String head(CostModel costs, Executor executor) {
        return String.format(
                Locale.ROOT,
                "%,d parameters train, %,d of them in the head; a step of %,d examples in %,d shards; an executor has %s%d %s%s, %s%n",
                costs.trained(),
                (long) costs.config().classes() * (costs.config().features() + 1),
                costs.division().batch(),
                costs.division().shards(),
                executor.gpu() ? "a GPU, " : "",
                executor.tasks(),
                executor.tasks() == 1 ? "task" : "tasks",
                executor.gpu()
                        ? " and " + executor.feed().cores() + (executor.feed().cores() == 1 ? " core" : " cores")
                        : "",
                Double.isInfinite(executor.gigabits()) ? "one machine" : executor.gigabits() + " Gbit/s");
    }

    /** Returns what executors keep of frozen stages, and a line for each number of executors that says what epochs after the first cost. */
    static String later(CostModel costs, FrozenStages frozen, long most, List<Integer> executors, Executor executor) {
        return String.format(
                        Locale.ROOT,
                        "Nothing trains in %s, and images are not augmented. Executors keep what comes out on their disks: %,d bytes for each"
                                + " image. The %.0f GiB of an executor (engine.frozenCacheGiB) have room for %,d images. Epochs after the"
                                + " first then take:%n%n",
                        frozen,
                        frozen.bytes(),
                        most / (double) (1L << 30),
                        most / frozen.bytes())
                + lines(costs.division().batch(), executors, n -> costs.laterStep(n, executor), n -> "", false);
    }

    private static String lines(
            int batch,
            List<Integer> executors,
            IntFunction<CostModel.Step> steps,
            IntFunction<String> limits,
            boolean gpu) {
        StringBuilder table = new StringBuilder(String.format(
                Locale.ROOT,
                "%9s  %10s  %8s  %12s %9s %11s %10s %11s  %13s  %10s %10s  %s%n",
                "executors",
                "ms a step",
                "images/s",
                "computing ms",
                "images ms",
                "network ms",
                "Spark ms",
                "driver ms",
                gpu ? "MB, GPU" : "MB, executor",
                "MB in",
                "MB out",
                "limit"));
        for (int n : executors) {
            CostModel.Step step = steps.apply(n);
            table.append(String.format(
                    Locale.ROOT,
                    "%9d  %10.0f  %8.1f  %12.0f %9.0f %11.1f %10.1f %11.1f  %13.0f  %10.1f %10.1f  %s%n",
                    n,
                    step.seconds() * 1e3,
                    batch / step.seconds(),
                    step.computing() * 1e3,
                    step.feeding() * 1e3,
                    step.network() * 1e3,
                    step.spark() * 1e3,
                    step.driver() * 1e3,
                    step.executorBytes() / 1e6,
                    step.bytesIn() / 1e6,
                    step.bytesOut() / 1e6,
                    limits.apply(n)));
        }
        return table.toString().replaceAll(" +(?=\\R)", "");
    }
}
