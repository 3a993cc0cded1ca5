package dev.grft.cli;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.random.RandomGenerator;

/**
 * Spark's own cluster on this machine: a master and workers, each a process, as are the executors. Only who has the secret takes part, and
 * what is sent and spilled is encrypted. All of it listens on 127.0.0.1 alone.
 */
final class Cluster implements AutoCloseable {
    private static final Path HOME = Path.of("target/spark-home").toAbsolutePath();

    private final Path folder;
    private final int port;
    private final List<Process> daemons = new ArrayList<>();

    /** Starts a master and workers, whose logs and files lie in a folder. */
    static Cluster of(Path folder, int workers) throws IOException, InterruptedException {
        Files.createDirectories(folder);
        Process home = new ProcessBuilder("jobs/submit.sh", "--version") // makes the Spark home, if it is not there
                .redirectErrorStream(true)
                .redirectOutput(folder.resolve("home.log").toFile())
                .start();
        if (!home.waitFor(300, TimeUnit.SECONDS) || home.exitValue() != 0) {
            throw new IOException(Files.readString(folder.resolve("home.log")));
        }
        Cluster cluster = new Cluster(folder);
        cluster.start("master", "org.apache.spark.deploy.master.Master", "--port", Integer.toString(cluster.port));
        for (int i = 0; i < workers; i++) {
            cluster.startWorker();
        }
        return cluster;
    }

    private Cluster(Path folder) throws IOException {
        this.folder = folder;
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = free.getLocalPort();
        }
        byte[] secret = new byte[16];
        RandomGenerator.of("SecureRandom").nextBytes(secret);
        Path conf = Files.createDirectories(folder.resolve("conf"));
        Files.createFile(
                properties(), PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        Files.writeString(
                properties(),
                String.join(
                        "\n",
                        "spark.authenticate true",
                        "spark.authenticate.secret " + HexFormat.of().formatHex(secret),
                        "spark.network.crypto.enabled true",
                        "spark.io.encryption.enabled true",
                        ""));
        Files.copy(HOME.resolve("conf/log4j2.properties"), conf.resolve("log4j2.properties"));
    }

    /** Returns the settings that every application needs, for {@code --spark-conf}. */
    Path properties() {
        return folder.resolve("conf/spark-defaults.conf");
    }

    String master() {
        return "spark://127.0.0.1:" + port;
    }

    /** Starts a worker, with room for one executor of one core. */
    void startWorker() throws IOException {
        String name = "worker-" + daemons.size();
        start(
                name,
                "org.apache.spark.deploy.worker.Worker",
                "--cores",
                "1",
                "--memory",
                "1g",
                "--work-dir",
                folder.resolve(name).toString(),
                master());
    }

    private void start(String name, String daemon, String... arguments) throws IOException {
        List<String> command = new ArrayList<>(List.of(
                HOME.resolve("bin/spark-class").toString(), daemon, "--host", "127.0.0.1", "--webui-port", "0"));
        command.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(folder.resolve(name + ".log").toFile());
        builder.environment()
                .putAll(Map.of(
                        "SPARK_LOCAL_IP",
                        "127.0.0.1",
                        "SPARK_CONF_DIR",
                        folder.resolve("conf").toString(),
                        "SPARK_DAEMON_MEMORY",
                        "256m"));
        daemons.add(builder.start());
    }

    /** Returns the workers that are alive. */
    List<Process> workers() {
        return daemons.stream().skip(1).filter(Process::isAlive).toList();
    }

    /** Returns the executors on all workers. */
    List<ProcessHandle> executors() {
        return workers().stream()
                .flatMap(Process::descendants)
                .filter(process -> commandLine(process).contains("CoarseGrainedExecutorBackend"))
                .toList();
    }

    /** Returns how a process was started, nothing if it has ended. */
    static String commandLine(ProcessHandle process) {
        try {
            return Files.readString(Path.of("/proc", Long.toString(process.pid()), "cmdline"));
        } catch (IOException e) {
            return "";
        }
    }

    /** Ends all of it. */
    @Override
    public void close() {
        for (Process daemon : daemons) {
            daemon.descendants().forEach(ProcessHandle::destroyForcibly);
            daemon.destroyForcibly();
        }
    }
}
