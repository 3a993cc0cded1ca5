package dev.grft.spark.run;

import dev.grft.MatrixShape;
import dev.grft.Scores;
import dev.grft.Selection;
import dev.grft.UserError;
import dev.grft.checkpoint.DeltaFile;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.report.Comparison;
import dev.grft.report.CostModel;
import dev.grft.vit.VitConfig;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/**
 * Trains and evaluates methods by seeds by budgets on one set of images, in one application: the model is broadcast once,
 * the images are read once; the probe and the scores are computed once for each seed. Each seed and budget is a run directory of its own, {@code budget-B/seed-S}; one that is made
 * of the same inputs is not made again, so that a comparison goes on where it was interrupted.
 *
 * <p>With learning rates to try, each method and budget (or one budget for all) first takes each of them, with the first seed, on the training
 * images alone, and keeps the one with the best accuracy on the validation images, the lower of equals. The test images are
 * looked at once for each cell.
 */
final class Comparing {
    private static final String LEARNING_RATE = "training.learningRate";

    private final Session session;
    private final Settings settings;
    private final boolean force;
    private final String root;

    Comparing(Session session, boolean force) {
        this.session = session;
        this.settings = session.settings();
        this.force = force;
        this.root = settings.run().directory();
    }

    /** Leaves {@code comparison.json}, {@code .csv} and {@code .md} in the run directory. */
    void compare() {
        List<@Nullable Double> budgets = new ArrayList<>(settings.compare().budgets());
        if (budgets.isEmpty()) {
            budgets.add(null);
        }
        List<Long> seeds = settings.compare().seeds().isEmpty()
                ? List.of(settings.run().seed())
                : settings.compare().seeds();
        methods(true).forEach(method -> EpochChoice.split(Config.forMethod(settings, method))); // refuse now, not later
        Comparison comparison = new Comparison();
        Double ratesAt = settings.compare().ratesAt();
        Map<String, Object> rates = ratesAt == null ? Map.of() : learningRates(ratesAt, seeds.get(0), true);
        for (Double budget : budgets) {
            boolean first = comparison.isEmpty();
            if (ratesAt == null) {
                rates = learningRates(budget, seeds.get(0), first);
            }
            List<Selection> selections = new ArrayList<>();
            List<Comparison.Halves> halves = new ArrayList<>();
            for (long seed : seeds) {
                Session cell = session.with(matched(cell(budget, seed, "/" + name(budget) + "/seed-" + seed, rates)));
                for (String method : methods(first)) {
                    measure(cell, method);
                    comparison.add(
                            method,
                            usesBudget(method) ? budget : null,
                            seed,
                            cell.metrics().of(method));
                }
                if (methods(first).contains(DeltaFile.GRFT)) {
                    Selecting selecting = new Selecting(cell.forMethod(DeltaFile.GRFT), false);
                    selections.add(selecting.selection().selection());
                    List<Scores> scores = halves(seed);
                    halves.add(new Comparison.Halves(selecting.select(scores.get(0)), selecting.select(scores.get(1))));
                }
            }
            comparison.addSelections(budget, selections, halves);
        }
        session.storage().writeAtomically(session.directory().path("comparison.json"), comparison.json());
        session.storage().writeAtomically(session.directory().path("comparison.csv"), comparison.csv());
        session.storage().writeAtomically(session.directory().path("comparison.md"), comparison.markdown());
        session.out().print(comparison.markdown());
    }

    /** Returns the scores of each half of the training images, which do not depend on the budget. */
    private List<Scores> halves(long seed) {
        Session ofSeed = session.with(cell(null, seed, "/halves/seed-" + seed, Map.of()));
        return new Selecting(ofSeed.forMethod(DeltaFile.GRFT), force).halves();
    }

    private static String name(@Nullable Double budget) {
        return budget == null ? "budget" : "budget-" + budget;
    }

    /** Returns the methods of a budget: those that do not depend on it only with the first. */
    private List<String> methods(boolean first) {
        List<String> methods = new ArrayList<>(settings.compare().methods());
        methods.add(settings.tuning().method());
        methods.removeIf(method -> !first && !usesBudget(method));
        return methods;
    }

    private boolean usesBudget(String method) {
        return switch (method) {
            case "linear", "bitfit", "full" -> false;
            case "gps", "lora", "adapter" -> settings.compare().match();
            default -> true;
        };
    }

    private void measure(Session cell, String method) {
        Session of = cell.forMethod(method);
        new Training(of, force).delta();
        new Evaluating(of, force).evaluate();
    }

    private Settings cell(
            @Nullable Double budget, long seed, String directory, Map<String, ? extends @Nullable Object> more) {
        Map<String, @Nullable Object> changes = new LinkedHashMap<>(more);
        changes.put("run.directory", root + directory);
        changes.put("run.seed", seed);
        if (budget != null) {
            changes.put("selection.preset", null);
            changes.put("selection.budget.count", budget < 1 ? null : budget.intValue());
            changes.put("selection.budget.fraction", budget < 1 ? budget : null);
        }
        return Config.with(settings, "compare", changes);
    }

    /** Returns the best learning rate of each method, by key; empty if none are to be tried. */
    private Map<String, Object> learningRates(@Nullable Double budget, long seed, boolean first) {
        Map<String, Object> best = new LinkedHashMap<>();
        if (settings.compare().learningRates().isEmpty()) {
            return best;
        }
        String validation = settings.data().validation();
        if (validation == null) {
            throw new UserError("compare.learningRates are tried on data.validation, which is not set; give held-out"
                    + " images, or no learning rates");
        }
        Map<String, Double> accuracies = new LinkedHashMap<>();
        for (double rate : settings.compare().learningRates().stream().sorted().toList()) {
            Map<String, @Nullable Object> changes = new LinkedHashMap<>();
            changes.put("data.test", validation);
            changes.put("data.trainOnValidation", false);
            for (String method : methods(first)) {
                changes.put("methods." + method + "." + LEARNING_RATE, rate);
            }
            Session trial =
                    session.with(matched(cell(budget, seed, "/trials/" + name(budget) + "/rate-" + rate, changes)));
            for (String method : methods(first)) {
                if (method.equals("linear")) {
                    continue; // the probe has settings of its own
                }
                measure(trial, method);
                double accuracy = trial.metrics().of(method).path("accuracy").asDouble();
                if (accuracy > accuracies.getOrDefault(method, -1.0)) {
                    accuracies.put(method, accuracy);
                    best.put("methods." + method + "." + LEARNING_RATE, rate);
                }
            }
        }
        session.progress().say("compare: best on the validation images: %s", best);
        return best;
    }

    /**
     * Returns settings in which rank, size and number of entries are such that LoRA, adapters and GPS train as many numbers
     * as the slices of the budget, the head aside, or the nearest that they can.
     */
    private Settings matched(Settings cell) {
        if (!settings.compare().match()) {
            return cell;
        }
        VitConfig config = session.pretrained().config();
        Settings grft = Config.forMethod(cell, DeltaFile.GRFT);
        Map<String, MatrixShape> eligible = config.matrices(grft.selection().matrices());
        double neurons = sum(eligible, MatrixShape::out);
        double numbers =
                CostModel.selection(config, grft).trained() + (grft.tuning().biases() ? CostModel.biases(config) : 0);

        Settings.Lora lora = Config.forMethod(cell, "lora").tuning().lora();
        double ofRank = sum(config.matrices(lora.targets()), shape -> shape.in() + shape.out());
        int rank = atLeastOne(numbers / ofRank);
        String form = Config.forMethod(cell, "adapter").tuning().adapter().form();
        double maps = config.depth() * (form.equals("houlsby") ? 2 : 1);
        int size = atLeastOne((numbers / maps - config.width()) / (2 * config.width() + 1));
        int perNeuron = atLeastOne((numbers - neurons) / neurons); // each has a bias, which trains, too

        Map<String, @Nullable Object> changes = new LinkedHashMap<>();
        changes.put("methods.lora.tuning.lora.rank", rank);
        changes.put("methods.lora.tuning.lora.alpha", lora.alpha() / lora.rank() * rank);
        changes.put("methods.adapter.tuning.adapter.size", size);
        changes.put("methods.gps.tuning.gps.perNeuron", perNeuron);
        return Config.with(cell, "compare", changes);
    }

    private static double sum(Map<String, MatrixShape> shapes, ToDoubleFunction<MatrixShape> of) {
        return shapes.values().stream().mapToDouble(of).sum();
    }

    private static int atLeastOne(double number) {
        return (int) Math.max(1, Math.round(number));
    }
}
