package dev.grft.cli;

import static org.assertj.core.api.Assertions.fail;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** The states that a training in another process saves. */
final class States {
    private States() {}

    /** Waits until there is one; fails if the process ends before, or it takes too long. */
    static void awaitFirst(Process training, Path directory, Path log, long seconds) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
        while (!isThere(directory)) {
            if (!training.isAlive() || System.nanoTime() > end) {
                fail("no state was written:\n" + Files.readString(log));
            }
            Thread.sleep(10);
        }
    }

    private static boolean isThere(Path directory) throws IOException {
        Path states = directory.resolve("state");
        if (!Files.isDirectory(states)) {
            return false;
        }
        try (Stream<Path> files = Files.list(states)) {
            return files.anyMatch(file -> file.getFileName().toString().startsWith("step-"));
        }
    }
}
