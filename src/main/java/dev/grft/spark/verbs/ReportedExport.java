package dev.grft.spark.verbs;

import dev.grft.UserError;
import dev.grft.checkpoint.Checkpoint;
import dev.grft.checkpoint.artifact.Export;
import dev.grft.checkpoint.file.Storage;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.report.Progress;
import dev.grft.report.lineage.Lineage;
import dev.grft.spark.run.Datasets;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.jspecify.annotations.Nullable;

/** Writes the result of a run for other programs, without Spark, and reports what it reads and writes. */
public final class ReportedExport {
    private final Configuration hadoop;
    private final Settings.Lineage reported;
    private final Supplier<@Nullable String> stopped;

    /**
     * Returns the export.
     *
     * @param reported where the data that it reads and writes are reported to; all other settings are those of the delta
     * @param stopped returns why it is stopped, null while it is not
     */
    public ReportedExport(Configuration hadoop, Settings.Lineage reported, Supplier<@Nullable String> stopped) {
        this.hadoop = hadoop;
        this.reported = reported;
        this.stopped = stopped;
    }

    /**
     * Exports the delta of a run and returns the paths that were written.
     *
     * @param run folder of the delta
     * @param library see {@link Export#of}
     * @param pretrained the pretrained model, if it has moved; null: where it was in the training
     * @param output folder that gets the files
     * @throws UserError see {@link Export}
     */
    public List<String> export(
            String format, String run, @Nullable String library, @Nullable String pretrained, String output) {
        Storage storage = new Storage(hadoop);
        // spark-submit puts the settings of Spark, such as the parent run, into system properties
        try (Lineage lineage = new Lineage(reported, run, "export", System::getProperty)) {
            lineage.start(storage, Progress.ofProcess(), Map.of("directory", run, "format", format), null);
            try {
                Datasets datasets = new Datasets(null, storage, lineage);
                Export export = Export.of(hadoop, run, format, library);
                Settings settings = Config.parse(export.place(), export.settings());
                datasets.read(export.delta().toString());
                Checkpoint from = export.write(
                        pretrained == null ? settings.model().pretrained() : pretrained,
                        settings.model().imageSize(),
                        (side, recipe) ->
                                settings.data().toPreprocess(side, recipe).recipe(),
                        output);
                datasets.weights(new Path(from.name()), from::sha256);
                datasets.wrote(output, -1, null);
                lineage.ended(Lineage.End.COMPLETE, null);
            } catch (RuntimeException e) {
                String why = stopped.get();
                String message = e.getMessage() == null ? e.toString() : e.getMessage();
                lineage.ended(why == null ? Lineage.End.FAIL : Lineage.End.ABORT, why == null ? message : why);
                throw e;
            }
        }
        return List.of(output);
    }
}
