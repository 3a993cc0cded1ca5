package dev.grft.report.lineage;

import dev.grft.checkpoint.file.Storage;
import java.io.IOException;
import org.apache.hadoop.conf.Configuration;

/** A process that writes events. */
final class Appending {
    private Appending() {}

    /** Arguments: the file or folder, how many events, what each event says. */
    public static void main(String... arguments) throws IOException {
        FileTransport transport = new FileTransport(new Storage(new Configuration()), arguments[0]);
        for (int i = 0; i < Integer.parseInt(arguments[1]); i++) {
            transport.send("event-" + arguments[2].charAt(0) + i, arguments[2]);
        }
    }
}
