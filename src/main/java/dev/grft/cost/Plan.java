package dev.grft.cost;

import static dev.grft.cost.Limit.number;
import static dev.grft.cost.Limit.text;

import dev.grft.checkpoint.Checkpoint;
import dev.grft.checkpoint.file.Storage;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.data.ImageRecipe;
import dev.grft.tuning.Method;
import dev.grft.tuning.Operations;
import dev.grft.vit.VitConfig;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.stream.DoubleStream;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;

/** What a training would cost, in words: a step and the whole, by number of executors, and what limits it. */
public final class Plan {
    private final Wish wish;
    private final Settings settings;
    private final CostModel costs;
    private final Measured measured;
    private final Executor executor;
    private final int most; // executors

    private Plan(Wish wish, Settings settings, CostModel costs, Measured measured) {
        this.wish = wish;
        this.settings = settings;
        this.costs = costs;
        this.measured = measured;
        this.executor = measured.executor();
        this.most = Collections.max(wish.executors());
    }

    /**
     * Returns what training a model by the settings' method would cost, as text. Measures what is not given, which takes seconds.
     *
     * @throws dev.grft.UserError if the model is neither a checkpoint nor the name of a size, or a photo cannot be decoded
     */
    public static String of(Configuration hadoop, Wish wish) {
        Settings settings =
                Config.forMethod(wish.settings(), wish.settings().tuning().method());
        VitConfig config;
        ImageRecipe recipe;
        if (new Storage(hadoop).exists(new Path(wish.model()))) {
            Checkpoint checkpoint =
                    Checkpoint.load(hadoop, wish.model(), settings.model().imageSize());
            config = checkpoint.config().withClasses(wish.classes());
            recipe = checkpoint.recipe();
        } else {
            VitConfig preset = VitConfig.preset(wish.model(), wish.classes());
            int side = settings.model().imageSize();
            config = side > 0 ? preset.withImageSize(side) : preset;
            recipe = ImageRecipe.same(0.5f, 0.5f, 0.9);
        }
        CostModel costs = CostModel.of(config, settings);
        return new Plan(wish, settings, costs, Measured.of(hadoop, wish, costs, settings, recipe)).words();
    }

    private String words() {
        boolean steps = !Phases.linear(settings);
        String later = steps
                ? costs.later(wish.executors(), executor, settings.engine().frozenCacheBytes())
                : "";
        return String.join(
                "\n",
                measured.words(),
                (steps ? costs.table(wish.executors(), executor) : CostTable.head(costs, executor))
                        + (later.isEmpty() ? "" : "\n" + later),
                feeding() + (wish.images() == null ? "" : "\n" + hours()),
                "With " + Limit.executors(most) + ": " + limit());
    }

    /** Returns what decodes and what it takes to feed a device. */
    private String feeding() {
        StringBuilder words = new StringBuilder(text(
                "Each image is decoded once in an application, before the first step. Prepared, it takes %,d bytes for %s in spark.local.dir%s.%n",
                measured.kept(),
                measured.photos(),
                wish.images() == null
                        ? ""
                        : text(
                                ", %,.1f GB on each of %s",
                                (double) measured.kept() * wish.images() / most / 1e9, Limit.executors(most))));
        if (!Phases.linear(settings)) {
            words.append(text(
                    "All epochs read it there, %s MB/s on each of %s. The plan does not count this reading.%n",
                    number(measured.kept() * trains() / 1e6), Limit.executors(most)));
        }
        if (executor.gpu()) {
            double image = new Operations(costs.config(), Map.of(), false).forward(1);
            words.append(text(
                    "In predict, an executor labels about %s images/s: %d %s %s images/s, then the GPU computes %s, and they take turns.%n",
                    number(executor.labels(image)),
                    executor.feed().cores(),
                    executor.feed().cores() == 1 ? "core decodes" : "cores decode",
                    number(executor.feed().decoding() * executor.feed().cores()),
                    number(executor.operations() / image)));
        }
        return words.toString();
    }

    /** Returns the images a second that each of the most executors trains. */
    private double trains() {
        return costs.division().batch() / costs.step(most, executor).seconds() / most;
    }

    private Phases phases(int executors) {
        return Phases.of(costs, settings, images(), executors, executor, measured.driver());
    }

    private long images() {
        Long images = wish.images();
        return images == null ? 0 : images;
    }

    private String hours() {
        StringBuilder table = new StringBuilder(text(
                "%,d images%s. Hours, without validation and test:%n%n%9s  %9s %9s %9s %9s %9s%n",
                images(),
                Phases.linear(settings)
                        ? ""
                        : text(
                                ", %s, %,d steps",
                                settings.training().epochs() == 1
                                        ? "1 epoch"
                                        : settings.training().epochs() + " epochs",
                                Phases.steps(settings.training(), images())),
                "executors",
                "decoding",
                "probe",
                "scoring",
                "training",
                "all"));
        for (int n : wish.executors()) {
            Phases hours = phases(n);
            table.append(text("%9d", n)).append(' ');
            DoubleStream.of(
                            hours.reading(),
                            hours.features() + hours.head(),
                            hours.scoring(),
                            hours.training(),
                            hours.all())
                    .forEach(seconds -> table.append(text(" %9s", hours(seconds))));
            table.append(String.format("%n"));
        }
        return table.toString();
    }

    private static String hours(double seconds) {
        double hours = seconds / 3600;
        return hours == 0 ? "0" : hours < 0.0005 ? "<0.001" : hours < 1 ? text("%.3f", hours) : number(hours);
    }

    /** Returns what limits the most executors, and up to how many help. */
    private String limit() {
        boolean only = Phases.linear(settings);
        String ofStep = only
                ? "The probe is the training, which has no steps.\n"
                : Limit.sentence(costs, most, executor) + "\n";
        return wish.images() == null ? ofStep + "For the time of a whole training give --images.\n" : ofPhase(ofStep);
    }

    private String ofPhase(String ofStep) {
        Phases hours = phases(most);
        double longest = DoubleStream.of(hours.reading(), hours.features(), hours.head(), hours.scoring())
                .max()
                .orElseThrow();
        if (hours.training() >= longest) {
            return ofStep + decodingOfSharing();
        }
        String training = Phases.linear(settings)
                ? text("%s h", hours(longest))
                : text("%s h, the training %s h", hours(longest), hours(hours.training()));
        if (longest == hours.reading()) {
            Feed feed = executor.feed();
            return text(
                    "Decoding limits: it takes %s. An executor decodes %s images/s, on %d of %d cores. Use more executors or more cores"
                            + " (spark.executor.cores)%s.%n",
                    training,
                    number(executor.decodes()),
                    feed.decoders(),
                    feed.cores(),
                    feed.decoders() < feed.cores() ? ", or more tasks, on whose cores images are decoded" : "");
        }
        if (longest == hours.head()) {
            return text(
                    "The driver limits: it trains the probe's head alone, on %d threads, in about %s.%s%n",
                    measured.driver().threads(),
                    training,
                    withoutProbe(
                            "smaller probe.epochs",
                            settings.probe().weightDecay() == null ? "a given probe.weightDecay" : ""));
        }
        if (longest == hours.features()) {
            return text("Computing features for the probe limits: it takes %s.%s%n", training, withoutProbe("", ""));
        }
        boolean cheaper =
                Method.of(settings.tuning().method()).needs() != Method.Needs.SCORES && !Fit.scoresForward(settings);
        return text(
                "Scoring limits: it takes %s. Use more executors, or select once and give selection.scores%s.%n",
                training,
                cheaper
                        ? ", or set selection.score=weight-activation, which takes a third of the time (other rows are selected)"
                        : "");
    }

    /** Returns what is shorter than a probe, of what the settings do not have yet; all of it changes results. */
    private String withoutProbe(String... others) {
        List<String> without = new ArrayList<>();
        if (Phases.lossOfProbe(settings)) {
            without.add("selection.loss=fresh");
        }
        if (Phases.headOfProbe(settings)) {
            without.add("training.headInit=fresh");
        }
        List<String> remedies = new ArrayList<>();
        if (!without.isEmpty() && !Phases.linear(settings)) {
            remedies.add(String.join(" and ", without) + ", so that no probe is needed");
        }
        Stream.of(others).filter(other -> !other.isEmpty()).forEach(remedies::add);
        return remedies.isEmpty()
                ? " Only more executors help."
                : " Set " + String.join(", or ", remedies) + " (the results change).";
    }

    /** Returns what decoding takes if tasks share each GPU as the limit of a step proposes. */
    private String decodingOfSharing() {
        if (!executor.gpu() || Limit.of(costs, most, executor) != Limit.IMAGES) {
            return "";
        }
        Sharing sharing = Sharing.of(costs, most, executor);
        return sharing == null
                ? ""
                : text(
                        "With tasks that share a GPU decoding takes %s h in place of %s h.%n",
                        hours(images() / (most * sharing.executor().decodes())),
                        hours(images() / (most * executor.decodes())));
    }
}
