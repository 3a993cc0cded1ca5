package dev.grft.cli;

import static org.assertj.core.api.Assertions.fail;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** The states that a training in another process saves. */
final class States {
    private States() {}

    /** Waits until there is one; fails if the process ends before, or it takes too long. */
    static void awaitFirst(Process training, Path directory, Path log, long seconds) throws Exception {
        awaitAfter(0, training, directory, log, seconds);
    }

    /** Waits until there is one of a later step than this. */
    static void awaitAfter(int step, Process training, Path directory, Path log, long seconds) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
        while (steps(directory).tailSet(step + 1).isEmpty()) {
            if (!training.isAlive() || System.nanoTime() > end) {
                fail("no state was written after step " + step + ":\n" + Files.readString(log));
            }
            Thread.sleep(10);
        }
    }

    /** Returns the steps after which there are states. */
    static SortedSet<Integer> steps(Path directory) throws IOException {
        SortedSet<Integer> steps = new TreeSet<>();
        Path states = directory.resolve("state");
        if (Files.isDirectory(states)) {
            try (Stream<Path> files = Files.list(states)) {
                files.map(file -> file.getFileName().toString())
                        .filter(name -> name.startsWith("step-"))
                        .forEach(name -> steps.add(Integer.valueOf(name.replaceAll("\\D", ""))));
            }
        }
        return steps;
    }
}
