package dev.grft.checkpoint.artifact;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import dev.grft.checkpoint.file.Json;
import dev.grft.checkpoint.file.Storage;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.jspecify.annotations.Nullable;

/**
 * What it takes to repeat a run, as {@code manifest.json}.
 *
 * @param settings the resolved configuration; its components become JSON
 * @param versions of Java, Spark, ND4J and whatever else computes, by name in lower case
 * @param commit of this program, or {@code unknown}
 * @param dataDigest of the examples that were trained on
 * @param dataSnapshots snapshots of the tables that hold them, by what the settings call these; empty for files
 * @param pretrainedSha256 SHA-256 of the pretrained file in lower-case hexadecimal
 * @param seed of everything random
 * @param applicationId Spark's name of the run; null outside Spark
 */
public record Manifest(
        @JsonProperty("settings") Record settings,
        @JsonProperty("versions") Map<String, String> versions,
        @JsonProperty("commit") String commit,
        @JsonProperty("data_digest") String dataDigest,

        @JsonProperty("data_snapshots") @JsonInclude(JsonInclude.Include.NON_EMPTY)
        Map<String, String> dataSnapshots,

        @JsonProperty("pretrained_sha256") String pretrainedSha256,
        @JsonProperty("seed") long seed,
        @JsonProperty("application_id") @Nullable String applicationId) {

    /**
     * Writes the manifest.
     *
     * @throws dev.grft.UserError if the directory cannot be written
     */
    public void write(Configuration hadoop, Path path) {
        new Storage(hadoop).writeAtomically(path, text());
    }

    /** Returns the manifest as JSON for people. */
    public String text() {
        return Json.pretty(this);
    }
}
