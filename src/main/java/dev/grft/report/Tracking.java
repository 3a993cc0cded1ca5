package dev.grft.report;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.checkpoint.file.Storage;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.measures.Measure;
import dev.grft.train.Trainer;
import java.io.IOException;
import java.net.ConnectException;
import java.net.http.HttpConnectTimeoutException;
import java.net.http.HttpTimeoutException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.UnaryOperator;
import org.apache.hadoop.fs.Path;
import org.jspecify.annotations.Nullable;

/**
 * Tells a tracking server of MLflow what the runs of an application come to. A thread of its own does so: a caller that reports something
 * never waits, but at the end, and then not long. A server that is away or refuses is said once; what it did not receive is lost in the
 * end, and nothing else.
 *
 * <p>Each folder with a delta is a run of its own. {@code tracking.json} there remembers it, so that a training that goes on, or the
 * evaluation in another process, goes on in the same run.
 */
public final class Tracking implements AutoCloseable {
    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final int WAITING = 20_000; // messages; a step is one
    private static final double LONGEST_PAUSE = 30;
    private static final double PAUSE_AT_END = 0.5;

    /** How an application has ended. */
    public enum Outcome {
        FINISHED(Mlflow.Status.FINISHED, Mlflow.FILE),
        FAILED(Mlflow.Status.FAILED, 1),
        KILLED(Mlflow.Status.KILLED, 1);

        private final Mlflow.Status status;
        private final int patience;

        /** {@code patience} is how long the end may wait for the server, in times of {@code tracking.timeoutSeconds}. */
        Outcome(Mlflow.Status status, int patience) {
            this.status = status;
            this.patience = patience;
        }
    }

    /** Something to tell the server. */
    private interface Message {
        void to(Mlflow server) throws IOException, InterruptedException;
    }

    /** Numbers, of which those that wait for the same run go in one call. */
    private record Numbers(Run run, List<Mlflow.Metric> metrics) implements Message {
        @Override
        public void to(Mlflow server) throws IOException, InterruptedException {
            if (run.known != null) {
                server.metrics(run.known.id(), metrics);
            }
        }
    }

    private final Settings.@Nullable Tracking settings;
    private final Storage storage;
    private final Progress progress;
    private final String application;
    private final Map<String, Run> runs = new LinkedHashMap<>();
    private final BlockingQueue<Message> waiting = new LinkedBlockingQueue<>(WAITING);
    private final @Nullable Thread thread;
    private volatile Outcome outcome = Outcome.FINISHED;
    private final CountDownLatch closing = new CountDownLatch(1);
    private volatile boolean incomplete;
    private volatile boolean late; // the end does not wait any longer
    private final AtomicLong models = new AtomicLong(); // bytes that wait
    private boolean said;
    private boolean saidOfFiles;

    /**
     * Returns the tracking of an application; it does nothing if there is no {@code tracking.uri}.
     *
     * @param application what runs, such as {@code grft train runs/run}
     */
    public Tracking(Settings.Tracking settings, Storage storage, Progress progress, String application) {
        this(settings, storage, progress, application, System::getenv);
    }

    /** Returns the same with another environment for the credentials. */
    Tracking(
            Settings.Tracking settings,
            Storage storage,
            Progress progress,
            String application,
            UnaryOperator<@Nullable String> environment) {
        this.storage = storage;
        this.progress = progress;
        this.application = application;
        String uri = settings.uri();
        if (uri == null) {
            this.settings = null;
            this.thread = null;
        } else {
            this.settings = settings;
            Mlflow server = new Mlflow(uri, settings.timeoutSeconds(), environment);
            this.thread = new Thread(() -> tell(server), "grft-tracking");
            this.thread.setDaemon(true);
            this.thread.start();
        }
    }

    /**
     * Returns the run of a folder, which begins or goes on now if it has not in this application.
     *
     * @param all what was set
     * @param goesOn whether the run that the folder has already goes on; else another begins
     */
    public synchronized Run run(Path folder, Settings all, boolean goesOn) {
        Run run = runs.get(folder.toString());
        if (run == null || !goesOn) {
            run = new Run(folder);
            runs.put(folder.toString(), run);
            Run begun = run;
            send(server -> begun.begin(server, goesOn));
            send(server -> begun.parameters(server, Config.values(all)));
        }
        return run;
    }

    /** Says how the application ends; it has {@link Outcome#FINISHED} if nobody does. */
    public void outcome(Outcome how) {
        outcome = how;
    }

    /** Ends all runs and waits, not long, until the server has everything. */
    @Override
    public void close() {
        if (thread == null || settings == null || isClosing()) {
            return;
        }
        Outcome how = outcome;
        synchronized (this) {
            runs.values().forEach(run -> send(server -> run.status(server, how.status)));
        }
        closing.countDown();
        send(server -> {}); // wakes it
        double seconds = how.patience * settings.timeoutSeconds()
                + (how == Outcome.FINISHED ? (double) models.get() / Mlflow.BYTES_A_SECOND : 0);
        try {
            thread.join((long) Math.ceil(1000 * seconds));
            late = thread.isAlive();
            if (late) {
                thread.interrupt();
                thread.join(1000);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        if (late) {
            progress.say(
                    "tracking: not everything was sent to the server in %s s; raise tracking.timeoutSeconds", seconds);
        } else if (incomplete || thread.isAlive()) {
            progress.say("tracking: not everything was sent to the server");
        }
    }

    private void send(Message message) {
        if (thread != null && !waiting.offer(message)) {
            incomplete = true; // a server that is away for hours
        }
    }

    /** The thread: sends what waits, in its order, until it is closed and nothing waits. */
    private void tell(Mlflow server) {
        double pause = 1;
        try {
            while (true) {
                Message message = isClosing() ? waiting.poll() : waiting.take();
                if (message == null) {
                    return;
                }
                message = joined(message);
                boolean sent = false;
                while (!sent) {
                    try {
                        message.to(server);
                        pause = 1;
                        sent = true;
                    } catch (Mlflow.Refused e) {
                        incomplete = true;
                        say("refuses (" + e.getMessage() + ")");
                        sent = true;
                    } catch (IOException e) {
                        if (late) {
                            return; // as below
                        }
                        say(
                                e instanceof HttpTimeoutException
                                        ? "does not answer within tracking.timeoutSeconds; will try again"
                                        : "cannot be reached (" + e + "); will try again");
                        if (isClosing() && isAway(e)) {
                            incomplete = true;
                            return;
                        }
                        if (closing.await((long) (1000 * pause), TimeUnit.MILLISECONDS)) {
                            TimeUnit.MILLISECONDS.sleep((long) (1000 * PAUSE_AT_END)); // until it is late
                        }
                        pause = Math.min(LONGEST_PAUSE, 2 * pause);
                    } catch (RuntimeException e) { // of the storage, also for the interrupt that ends the wait
                        incomplete = true;
                        if (late) {
                            return;
                        }
                        say("did not accept an entry (" + e + ")");
                        sent = true;
                    }
                }
            }
        } catch (InterruptedException e) {
            incomplete = true; // the end does not wait any longer
        }
    }

    private boolean isClosing() {
        return closing.getCount() == 0;
    }

    /** Returns whether there is no server at all; one that is busy or slow may take the rest before the end is late. */
    private static boolean isAway(IOException e) {
        return e instanceof ConnectException || e instanceof HttpConnectTimeoutException;
    }

    /** Returns a message, numbers with those that wait behind them for the same run. */
    private Message joined(Message first) {
        if (!(first instanceof Numbers numbers)) {
            return first;
        }
        List<Mlflow.Metric> all = new ArrayList<>(numbers.metrics);
        while (waiting.peek() instanceof Numbers next
                && next.run == numbers.run
                && all.size() + next.metrics.size() <= Mlflow.METRICS) {
            waiting.remove();
            all.addAll(next.metrics);
        }
        return new Numbers(numbers.run, all);
    }

    private void say(String what) {
        if (!said && settings != null) {
            said = true;
            progress.say("%s", "tracking: " + settings.uri() + " " + what + "; the run continues without it");
        }
    }

    /** One run; it passes on what it receives, and returns at once. */
    public final class Run {
        private final Path folder;
        private Mlflow.@Nullable Run known; // of the thread alone, as what follows
        private boolean isNew;
        private ObjectNode told = MAPPER.createObjectNode(); // tracking.json

        private Run(Path folder) {
            this.folder = folder;
        }

        private void begin(Mlflow server, boolean goesOn) throws IOException, InterruptedException {
            Settings.Tracking where = settings;
            if (where == null) {
                return;
            }
            Mlflow.Run earlier = goesOn && storage.exists(file()) ? remembered(where) : null;
            if (earlier != null) {
                try {
                    server.status(earlier.id(), Mlflow.Status.RUNNING);
                    known = earlier;
                    return;
                } catch (Mlflow.Refused e) {
                    // deleted there: another takes its place
                }
            }
            Map<String, String> tags = new LinkedHashMap<>();
            tags.put("mlflow.source.name", application);
            tags.put("mlflow.source.type", "JOB");
            tags.put("mlflow.source.git.commit", Build.commit());
            tags.put("mlflow.user", System.getProperty("user.name", "unknown"));
            tags.put("grft.directory", folder.toString());
            Mlflow.Run made = server.create(where.experiment(), folder.getName(), tags);
            known = made;
            told = MAPPER.createObjectNode();
            told.put("uri", where.uri());
            told.put("experiment", where.experiment());
            told.put("run", made.id());
            told.put("artefacts", made.artifacts());
            isNew = true;
            remember();
        }

        private Path file() {
            return new Path(folder, "tracking.json");
        }

        private void remember() throws IOException {
            storage.writeAtomically(file(), MAPPER.writeValueAsString(told) + "\n");
        }

        private void parameters(Mlflow server, Map<String, String> parameters)
                throws IOException, InterruptedException {
            if (known != null && isNew) {
                server.parameters(known.id(), parameters);
            }
        }

        /** Returns the run that an earlier application has begun, null if it was on another server or of another experiment. */
        private Mlflow.@Nullable Run remembered(Settings.Tracking where) throws IOException {
            if (!(MAPPER.readTree(storage.readString(file())) instanceof ObjectNode node)
                    || !node.path("uri").asText().equals(where.uri())
                    || !node.path("experiment").asText().equals(where.experiment())) {
                return null;
            }
            told = node;
            return new Mlflow.Run(
                    node.path("run").asText(), node.path("artefacts").asText());
        }

        private void status(Mlflow server, Mlflow.Status status) throws IOException, InterruptedException {
            if (known != null) {
                server.status(known.id(), status);
            }
        }

        /** Tells of a step: loss, penalty, learning rate, norm of the gradient, epoch, images a second. */
        void step(Trainer.Step step) {
            Map<String, Double> numbers = new LinkedHashMap<>();
            numbers.put("loss", step.loss());
            numbers.put("penalty", step.penalty());
            numbers.put("learning_rate", step.learningRate());
            numbers.put("gradient_norm", step.gradientNorm());
            numbers.put("epoch", step.epoch());
            numbers.put("images_per_second", step.examples() / step.seconds());
            numbers(numbers, step.step());
        }

        /** Tells what the model came to after an epoch, on some images. */
        void epoch(long step, String split, Map<Measure, Double> values) {
            Map<String, Double> numbers = new LinkedHashMap<>();
            values.forEach((measure, value) -> numbers.put(split + "." + measure.key(), value));
            numbers(numbers, step);
        }

        /** Reports every value of a method in {@code metrics.json}, below {@code result}. */
        public void results(JsonNode metrics) {
            Map<String, Double> numbers = new LinkedHashMap<>();
            collect("result", metrics, numbers);
            numbers(numbers, 0);
        }

        private static void collect(String name, JsonNode node, Map<String, Double> numbers) {
            if (node.isNumber()) {
                numbers.put(name, node.asDouble());
            }
            node.properties().forEach(field -> collect(name + "." + field.getKey(), field.getValue(), numbers));
        }

        private void numbers(Map<String, Double> numbers, long step) {
            if (thread == null) {
                return;
            }
            long now = System.currentTimeMillis();
            List<Mlflow.Metric> metrics = new ArrayList<>();
            numbers.forEach((key, value) -> {
                if (Double.isFinite(value)) { // JSON has no other
                    metrics.add(new Mlflow.Metric(key, value, now, step));
                }
            });
            send(new Numbers(this, metrics));
        }

        /** Sends files, if they are there; as they are when the server's turn comes. */
        public void files(Path... files) {
            for (Path file : files) {
                send(server -> {
                    Mlflow.Run run = known;
                    if (run != null && storage.exists(file) && takesFiles(run)) {
                        server.upload(run, file.getName(), storage, file);
                    }
                });
            }
        }

        private boolean takesFiles(Mlflow.Run run) {
            if (!Mlflow.takesFiles(run) && !saidOfFiles) {
                saidOfFiles = true;
                progress.say("tracking: files are not sent; the server does not proxy artifacts, it stores them at "
                        + run.artifacts());
            }
            return Mlflow.takesFiles(run);
        }

        /**
         * Sends a merged model, and registers it, if {@code tracking.model} or {@code tracking.registerAs} says so. One that the run has
         * already is not sent again.
         */
        public void model(MlflowModel model) {
            if (settings == null || !settings.sendsModel()) {
                return;
            }
            long bytes = storage.length(model.weights());
            models.addAndGet(bytes);
            send(server -> {
                Mlflow.Run run = known;
                if (run != null && takesFiles(run)) {
                    String path = sent(server, run, model);
                    String name = settings.registerAs();
                    if (name != null) {
                        register(server, run, path, name);
                    }
                }
                models.addAndGet(-bytes);
            });
        }

        /** Returns where the model's folder lies among the files of the run; it is sent unless it is there. */
        private String sent(Mlflow server, Mlflow.Run run, MlflowModel model) throws IOException, InterruptedException {
            ObjectNode paths = told.withObject("/models"); // by digest
            String digest = model.digest(storage);
            if (paths.has(digest)) {
                return paths.path(digest).asText();
            }
            // A registered version names its folder, which must not change any more.
            String path = paths.isEmpty() ? "model" : "model-" + digest.substring(0, 8);
            for (Map.Entry<String, String> text : model.texts(storage).entrySet()) {
                server.upload(run, path + "/" + text.getKey(), text.getValue());
            }
            for (Map.Entry<String, Path> file : model.files(storage).entrySet()) {
                server.upload(run, path + "/" + file.getKey(), storage, file.getValue());
            }
            ObjectNode description = model.description(run.id(), path);
            server.upload(run, path + "/MLmodel", description.toPrettyString());
            server.model(run, description);
            paths.put(digest, path);
            remember();
            progress.say("tracking: the model is runs:/%s/%s", run.id(), path);
            return path;
        }

        /** Registers a folder of the run, as {@code NAME} or {@code NAME@ALIAS}. */
        private void register(Mlflow server, Mlflow.Run run, String path, String registerAs)
                throws IOException, InterruptedException {
            String[] parts = registerAs.split("@", 2);
            String version = server.register(run, parts[0], path);
            if (parts.length > 1) {
                server.alias(parts[0], parts[1], version);
            }
            progress.say("tracking: the model is models:/%s/%s", parts[0], version);
        }
    }
}
