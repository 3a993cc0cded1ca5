package dev.grft;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.ThreadLocalRandom;

/** Ports of this machine that are free and stay so: nothing else gets them that asks the system for any port. */
public final class FreePorts {
    private static final int FIRST = 10_000;
    private static final int USUAL = 32_768; // from where Linux chooses if it is asked for any

    private FreePorts() {}

    /** Returns the first of some ports in a row that are free, for a process that is to listen there a while later. */
    public static int inARow(int count) {
        while (true) {
            int first = ThreadLocalRandom.current().nextInt(FIRST, chosenFrom() - count);
            if (areFree(first, count)) {
                return first;
            }
        }
    }

    private static boolean areFree(int first, int count) {
        for (int port = first; port < first + count; port++) {
            try {
                new ServerSocket(port, 1, InetAddress.getLoopbackAddress()).close();
            } catch (IOException taken) {
                return false;
            }
        }
        return true;
    }

    private static int chosenFrom() {
        try {
            String range = Files.readString(Path.of("/proc/sys/net/ipv4/ip_local_port_range"));
            int from = Integer.parseInt(range.strip().split("\\s+", 2)[0]);
            return from > 2 * FIRST ? from : USUAL;
        } catch (IOException e) { // not Linux
            return USUAL;
        }
    }

    /** Returns a socket whose port refuses connections as long as it is open: nothing listens there, and nothing can. */
    public static Socket refusing() {
        try {
            Socket bound = new Socket();
            bound.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
            return bound;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
