package dev.grft.spark.verbs;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.Checks;
import dev.grft.UserError;
import dev.grft.checkpoint.file.Json;
import dev.grft.config.TrainingSettings;
import dev.grft.report.Progress;
import dev.grft.spark.images.Images;
import dev.grft.spark.images.Inputs;
import dev.grft.spark.run.Run;
import dev.grft.spark.training.PartSetup;
import dev.grft.spark.training.TrainingLoop;
import dev.grft.spark.work.Replicas;
import dev.grft.spark.work.Rounds;
import dev.grft.spark.work.Sampler;
import dev.grft.train.GradientSource;
import dev.grft.train.Learner;
import dev.grft.train.Network;
import dev.grft.train.RateSearch;
import dev.grft.train.StepGradient;
import dev.grft.tuning.Method;
import java.util.Locale;
import org.apache.hadoop.fs.Path;
import org.deeplearning4j.nn.conf.MultiLayerConfiguration;
import org.jspecify.annotations.Nullable;

/**
 * Finds a learning rate for the method of a run. Trains some steps from the start at growing rates and keeps only
 * their losses. Writes {@code rates.json}, which the report draws.
 */
final class RatesVerb extends Verb {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    private final TrainVerb training;

    RatesVerb(Run run, boolean force) {
        super(run, force);
        this.training = new TrainVerb(run, force);
    }

    /** Makes the test, unless the run directory has it already, and prints what it has found. */
    void find() {
        if (run.method().equals(Method.LINEAR)) {
            throw new UserError(
                    "tuning.method linear has the learning rate probe.learningRate, which rates does not search; choose"
                            + " another method");
        }
        Path path = new Path(run.directory().method(run.method().word()), "rates.json");
        String text = run.artifacts()
                .artifact(
                        path,
                        Inputs.digest("rates", training.inputs()),
                        force,
                        () -> session.storage().readString(path),
                        () -> make(path));
        session.out().println(Json.parse(path.toString(), text).path("summary").asText());
    }

    private String make(Path path) {
        RateSearch search = search();
        RateSearch.Found found = search.found();
        ObjectNode node = MAPPER.createObjectNode();
        node.put("method", run.method().word());
        node.put("batch_size", settings.training().batchSize());
        node.put("learning_rate", settings.training().learningRate());
        node.put("summary", summary(found));
        if (found != null) {
            node.put("steepest", found.steepest());
            node.put("suggested", found.suggested());
            if (Double.isFinite(found.blowsUp())) {
                node.put("blows_up", found.blowsUp());
            }
        }
        ArrayNode steps = node.putArray("steps");
        double[] smooth = search.smoothed();
        for (int i = 0; i < smooth.length; i++) {
            steps.addArray()
                    .add(search.rates().get(i))
                    .add(search.losses().get(i))
                    .add(smooth[i]);
        }
        String text = node.toPrettyString();
        run.artifacts().replace(path, () -> session.storage().writeAtomically(path, text));
        return text;
    }

    private String summary(RateSearch.@Nullable Found found) {
        Double rate = settings.training().learningRate();
        String now = rate == null ? "none" : Checks.text(rate);
        if (found == null) {
            return String.format(
                    Locale.ROOT,
                    "rates %s: the loss did not fall at any learning rate from %s to 1; %s",
                    run.method(),
                    Checks.text(RateSearch.LOW),
                    settings.training().headInit().equals("probe")
                            ? "the head of the probe may fit these images already: search with --set training.headInit=fresh"
                            : "check images, labels and model");
        }
        return String.format(
                Locale.ROOT,
                "rates %s: the loss falls fastest at %.1e and is back where it began at %s; try"
                        + " --set %straining.learningRate=%s (%s now)",
                run.method(),
                found.steepest(),
                Double.isFinite(found.blowsUp())
                        ? String.format(Locale.ROOT, "%.1e", found.blowsUp())
                        : "no rate up to 1",
                run.ownKeys(),
                Checks.text(found.suggested()),
                now);
    }

    /** Trains a copy of the start. The learner and its numbers are this method's own. */
    private RateSearch search() {
        TrainingSettings how = settings.training();
        Images images = run.images().training();
        PartSetup setup = training.first(images.labels());
        MultiLayerConfiguration configuration = Network.configuration(
                setup.layout(),
                how,
                settings.penalty().toPenalty(),
                new RateSearch.Rising(RateSearch.LOW, 1, RateSearch.STEPS));
        Progress.Meter meter = session.phase("rates " + run.method(), (long) RateSearch.STEPS * how.batchSize());
        RateSearch search = new RateSearch();
        Sampler sampler = TrainingLoop.sampler(run, images, run.images().preprocess(), 0);
        try (Replicas.Recipe recipe = setup.recipe(run, configuration);
                Learner learner = setup.learner(configuration, null);
                GradientSource rounds = Rounds.of(
                        session.reach(),
                        session.reach()
                                .standing(session.context(), settings.engine().rounds()),
                        session.context(),
                        images.shards(),
                        sampler,
                        recipe,
                        RateSearch.STEPS)) {
            float[] sent = learner.trained();
            for (int step = 0; step < RateSearch.STEPS && !search.isOver(); step++) {
                double rate = learner.learningRate();
                learner.trained(sent);
                StepGradient gradient = rounds.gradient(step, sent);
                double loss = gradient.loss() / gradient.examples();
                if (!Double.isFinite(loss) || !Double.isFinite(learner.apply(gradient, how.clipNorm()))) {
                    break;
                }
                search.add(rate, loss);
                meter.add(
                        gradient.examples(),
                        String.format(Locale.ROOT, "step %d, learning rate %.1e, loss %.4f", step + 1, rate, loss));
            }
            return search;
        }
    }
}
