package dev.grft.spark.verbs;

import dev.grft.Delta;
import dev.grft.Task;
import dev.grft.checkpoint.artifact.DeltaFile;
import dev.grft.config.Settings;
import dev.grft.data.Labels;
import dev.grft.measures.Measure;
import dev.grft.measures.Measures;
import dev.grft.measures.OddsHistogram;
import dev.grft.spark.images.Images;
import dev.grft.spark.images.Inputs;
import dev.grft.spark.run.Run;

/**
 * The thresholds of the classes of several labels: those with the best F1 on the validation images, if these are held out, and never on the
 * test images.
 */
final class Thresholds {
    private Thresholds() {}

    /** Returns whether they are chosen. */
    private static boolean chosen(Settings settings) {
        return settings.data().toTask() == Task.MULTI_LABEL
                && settings.data().validation() != null
                && !settings.data().trainOnValidation();
    }

    /** Returns a digest of the images that they are chosen on, and of how these are looked at; nothing if there are none. */
    static String inputs(Run run) {
        if (!chosen(run.settings())) {
            return "";
        }
        String images = Inputs.digest("thresholds", run.images().validationListing());
        return run.settings().evaluation().flip() ? images + " flip" : images;
    }

    /** Returns a delta with its thresholds; itself if it has some, or none are chosen. */
    static DeltaFile with(Run run, DeltaFile file) {
        if (!file.thresholds().isEmpty() || file.delta().task() != Task.MULTI_LABEL) {
            return file;
        }
        if (!chosen(run.settings())) {
            run.session()
                    .progress()
                    .say(
                            "%s: no images are held out to choose the classes' thresholds on; they are 0.5",
                            file.method());
            return file;
        }
        Delta delta = file.delta();
        Labels labels = Labels.of(delta);
        if (!Measure.MAP.isOf(labels.size())) {
            run.session()
                    .progress()
                    .say(
                            "%s: thresholds are not chosen for %,d classes, only for up to %,d; they are 0.5",
                            file.method(), labels.size(), OddsHistogram.MOST);
            return file;
        }
        Images images = run.images().validation(labels);
        Measures<?> measures = Measures.of(labels);
        run.inference(delta)
                .measure(
                        images,
                        run.session().phase("thresholds " + file.method(), images.count()),
                        measures,
                        judgment -> {});
        return file.with(measures.bestThresholds());
    }
}
