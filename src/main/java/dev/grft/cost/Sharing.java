package dev.grft.cost;

import static dev.grft.cost.Limit.number;
import static dev.grft.cost.Limit.text;

import dev.grft.cost.CostModel.Step;
import org.jspecify.annotations.Nullable;

/**
 * More tasks on each GPU, which prepare images while another computes.
 *
 * @param executor with these tasks
 * @param shards of a step, one for each task or more
 * @param step that it takes
 */
record Sharing(Executor executor, int shards, Step step) {
    private static final int MOST = 64; // tasks of a GPU, if no number of cores is given

    /** Returns as many tasks as shorten a step by a twentieth each; null if not even one more does. */
    static @Nullable Sharing of(CostModel costs, int executors, Executor executor) {
        int cores = executor.feed().cores();
        int tasks = Math.min(executor.tasks(), cores);
        int most = Math.min(cores > tasks ? cores : MOST, costs.division().batch() / executors);
        Step before = costs.step(executors, executor);
        Sharing best = null;
        while (tasks < most) {
            Sharing more = with(costs, executors, executor.shared(++tasks));
            if (before.seconds() < Limit.GAIN * more.step.seconds()) {
                break;
            }
            best = more;
            before = more.step;
        }
        return best;
    }

    private static Sharing with(CostModel costs, int executors, Executor shared) {
        int shards = Math.max(costs.division().shards(), executors * shared.tasks());
        return new Sharing(shared, shards, costs.inShards(shards).step(executors, shared));
    }

    /** Returns the keys to set, what a step gains and what that takes. */
    String words(CostModel costs, Executor before) {
        int batch = costs.division().batch();
        return text(
                "Share each GPU among %d tasks with a core each (%s%s), which prepare while another computes: about %s images/s. They need an"
                        + " estimated %,.0f MB of the GPU; check says whether it has them. Before the first step %d cores then decode, %s"
                        + " images/s of an executor in place of %s.",
                executor.tasks(),
                "spark.task.resource.gpu.amount=" + amount(executor.tasks()),
                costs.division().shards() < shards
                        ? text(" and training.shards=%,d, which changes the last bits", shards)
                        : "",
                number(batch / step.seconds()),
                step.executorBytes() / 1e6,
                executor.feed().decoders(),
                number(executor.decodes()),
                number(before.decodes()));
    }

    /** Returns the amount of a GPU that a task is given, such that so many share it. */
    static String amount(int tasks) {
        return tasks == 1 ? "1" : text("%.4f", Math.floor(1e4 / tasks) / 1e4).replaceAll("0+$", "");
    }
}
