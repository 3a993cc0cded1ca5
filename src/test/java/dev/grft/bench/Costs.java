package dev.grft.bench;

import dev.grft.cost.CostModel;
import dev.grft.vit.Keep;
import dev.grft.vit.kernels.Backend;
import java.util.ArrayList;
import java.util.List;

/** How the time of a slice step grows with the model, the images, the batch and what trains; beside the model of {@link CostModel}. */
final class Costs {
    private final Setup setup;
    private final int repetitions;

    Costs(Setup setup, int repetitions) {
        this.setup = setup;
        this.repetitions = repetitions;
    }

    /** Returns a row for each: one thing at a time is changed against the setup's own model and batch. */
    List<Row> rows() {
        double gflops = Backend.gflops(setup.threads(), 1, setup.precision());
        List<Row> rows = new ArrayList<>();
        rows.add(row(setup.model(), setup.batch(), 4, Keep.ALL, gflops));
        rows.add(row(setup.model(), setup.batch(), 4, Keep.INPUTS, gflops));
        for (int k : new int[] {1, 16, 64}) {
            rows.add(row(setup.model(), setup.batch(), k, Keep.ALL, gflops));
        }
        for (int batch : new int[] {setup.threads(), 4 * setup.batch()}) {
            rows.add(row(setup.model(), batch, 4, Keep.ALL, gflops));
        }
        for (String size : new String[] {"tiny", "small", "large"}) {
            rows.add(row("vit_" + size + "_patch16_224", setup.batch(), 4, Keep.ALL, gflops));
        }
        rows.add(row("vit_base_patch16_384", setup.batch(), 4, Keep.ALL, gflops));
        return rows;
    }

    private Row row(String model, int batch, int k, Keep keep, double gflops) {
        String name = model.replaceAll("vit_(.*)_patch(\\d+)_(\\d+)", "$1/$2, $3") + ", B " + batch + ", k " + k
                + (keep == Keep.INPUTS ? ", recompute" : "");
        Setup other = new Setup(model, batch, setup.threads(), 0, repetitions, null, setup.peers(), setup.precision());
        try (Steps steps = new Steps(other)) {
            return steps.cost(name, k, keep, gflops, repetitions).with("gflops_of_a_task", gflops);
        } finally {
            System.gc(); // native arrays go with the objects that hold them
        }
    }
}
