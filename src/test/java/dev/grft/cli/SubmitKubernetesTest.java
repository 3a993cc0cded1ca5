package dev.grft.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What {@code jobs/submit.sh} ends with if the driver is a pod: a program in a Spark home plays {@code spark-submit}, which ends with 0 and tells
 * the state of the pod when it is asked.
 */
class SubmitKubernetesTest {
    @TempDir
    Path folder;

    @BeforeEach
    void makeSparkHome() throws Exception {
        client("exit 0");
        state();
    }

    private void client(String commands) throws Exception {
        Path program = Files.createDirectories(folder.resolve("spark/bin")).resolve("spark-submit");
        Files.writeString(program, """
                #!/bin/bash
                printf '%s\\n' "$@" >>"$SPARK_HOME/words"
                [[ " $* " != *' --status '* ]] || exec cat "$SPARK_HOME/state" >&2
                """ + commands + "\n");
        assertThat(program.toFile().setExecutable(true)).isTrue();
    }

    /** Tells the state of containers as Spark does, such as {@code driver 2}. */
    private void state(String... containers) throws Exception {
        StringBuilder text = new StringBuilder("Application status (driver): \n\t pod name: x\n");
        for (String container : containers) {
            String[] words = container.split(" ", -1);
            text.append("\t\t container name: %s\n\t\t container state: ".formatted(words[0]));
            text.append(words.length < 2 ? "waiting\n" : "terminated\n\t\t exit code: %s\n".formatted(words[1]));
        }
        Files.writeString(folder.resolve("spark/state"), text);
    }

    private Process start(String... more) throws Exception {
        List<String> command = new ArrayList<>(
                List.of( // a build in the background may ignore these signals, and a shell cannot trap such
                        "env",
                        "--default-signal=INT,HUP,TERM",
                        "jobs/submit.sh",
                        "--master",
                        "k8s://https://there:6443"));
        command.addAll(List.of(more));
        command.addAll(List.of("train", "--force"));
        ProcessBuilder bash = new ProcessBuilder(command).redirectErrorStream(true);
        bash.environment().keySet().removeAll(List.of("SPARK_CONF_DIR", "GRFT_DRIVER_MEMORY", "GRFT_SPARK"));
        bash.environment().put("SPARK_HOME", folder.resolve("spark").toString());
        bash.environment().put("GRFT_JOB_JAR", "local:///job.jar");
        return bash.start();
    }

    private static String ended(Process process) throws Exception {
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        return process.exitValue() + ": " + output;
    }

    private String submitted(String... more) throws Exception {
        return ended(start(more));
    }

    private String words() throws Exception {
        return Files.readString(folder.resolve("spark/words"));
    }

    @Test
    void theExitCodeIsThatOfTheDriversContainer() throws Exception {
        for (int code : new int[] {0, 2, 5, 143}) {
            state("driver " + code);
            assertThat(submitted("--spark-conf", "conf/spark/kubernetes.conf")).isEqualTo(code + ": ");
        }
        assertThat(words())
                .containsPattern("--status\ngrft:grft-[-0-9a-f]+-driver\n")
                .contains("local:///job.jar\ntrain\n--force\n");
    }

    @Test
    void itIsThePodThatWasNamedAndNotASidecar() throws Exception {
        state("istio-proxy 0", "main 3", "vault 1");
        String[] options = {
            "--deploy-mode",
            "cluster",
            "--conf",
            "spark.kubernetes.driver.pod.name=mine",
            "--conf",
            "spark.kubernetes.driver.podTemplateContainerName=main"
        };
        assertThat(submitted(options)).isEqualTo("3: ");
        assertThat(words()).contains("--status\ndefault:mine\n").doesNotContain("grft-");
        state("istio-proxy 0", "spark-kubernetes-driver 4", "vault 1");
        assertThat(submitted("--deploy-mode", "cluster")).isEqualTo("4: ");
    }

    @Test
    void aPodThatIsGoneIsALostDriver() throws Exception {
        Files.writeString(folder.resolve("spark/state"), "Application not found.\n");
        assertThat(submitted("--deploy-mode", "cluster"))
                .startsWith(
                        "4: Application not found.\nsubmit.sh: the exit code of the driver is unknown: its pod default:grft-")
                .endsWith("run the same command again to resume\n");
        state("driver");
        assertThat(submitted("--deploy-mode", "cluster")).startsWith("4: ");
    }

    @Test
    void aSubmissionThatFailsOrDoesNotWaitIsSparksOwn() throws Exception {
        state("driver 2");
        client("exit 1");
        assertThat(submitted("--deploy-mode", "cluster")).isEqualTo("1: ");
        client("exit 0");
        assertThat(submitted(
                        "--deploy-mode", "cluster", "--conf", "spark.kubernetes.submission.waitAppCompletion=false"))
                .isEqualTo("0: ");
        assertThat(submitted("--deploy-mode", "client")).isEqualTo("0: ");
        assertThat(words()).doesNotContain("--status");
        assertThat(submitted("--deploy-mode", "cluster", "--kill", "grft:x")).isEqualTo("0: ");
        assertThat(words()).contains("--kill").doesNotContain("--status");
    }

    @Test
    void aSignalReachesSparksClient() throws Exception {
        client("trap 'echo told; exit 143' TERM; touch \"$SPARK_HOME/waits\";"
                + " for ((i = 0; i < 1200; i++)); do sleep 0.05; done"); // a minute, should the signal be lost
        for (String signal : List.of("TERM", "INT", "HUP")) {
            Path waits = folder.resolve("spark/waits");
            Files.deleteIfExists(waits);
            Process process = start("--deploy-mode", "cluster");
            for (int i = 0; i < 1200 && !Files.exists(waits); i++) {
                Thread.sleep(50);
            }
            new ProcessBuilder("kill", "-" + signal, Long.toString(process.pid()))
                    .start()
                    .waitFor();
            assertThat(ended(process)).as(signal).isEqualTo("143: told\n");
        }
        assertThat(words()).doesNotContain("--status");
    }
}
