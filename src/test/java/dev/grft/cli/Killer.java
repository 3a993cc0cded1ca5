package dev.grft.cli;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeSet;
import org.apache.spark.SparkConf;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerBlockUpdated;
import org.apache.spark.scheduler.SparkListenerExecutorAdded;
import org.apache.spark.scheduler.SparkListenerExecutorRemoved;
import org.apache.spark.scheduler.SparkListenerStageSubmitted;
import org.apache.spark.scheduler.SparkListenerTaskStart;

/**
 * Kills executors of this machine in the very moment that it is told, in the driver: a listener for {@code spark.extraListeners}.
 *
 * <p>{@code spark.grft.kills} is a list, done one after the other and separated by semicolons: what to do, a colon, and a word of what the
 * job is for. {@code kill} ends the executor of the first task that starts then, without a warning; {@code all} ends every executor;
 * {@code later} ends that executor some time afterwards, in the middle of what it does;
 * {@code piece} the one that has just received a piece of a broadcast; {@code worker} ends an executor and its worker; {@code pause}
 * lets an executor stand still for a while. Each is told on standard error, and which executors come and go and which tasks are started
 * a second time in which job.
 */
public final class Killer extends SparkListener {
    private static final long PAUSE = 12_000; // milliseconds
    private static final long LATER = 1500;

    private final String application;
    private final Deque<String[]> waiting = new ArrayDeque<>();
    private final Map<Integer, String> stages = new HashMap<>();
    private final TreeSet<String> executors = new TreeSet<>();
    private String now = "";

    public Killer(SparkConf conf) {
        application = conf.get("spark.driver.port", "");
        Arrays.stream(conf.get("spark.grft.kills").split(";"))
                .map(each -> each.split(":", 2))
                .forEach(waiting::add);
    }

    @Override
    public void onStageSubmitted(SparkListenerStageSubmitted stage) {
        now = String.valueOf(stage.properties().getProperty("spark.job.description"));
        stages.put(stage.stageInfo().stageId(), now);
    }

    @Override
    public void onTaskStart(SparkListenerTaskStart task) {
        String executor = task.taskInfo().executorId();
        executors.add(executor);
        if (task.taskInfo().speculative()) {
            System.err.println("SPECULATION in " + stages.get(task.stageId()));
        }
        String[] next = waiting.peek();
        if (next != null
                && !next[0].equals("piece")
                && stages.get(task.stageId()).contains(next[1])) {
            act(waiting.remove(), executor);
        }
    }

    @Override
    public void onBlockUpdated(SparkListenerBlockUpdated block) {
        String executor = block.blockUpdatedInfo().blockManagerId().executorId();
        String id = block.blockUpdatedInfo().blockId().name();
        if (!executor.equals("driver") && id.matches("broadcast_\\d+_piece\\d+") && isPieceDue()) {
            act(waiting.remove(), executor);
        }
    }

    private boolean isPieceDue() {
        String[] next = waiting.peek();
        return next != null && next[0].equals("piece") && now.contains(next[1]);
    }

    @Override
    public void onExecutorAdded(SparkListenerExecutorAdded added) {
        System.err.println("EXECUTOR comes in " + now);
    }

    @Override
    public void onExecutorRemoved(SparkListenerExecutorRemoved removed) {
        executors.remove(removed.executorId());
        System.err.println("EXECUTOR goes in " + now);
    }

    private void act(String[] what, String executor) {
        System.err.println("KILLER " + what[0] + " executor " + executor + " in " + what[1]);
        switch (what[0]) {
            case "all" -> executors.forEach(each -> kill(process(each)));
            case "worker" -> {
                ProcessHandle found = process(executor);
                found.parent().ifPresent(Killer::kill);
                kill(found);
            }
            case "pause" -> pause(process(executor));
            case "later" -> later(() -> kill(process(executor)), LATER);
            default -> kill(process(executor));
        }
    }

    private static void kill(ProcessHandle process) {
        process.destroyForcibly();
    }

    private static void pause(ProcessHandle process) {
        signal("-STOP", process);
        later(() -> signal("-CONT", process), PAUSE);
    }

    private static void later(Runnable act, long millis) {
        Thread later = new Thread(() -> {
            try {
                Thread.sleep(millis);
            } catch (InterruptedException e) {
                // then now
            }
            act.run();
        });
        later.setDaemon(true);
        later.start();
    }

    private static void signal(String signal, ProcessHandle process) {
        try {
            new ProcessBuilder("kill", signal, Long.toString(process.pid())).start();
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Returns the process of an executor of this application. */
    private ProcessHandle process(String executor) {
        return ProcessHandle.allProcesses()
                .filter(process -> {
                    String line = Cluster.commandLine(process);
                    return line.contains("CoarseGrainedExecutorBackend")
                            && line.contains("\0--executor-id\0" + executor + "\0")
                            && line.contains(":" + application + "\0");
                })
                .findFirst()
                .orElseThrow(() -> new IllegalStateException("no process of executor " + executor));
    }
}
