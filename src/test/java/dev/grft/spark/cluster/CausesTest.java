package dev.grft.spark.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.UserError;
import java.io.IOException;
import java.io.UncheckedIOException;
import org.apache.spark.SparkException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

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

    /** Messages of hadoop-aws 3.3.4 and 3.4.1 and of HDFS. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "getFileStatus on s3a://b/runs/x/lease.json: com.amazonaws.services.s3.model.AmazonS3Exception: The provided token has"
                        + " expired. (Service: Amazon S3; Status Code: 400; Error Code: ExpiredToken; Request ID: 7)",
                "The provided token has expired. (Service: S3, Status Code: 400, Request ID: 7)",
                "DestHost:destPort b:8020 , LocalHost:localPort a/127.0.0.1:0. Failed on local exception: java.io.IOException:"
                        + " org.apache.hadoop.security.token.SecretManager$InvalidToken: token (HDFS_DELEGATION_TOKEN token 7 for"
                        + " me) can't be found in cache"
            })
    void expiredCredentialsAreForTheUserToRenew(String said) {
        assertThat(Causes.rethrown(
                        new UncheckedIOException("runs/x/lease.json: cannot be read", new IOException(said))))
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith("the credentials of a file system have expired: ")
                .hasMessageContaining(said)
                .hasMessageEndingWith("; renew them and run the same command again");
    }

    @Test
    void aFailureIsSaidWithItsReason() {
        IOException reason = new IOException("Connection reset");
        assertThat(Causes.said(new UncheckedIOException("x: cannot be read", reason)))
                .isEqualTo("x: cannot be read: Connection reset");
        assertThat(Causes.said(new UncheckedIOException("x: cannot be read (Connection reset)", reason)))
                .isEqualTo("x: cannot be read (Connection reset)");
        assertThat(Causes.said(new UserError("x: access is denied; check its rights", new IOException("403"))))
                .isEqualTo("x: access is denied; check its rights");
    }

    @Test
    void whatIsNotKnownStaysWhatItIs() {
        IllegalStateException bug = new IllegalStateException("no space for doubt");
        assertThat(Causes.rethrown(bug)).isSameAs(bug);
    }

    /** Messages of Hadoop 3.3.4, of a NameNode that ends while it is asked, hangs, or cannot be reached, and of lost DataNodes. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "End of File Exception between local host is: \"a/127.0.0.1\"; destination host is: \"b\":8020; : java.io.EOFException",
                "Call From a/127.0.0.1 to b:8020 failed on connection exception: java.net.ConnectException: Connection refused",
                "Call From a/127.0.0.1 to b:8020 failed on socket timeout exception: java.net.SocketTimeoutException",
                "DestHost:destPort b:8020 , LocalHost:localPort a/127.0.0.1:0. Failed on local exception: java.io.IOException",
                "All datanodes [DatanodeInfoWithStorage[127.0.0.1:9866,DS-1,DISK]] are bad. Aborting..."
            })
    void whatHadoopSaysOfALostHdfsIsALoss(String said) {
        assertThat(Causes.isLoss(
                        new UncheckedIOException("/run/delta.safetensors: cannot be written", new IOException(said))))
                .isTrue();
    }

    /** Messages of Spark 3.5.5 when executors are lost while others fetch shuffle files from them. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "Job aborted due to stage failure: ResultStage 7 (collect at A.java:1) has failed the maximum allowable number of"
                        + " times: 4. Most recent failure reason: org.apache.spark.shuffle.MetadataFetchFailedException: Missing an"
                        + " output location for shuffle 2 partition 5",
                "Job aborted due to stage failure: Task 0 in stage 1.0 failed 1 times, most recent failure: Lost task 0.0 (TID 1):"
                        + " FetchFailed(null, shuffleId=2, mapIndex=-1, mapId=-1, reduceId=5, message=gone)",
                "org.apache.spark.ExecutorDeadException: The relative remote executor(Id: 5), which maintains the block data to"
                        + " fetch is dead."
            })
    void whatSparkSaysOfShuffleFilesThatWereLostWithExecutorsIsALoss(String said) {
        SparkException failure = new SparkException(said);
        assertThat(Causes.isLoss(failure)).isTrue();
        assertThat(Causes.rethrown(failure)).isNotInstanceOf(UserError.class);
    }
}
