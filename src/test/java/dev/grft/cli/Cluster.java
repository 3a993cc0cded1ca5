package dev.grft.cli;

import dev.grft.FreePorts;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.random.RandomGenerator;

/**
 * Spark's own cluster on this machine: a master and workers, each a process, as are the executors. Only who has the secret takes part, and
 * what is sent and spilled is encrypted. All of it listens on 127.0.0.1 alone.
 */
final class Cluster implements AutoCloseable {
    /** Names of this machine: for Spark they are hosts, and it starts a task a second time on another host only. */
    private static final List<String> HOSTS = List.of("127.0.0.1", "localhost");

    private final Path home;
    private final Path folder;
    private final int cores;
    private final Map<String, String> environment;
    private final int port;
    private final List<Process> daemons = new ArrayList<>();

    /** Starts a master and workers with room for one executor of one core, whose logs and files lie in a folder. */
    static Cluster of(Path folder, int workers) throws IOException, InterruptedException {
        return of(folder, workers, 1, Map.of(), Map.of());
    }

    /**
     * Starts the same with more room.
     *
     * @param cores of a worker, each with a gigabyte of memory
     * @param properties more of Spark's, for the daemons and every application
     * @param environment more variables for the daemons
     */
    static Cluster of(
            Path folder, int workers, int cores, Map<String, String> properties, Map<String, String> environment)
            throws IOException, InterruptedException {
        Files.createDirectories(folder);
        Cluster cluster = new Cluster(folder, cores, properties, environment);
        cluster.start(
                "master",
                "org.apache.spark.deploy.master.Master",
                "--host",
                "127.0.0.1",
                "--port",
                Integer.toString(cluster.port));
        for (int i = 0; i < workers; i++) {
            cluster.startWorker();
        }
        return cluster;
    }

    private Cluster(Path folder, int cores, Map<String, String> properties, Map<String, String> environment)
            throws IOException, InterruptedException {
        this.home = Submitted.home(folder.resolve("home.log"));
        this.folder = folder;
        this.cores = cores;
        this.environment = environment;
        this.port = FreePorts.inARow(1);
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
        for (Map.Entry<String, String> property : properties.entrySet()) {
            Files.writeString(
                    properties(), property.getKey() + " " + property.getValue() + "\n", StandardOpenOption.APPEND);
        }
        Files.copy(home.resolve("conf/log4j2.properties"), conf.resolve("log4j2.properties"));
    }

    /** Returns the settings that every application needs, for {@code --spark-conf}. */
    Path properties() {
        return folder.resolve("conf/spark-defaults.conf");
    }

    String master() {
        return "spark://127.0.0.1:" + port;
    }

    /**
     * Returns the options of {@code jobs/submit.sh} for an application on this cluster.
     *
     * @param properties more of Spark's, {@code KEY=VALUE}
     */
    List<String> options(List<String> properties) {
        List<String> options = new ArrayList<>(
                List.of("--master", master(), "--spark-conf", properties().toString()));
        properties.forEach(property -> options.addAll(List.of("--conf", property)));
        return options;
    }

    /** Starts another worker. */
    void startWorker() throws IOException {
        String name = "worker-" + daemons.size();
        start(
                name,
                "org.apache.spark.deploy.worker.Worker",
                "--host",
                HOSTS.get(daemons.size() % HOSTS.size()),
                "--cores",
                Integer.toString(cores),
                "--memory",
                cores + "g",
                "--work-dir",
                folder.resolve(name).toString(),
                master());
    }

    private void start(String name, String daemon, String... arguments) throws IOException {
        List<String> command =
                new ArrayList<>(List.of(home.resolve("bin/spark-class").toString(), daemon, "--webui-port", "0"));
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
        builder.environment().putAll(environment);
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
