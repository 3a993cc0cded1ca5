package dev.grft.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What {@code jobs/submit.sh} hands to {@code spark-submit}: a program in a Spark home prints its words. */
class SubmitOptionsTest {
    /** Options that mean something else to the script. */
    private static final Set<String> OWN = Set.of("--class", "--remote", "--usage-error", "--help", "--version");

    @TempDir
    Path folder;

    private Path home;

    @BeforeEach
    void makeSparkHome() throws Exception {
        home = folder.resolve("spark");
        Path program = Files.createDirectories(home.resolve("bin")).resolve("spark-submit");
        Files.writeString(program, "#!/bin/bash\nprintf '%s\\n' \"$@\"\n");
        assertThat(program.toFile().setExecutable(true)).isTrue();
    }

    private List<String> words(String... words) throws Exception {
        return submitted(Map.of("GRFT_JOB_JAR", "job.jar"), words);
    }

    private List<String> submitted(Map<String, String> environment, String... words) throws Exception {
        List<String> command = new ArrayList<>(List.of("bash", "jobs/submit.sh"));
        command.addAll(List.of(words));
        ProcessBuilder bash = new ProcessBuilder(command).redirectErrorStream(true);
        bash.environment().keySet().removeAll(List.of("SPARK_CONF_DIR", "GRFT_DRIVER_MEMORY", "GRFT_SPARK"));
        bash.environment().put("SPARK_HOME", home.toString());
        bash.environment().putAll(environment);
        Process process = bash.start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor(10, TimeUnit.SECONDS)).isTrue();
        return output.lines().toList();
    }

    /** Returns the names and aliases of Spark's options, or of its switches, which have no value. */
    private static List<String> sparks(String field) throws Exception {
        Class<?> parser = Class.forName("org.apache.spark.launcher.SparkSubmitOptionParser");
        Constructor<?> constructor = parser.getDeclaredConstructor();
        constructor.setAccessible(true);
        Field options = parser.getDeclaredField(field);
        options.setAccessible(true);
        List<String> names = new ArrayList<>();
        for (String[] aliases : (String[][]) options.get(constructor.newInstance())) {
            names.addAll(List.of(aliases));
        }
        names.removeIf(name -> !name.startsWith("--") || OWN.contains(name));
        return names;
    }

    @Test
    void everyOptionOfSparkGoesToSparkAndTheRestToTheProgram() throws Exception {
        for (String option : sparks("opts")) {
            String value =
                    option.equals("--conf") ? "spark.a=b" : option.equals("--properties-file") ? "/dev/null" : "some";
            for (List<String> form : List.of(List.of(option, value), List.of(option + "=" + value))) {
                List<String> line = new ArrayList<>(List.of("train"));
                line.addAll(form);
                line.add("--force");
                List<String> words = words(line.toArray(String[]::new));
                String at = option.equals("--driver-class-path") ? "--conf" : option;
                String given = option.equals("--driver-class-path") ? "spark.driver.extraClassPath=some" : value;
                assertThat(words).as("%s", form).containsSequence(at, given).endsWith("job.jar", "train", "--force");
            }
        }
        for (String option : sparks("switches")) {
            assertThat(words("train", option, "--force"))
                    .as(option)
                    .contains(option)
                    .endsWith("job.jar", "train", "--force");
        }
    }

    @Test
    void theShortNameOfConfGoesToSpark() throws Exception {
        assertThat(words("train", "-c", "spark.master=yarn", "--force"))
                .containsSequence("--conf", "spark.master=yarn")
                .containsSequence("--master", "yarn")
                .endsWith("job.jar", "train", "--force");
    }

    @Test
    void jarsStandBesideThoseOfThePropertiesAndOfTheBuild() throws Exception {
        assertThat(words("--jars", "a.jar", "--conf", "spark.jars=b.jar", "train"))
                .containsSequence("--jars", "a.jar,b.jar");
        assertThat(words("--conf", "spark.jars=b.jar", "train")).containsSequence("--jars", "b.jar");
        Path file = Files.writeString(folder.resolve("my.conf"), "spark.jars c.jar\n");
        assertThat(words("--spark-conf", file.toString(), "--jars", "a.jar", "train"))
                .containsSequence("--jars", "a.jar,c.jar");
        assertThat(words("train")).doesNotContain("--jars");
    }

    @Test
    void theDefaultsOfAnInstallationCount() throws Exception {
        Files.createDirectories(home.resolve("conf"));
        Files.writeString(
                home.resolve("conf/spark-defaults.conf"),
                "spark.master yarn\nspark.jars d.jar\nspark.executorEnv.OMP_NUM_THREADS 2\n");
        assertThat(words("train", "--jars", "a.jar"))
                .containsSequence("--master", "yarn")
                .containsSequence("--jars", "a.jar,d.jar")
                .doesNotContain("spark.executorEnv.OMP_NUM_THREADS=1");
        assertThat(words("--spark-conf", "/dev/null", "train")).containsSequence("--master", "local[*]");
        Path file = Files.writeString(folder.resolve("my.conf"), "spark.jars c.jar\n");
        assertThat(words("--load-spark-defaults", "--spark-conf", file.toString(), "train"))
                .containsSequence("--master", "yarn")
                .containsSequence("--jars", "c.jar");
        Path other = Files.createDirectories(folder.resolve("conf"));
        Files.writeString(other.resolve("spark-defaults.conf"), "spark.master spark://there:7077\n");
        assertThat(submitted(Map.of("GRFT_JOB_JAR", "job.jar", "SPARK_CONF_DIR", other.toString()), "train"))
                .containsSequence("--master", "spark://there:7077");
    }

    @Test
    void aDistributionThatDoesNotConfigureItsLogsGetsThoseOfThisProgram() throws Exception {
        String logs = "spark.driver.extraJavaOptions=-Dlog4j2.configurationFile='"
                + Path.of("conf/spark/log4j2.properties").toAbsolutePath() + "'";
        assertThat(words("train")).containsSequence("--conf", logs);
        assertThat(words("--deploy-mode", "cluster", "train")).doesNotContain(logs);
        assertThat(words("--driver-java-options", "-Da=b", "train"))
                .containsSequence("--driver-java-options", "-Da=b")
                .doesNotContain(logs);
        assertThat(words("--conf", "spark.driver.extraJavaOptions=-Da=b", "train"))
                .doesNotContain(logs);
        Files.createFile(Files.createDirectories(home.resolve("conf")).resolve("log4j2.properties"));
        assertThat(words("train")).doesNotContain(logs);
    }

    @Test
    void executorsGetALocaleThatImagesHaveNotThatOfTheShell() throws Exception {
        Map<String, String> german = Map.of("GRFT_JOB_JAR", "job.jar", "LC_ALL", "de_DE.UTF-8");
        assertThat(submitted(german, "--master", "yarn", "--deploy-mode", "cluster", "train"))
                .contains("spark.executorEnv.LC_ALL=C.UTF-8", "spark.yarn.appMasterEnv.LC_ALL=C.UTF-8");
        assertThat(submitted(german, "--conf", "spark.executorEnv.LC_ALL=en_US.UTF-8", "train"))
                .doesNotContain("spark.executorEnv.LC_ALL=C.UTF-8");
    }

    @Test
    void onAnotherSystemOnlyAClusterComputes() throws Exception {
        Path uname = Files.writeString(
                Files.createDirectories(folder.resolve("bin")).resolve("uname"), "#!/bin/sh\necho Darwin\n");
        assertThat(uname.toFile().setExecutable(true)).isTrue();
        Map<String, String> darwin =
                Map.of("GRFT_JOB_JAR", "job.jar", "PATH", uname.getParent() + ":" + System.getenv("PATH"));
        assertThat(submitted(darwin, "train"))
                .singleElement()
                .asString()
                .contains("computes on Linux, and this is Darwin");
        assertThat(submitted(darwin, "--master", "yarn", "train")).endsWith("train");
    }

    @Test
    void whatTheProgramCannotBeIsRefused() throws Exception {
        assertThat(words("--class", "lab.Main")).singleElement().asString().contains("--class", "spark-submit");
        assertThat(words("--remote", "sc://there")).singleElement().asString().contains("--remote", "--master");
        assertThat(words("train", "--queue")).containsExactly("submit.sh: --queue needs a value");
    }
}
