package dev.grft.report;

import com.fasterxml.jackson.annotation.JsonPropertyOrder;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a verb came to, for programs: the last line of standard output.
 *
 * @param verb such as {@code train}
 * @param status {@code done}; {@code stopped}, by {@code --max-time} or a signal, to be run again; {@code refused}, the user can
 *     mend it, or another driver is at work in the run directory; {@code lost}, the cluster was lost; {@code failed}, anything else
 * @param exit the exit code of the process: 128 plus the signal's number if a signal ended it
 * @param application Spark's name for it, null if there was none yet
 * @param directory the run directory, null if the settings cannot be read
 * @param seconds from the beginning of the verb
 * @param made paths of the artifacts that were made now, in this order
 * @param message what went wrong, or why it stopped, in one line; null if it is done
 */
@JsonPropertyOrder({"verb", "status", "exit", "application", "directory", "seconds", "made", "message"})
public record Summary(
        String verb,
        String status,
        int exit,
        @Nullable String application,
        @Nullable String directory,
        double seconds,
        List<String> made,
        @Nullable String message) {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    /** Returns a line of JSON. */
    public String json() {
        try {
            return MAPPER.writeValueAsString(this);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }
}
