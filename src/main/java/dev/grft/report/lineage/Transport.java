package dev.grft.report.lineage;

import java.io.IOException;

/** Where events go. */
interface Transport {
    /**
     * Sends an event and returns once it has arrived.
     *
     * @param name of the event, unique and in the order of time
     * @param json the event on one line
     * @throws Refused if another attempt would end as this one
     * @throws IOException if a later attempt may succeed
     */
    void send(String name, String json) throws IOException, InterruptedException;

    /** A failure that another attempt does not change. */
    final class Refused extends IOException {
        private static final long serialVersionUID = 1L;

        Refused(String message) {
            super(message);
        }
    }
}
