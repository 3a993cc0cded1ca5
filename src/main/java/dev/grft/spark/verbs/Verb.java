package dev.grft.spark.verbs;

import com.fasterxml.jackson.databind.JsonNode;
import dev.grft.checkpoint.artifact.DeltaFile;
import dev.grft.config.Settings;
import dev.grft.report.ModelCard;
import dev.grft.report.Tracking;
import dev.grft.spark.run.Run;
import dev.grft.spark.run.Session;
import org.apache.hadoop.fs.Path;
import org.jspecify.annotations.Nullable;

/** What a verb works with. */
abstract class Verb {
    final Run run;
    final Session session;
    final Settings settings;
    final boolean force;

    /**
     * Returns a verb.
     *
     * @param force whether it makes again what was made of the same inputs
     */
    Verb(Run run, boolean force) {
        this.run = run;
        this.session = run.session();
        this.settings = run.settings();
        this.force = force;
    }

    /**
     * Writes the card of a delta beside it, and sends it to the tracking server; says so if another file of that name is there.
     *
     * @param metrics see {@link ModelCard}
     */
    final void writeCard(Path folder, DeltaFile file, @Nullable JsonNode metrics, Tracking.Run tracked) {
        if (ModelCard.write(session.storage(), folder, file, run.models().pretrained(), settings, metrics)) {
            tracked.files(new Path(folder, ModelCard.NAME));
        } else {
            session.progress()
                    .say(
                            "note: %s/%s is not the card of a delta, so it stays and there is no card; set another run.directory",
                            folder, ModelCard.NAME);
        }
    }
}
