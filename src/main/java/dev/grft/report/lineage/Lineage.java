package dev.grft.report.lineage;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.checkpoint.file.Storage;
import dev.grft.config.Credentials;
import dev.grft.config.Settings;
import dev.grft.report.Build;
import dev.grft.report.Progress;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.http.HttpTimeoutException;
import java.nio.channels.ClosedByInterruptException;
import java.security.SecureRandom;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.apache.hadoop.fs.Path;
import org.jspecify.annotations.Nullable;

/**
 * Reports one run of a verb as OpenLineage events: START, and COMPLETE, FAIL or ABORT with all datasets that it has read and written. A thread
 * of its own sends them. The run waits for it at the end only, at most {@code lineage.timeoutSeconds}. A failure to
 * send does not fail the run: each kind of failure is printed once.
 */
public final class Lineage implements AutoCloseable {
    private static final DateTimeFormatter TIME = DateTimeFormatter.ofPattern(
                    "uuuu-MM-dd'T'HH:mm:ss.SSSSSS'Z'", Locale.ROOT)
            .withZone(ZoneOffset.UTC);
    private static final double LONGEST_PAUSE = 30;
    private static final double PAUSE_AT_END = 0.5;

    /** How a run has ended, in OpenLineage's words. */
    public enum End {
        COMPLETE,
        FAIL,
        ABORT
    }

    private record Event(String name, String json, boolean last) {}

    private final Settings.Lineage settings;
    private final String job;
    private final String run = uuid(System.currentTimeMillis()).toString();
    private final @Nullable Parent parent;
    private final UnaryOperator<@Nullable String> environment;
    private final List<Dataset> inputs = new ArrayList<>();
    private final List<Dataset> outputs = new ArrayList<>();
    private final BlockingQueue<Event> waiting = new LinkedBlockingQueue<>();
    private final CountDownLatch closing = new CountDownLatch(1);
    private final ObjectNode runFacets = JsonNodeFactory.instance.objectNode();
    private @Nullable Thread thread;
    private @Nullable Progress progress;
    private End end = End.FAIL;
    private @Nullable String message;
    private final Set<String> said = ConcurrentHashMap.newKeySet();
    private Instant previous = Instant.EPOCH; // the time of the event before
    private long deadline; // of the end, System.nanoTime()
    private volatile boolean late; // the end does not wait any longer

    /**
     * Returns a run that has not begun. It reports nothing if there is no {@code lineage.uri}.
     *
     * @param directory of the run, whose name is the job's unless {@code lineage.job} says another
     * @param verb such as {@code train}
     * @param spark returns the value of a setting of Spark, null if it is not set; the parent run may be among them
     */
    public Lineage(Settings.Lineage settings, String directory, String verb, UnaryOperator<@Nullable String> spark) {
        this(settings, directory, verb, spark, System::getenv);
    }

    /** Returns the same with another environment for the key. */
    Lineage(
            Settings.Lineage settings,
            String directory,
            String verb,
            UnaryOperator<@Nullable String> spark,
            UnaryOperator<@Nullable String> environment) {
        this.settings = settings;
        String name = settings.job();
        this.job = verb + "." + (name == null ? new Path(directory).getName() : name);
        this.parent = Parent.of(spark);
        this.environment = environment;
    }

    /** Returns a UUID of version 7: they sort by the time in milliseconds. */
    static UUID uuid(long milliseconds) {
        SecureRandom random = new SecureRandom();
        return new UUID(
                milliseconds << 16 | 0x7000 | random.nextInt(1 << 12), random.nextLong() >>> 2 | Long.MIN_VALUE);
    }

    private boolean isOn() {
        return settings.uri() != null;
    }

    /** Returns settings of Spark that make this run the parent of those which OpenLineage's listener for Spark reports; empty if nothing is reported. */
    public Map<String, String> asParent() {
        if (!isOn()) {
            return Map.of();
        }
        Parent.Identity self = new Parent.Identity(run, settings.namespace(), job);
        return new Parent(self, parent == null ? self : parent.root()).settings();
    }

    /**
     * Sends START, and reports from now on. Does nothing if it has begun.
     *
     * @param storage for events in files; a lost claim on the run directory must not hinder it
     * @param tags of the run, such as its directory
     * @param spark the version of Spark; null: the verb runs without it
     */
    public void start(Storage storage, Progress told, Map<String, String> tags, @Nullable String spark) {
        String uri = settings.uri();
        if (uri == null || thread != null) {
            return;
        }
        progress = told;
        if (parent != null) {
            runFacets.set("parent", parent.facet());
        }
        if (spark != null) {
            runFacets.set(
                    "processing_engine",
                    Facets.of("ProcessingEngineRunFacet", "1-1-1")
                            .put("name", "spark")
                            .put("version", spark)
                            .put("openlineageAdapterVersion", Build.version()));
        }
        ObjectNode tagged = Facets.of("TagsRunFacet", "1-0-0");
        ArrayNode all = tagged.putArray("tags");
        new TreeMap<>(tags)
                .forEach((key, value) -> all.addObject()
                        .put("key", key)
                        .put("value", Credentials.masked(value))
                        .put("source", "GRFT"));
        runFacets.set("tags", tagged);
        Supplier<Transport> transport = () -> uri.matches("https?://.*")
                ? new HttpTransport(uri, settings.timeoutSeconds(), environment)
                : new FileTransport(storage, uri);
        Thread sender = new Thread(() -> send(transport.get()), "grft-lineage");
        sender.setDaemon(true);
        thread = sender;
        waiting.add(event("START", false));
        sender.start();
    }

    /** Adds datasets that were read. They are not described if nothing is reported. */
    public void read(Supplier<List<Dataset>> datasets) {
        add(inputs, datasets);
    }

    /** Adds datasets that were written, likewise. */
    public void wrote(Supplier<List<Dataset>> datasets) {
        add(outputs, datasets);
    }

    private synchronized void add(List<Dataset> to, Supplier<List<Dataset>> datasets) {
        if (thread == null) {
            return;
        }
        try {
            for (Dataset dataset : datasets.get()) {
                int known = 0;
                while (known < to.size() && !to.get(known).is(dataset)) {
                    known++;
                }
                if (known < to.size()) {
                    to.set(known, to.get(known).and(dataset));
                } else {
                    to.add(dataset);
                }
            }
        } catch (Exception
                | LinkageError e) { // the run does not fail for it; Spark throws checked exceptions undeclared
            for (Throwable cause = e; cause != null; cause = cause.getCause()) {
                if (cause instanceof InterruptedException
                        || cause instanceof InterruptedIOException
                        || cause instanceof ClosedByInterruptException) {
                    Thread.currentThread().interrupt(); // the run ends at its next wait
                }
            }
            say("does not receive some datasets, because they cannot be described (" + e + ")", "them");
        }
    }

    /**
     * Says how the run ends; without it, by {@link End#FAIL}.
     *
     * @param why the error; null if there is none
     */
    public void ended(End how, @Nullable String why) {
        end = how;
        message = why;
    }

    /** Begins to send the end of the run, for which {@link #close} waits at most {@code lineage.timeoutSeconds} from now. */
    public void finish() {
        if (thread == null || closing.getCount() == 0) {
            return;
        }
        deadline = System.nanoTime() + (long) (1e9 * settings.timeoutSeconds());
        if (message != null) {
            runFacets.set(
                    "errorMessage",
                    Facets.of("ErrorMessageRunFacet", "1-0-1")
                            .put("message", Credentials.masked(message))
                            .put("programmingLanguage", "JAVA"));
        }
        waiting.add(event(end.name(), true));
        closing.countDown();
    }

    /** Sends the end of the run and waits for it, not long. */
    @Override
    public void close() {
        finish();
        Thread sender = thread;
        if (sender == null) {
            return;
        }
        boolean interrupted = Thread.interrupted(); // the end is sent all the same
        try {
            sender.join(Math.max(1, (deadline - System.nanoTime()) / 1_000_000));
            if (sender.isAlive()) {
                late = true;
                sender.interrupt();
                sender.join(1000);
                say("did not take the end of the run within lineage.timeoutSeconds, " + settings.timeoutSeconds()
                        + " s");
            }
        } catch (InterruptedException e) {
            interrupted = true;
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private synchronized Event event(String type, boolean last) {
        Instant now = Instant.now().truncatedTo(ChronoUnit.MICROS);
        now = now.isAfter(previous)
                ? now
                : previous.plus(1, ChronoUnit.MICROS); // receivers and folders order events by their time
        previous = now;
        ObjectNode event = JsonNodeFactory.instance.objectNode();
        event.put("eventType", type).put("eventTime", TIME.format(now));
        event.put("producer", Facets.PRODUCER).put("schemaURL", Facets.RUN_EVENT);
        event.putObject("run").put("runId", run).set("facets", runFacets);
        ObjectNode jobType = Facets.of("JobTypeJobFacet", "2-0-4")
                .put("processingType", "BATCH")
                .put("integration", "GRFT")
                .put("jobType", "JOB");
        event.putObject("job")
                .put("namespace", settings.namespace())
                .put("name", job)
                .putObject("facets")
                .set("jobType", jobType);
        ArrayNode read = event.putArray("inputs");
        inputs.stream()
                .filter(input -> outputs.stream().noneMatch(input::is)) // what a run has written itself is no input
                .forEach(input -> input.to(read.addObject(), true));
        ArrayNode written = event.putArray("outputs");
        outputs.forEach(output -> output.to(written.addObject(), false));
        return new Event(TIME.format(now).replaceAll("[:.]", "-") + "-" + type + "-" + run, event.toString(), last);
    }

    /**
     * The thread: sends the events in their order. One that does not arrive is sent again after a pause, until the last has been sent. START is
     * given up at the end, which tells the same and more.
     */
    private void send(Transport transport) {
        try {
            Event event;
            do {
                event = waiting.take();
                double pause = 1;
                while (!arrives(transport, event)) {
                    if (closing.await((long) (1000 * pause), TimeUnit.MILLISECONDS)) {
                        if (!event.last) {
                            break;
                        }
                        TimeUnit.MILLISECONDS.sleep((long) (1000 * PAUSE_AT_END));
                    }
                    pause = Math.min(LONGEST_PAUSE, 2 * pause);
                }
            } while (!event.last);
        } catch (InterruptedException e) {
            // the end does not wait any longer, and says so
        }
    }

    /** Returns whether an event has arrived, or never will. */
    private boolean arrives(Transport transport, Event event) throws InterruptedException {
        try {
            transport.send(event.name, event.json);
            return true;
        } catch (Transport.Refused e) {
            requireTime();
            say("refuses (" + e.getMessage() + ")");
            return true;
        } catch (IOException e) {
            requireTime();
            say(
                    e instanceof HttpTimeoutException
                            ? "does not answer within lineage.timeoutSeconds; will try again"
                            : "cannot be reached (" + e + "); will try again");
            return false;
        } catch (RuntimeException e) { // of a file system
            requireTime();
            say("did not accept an event (" + e + ")");
            return true;
        }
    }

    /** File systems have errors of their own for the interrupt that ends the wait: these say nothing of the place of the events. */
    private void requireTime() throws InterruptedException {
        if (late) {
            throw new InterruptedException();
        }
    }

    private void say(String what) {
        say(what, "it");
    }

    private void say(String what, String without) {
        if (progress != null && said.add(what.split(" \\(", 2)[0])) {
            progress.say(
                    "%s",
                    Credentials.masked("lineage: " + settings.uri() + " " + what) + "; the run continues without "
                            + without);
        }
    }
}
