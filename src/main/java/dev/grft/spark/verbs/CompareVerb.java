package dev.grft.spark.verbs;

import dev.grft.Budget;
import dev.grft.MatrixShape;
import dev.grft.Scores;
import dev.grft.Selection;
import dev.grft.UserError;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.config.TrainingSettings;
import dev.grft.cost.Sketch;
import dev.grft.data.Labels;
import dev.grft.measures.Measure;
import dev.grft.report.Comparison;
import dev.grft.spark.images.Images;
import dev.grft.spark.run.Run;
import dev.grft.spark.run.Session;
import dev.grft.spark.training.EpochChoice;
import dev.grft.train.Divergence;
import dev.grft.tuning.Method;
import dev.grft.vit.VitConfig;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.hadoop.fs.Path;
import org.jspecify.annotations.Nullable;

/**
 * Trains and evaluates methods by seeds by budgets on one set of images, in one application: the model is broadcast once,
 * the images are read once; the probe and the scores are computed once for each seed. Each seed and budget is a run directory of its own, {@code budget-B/seed-S}; one that is made
 * of the same inputs is not made again, so that a comparison goes on where it was interrupted.
 *
 * <p>With learning rates to try, each method and budget (or one budget for all) first takes each of them, with the first seed, on the training
 * images alone, and keeps the one that is best on the validation images by {@code training.watch}, the lower of equals. A rate with which the
 * training diverges is worse than any other. The test images
 * are looked at once for each cell.
 */
final class CompareVerb extends Verb {
    private static final String LEARNING_RATE = "training.learningRate";

    private final String root;

    CompareVerb(Run run, boolean force) {
        super(run, force);
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
        methods(true)
                .forEach(method ->
                        EpochChoice.split(Config.forMethod(settings, method.word()))); // refuse now, not later
        run.images().testListing(); // likewise
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
                Run plain = run.with(cell(budget, seed, "/" + folder(budget, seed), rates));
                Session.Claim claim = session.claim(plain);
                try (claim) {
                    Run cell = matched(plain);
                    for (Method method : methods(first)) {
                        measure(cell, method);
                        comparison.add(
                                method.word(),
                                usesBudget(method) ? budget : null,
                                seed,
                                cell.artifacts().metrics().of(method.word()));
                    }
                    if (methods(first).contains(Method.GRFT)) {
                        SelectVerb selecting = new SelectVerb(cell.forMethod(Method.GRFT), false);
                        selections.add(selecting.selection().selection());
                        List<Scores> scores = halves(seed);
                        if (!scores.isEmpty()) {
                            halves.add(new Comparison.Halves(
                                    selecting.select(scores.get(0)), selecting.select(scores.get(1))));
                        }
                    }
                }
            }
            comparison.addSelections(budget, selections, halves);
        }
        write("comparison.json", comparison.json(folder(budgets.get(0), seeds.get(0))));
        write("comparison.csv", comparison.csv());
        write("comparison.md", comparison.markdown());
        session.out().print(comparison.markdown());
    }

    private void write(String name, String text) {
        Path path = run.directory().path(name);
        session.storage().writeAtomically(path, text);
        run.artifacts().made(path.toString());
    }

    /** Looks at the memory of the methods at each of the budgets to compare. */
    void check(Images images) {
        for (double budget : settings.compare().budgets()) {
            Settings plain = cell(budget, settings.run().seed(), "/" + name(budget), Map.of());
            Run cell = run.with(settings.compare().match() ? matched(plain, mostTrained(plain)) : plain);
            methods(false)
                    .forEach(method -> new CheckVerb(cell.forMethod(method), force)
                            .memoryOf(method + " at the budget " + budget, images));
        }
    }

    /** Returns the scores of each half of the training images, which do not depend on the budget. */
    private List<Scores> halves(long seed) {
        Run ofSeed = run.with(cell(null, seed, "/halves/seed-" + seed, Map.of()));
        return new SelectVerb(ofSeed.forMethod(Method.GRFT), force).halves();
    }

    private static String name(@Nullable Double budget) {
        return budget == null ? "budget" : "budget-" + budget;
    }

    private static String folder(@Nullable Double budget, long seed) {
        return name(budget) + "/seed-" + seed;
    }

    /** Returns the methods of a budget: those that do not depend on it only with the first. */
    private List<Method> methods(boolean first) {
        List<Method> methods = run.compared();
        methods.add(run.method());
        methods.removeIf(method -> !first && !usesBudget(method));
        return methods;
    }

    private boolean usesBudget(Method method) {
        return method.usesBudget(settings.compare().match());
    }

    private void measure(Run cell, Method method) {
        Run of = cell.forMethod(method);
        new TrainVerb(of, force).delta();
        new EvaluateVerb(of, force).evaluate();
    }

    private Settings cell(
            @Nullable Double budget, long seed, String directory, Map<String, ? extends @Nullable Object> more) {
        Map<String, @Nullable Object> changes = new LinkedHashMap<>(more);
        changes.put("run.directory", root + directory);
        changes.put("run.seed", seed);
        if (budget != null) {
            if (settings.selection().preset() != null) {
                changes.put("selection.matrices", settings.selection().eligible());
                changes.put("tuning.biases", settings.withBiases());
                if (settings.training().sliceRates() == null) {
                    changes.put("training.sliceRates", TrainingSettings.UNIFORM);
                }
            }
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
        Labels labels = run.images().training().labels();
        methods(first).forEach(method -> watched(method, labels).requireOf(labels.size()));
        Map<Method, Double> values = new LinkedHashMap<>();
        for (double rate : settings.compare().learningRates().stream().sorted().toList()) {
            Map<String, @Nullable Object> changes = new LinkedHashMap<>();
            changes.put("data.test", validation);
            changes.put("data.trainOnValidation", false);
            for (Method method : methods(first)) {
                changes.put("methods." + method + "." + LEARNING_RATE, rate);
            }
            Run plain = run.with(cell(budget, seed, "/trials/" + name(budget) + "/rate-" + rate, changes));
            Session.Claim claim = session.claim(plain);
            try (claim) {
                Run trial = matched(plain);
                for (Method method : methods(first)) {
                    if (method.equals(Method.LINEAR)) {
                        continue; // the probe has settings of its own
                    }
                    try {
                        measure(trial, method);
                    } catch (Divergence.Ended e) {
                        session.progress()
                                .say(
                                        "compare: %s diverges at training.learningRate %s (%s)",
                                        method, rate, String.valueOf(e.getMessage()));
                        continue;
                    }
                    Measure watched = watched(method, labels);
                    double value = trial.artifacts()
                            .metrics()
                            .of(method.word())
                            .path(watched.key())
                            .asDouble(Double.NaN);
                    Double before = values.get(method);
                    if (before == null || watched.better(value, before)) {
                        values.put(method, value);
                        best.put("methods." + method + "." + LEARNING_RATE, rate);
                    }
                }
            }
        }
        for (Method method : methods(first)) {
            if (!method.equals(Method.LINEAR) && !values.containsKey(method)) {
                throw UserError.of(
                        "compare.learningRates: the training of %s diverges at each of %s; add lower rates",
                        method, settings.compare().learningRates());
            }
        }
        session.progress().say("compare: best on the validation images: %s", best);
        return best;
    }

    /** Returns the measure that a method's learning rate is chosen by. */
    private Measure watched(Method method, Labels labels) {
        return Config.forMethod(settings, method.word()).watched(labels.size());
    }

    /** Returns a cell in which each method that can be matched trains as many parameters as the slices and biases of {@code grft} there. */
    private Run matched(Run cell) {
        return settings.compare().match() ? run.with(matched(cell.settings(), trained(cell))) : cell;
    }

    /**
     * Returns how many parameters the slices of a cell's budget train with the biases of their blocks, the head aside. Which blocks have
     * slices of a share of the network depends on the scores, which are then computed if slices are compared.
     */
    private long trained(Run cell) {
        Settings grft = Config.forMethod(cell.settings(), Method.GRFT.word());
        boolean open = grft.tuning().trainsBiases()
                && grft.selection().budget().toBudget() instanceof Budget.Share
                && methods(true).stream().anyMatch(Method::isOfSlices);
        return open
                ? trained(new SelectVerb(cell.forMethod(Method.GRFT), force)
                        .selection()
                        .selection())
                : mostTrained(cell.settings());
    }

    private long trained(Selection selection) {
        return selection.trained() + biases(selection.slices().keySet());
    }

    /** Returns how many parameters slices and biases train at most: if all blocks that slices can be selected from have some. */
    private long mostTrained(Settings cell) {
        Settings grft = Config.forMethod(cell, Method.GRFT.word());
        Selection selection = new Sketch(config(), grft).selection();
        Set<String> eligible = config().matrices(grft.selection().eligible()).keySet();
        return selection.trained() + (grft.tuning().trainsBiases() ? biases(eligible) : 0);
    }

    /** Returns how many biases lie in the blocks of some matrices. */
    private long biases(Set<String> of) {
        Set<Integer> blocks = of.stream().map(VitConfig::block).collect(Collectors.toSet());
        return config().matrices().entrySet().stream()
                .filter(matrix -> blocks.contains(VitConfig.block(matrix.getKey())))
                .mapToLong(matrix -> matrix.getValue().out())
                .sum();
    }

    private VitConfig config() {
        return run.models().pretrained().config();
    }

    /** Returns settings in which each method that can be matched trains so many parameters, the head aside, or the nearest that it can. */
    private Settings matched(Settings cell, long parameters) {
        Map<String, @Nullable Object> changes = new LinkedHashMap<>();
        for (Method method : Method.all()) {
            Method.Matching matching = method.matching();
            if (matching != null) {
                Settings own = Config.forMethod(cell, method.word());
                Map<String, MatrixShape> eligible =
                        config().matrices(own.selection().eligible());
                matching.changes((double) parameters, config(), own.tuning(), eligible)
                        .forEach((key, value) -> changes.put("methods." + method + "." + key, value));
            }
        }
        return Config.with(cell, "compare", changes);
    }
}
