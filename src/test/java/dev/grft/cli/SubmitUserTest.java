package dev.grft.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** jobs/submit/user.sh, for a user id without a name: a program called getent says whether there is one. */
class SubmitUserTest {
    @TempDir
    Path folder;

    private String sourced(int getent) throws Exception {
        Path program = Files.writeString(folder.resolve("getent"), "#!/bin/sh\nexit " + getent + "\n");
        assertThat(program.toFile().setExecutable(true)).isTrue();
        ProcessBuilder bash = new ProcessBuilder(
                        "bash",
                        "-c",
                        "set -euo pipefail; PATH=$1:$PATH; die() { echo \"$1\"; exit 2; }; source jobs/submit/user.sh;"
                                + " echo \"preload ${LD_PRELOAD:-none}\"; cat \"${NSS_WRAPPER_PASSWD:-/dev/null}\"",
                        "bash",
                        folder.toString())
                .redirectErrorStream(true);
        bash.environment().put("SPARK_HOME", "/opt/spark");
        bash.environment().put("TMPDIR", folder.toString());
        bash.environment().remove("LD_PRELOAD");
        Process process = bash.start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor(10, TimeUnit.SECONDS)).isTrue();
        return process.exitValue() + ": " + output;
    }

    @Test
    void anIdWithANameIsLeftAsItIs() throws Exception {
        assertThat(sourced(0)).isEqualTo("0: preload none\n");
    }

    @Test
    void anIdWithoutANameGetsOneOrASentence() throws Exception {
        assertThat(sourced(2))
                .matches(
                        "(?s)2: the user id \\d+ has no name in /etc/passwd, which Hadoop needs; .*"
                                + "|0: preload \\S*/libnss_wrapper\\.so\nspark:x:\\d+:\\d+:anonymous uid:/opt/spark:/bin/false\n");
    }
}
