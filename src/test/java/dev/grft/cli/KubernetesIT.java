package dev.grft.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.MappingIterator;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import dev.grft.spark.verbs.Tiny;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What Spark asks a Kubernetes cluster for with the settings and templates of this project; that a pod runs is not shown. */
@Tag("clusters")
class KubernetesIT {
    private static final long SECONDS = 300;
    private static final Path SETTINGS = Path.of("conf/spark/kubernetes.conf");

    @TempDir
    Path folder;

    private int submit(KubernetesApi api, Path properties, Path log, Map<String, String> environment, List<String> more)
            throws Exception {
        List<String> command = new ArrayList<>(List.of(
                "jobs/submit.sh",
                "--spark-conf",
                properties.toString(),
                "--master",
                api.master(),
                "--conf",
                "spark.kubernetes.container.image=grft:test"));
        command.addAll(more);
        ProcessBuilder builder =
                new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile());
        builder.environment().put("SPARK_LOCAL_IP", "127.0.0.1");
        builder.environment()
                .put("SPARK_HOME", Submitted.home(folder.resolve("home.log")).toString());
        builder.environment().putAll(environment);
        Process process = builder.start();
        try {
            assertThat(process.waitFor(SECONDS, TimeUnit.SECONDS))
                    .as(Files.readString(log))
                    .isTrue();
            return process.exitValue();
        } finally {
            process.destroyForcibly();
        }
    }

    @Test
    void inClusterModeTheDriverIsAPodOfOurTemplate() throws Exception {
        Path log = folder.resolve("submit.log");
        try (KubernetesApi api = new KubernetesApi()) {
            int exit = submit(
                    api,
                    SETTINGS,
                    log,
                    Map.of("GRFT_JOB_JAR", "local:///opt/grft/job.jar"),
                    List.of("--conf", "spark.kubernetes.submission.waitAppCompletion=false", "train"));

            assertThat(exit).as(Files.readString(log)).isZero();
            assertThat(api.all("pods")).hasSize(1);
            JsonNode driver = api.all("pods").get(0);
            assertThat(driver.at("/spec/serviceAccountName").asText()).isEqualTo("grft");
            assertThat(driver.at("/spec/terminationGracePeriodSeconds").asInt()).isEqualTo(30);
            assertThat(driver.at("/spec/securityContext/runAsNonRoot").asBoolean())
                    .isTrue();
            assertThat(driver.at("/spec/containers/0/envFrom/0/secretRef/name").asText())
                    .isEqualTo("grft-s3");
            assertThat(driver.at("/spec/containers/0/args").toString())
                    .contains("dev.grft.cli.Main", "local:///opt/grft/job.jar", "train");
            assertThat(driver.at("/spec/containers/0/resources/limits/memory").asText())
                    .isEqualTo("4096Mi"); // 3 and 1 GiB
            assertThat(driver.at("/spec/containers/0/env").toString()).contains("OMP_NUM_THREADS");
            assertThat(driver.at("/spec/volumes").toString()).contains("spark-local-dir-1", "\"sizeLimit\":\"10Gi\"");
            assertThat(api.all("services")).hasSize(1);
            assertThat(rights("grft-submit")).containsAll(api.asked());
            assertThat(api.all("configmaps").toString())
                    .contains("grft/preemptible")
                    .doesNotContain("AWS_SECRET");
        }
    }

    @Test
    void submitEndsWithTheExitCodeOfTheDriversContainer() throws Exception {
        Path log = folder.resolve("submit.log");
        for (int code : new int[] {0, 5}) {
            try (KubernetesApi api = new KubernetesApi(code)) {
                int exit = submit(
                        api, SETTINGS, log, Map.of("GRFT_JOB_JAR", "local:///opt/grft/job.jar"), List.of("train"));

                assertThat(exit).as(Files.readString(log)).isEqualTo(code);
                assertThat(rights("grft-submit")).containsAll(api.asked());
            }
        }
    }

    @Test
    void executorsArePodsOfOurTemplateAndWithoutThemTheRunEnds() throws Exception {
        Tiny.pretrained(folder.resolve("pretrained"), 1);
        Path images = Tiny.images(folder.resolve("images"), 6, 2);
        Path log = folder.resolve("client.log");
        Path withGpus = Files.writeString(
                folder.resolve("gpu.conf"),
                Files.readString(SETTINGS) + Files.readString(Path.of("conf/spark/kubernetes-gpu.conf")));
        List<String> more = new ArrayList<>(List.of(
                "--deploy-mode",
                "client",
                "--driver-memory",
                "1g",
                "--conf",
                "spark.driver.bindAddress=127.0.0.1",
                "--conf",
                "spark.driver.host=127.0.0.1",
                "--conf",
                "spark.ui.enabled=false",
                "train"));
        for (String set : Tiny.sets(
                folder.resolve("pretrained"), images, images, folder.resolve("run"), "engine.timeoutSeconds=20")) {
            more.addAll(List.of("--set", set));
        }
        try (KubernetesApi api = new KubernetesApi()) {
            int exit = submit(api, withGpus, log, Map.of(), more);

            assertThat(exit).as(Files.readString(log)).isEqualTo(4);
            assertThat(log)
                    .content()
                    .contains("no executor has come for engine.timeoutSeconds, 20.0 s", "\"status\":\"lost\"");
            assertThat(rights("grft-driver")).containsAll(api.asked());
            assertThat(api.created()).hasSizeGreaterThanOrEqualTo(2).allSatisfy(executor -> {
                assertThat(executor.at("/metadata/labels/app.kubernetes.io~1component")
                                .asText())
                        .isEqualTo("executor");
                JsonNode container = executor.at("/spec/containers/0");
                assertThat(container.at("/resources/limits/nvidia.com~1gpu").asText())
                        .isEqualTo("1");
                assertThat(container.at("/resources/limits/memory").asText()).isEqualTo("9216Mi"); // 3 and 6 GiB
                assertThat(container.at("/resources/limits/cpu").asText()).isEqualTo("4");
                assertThat(container.at("/envFrom/0/secretRef/name").asText()).isEqualTo("grft-s3");
                assertThat(container.path("volumeMounts").toString()).contains("/scratch");
                assertThat(executor.at("/spec/tolerations").toString()).contains("nvidia.com/gpu", "grft/preemptible");
                assertThat(executor.at("/spec/volumes").toString()).contains("\"sizeLimit\":\"50Gi\"");
            });
        }
    }

    /** Returns what a role of the manifest allows, such as {@code create pods}. */
    private static Set<String> rights(String role) throws IOException {
        Set<String> rights = new TreeSet<>();
        MappingIterator<JsonNode> all = new YAMLMapper()
                .readerFor(JsonNode.class)
                .readValues(Path.of("jobs/kubernetes/rbac.yaml").toFile());
        while (all.hasNext()) {
            JsonNode object = all.next();
            if (object.path("kind").asText().equals("Role")
                    && object.at("/metadata/name").asText().equals(role)) {
                object.path("rules")
                        .forEach(rule -> rule.path("resources")
                                .forEach(resource -> rule.path("verbs")
                                        .forEach(verb -> rights.add(verb.asText() + " " + resource.asText()))));
            }
        }
        return rights;
    }
}
