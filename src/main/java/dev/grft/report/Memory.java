package dev.grft.report;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What this process occupies of the machine's memory, heap and native, as Linux counts it. */
public final class Memory {
    private static final Path PROCESS = Path.of("/proc/self");
    private static final Pattern PEAK = Pattern.compile("VmHWM:\\s+(\\d+) kB");

    private Memory() {}

    /** Returns the most resident memory since the start or the last {@link #resetPeak}, in bytes; empty if not on Linux. */
    public static OptionalLong peak() {
        try {
            Matcher matcher = PEAK.matcher(Files.readString(PROCESS.resolve("status")));
            return matcher.find() ? OptionalLong.of(1024 * Long.parseLong(matcher.group(1))) : OptionalLong.empty();
        } catch (IOException e) {
            return OptionalLong.empty();
        }
    }

    /** Begins a new peak at what is resident now, where the system allows it. */
    public static void resetPeak() {
        try {
            Files.writeString(PROCESS.resolve("clear_refs"), "5");
        } catch (IOException e) {
            // not Linux, or not allowed: the peak is that of the whole process
        }
    }
}
