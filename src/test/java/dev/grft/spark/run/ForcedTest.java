package dev.grft.spark.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.checkpoint.file.Storage;
import dev.grft.report.Progress;
import dev.grft.report.lineage.Lineage;
import dev.grft.spark.verbs.Tiny;
import java.nio.file.Path;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is made again with --force, by the attempts of an application and by others. */
class ForcedTest {
    private static final String INPUTS = "inputs";

    @TempDir
    Path folder;

    private final Storage storage = new Storage(new Configuration());

    private org.apache.hadoop.fs.Path path() {
        return new org.apache.hadoop.fs.Path(folder + "/delta.safetensors");
    }

    private Artifacts artifacts(String application, boolean later) {
        Lineage lineage = new Lineage(Tiny.settings(List.of()).lineage(), folder.toString(), "train", key -> null);
        return new Artifacts(
                new RunDirectory(storage, folder.toString(), "grft"),
                storage,
                new Progress(System.err),
                new Artifacts.Made(application, later),
                new Datasets(null, storage, lineage),
                () -> {});
    }

    /** Returns whether the artifact was made, and if so, whether nothing of an earlier attempt counted. */
    private String make(Artifacts artifacts, boolean force, boolean killed) {
        return artifacts.artifact(path(), INPUTS, force, () -> "up to date", () -> {
            if (killed) {
                throw new IllegalStateException("killed");
            }
            artifacts.replace(path(), () -> storage.writeAtomically(path(), "x"));
            return artifacts.isForced(path()) ? "from the start" : "resumed";
        });
    }

    private void kill(Artifacts artifacts, boolean force) {
        assertThatThrownBy(() -> make(artifacts, force, true)).hasMessage("killed");
    }

    @Test
    void aLaterAttemptGoesOnWithWhatTheOneBeforeWasForcedToBegin() {
        assertThat(make(artifacts("app-1", false), false, false)).isEqualTo("resumed");
        kill(artifacts("app-2", false), true);
        kill(artifacts("app-2", true), true);
        assertThat(make(artifacts("app-2", true), true, false)).isEqualTo("resumed");
        assertThat(make(artifacts("app-2", true), true, false)).isEqualTo("up to date");
        assertThat(make(artifacts("app-3", false), true, false)).isEqualTo("from the start");
    }

    @Test
    void whatNoAttemptHasBegunIsForcedInALaterOne() {
        make(artifacts("app-1", false), true, false);
        assertThat(make(artifacts("app-2", true), true, false)).isEqualTo("from the start");
    }

    @Test
    void withoutForceTheSameCommandGoesOn() {
        make(artifacts("app-1", false), false, false);
        kill(artifacts("app-2", false), true);
        assertThat(make(artifacts("app-3", false), false, false))
                .as("not up to date, though the former one is there")
                .isEqualTo("resumed");
    }

    @Test
    void whatAKilledDriverHasLeftOfItIsDeleted() {
        String left = "._tmp-01234567-89ab-cdef-0123-456789abcdef-";
        storage.writeAtomically(path().suffix(".part"), "of another file");
        storage.move(path().suffix(".part"), new org.apache.hadoop.fs.Path(folder + "/" + left + "other"));
        storage.writeAtomically(path().suffix(".part"), "half of it");
        storage.move(path().suffix(".part"), new org.apache.hadoop.fs.Path(folder + "/" + left + "delta.safetensors"));

        make(artifacts("app-1", false), false, false);

        assertThat(folder.toFile().list())
                .containsExactlyInAnyOrder("delta.safetensors", "inputs.json", left + "other");
    }

    @Test
    void anApplicationMakesItOnce() {
        Artifacts artifacts = artifacts("app-1", false);
        assertThat(make(artifacts, true, false)).isEqualTo("from the start");
        assertThat(make(artifacts, true, false)).isEqualTo("up to date");
    }
}
