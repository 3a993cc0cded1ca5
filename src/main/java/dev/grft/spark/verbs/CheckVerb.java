package dev.grft.spark.verbs;

import dev.grft.MatrixShape;
import dev.grft.UserError;
import dev.grft.checkpoint.Checkpoint;
import dev.grft.checkpoint.file.OwnNames;
import dev.grft.config.DataSettings;
import dev.grft.config.Settings;
import dev.grft.config.TrainingSettings;
import dev.grft.cost.Fit;
import dev.grft.cost.MemoryModel;
import dev.grft.data.Preprocess;
import dev.grft.spark.cluster.Device;
import dev.grft.spark.cluster.ExecutorSettings;
import dev.grft.spark.cluster.NativeMemory;
import dev.grft.spark.images.Images;
import dev.grft.spark.run.Run;
import dev.grft.spark.run.Session;
import dev.grft.spark.training.EpochChoice;
import dev.grft.spark.training.Steps;
import dev.grft.spark.training.TrainingLoop;
import dev.grft.tuning.FrozenStages;
import dev.grft.tuning.Method;
import dev.grft.vit.VitConfig;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import java.util.stream.Stream;
import org.apache.spark.SparkConf;
import org.jspecify.annotations.Nullable;

/** Looks at settings, inputs and memory, and says what would run; makes nothing but a file that it deletes again. */
final class CheckVerb extends Verb {
    private static final long MIB = 1 << 20;

    /** What a process that computes on a GPU has beside its heap on its host: LibTorch's and CUDA's libraries and pinned copies. Estimated, bytes. */
    static final long HOST_OF_GPU = 5000 * MIB;

    CheckVerb(Run run, boolean force) {
        super(run, force);
    }

    /** Looks at what {@code pretrain} of a new model would do. */
    void checkNew() {
        requireWritable();
        PretrainVerb pretrain = new PretrainVerb(run, false);
        VitConfig config = pretrain.preset();
        say("model     a new %s: %s", Objects.requireNonNull(settings.model().preset()), config.text());
        Preprocess preprocess = pretrain.preprocess();
        say("images    %s", preprocess);
        Images images = run.images().training(preprocess, true);
        say("train", settings.data().train(), images);
        if (settings.data().test() != null) {
            say("test", settings.data().test(), run.images().test(images.labels(), preprocess));
        }
        sayTraining("pretrain ", images);
        new CheckVerb(run.forMethod(Method.FULL), false).memory(config, images);
    }

    /** Looks at the memory of another training of the same model and images. */
    void memoryOf(String what, Images images) {
        say("compared  %s", what);
        memory(run.models().pretrained().config(), images);
    }

    private void requireWritable() {
        Session.requireElsewhere(session.storage(), run);
        org.apache.hadoop.fs.Path trial = run.directory().path(OwnNames.TEMPORARY + UUID.randomUUID() + "-check.txt");
        session.storage().writeAtomically(trial, "can be written\n");
        session.storage().delete(trial);
    }

    /** Looks at a training, and returns its images. */
    Images check() {
        requireWritable();
        Checkpoint pretrained = run.models().pretrained();
        VitConfig config = pretrained.config();
        say("model     %s: %s, SHA-256 %s", pretrained.name(), config.text(), pretrained.sha256());
        Preprocess preprocess = run.images().preprocess();
        say("images    %s", preprocess);
        DataSettings data = settings.data();
        Images images = run.images().training();
        say("train", data.trainOnValidation() ? data.train() + " and " + data.validation() : data.train(), images);
        if (data.validation() != null) {
            say("valid", data.validation(), run.images().validation(images.labels()));
        }
        if (data.test() != null) {
            say("test", data.test(), run.images().test(images.labels()));
        }
        Device.Kind kind = run.models().device().kind();
        say("engine    computes on %s", kind == null ? "CPUs or GPUs, whichever the executors have" : kind.several());
        SelectVerb select = new SelectVerb(run, false);
        Map<String, MatrixShape> eligible = select.matrices(settings.selection().eligible(), "selection.matrices");
        String scores = run.method().isOfSlices() ? settings.selection().scores() : null;
        say(
                "selection %d matrices, axis %s, %s, %s",
                eligible.size(),
                settings.selection().orientation(),
                budget(),
                scores != null
                        ? "scores of " + scores + ", SHA-256 " + select.given().sha256()
                        : "score " + select.chosenScore().word() + ", loss "
                                + settings.selection().loss());
        sayTraining("training  by " + settings.tuning().method() + ":", images);
        EpochChoice.Split split = EpochChoice.split(settings);
        if (split != null) {
            say(
                    "epoch     the best on the %s images%s",
                    split, split == EpochChoice.Split.TEST ? ": " + EpochChoice.NOT_COMPARABLE : "");
        }
        MemoryModel costs = memory(config, images);
        disk(costs.frozen(), images.count());
        return images;
    }

    private void sayTraining(String what, Images images) {
        TrainingSettings training = settings.training();
        say(
                "%s %d epochs in batches of %d, %d shards of about %d, %s of %s%s",
                what,
                training.epochs(),
                training.batchSize(),
                training.shards(),
                training.batchSize() / training.shards(),
                training.updater(),
                training.rate(),
                training.headFactor() == 1
                        ? ""
                        : String.format(Locale.ROOT, ", of the head %.2g", training.rate() * training.headFactor()));
        shards(images.count());
    }

    private void say(String set, @Nullable String path, Images images) {
        say(
                "%-9s %s: %d images of %s, %d broken, %s",
                set,
                String.valueOf(path),
                images.count(),
                images.labels().counted(),
                images.broken().count(),
                images.passedOver());
    }

    /** Says if some cores have nothing to do in a step, because there are fewer shards than tasks that run at a time. */
    private void shards(long images) {
        TrainingSettings training = settings.training();
        int tasks = ExecutorSettings.tasksAtATime(session.context().sc());
        if (training.shards() >= tasks) {
            return;
        }
        int most = (int) Math.min(images, training.batchSize());
        String remedy = most <= training.shards()
                ? String.format(Locale.ROOT, "raise training.batchSize (%d) to use more", training.batchSize())
                : String.format(Locale.ROOT, "set training.shards=%d before the first training", Math.min(tasks, most));
        say(
                "          training.shards is %d, but %d tasks run at a time: %d of them have nothing to do in a step of training; %s",
                training.shards(), tasks, tasks - training.shards(), remedy);
    }

    private MemoryModel memory(VitConfig pretrained, Images images) {
        VitConfig config = pretrained.withClasses(images.labels().size());
        Fit fit = run.fit(config);
        Stream.of(fit.ofSelection(), fit.ofEvaluation(), fit.ofBackward(), fit.ofStep())
                .filter(Objects::nonNull)
                .forEach(line -> say("          %s", line));
        int examples = fit.withBackward();
        int seen = fit.withoutBackward();
        MemoryModel costs = MemoryModel.of(config, fit.settings(), images.count());
        long heap = Runtime.getRuntime().maxMemory();
        if (session.context().isLocal()) {
            int tasks = session.context().defaultParallelism();
            ExecutorSettings.Shared gpu = run.ofGpu();
            MemoryModel.Needs needs = costs.local(tasks, examples, seen);
            if (gpu != null) {
                needs = new MemoryModel.Needs(
                        needs.heap(), costs.driver().overhead() + HOST_OF_GPU + costs.besideGpu(tasks));
            }
            long available = NativeMemory.available();
            say(
                    "memory    one process, %d tasks of up to %d images, %,d trainable parameters: needs %s of heap and %s of"
                            + " native memory; has up to %s of heap, and %s are available on this machine",
                    tasks,
                    examples,
                    costs.trained(),
                    size(needs.heap()),
                    size(needs.overhead()),
                    size(heap),
                    size(available));
            requireHeap(settings, heap, needs.heap(), costs);
            if (available < needs.overhead()) {
                throw UserError.of(
                        "memory: %s are available, the job needs %s beside its heap; use fewer tasks (--master 'local[1]') or"
                                + " more shards",
                        size(available), size(needs.overhead()));
            }
            if (gpu != null) {
                gpu(gpu, costs, examples, seen);
            }
        } else {
            driver(costs, heap);
            executors(ExecutorSettings.of(session.context().getConf()), costs, examples, seen);
        }
        return costs;
    }

    /** Says what executors keep of frozen stages, beside the images. */
    private void disk(@Nullable FrozenStages frozen, long images) {
        Steps steps = new Steps(settings.training(), images);
        long end = steps.ends(
                        run.method().equals(Method.GRFT) ? settings.selection().everyEpochs() : null)
                .get(0); // no later part is longer
        if (frozen != null
                && !run.models().device().onGpus(session.context().getConf())
                && steps.repeat(0, end, settings.data())) {
            say(
                    "disk      nothing trains in %s: what comes out is kept in spark.local.dir, %s for %,d training images, at most %s"
                            + " on an executor (engine.frozenCacheGiB)",
                    frozen,
                    size(images * frozen.bytes()),
                    images,
                    size(settings.engine().frozenCacheBytes()));
        }
    }

    /** Requires that the driver has the heap that it needs. */
    static void requireHeap(Settings settings, long heap, long needed, MemoryModel costs) {
        if (heap < needed) {
            throw UserError.of(
                    "memory: the driver's heap has %s, tuning.method %s with %d shards and %,d trained parameters%s needs %s; set"
                            + " --driver-memory %dm",
                    size(heap),
                    settings.tuning().method(),
                    settings.training().shards(),
                    costs.trained(),
                    costs.probed() == 0 ? "" : " (and " + size(costs.probed()) + " of features for the linear probe)",
                    size(needed),
                    mebibytes(needed));
        }
    }

    /** Requires that a driver which is killed beyond its limit has what it needs beside its heap. */
    static void requireOverhead(ExecutorSettings.DriverOverhead overhead, long needed, long trained) {
        if (overhead.limited() && overhead.bytes() < needed) {
            throw UserError.of(
                    "memory: the driver has %s beside its heap, %,d trained parameters need %s (parameters, gradient, updater); set"
                            + " --conf spark.driver.memoryOverhead=%dm",
                    size(overhead.bytes()), trained, size(needed), mebibytes(needed));
        }
    }

    /** Requires that executors have the memory that their tasks need. */
    static void requireExecutor(ExecutorSettings executor, MemoryModel.Needs needs) {
        if (executor.heap() < needs.heap()) {
            throw UserError.of(
                    "memory: spark.executor.memory is %s, executors need %s; set --executor-memory %dm",
                    size(executor.heap()), size(needs.heap()), mebibytes(needs.heap()));
        }
        if (executor.limited() && executor.overhead() < needs.overhead()) {
            throw UserError.of(
                    "memory: executors have %s beside their heap, %d tasks need %s (weights, activations); set --conf"
                            + " spark.executor.memoryOverhead=%dm, or fewer spark.executor.cores or more training.shards",
                    size(executor.overhead()), executor.tasks(), size(needs.overhead()), mebibytes(needs.overhead()));
        }
    }

    /** Requires that a GPU has the memory that its tasks need. */
    static void requireGpu(ExecutorSettings.Shared gpu, long needed) {
        if (gpu.bytes() < needed) {
            throw UserError.of(
                    "memory: a GPU has %s for arrays (80 %% of its memory less 1 GiB), %d tasks on it need an estimated %s (weights,"
                            + " activations); use fewer tasks on it (spark.task.resource.gpu.amount=1, in local mode --master"
                            + " 'local[1]'), a smaller training.microBatch, or engine.recompute=true",
                    size(gpu.bytes()), gpu.tasks(), size(needed));
        }
    }

    private void driver(MemoryModel costs, long heap) {
        MemoryModel.Needs needs = costs.driver();
        SparkConf conf = session.context().getConf();
        ExecutorSettings.DriverOverhead overhead = ExecutorSettings.driverOverhead(conf);
        say(
                "memory    the driver, %,d trainable parameters: needs %s of heap and %s of native memory; has %s of heap"
                        + " and %s",
                costs.trained(),
                size(needs.heap()),
                size(needs.overhead()),
                size(heap),
                ofNative(overhead.limited(), overhead.bytes()));
        requireHeap(settings, heap, needs.heap(), costs);
        TrainingLoop.requireGathered(conf, settings.training().shards(), costs.gathered());
        requireOverhead(overhead, needs.overhead(), costs.trained());
    }

    private void executors(ExecutorSettings executor, MemoryModel costs, int examples, int seen) {
        if (executor.tasks() == 0) {
            throw UserError.of(
                    "spark.task.cpus is more than spark.executor.cores, %d: no task would ever run; lower it to"
                            + " engine.blasThreads, %d, or give executors more cores",
                    executor.cores(), settings.engine().blasThreads());
        }
        ExecutorSettings.Shared gpu = run.ofGpu();
        MemoryModel.Needs needs = costs.executor(executor.tasks(), examples, seen);
        if (gpu != null) {
            needs = new MemoryModel.Needs(needs.heap(), HOST_OF_GPU + costs.besideGpu(executor.tasks()));
        }
        say(
                "memory    an executor, %d tasks of up to %d images: needs %s of heap and %s of native memory; has %s of heap"
                        + " and %s",
                executor.tasks(),
                examples,
                size(needs.heap()),
                size(needs.overhead()),
                size(executor.heap()),
                ofNative(executor.limited(), executor.overhead()));
        say(
                "          --conf spark.executor.memory=%dm --conf spark.executor.memoryOverhead=%dm",
                mebibytes(needs.heap()), mebibytes(needs.overhead()));
        if (settings.engine().blasThreads() != executor.cpus()) {
            say(
                    "          engine.blasThreads is %d and spark.task.cpus %d: a task computes with the first and is given the"
                            + " second; make them equal",
                    settings.engine().blasThreads(), executor.cpus());
        }
        requireExecutor(executor, needs);
        if (gpu != null) {
            gpu(gpu, costs, examples, seen);
        }
    }

    private void gpu(ExecutorSettings.Shared shared, MemoryModel costs, int examples, int seen) {
        long needed = costs.onGpu(shared.tasks(), examples, seen);
        say(
                "memory    a GPU, %d tasks of up to %d images: needs an estimated %s for arrays; has %s for them",
                shared.tasks(), examples, size(needed), size(shared.bytes()));
        requireGpu(shared, needed);
    }

    private static long mebibytes(long bytes) {
        return (bytes + MIB - 1) / MIB;
    }

    private String budget() {
        Integer count = settings.selection().budget().count();
        return count != null
                ? count + " slices of each matrix"
                : settings.selection().budget().fraction() + " of all parameters";
    }

    private static String ofNative(boolean limited, long bytes) {
        return limited ? size(bytes) + " of native memory" : "the native memory of its machine";
    }

    private static String size(long bytes) {
        return String.format(Locale.ROOT, "%.0f MB", bytes / 1e6);
    }

    private void say(String message, Object... arguments) {
        session.out().println(String.format(Locale.ROOT, message, arguments));
    }
}
