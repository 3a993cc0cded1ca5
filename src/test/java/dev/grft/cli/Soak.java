package dev.grft.cli;

import dev.grft.spark.verbs.Tiny;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * Runs on a cluster of processes, of which one after the other is killed at random, the driver too, which is then started again. Every run
 * must end with the bits of one that nothing has disturbed. Ends with 1 at the first that does not, or that takes too long.
 */
public final class Soak {
    private static final int WORKERS = 2;
    private static final long RUN_SECONDS = 600;
    private static final int MOST_IN_A_RUN = 6;
    private static final int BEFORE =
            6; // one of so many kills is made before a training; a start takes longer than a training
    private static final List<String> FILES =
            List.of("selection.safetensors", "linear/delta.safetensors", "delta.safetensors", "merged.safetensors");

    private final Path folder;
    private final int kills;
    private final SplittableRandom random;
    private final long began = System.nanoTime();
    private final Map<String, Integer> counted = new TreeMap<>();
    private int done;
    private int runs;

    private Soak(Path folder, int kills, long seed) {
        this.folder = folder;
        this.kills = kills;
        this.random = new SplittableRandom(seed);
    }

    /** Arguments: folder for everything, number of kills, seed. */
    public static void main(String... arguments) throws Exception {
        Soak soak = new Soak(
                Files.createDirectories(Path.of(arguments[0])),
                Integer.parseInt(arguments[1]),
                Long.parseLong(arguments[2]));
        System.exit(soak.run() ? 0 : 1);
    }

    private boolean run() throws Exception {
        Tiny.pretrained(folder.resolve("pretrained"), 1);
        Tiny.images(folder.resolve("images"), 6, 2);
        Path expected = folder.resolve("undisturbed");
        Process undisturbed = start(expected, folder.resolve("undisturbed.log"), List.of("--master", "local[2]"));
        if (!undisturbed.waitFor(RUN_SECONDS, TimeUnit.SECONDS) || undisturbed.exitValue() != 0) {
            return failed("the undisturbed run failed", folder.resolve("undisturbed.log"));
        }
        try (Cluster cluster = Cluster.of(folder.resolve("cluster"), WORKERS)) {
            while (done < kills) {
                runs++;
                Path directory = folder.resolve("run-" + runs);
                Path log = folder.resolve("run-" + runs + ".log");
                if (!disturbed(cluster, directory, log)) {
                    return false;
                }
                for (String file : FILES) {
                    if (!Tiny.tensors(directory.resolve(file)).equals(Tiny.tensors(expected.resolve(file)))) {
                        return failed("run " + runs + ": other bits in " + file, log);
                    }
                }
                if (Files.mismatch(directory.resolve("evaluation.json"), expected.resolve("evaluation.json")) >= 0) {
                    return failed("run " + runs + ": another evaluation", log);
                }
                say("run %d has the same bits", runs);
            }
        }
        say("%d kills in %d runs, %.0f s: %s", done, runs, (System.nanoTime() - began) / 1e9, counted);
        return true;
    }

    /** Does a run to its end, however often it has to be started. */
    private boolean disturbed(Cluster cluster, Path directory, Path log) throws Exception {
        List<String> options = cluster.options(
                List.of("spark.executor.memory=640m", "spark.task.maxFailures=8", "spark.broadcast.blockSize=4k"));
        if (random.nextBoolean()) {
            options.addAll(
                    List.of("--conf", "spark.speculation=true", "--conf", "spark.speculation.minTaskRuntime=1s"));
        }
        if (random.nextBoolean()) {
            options.addAll(List.of(
                    "--conf", "spark.dynamicAllocation.enabled=true",
                    "--conf", "spark.dynamicAllocation.shuffleTracking.enabled=true",
                    "--conf", "spark.dynamicAllocation.minExecutors=1",
                    "--conf", "spark.dynamicAllocation.executorIdleTimeout=3s",
                    "--conf", "spark.dynamicAllocation.cachedExecutorIdleTimeout=3s"));
        }
        say("run %d: %s", runs, options.subList(options.indexOf("spark.broadcast.blockSize=4k") + 1, options.size()));
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(RUN_SECONDS);
        int here = 0;
        Process driver = start(directory, log, options);
        try {
            while (System.nanoTime() < end) {
                boolean more = done < kills && here < MOST_IN_A_RUN;
                if (driver.waitFor(more ? 500 + random.nextInt(9000) : 1000, TimeUnit.MILLISECONDS)) {
                    int exit = driver.exitValue();
                    if (exit == 0) {
                        return true;
                    }
                    if (exit != Exit.KILLED && exit != Exit.TOLD && exit != Exit.LOST) {
                        return failed("run " + runs + " ended with " + exit, log);
                    }
                    say("  ended with %d, started again", exit);
                    driver = start(directory, log, options);
                } else if (more
                        && (random.nextInt(BEFORE) == 0 || trains(log))
                        && kill(cluster, driver, directory, log)) {
                    here++;
                    done++;
                }
            }
            return failed("run " + runs + " does not end", log);
        } finally {
            driver.destroyForcibly();
        }
    }

    private static final class Exit {
        static final int LOST = 4;
        static final int KILLED = 137;
        static final int TOLD = 143;
    }

    /** Does something bad, and returns whether there was anything to do it to. */
    private boolean kill(Cluster cluster, Process driver, Path directory, Path log) throws Exception {
        List<ProcessHandle> executors = cluster.executors();
        String what = List.of(
                        "executor",
                        "executor",
                        "executor",
                        "all executors",
                        "worker",
                        "pause",
                        "driver",
                        "terminate",
                        "driver, torn state")
                .get(random.nextInt(9));
        ProcessHandle one = executors.isEmpty() ? null : executors.get(random.nextInt(executors.size()));
        if (one == null && !what.startsWith("driver") && !what.equals("terminate")) {
            return false;
        }
        String during = phase(log);
        switch (what) {
            case "executor" -> one.destroyForcibly();
            case "all executors" -> executors.forEach(ProcessHandle::destroyForcibly);
            case "worker" -> {
                ProcessHandle worker = one.parent().orElseThrow();
                worker.destroyForcibly();
                one.destroyForcibly();
                cluster.startWorker();
            }
            case "pause" -> {
                signal("-STOP", one);
                Thread.sleep(4000);
                signal("-CONT", one);
            }
            case "terminate" -> driver.destroy();
            default -> {
                driver.destroyForcibly();
                driver.waitFor();
                if (what.contains("torn")) {
                    tear(directory);
                }
            }
        }
        counted.merge(what, 1, Integer::sum);
        say("  kill %d: %s, in %s", done + 1, what, during);
        return true;
    }

    /** Cuts the newest checkpoint off in the middle, if there is one to go on from before it. */
    private static void tear(Path directory) throws IOException {
        Path states = directory.resolve("state");
        if (Files.isDirectory(states)) {
            try (Stream<Path> files = Files.list(states)) {
                List<Path> all = files.filter(
                                file -> file.getFileName().toString().startsWith("step-"))
                        .sorted()
                        .toList();
                if (all.size() > 1) {
                    Path newest = all.get(all.size() - 1);
                    byte[] bytes = Files.readAllBytes(newest);
                    Files.write(
                            newest,
                            java.util.Arrays.copyOf(bytes, bytes.length / 2),
                            StandardOpenOption.TRUNCATE_EXISTING);
                }
            }
        }
    }

    private static void signal(String signal, ProcessHandle process) throws IOException {
        new ProcessBuilder("kill", signal, Long.toString(process.pid())).start();
    }

    private static boolean trains(Path log) throws IOException {
        return phase(log).startsWith("train");
    }

    /** Returns what the driver told last. */
    private static String phase(Path log) throws IOException {
        List<String> lines = Files.exists(log) ? Files.readAllLines(log) : List.of();
        for (int i = lines.size() - 1; i >= 0; i--) {
            if (lines.get(i).matches("(reading|read|probe|select|selected|train|resuming|merged|evaluate)\\b.*")) {
                return lines.get(i).replaceAll(", loss.*|, from .*| the images of .*", "");
            }
        }
        return "its start";
    }

    private Process start(Path directory, Path log, List<String> options) throws IOException {
        Path images = folder.resolve("images");
        return Submitted.verb(
                "run",
                log,
                options,
                Tiny.sets(
                        folder.resolve("pretrained"),
                        images,
                        images,
                        directory,
                        "training.epochs=1200",
                        "training.checkpointEvery=20"));
    }

    private boolean failed(String why, Path log) {
        say("FAILED after %d kills: %s; see %s", done, why, log);
        return false;
    }

    private void say(String message, Object... arguments) {
        System.out.printf(
                Locale.ROOT,
                "%5.0f s  %s%n",
                (System.nanoTime() - began) / 1e9,
                String.format(Locale.ROOT, message, arguments));
    }
}
