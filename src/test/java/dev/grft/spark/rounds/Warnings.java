package dev.grft.spark.rounds;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.core.LogEvent;
import org.apache.logging.log4j.core.Logger;
import org.apache.logging.log4j.core.appender.AbstractAppender;
import org.apache.logging.log4j.core.config.Property;

/** Collects what a class warns of. */
public final class Warnings extends AbstractAppender {
    private final List<String> said = new CopyOnWriteArrayList<>();

    public interface Act {
        void run() throws Exception;
    }

    private Warnings() {
        super("warnings", null, null, true, Property.EMPTY_ARRAY);
    }

    /** Returns the warnings and errors of a class while something is done. */
    public static List<String> of(Class<?> who, Act act) throws Exception {
        Warnings warnings = new Warnings();
        warnings.start();
        Logger logger = (Logger) LogManager.getLogger(who);
        logger.addAppender(warnings);
        try {
            act.run();
        } finally {
            logger.removeAppender(warnings);
            warnings.stop();
        }
        return warnings.said;
    }

    @Override
    public void append(LogEvent event) {
        if (event.getLevel().isMoreSpecificThan(Level.WARN)) {
            said.add(event.getMessage().getFormattedMessage());
        }
    }
}
