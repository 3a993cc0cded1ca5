package dev.grft.spark.run;

import dev.grft.Delta;
import dev.grft.UserError;
import dev.grft.checkpoint.Checkpoint;
import dev.grft.checkpoint.artifact.DeltaFile;
import dev.grft.config.Settings;
import dev.grft.data.Labels;
import dev.grft.report.Progress;
import dev.grft.spark.cluster.Device;
import dev.grft.spark.work.ModelBroadcast;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.JavaSparkContext;
import org.jspecify.annotations.Nullable;

/**
 * The pretrained model of an application, on the driver and on its way to the executors, and the device that they compute with. Each is
 * opened when it is first used, and once.
 */
public final class Models implements AutoCloseable {
    private final JavaSparkContext context;
    private final Settings settings;
    private final Datasets datasets;
    private final Progress progress;
    private final boolean shared;
    private @Nullable Checkpoint pretrained;
    private @Nullable ModelBroadcast broadcast;
    private @Nullable Device device;

    /**
     * Returns the models of an application.
     *
     * @param settings of the application, whose runs have the same model and engine
     * @param datasets gets the pretrained model
     * @param shared whether the broadcast is shared with other applications of this Spark session
     */
    Models(JavaSparkContext context, Settings settings, Datasets datasets, Progress progress, boolean shared) {
        this.context = context;
        this.settings = settings;
        this.datasets = datasets;
        this.progress = progress;
        this.shared = shared;
    }

    /**
     * Returns the pretrained model.
     *
     * @throws UserError if none is configured, or it cannot be read
     */
    public Checkpoint pretrained() {
        if (pretrained == null) {
            String path = settings.model().pretrained();
            if (path == null) {
                throw new UserError(
                        "model.pretrained is not set; give the folder of a checkpoint with model.safetensors"
                                + " and config.json, such as --set model.pretrained=conf/demo/vit-demo");
            }
            Checkpoint read = Checkpoint.load(
                    context.hadoopConfiguration(), path, settings.model().imageSize());
            pretrained = read;
            datasets.weights(new Path(read.name()), read::sha256);
            read.notes().forEach(note -> progress.say("note: %s", note));
        }
        return pretrained;
    }

    /** Returns the pretrained weights on their way to the executors, with a head of zeros for these outputs. */
    public ModelBroadcast broadcast(Labels labels) {
        if (broadcast == null) {
            Checkpoint checkpoint = pretrained();
            broadcast = shared
                    ? ModelBroadcast.shared(context, checkpoint)
                    : ModelBroadcast.of(context, checkpoint.config(), checkpoint.tensors());
        }
        return broadcast.withHead(labels.size(), labels.task());
    }

    /** Returns the pretrained model with a delta merged into it, on its way to the executors; the caller closes it. */
    public ModelBroadcast moved(Delta delta) {
        Checkpoint moved = pretrained().merged(delta);
        return ModelBroadcast.of(context, moved.config(), moved.tensors());
    }

    /**
     * Returns a delta of the pretrained model.
     *
     * @throws UserError if it belongs to another
     */
    public DeltaFile delta(Path path) {
        DeltaFile file = DeltaFile.read(context.hadoopConfiguration(), path);
        pretrained().requireFits(file.delta());
        return file;
    }

    /**
     * Returns what tasks compute with.
     *
     * @throws UserError if it is not what the settings require
     */
    public Device device() {
        Device found = device;
        if (found == null) {
            found = Device.of(context, settings.engine());
            progress.say(
                    "computing on %s",
                    found.kind() == null ? "CPUs and GPUs" : found.kind().several());
            device = found;
        }
        return found;
    }

    /** Frees what the executors hold. */
    @Override
    public void close() {
        if (broadcast != null) {
            broadcast.close();
            broadcast = null;
        }
    }
}
