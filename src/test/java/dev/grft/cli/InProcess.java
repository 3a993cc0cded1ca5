package dev.grft.cli;

import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.deploy.SparkSubmitArguments;
import scala.collection.JavaConverters;
import scala.collection.immutable.Map$;

/**
 * Stands in for {@code spark-submit}, so that many verbs take one JVM: reads its command line as Spark does, files of settings included, and
 * runs the program here with what they say, but by one task of local mode whatever the master.
 */
final class InProcess {
    /** A {@code spark-submit} that asks this process: variables and arguments, ended by a 0 each; the answer is the exit code, then the output. */
    static final String SCRIPT = """
            #!/bin/bash
            exec 3<>"/dev/tcp/127.0.0.1/$SUBMIT_PORT"
            { env -0; printf '\\0'; for word; do printf '%s\\0' "$word"; done; printf '\\1\\0'; } >&3
            read -r code <&3
            cat <&3
            exit "$code"
            """;

    private static final int IDLE_MILLIS = 300_000;
    private static final String END = "\1";

    /** Of a command line only what runs in this process. */
    private static final Map<String, String> HERE = Map.of(
            "spark.master", "local[1]",
            "spark.driver.host", "127.0.0.1",
            "spark.driver.bindAddress", "127.0.0.1",
            "spark.ui.port", "0",
            "spark.eventLog.dir", "runs/events");

    private static int last; // exit code of the one before

    private InProcess() {}

    /** Prints its port and answers one after the other until none has come for a while. */
    public static void main(String[] arguments) throws IOException {
        try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            server.setSoTimeout(IDLE_MILLIS);
            System.out.println(server.getLocalPort());
            while (true) {
                try (Socket call = server.accept()) {
                    answer(new DataInputStream(call.getInputStream()), call.getOutputStream());
                }
            }
        }
    }

    private static void answer(DataInputStream in, OutputStream answer) throws IOException {
        Map<String, String> environment = new HashMap<>();
        for (String word = word(in); !word.isEmpty(); word = word(in)) {
            int equals = word.indexOf('=');
            environment.put(word.substring(0, equals), word.substring(equals + 1));
        }
        List<String> words = new ArrayList<>();
        for (String word = word(in); !word.equals(END); word = word(in)) {
            words.add(word);
        }
        PrintStream out = System.out;
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
        int code;
        try {
            if (words.contains("--status")) { // of the pod of that driver
                System.out.printf("\t container name: driver%n\t exit code: %d%n", last);
                code = 0;
            } else {
                code = submit(words, environment);
                last = code;
            }
        } catch (Exception e) { // Spark throws checked exceptions undeclared
            e.printStackTrace();
            code = 1;
        } finally {
            System.setOut(out);
        }
        answer.write((code + "\n").getBytes(StandardCharsets.UTF_8));
        printed.writeTo(answer);
    }

    private static String word(DataInputStream in) throws IOException {
        ByteArrayOutputStream word = new ByteArrayOutputStream();
        for (int b = in.readUnsignedByte(); b != 0; b = in.readUnsignedByte()) {
            word.write(b);
        }
        return word.toString(StandardCharsets.UTF_8);
    }

    private static int submit(List<String> words, Map<String, String> environment) {
        scala.collection.immutable.Map<String, String> variables = Map$.MODULE$.empty();
        for (Map.Entry<String, String> variable : environment.entrySet()) {
            variables = variables.updated(variable.getKey(), variable.getValue());
        }
        SparkSubmitArguments submitted =
                new SparkSubmitArguments(JavaConverters.asScalaBuffer(words).toSeq(), variables);
        if (!submitted.mainClass().equals(Main.class.getName())) {
            throw new IllegalArgumentException("--class " + submitted.mainClass());
        }
        Map<String, String> properties = new HashMap<>(JavaConverters.mapAsJavaMap(submitted.sparkProperties()));
        properties.keySet().removeIf(key -> key.startsWith("spark.submit."));
        properties.putAll(HERE);
        properties.forEach(System::setProperty);
        try {
            return Main.execute(
                    JavaConverters.seqAsJavaList(submitted.childArgs()).toArray(String[]::new));
        } finally {
            properties.keySet().forEach(System::clearProperty);
        }
    }
}
