package dev.grft.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Work of PyTorch, JAX or Pillow in a process of its own, {@code src/test/python/peer.py}, which says how long each step took. */
final class Peer implements Work {
    private final Process process;
    private final BufferedReader answers;
    private final Writer requests;
    private final String name;
    private final long trained;

    private Peer(Process process) throws IOException {
        this.process = process;
        this.answers = process.inputReader(StandardCharsets.UTF_8);
        this.requests = process.outputWriter(StandardCharsets.UTF_8);
        JsonNode first = new ObjectMapper().readTree(answer());
        this.name = first.get("peer").asText();
        this.trained = first.get("trained").asLong();
    }

    /**
     * Returns the peer that does this kind of work.
     *
     * @param options a word of peer.py, and further options
     * @throws IOException if it does not start; why, it has said on standard error
     */
    static Peer start(Setup setup, Path python, List<String> options) throws IOException {
        List<String> command = new ArrayList<>(List.of(python.toString(), "src/test/python/peer.py"));
        command.addAll(options);
        command.addAll(List.of("--model", setup.model(), "--batch", Integer.toString(setup.batch())));
        command.addAll(List.of("--rows", Integer.toString(setup.rows())));
        command.addAll(List.of("--classes", Integer.toString(setup.config().classes())));
        command.addAll(List.of("--threads", Integer.toString(setup.threads())));
        command.addAll(List.of("--precision", setup.precision()));
        ProcessBuilder builder = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT);
        builder.environment().put("OMP_NUM_THREADS", Integer.toString(setup.threads()));
        String policy = System.getenv("GRFT_PEER_WAIT_POLICY");
        if (policy != null) {
            builder.environment().put("OMP_WAIT_POLICY", policy);
        }
        return new Peer(builder.start());
    }

    @Override
    public String name() {
        return name;
    }

    /** Returns how many numbers it trains. */
    long trained() {
        return trained;
    }

    @Override
    public double milliseconds() {
        return Double.parseDouble(ask("step"));
    }

    /** Returns its resident memory in MiB: now, and at most so far. */
    double[] memory() {
        return Arrays.stream(ask("memory").split(" "))
                .mapToDouble(Double::parseDouble)
                .toArray();
    }

    private String ask(String request) {
        try {
            requests.write(request + "\n");
            requests.flush();
            return answer();
        } catch (IOException e) {
            throw new UncheckedIOException(name, e);
        }
    }

    private String answer() throws IOException {
        String line = answers.readLine();
        if (line == null) {
            throw new IOException("the process has ended");
        }
        return line;
    }

    @Override
    public void close() {
        process.destroy();
    }
}
