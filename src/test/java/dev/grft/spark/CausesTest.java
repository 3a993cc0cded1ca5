package dev.grft.spark;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.UserError;
import java.io.IOException;
import org.apache.spark.SparkException;
import org.junit.jupiter.api.Test;

class CausesTest {
    @Test
    void aFullDiskOfAnExecutorIsForTheUserToMend() {
        String said =
                "Job aborted due to stage failure: Task 0 in stage 1.0 failed 4 times, most recent failure: Lost task 0.3"
                        + " (TID 7): java.io.IOException: No space left on device\n\tat java.base/java.io.FileOutputStream.writeBytes";
        assertThat(Causes.rethrown(new SparkException(said, new IOException("No space left on device"))))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith("a disk is full: ")
                .hasMessageEndingWith(
                        "java.io.IOException: No space left on device; make room, or set spark.local.dir to a larger one");
    }

    @Test
    void whatIsNotKnownStaysWhatItIs() {
        IllegalStateException bug = new IllegalStateException("no space for doubt");
        assertThat(Causes.rethrown(bug)).isSameAs(bug);
    }
}
