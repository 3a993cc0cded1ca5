package dev.grft.spark.cluster;

import java.lang.reflect.Constructor;
import java.util.stream.Stream;
import org.apache.spark.SparkUserAppException;
import org.apache.spark.sql.SparkSession;
import org.jspecify.annotations.Nullable;
import scala.Option;

/** How the process ends, and its exit codes; a process that a signal ends has 128 and the signal's number, such as 143. */
public final class Exit {
    /** Everything is made. */
    public static final int DONE = 0;

    /** The user can mend what is wrong. */
    public static final int USER = 2;

    /** A mistake of the program. */
    public static final int OURS = 3;

    /** The cluster was lost, or another driver is at work in the run directory: later the same command succeeds. */
    public static final int LOST = 4;

    /** {@code --max-time} is over; run the same command again to resume. */
    public static final int STOPPED = 5;

    private Exit() {}

    /** Returns the session of a Spark application that is there already and is not to be ended, such as in a JAR task of Databricks; null if none is. */
    public static @Nullable SparkSession host() {
        return Stream.of(
                        SparkSession.getActiveSession(), SparkSession.getDefaultSession()) // of this thread, and of all
                .filter(Option::isDefined)
                .map(Option::get)
                .filter(session -> !session.sparkContext().isStopped())
                .findFirst()
                .orElse(null);
    }

    /**
     * Ends the process with a code; returns if that is 0: to YARN even an exit with 0 is a failure.
     *
     * @param hosted whether the process is another program's, see {@link #host}
     * @throws SparkUserAppException in such a process, and on a driver inside YARN, which reports to the user no other code than one of these
     */
    public static void with(int code, boolean hosted) throws SparkUserAppException {
        if (code == DONE) {
            return;
        }
        if (hosted) {
            throw exited(code);
        }
        if (System.getProperty("spark.master", "").startsWith("yarn")
                && System.getProperty("spark.submit.deployMode", "").equals("cluster")) {
            throw exited(code);
        }
        System.exit(code);
    }

    /**
     * Returns the exception that gives YARN's diagnostics, or the program around this one, the exit code: Spark 3 makes it of the code alone, Spark 4
     * of a cause too.
     */
    static SparkUserAppException exited(int code) {
        Constructor<?> made = SparkUserAppException.class.getConstructors()[0];
        try {
            return (SparkUserAppException)
                    (made.getParameterCount() == 1 ? made.newInstance(code) : made.newInstance(code, null));
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("Spark's SparkUserAppException cannot be made: " + made, e);
        }
    }
}
