package dev.grft.spark.training;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.grft.UserError;
import dev.grft.checkpoint.artifact.DeltaFile;
import dev.grft.checkpoint.artifact.Manifest;
import dev.grft.data.Standard;
import dev.grft.report.Build;
import dev.grft.spark.run.Run;
import dev.grft.spark.run.Session;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.factory.Nd4j;

/** Where a result comes from: versions, commit, application, data. */
public final class Provenance {
    private static final String CHOSEN_ON = "epoch_chosen_on";
    private static final String DEVIATIONS = "value_deviations";

    private Provenance() {}

    /** Returns whether the epoch of a delta was chosen on the test images. */
    public static boolean isChosenOnTest(DeltaFile file) {
        return EpochChoice.Split.TEST
                .toString()
                .equals(parsed(file).path(CHOSEN_ON).asText());
    }

    /**
     * Returns the standard deviations of the training values of a delta's targets, {@code [K]}; null if it does not tell them, as of another
     * task.
     */
    public static float @Nullable [] deviations(DeltaFile file) {
        JsonNode all = parsed(file).path(DEVIATIONS);
        float[] deviations = new float[all.size()];
        for (int k = 0; k < deviations.length; k++) {
            deviations[k] = all.path(k).floatValue();
            if (!(deviations[k] > 0)) {
                return null;
            }
        }
        return deviations.length == file.delta().labels().size() ? deviations : null;
    }

    private static JsonNode parsed(DeltaFile file) {
        try {
            return new ObjectMapper().readTree(file.provenance());
        } catch (JsonProcessingException e) {
            throw new UserError("the delta's provenance is not JSON (" + e.getOriginalMessage() + "); train again", e);
        }
    }

    /**
     * Returns the provenance on one line, for the header of a file. Nothing in it differs between two runs of the same
     * program over the same inputs, so their files can have the same bytes; the application's id is in the manifest.
     */
    public static String json(Run run, String dataDigest) {
        return json(run, dataDigest, null, null);
    }

    /**
     * Returns the same of a delta.
     *
     * @param standard of the training values; null of another task
     * @param chosenOn the images that its epoch was chosen on; null if none was chosen
     */
    public static String json(
            Run run, String dataDigest, @Nullable Standard standard, EpochChoice.@Nullable Split chosenOn) {
        Map<String, Object> all = new LinkedHashMap<>(versions(run.session()));
        all.put("commit", Build.commit());
        all.put("kernels", run.settings().engine().kernels());
        all.put("precision", run.settings().engine().precision());
        all.put("data_digest", dataDigest);
        if (standard != null) {
            all.put(DEVIATIONS, standard.deviations());
        }
        if (chosenOn != null) {
            all.put(CHOSEN_ON, chosenOn.toString());
        }
        try {
            return new ObjectMapper().writeValueAsString(all);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Writes {@code manifest.json}. */
    public static void writeManifest(Run run, String dataDigest, String pretrainedSha256) {
        Session session = run.session();
        session.requireClaim();
        new Manifest(
                        run.settings(),
                        versions(session),
                        Build.commit(),
                        dataDigest,
                        run.images().trainingSnapshots(),
                        pretrainedSha256,
                        run.settings().run().seed(),
                        session.spark().sparkContext().applicationId())
                .write(session.hadoop(), run.directory().path("manifest.json"));
    }

    private static Map<String, String> versions(Session session) {
        Map<String, String> versions = new LinkedHashMap<>();
        versions.put("grft", Build.version());
        versions.put("java", System.getProperty("java.version"));
        versions.put("spark", session.spark().version());
        versions.put("nd4j", Build.nd4j());
        versions.put("backend", Nd4j.getBackend().getClass().getSimpleName());
        return versions;
    }
}
