package dev.grft.spark.tables;

import org.apache.spark.sql.SparkSession;
import scala.runtime.BoxedUnit;

/** Sessions of Spark beside that of the caller. */
public final class OwnSession {
    private OwnSession() {}

    /** Returns a session with the settings of another, so that changes of its own reach no query of others. */
    public static SparkSession like(SparkSession caller) {
        SparkSession own = caller.newSession();
        caller.conf().getAll().foreach(entry -> {
            if (!entry._2().equals(own.conf().get(entry._1(), null))) {
                try {
                    own.conf().set(entry._1(), entry._2());
                } catch (Exception e) { // AnalysisException, not declared
                    // It concerns the whole application: no session can change it.
                }
            }
            return BoxedUnit.UNIT;
        });
        return own;
    }
}
