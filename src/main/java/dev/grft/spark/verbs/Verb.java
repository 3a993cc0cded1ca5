package dev.grft.spark.verbs;

import dev.grft.config.Settings;
import dev.grft.spark.run.Run;
import dev.grft.spark.run.Session;

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
}
