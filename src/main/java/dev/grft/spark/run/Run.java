package dev.grft.spark.run;

import dev.grft.Delta;
import dev.grft.UserError;
import dev.grft.checkpoint.artifact.DeltaFile;
import dev.grft.config.Config;
import dev.grft.config.SelectionSettings;
import dev.grft.config.Settings;
import dev.grft.cost.Fit;
import dev.grft.data.Labels;
import dev.grft.report.Tracking;
import dev.grft.spark.cluster.Device;
import dev.grft.spark.cluster.ExecutorSettings;
import dev.grft.spark.work.Inference;
import dev.grft.spark.work.ModelBroadcast;
import dev.grft.tuning.Method;
import dev.grft.vit.VitConfig;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.JavaSparkContext;
import org.jspecify.annotations.Nullable;

/**
 * One run: settings and a run directory, in a {@link Session} that outlives it. A comparison has many runs in one session; they share
 * the model and the images, which the session opens and closes.
 */
public final class Run {
    private final Session session;
    private final Settings settings;
    private final RunDirectory directory;
    private final boolean ofMethod; // and of no other
    private final RunImages images;
    private final Artifacts artifacts;
    private final Map<VitConfig, Fit> fits = new HashMap<>();

    private Run(Session session, Settings settings, RunDirectory directory, boolean ofMethod) {
        this.session = session;
        this.settings = settings;
        this.directory = directory;
        this.ofMethod = ofMethod;
        this.images = new RunImages(settings, session.models(), session.imageSets(), session.cropping());
        this.artifacts = new Artifacts(
                directory,
                session.storage(),
                session.progress(),
                session.madeByNow(),
                session.datasets(),
                session::requireClaim);
    }

    /** Returns the run of some settings, in their run directory. */
    Run(Session session, Settings settings) {
        this(session, settings, RunDirectory.of(session.storage(), settings), false);
    }

    /** Returns this run with the settings of one method, in the same run directory. */
    public Run forMethod(Method method) {
        say(Config.unused(settings, method.word()));
        return new Run(session, Config.forMethod(settings, method.word()), directory, true);
    }

    /** Returns a run with other settings of the same model and images, in a run directory of its own. */
    public Run with(Settings others) {
        return new Run(session, others);
    }

    /** Returns the application. */
    public Session session() {
        return session;
    }

    public Settings settings() {
        return settings;
    }

    /** Returns the method of the settings. */
    public Method method() {
        return Method.of(settings.tuning().method());
    }

    /**
     * Returns what a key begins with that changes this run alone, not those of other methods in the same run directory: such as
     * {@code methods.lora.}; empty if the settings are not those of one method.
     */
    public String ownKeys() {
        return ofMethod ? "methods." + method() + "." : "";
    }

    /** Returns the methods that the settings compare it with; a new list. */
    public List<Method> compared() {
        return settings.compare().methods().stream().map(Method::of).collect(Collectors.toCollection(ArrayList::new));
    }

    public RunDirectory directory() {
        return directory;
    }

    public RunImages images() {
        return images;
    }

    public Artifacts artifacts() {
        return artifacts;
    }

    public Models models() {
        return session.models();
    }

    /** Returns the tracking server's run of a folder with a delta; {@code goesOn}: that of an earlier application. */
    public Tracking.Run tracked(Path folder, boolean goesOn) {
        return session.tracking().run(folder, settings, goesOn);
    }

    /** Returns the settings that a delta was trained with; null, with a note, if they are of another build and mean nothing here. */
    public @Nullable Settings training(Path path, DeltaFile file) {
        try {
            return Config.parse(path + ": settings", file.settings());
        } catch (UserError e) {
            session.progress()
                    .say(
                            "note: images are prepared as the settings here say, not as in the training of %s: %s",
                            path, String.valueOf(e.getMessage()));
            return null;
        }
    }

    /** Returns the batches that a task has memory for. */
    public Fit fit(VitConfig config) {
        return fits.computeIfAbsent(config, model -> {
            JavaSparkContext context = session.context();
            ExecutorSettings.Shared gpu = ofGpu();
            if (gpu != null) {
                return Fit.onGpu(model, settings, gpu.bytes(), gpu.tasks());
            }
            ExecutorSettings.Shared shared =
                    ExecutorSettings.shared(context.getConf(), context.isLocal(), context.defaultParallelism());
            return shared == null
                    ? Fit.unlimited(model, settings)
                    : Fit.of(model, settings, shared.bytes(), shared.tasks());
        });
    }

    /** Returns what the tasks share that compute on a GPU; null if they compute on CPUs. */
    public ExecutorSettings.@Nullable Shared ofGpu() {
        long bytes = models().device().gpuBytes();
        if (bytes == 0) {
            return null;
        }
        JavaSparkContext context = session.context();
        int tasks = context.isLocal()
                ? context.defaultParallelism()
                : ExecutorSettings.of(context.getConf()).tasks();
        return ExecutorSettings.Shared.ofGpu(bytes, tasks);
    }

    /** Returns the application for passes of a model over images. */
    public Inference.Engine engine(VitConfig config) {
        Fit fit = fit(config);
        say(fit.ofEvaluation());
        return new Inference.Engine(session.context(), models().device(), fit.settings());
    }

    /** Returns what tasks compute the gradients of a model with. */
    public Device device(VitConfig config) {
        Fit fit = fit(config);
        say(fit.ofBackward());
        say(fit.ofStep());
        return models().device().recomputing(fit.recompute());
    }

    /** Returns how a model is scored. */
    public SelectionSettings selection(VitConfig config) {
        Fit fit = fit(config);
        say(fit.ofSelection());
        return fit.settings().selection();
    }

    private void say(@Nullable String line) {
        if (line != null) {
            session.sayOnce(line);
        }
    }

    /** Returns the pretrained model with a delta, ready to look at images. */
    public Inference inference(Delta delta) {
        ModelBroadcast model = models().broadcast(Labels.of(delta));
        return Inference.of(engine(model.config()), model, images.preprocess(), delta);
    }
}
