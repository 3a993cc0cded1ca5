package dev.grft.spark.cluster;

import dev.grft.UserError;
import dev.grft.checkpoint.file.Failures;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Finds what a failed Spark job reports: the user's mistake, or the loss of the cluster. */
public final class Causes {
    /** What Spark says of executors that were lost as often as it allows, and of a scheduler that is no longer there; Hadoop, of HDFS and object stores. */
    private static final Pattern LOSS = Pattern.compile(
            "ExecutorLostFailure|SparkContext was shut down|stopped SparkContext"
                    + "|Master removed our application|masters are unresponsive|Application has been killed"
                    + "|application has already ended|Max number of executor failures|"
                    + Failures.AWAY
                    + "|FetchFailed|cannot rollback the|ExecutorDeadException|has failed the maximum allowable number of times");

    /** What the operating system says of a full disk, on whatever machine. */
    private static final Pattern FULL = Pattern.compile("[^\n]*(?:No space left on device|Disk quota exceeded)");

    /** What object stores and HDFS say of credentials that count no more. */
    private static final Pattern EXPIRED = Pattern.compile(
            "[^\n]*(?:ExpiredToken|RequestExpired|The provided token has expired|Error Code: InvalidToken"
                    + "|SecretManager\\$InvalidToken|token [^\n]*can't be found in cache)[^\n]*");

    /** What Spark says when one of its readers cannot read a file, with the file and what is wrong. */
    private static final Pattern READING = Pattern.compile(
            "(?:Encountered error while reading file|Parquet column cannot be converted in file) (\\S+?)\\.(?=\\s|$)([^\n]*)");

    /** What Spark says when a file is no longer there. */
    private static final Pattern GONE =
            Pattern.compile("([^\n]*)\nIt is possible the underlying files have been updated");

    private static final Pattern CAUSE = Pattern.compile("\nCaused by: (?:[\\w.$]+: )?([^\n]+)");

    /** What Spark says of tasks that return more than it may gather. */
    private static final Pattern GATHERED =
            Pattern.compile("[^\n]*(Total size of serialized results of \\d+ tasks \\([^)]*\\)) is bigger than"
                    + " (?:local )?(?:spark.driver.)?maxResultSize (\\([^)]*\\))");

    private Causes() {}

    /** Returns what a job returns; throws the user's mistake itself if a task has found one. */
    public static <T> T unwrapped(Supplier<T> job) {
        try {
            return job.get();
        } catch (UserError e) {
            throw e;
        } catch (Exception e) { // Spark throws checked exceptions undeclared
            throw rethrown(e);
        }
    }

    /**
     * Returns an exception to throw for a failed job: a {@link UserError} if a task has thrown one, whose message Spark
     * carries in its own as text, if a disk is full, if credentials have expired, if Spark cannot read a file, or if memory has run out.
     */
    public static RuntimeException rethrown(Throwable failure) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (cause instanceof UserError error) {
                return error;
            }
            String message = cause.getMessage();
            String mark = UserError.class.getName() + ": ";
            int at = message == null ? -1 : message.indexOf(mark);
            if (message != null && at >= 0) {
                int end = message.indexOf("\n\tat ", at);
                return new UserError(message.substring(at + mark.length(), end < 0 ? message.length() : end), failure);
            }
            Matcher full = FULL.matcher(String.valueOf(message));
            if (full.find()) {
                return new UserError(
                        "a disk is full: " + full.group() + "; make room, or set spark.local.dir to a larger one",
                        failure);
            }
            Matcher expired = EXPIRED.matcher(cause.toString());
            if (expired.find()) {
                return new UserError(
                        "the credentials of a file system have expired: " + expired.group()
                                + "; renew them and run the same command again",
                        failure);
            }
            UserError unreadable = unreadable(failure, String.valueOf(message));
            if (unreadable != null) {
                return unreadable;
            }
            Matcher gathered = GATHERED.matcher(String.valueOf(message));
            if (gathered.find()) {
                return new UserError(
                        gathered.group(1) + " is bigger than spark.driver.maxResultSize " + gathered.group(2)
                                + "; raise it, or set it to 0 for no limit",
                        failure);
            }
        }
        UserError memory = OutOfMemory.of(failure);
        if (memory != null) {
            return memory;
        }
        return failure instanceof RuntimeException runtime ? runtime : new IllegalStateException(failure);
    }

    /** Returns the error of a file that Spark cannot read; null if the failure is another, or the cluster is lost. */
    private static @Nullable UserError unreadable(Throwable failure, String message) {
        Matcher reading = READING.matcher(message);
        Matcher gone = GONE.matcher(message);
        if (isLoss(failure)) {
            return null;
        }
        if (reading.find()) {
            String detail = reading.group(2).strip();
            return new UserError(
                    reading.group(1) + ": Spark cannot read it ("
                            + (detail.isEmpty() || detail.equals("Details:") ? innermost(failure, message) : detail)
                            + "); write the file again, or leave it out",
                    failure);
        }
        return gone.find()
                ? new UserError(gone.group(1).strip() + "; keep the images unchanged during a run", failure)
                : null;
    }

    private static String innermost(Throwable failure, String message) {
        String last = null;
        for (Matcher cause = CAUSE.matcher(message); cause.find(); ) {
            last = cause.group(1);
        }
        return last == null ? first(failure) : last;
    }

    /** Returns whether a failure tells that executors or the scheduler were lost. */
    public static boolean isLoss(Throwable failure) {
        return Failures.matches(LOSS, failure);
    }

    /** Returns what a failure says, and its reason if that is not in it: a {@link UserError} has it. */
    public static String said(Throwable failure) {
        String message = String.valueOf(failure.getMessage());
        String first = first(failure);
        return failure instanceof UserError || message.contains(first) ? message : message + ": " + first;
    }

    /** Returns the first line of what the innermost cause says. */
    public static String first(Throwable failure) {
        Throwable cause = failure;
        while (cause.getCause() != null) {
            cause = cause.getCause();
        }
        return String.valueOf(cause.getMessage()).lines().findFirst().orElse(cause.toString());
    }
}
