package dev.grft.spark.verbs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.grft.report.FakeMlflow;
import dev.grft.spark.cluster.Stopped;
import dev.grft.spark.run.Session;
import java.io.OutputStream;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What a tracking server is told of whole runs. */
class TrackedRunsTest extends OnTiny {
    private static List<String> sets(Path run, String uri, String... more) {
        List<String> sets = shared.sets(run, more);
        sets.addAll(List.of("tracking.uri=" + uri, "tracking.timeoutSeconds=60")); // a loaded machine takes long
        return sets;
    }

    @Test
    void eachMethodIsARunWithTheNumbersOfItsFilesAndAnotherProcessGoesOnInIt() throws Exception {
        Path run = folder.resolve("whole");
        try (FakeMlflow server = new FakeMlflow()) {
            Tiny.does(spark, sets(run, server.uri(), "compare.methods=[linear]"), false, Verbs::run);

            FakeMlflow.Run told = server.run("whole");
            List<String> history = Files.readAllLines(run.resolve("history.jsonl"));
            assertThat(history).hasSize(9);
            for (String line : history) {
                JsonNode step = new ObjectMapper().readTree(line);
                assertThat(told.metrics)
                        .contains("loss@" + step.path("step") + "="
                                + step.path("loss").asDouble())
                        .contains("gradient_norm@" + step.path("step") + "="
                                + step.path("gradientNorm").asDouble());
            }
            JsonNode metrics = new ObjectMapper().readTree(Files.readString(run.resolve("metrics.json")));
            assertThat(told.metrics)
                    .contains(
                            "result.accuracy@0=" + metrics.at("/grft/accuracy").asDouble())
                    .contains("result.phases.train@0="
                            + metrics.at("/grft/phases/train").asDouble());
            assertThat(told.parameters).containsEntry("tuning.method", "grft").containsEntry("training.epochs", "3");
            assertThat(told.files).containsOnlyKeys("README.md", "delta.safetensors", "evaluation.json", "report.html");
            assertThat(told.files)
                    .containsEntry("delta.safetensors", (int) Files.size(run.resolve("delta.safetensors")))
                    .containsEntry("report.html", (int) Files.size(run.resolve("report.html")));
            assertThat(told.statuses).containsExactly("FINISHED");
            FakeMlflow.Run linear = server.run("linear");
            assertThat(linear.parameters).containsEntry("tuning.method", "linear");
            assertThat(linear.metrics)
                    .contains("result.accuracy@0="
                            + metrics.at("/linear/accuracy").asDouble());

            Tiny.does(spark, sets(run, server.uri()), true, Verbs::evaluate);
            assertThat(server.runs).as("no new one").hasSize(2);
            assertThat(told.statuses).containsExactly("FINISHED", "RUNNING", "FINISHED");

            Tiny.does(spark, sets(run, server.uri()), true, Verbs::train);
            assertThat(server.runs).as("a training that begins anew").hasSize(3);
        }
    }

    @Test
    void theMergedModelIsSentAndRegisteredOnce() throws Exception {
        Path run = folder.resolve("model");
        String[] model = {"tracking.model=true", "tracking.registerAs=tiny@champion"};
        try (FakeMlflow server = new FakeMlflow()) {
            Tiny.does(spark, sets(run, server.uri()), false, Verbs::train);
            Tiny.does(spark, sets(run, server.uri()), false, Verbs::merge);
            assertThat(server.run("model").inModels)
                    .as("unless it is asked for")
                    .isEmpty();

            Tiny.does(spark, sets(run, server.uri(), model), false, Verbs::merge);
            FakeMlflow.Run told = server.run("model");
            assertThat(told.inModels.keySet())
                    .containsExactlyInAnyOrder(
                            "model/MLmodel",
                            "model/requirements.txt",
                            "model/python_env.yaml",
                            "model/input_example.json",
                            "model/serving_input_example.json",
                            "model/code/grft_model.py",
                            "model/data/grft.json",
                            "model/data/config.json",
                            "model/data/model.safetensors",
                            "model/sparkml/metadata/part-00000",
                            "model/sparkml/stages/0_grft/metadata/part-00000",
                            "model/sparkml/stages/0_grft/delta.safetensors",
                            "model/sparkml/stages/0_grft/model.json");
            JsonNode reference =
                    new ObjectMapper().readTree(told.inModels.get("model/sparkml/stages/0_grft/model.json"));
            assertThat(reference.path("pretrained").asText())
                    .as("with its file system")
                    .startsWith("file:/");
            byte[] fp32 = Files.readAllBytes(run.resolve("merged.safetensors"));
            assertThat(told.inModels.get("model/data/model.safetensors")).isEqualTo(fp32);
            JsonNode description = new ObjectMapper().readTree(told.inModels.get("model/MLmodel"));
            assertThat(told.models).containsExactly(description.toString());
            assertThat(description.at("/signature/inputs").asText())
                    .isEqualTo("[{\"name\":\"image\",\"type\":\"binary\",\"required\":true}]");
            JsonNode labels = new ObjectMapper().readTree(told.inModels.get("model/data/grft.json"));
            assertThat(labels.path("task").asText()).isEqualTo("single-label");
            assertThat(labels.path("labels"))
                    .hasSize(description.at("/metadata/outputs").asInt());
            String source = "tiny/1: run1 mlflow-artifacts:/0/run1/artifacts/model";
            assertThat(server.registry).containsExactly(source, "tiny@champion: 1");

            Tiny.does(spark, sets(run, server.uri(), model), false, Verbs::merge);
            assertThat(told.models).as("not sent again").hasSize(1);
            assertThat(server.registry).containsExactly(source, "tiny@champion: 1", "tiny@champion: 1");

            List<String> other = sets(run, server.uri(), model);
            other.add("model.saveType=bf16");
            Tiny.does(spark, other, false, Verbs::merge);
            assertThat(told.inModels.get("model/data/model.safetensors"))
                    .as("a version that is registered stays as it is")
                    .isEqualTo(fp32);
            assertThat(told.models).hasSize(2);
            assertThat(server.registry.get(3)).startsWith("tiny/2: run1 mlflow-artifacts:/0/run1/artifacts/model-");
            assertThat(told.statuses).endsWith("RUNNING", "FINISHED");
        }
    }

    @Test
    @Tag("thorough")
    void aServerThatNeverAnswersLeavesTheTrainingAsItIs() throws Exception {
        Path told = folder.resolve("silent");
        Path alone = folder.resolve("alone");
        try (ServerSocket silent = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
            List<String> sets = sets(told, "http://127.0.0.1:" + silent.getLocalPort());
            sets.add("tracking.timeoutSeconds=1");
            Tiny.Printed printed = Tiny.does(spark, sets, false, Verbs::train);
            assertThat(printed.err()).contains("tracking: not everything was sent to the server");
        }
        Tiny.does(spark, shared.sets(alone), false, Verbs::train);

        assertThat(Tiny.tensors(told.resolve("delta.safetensors")))
                .isEqualTo(Tiny.tensors(alone.resolve("delta.safetensors")));
        assertThat(Files.readAllLines(told.resolve("history.jsonl"))).hasSize(9);
    }

    @Test
    void aRunThatFailsOrIsStoppedIsTold() throws Exception {
        try (FakeMlflow server = new FakeMlflow()) {
            assertThatThrownBy(() -> ends(server, "failed", session -> {
                        throw new IllegalStateException("broken");
                    }))
                    .hasMessageContaining("broken");
            assertThatThrownBy(() ->
                            ends(server, "stopped", session -> session.watch().stop("told to")))
                    .isInstanceOf(Stopped.class);

            assertThat(server.run("failed").statuses).containsExactly("FAILED");
            assertThat(server.run("stopped").statuses).containsExactly("KILLED");
        }
    }

    /** Does something after the first step of a training. */
    private void ends(FakeMlflow server, String name, java.util.function.Consumer<Session> what) {
        Path run = folder.resolve(name);
        PrintStream nowhere = new PrintStream(OutputStream.nullOutputStream());
        try (Session session = Session.in(spark, Tiny.settings(sets(run, server.uri())), nowhere, nowhere)) {
            session.run(() -> {
                session.main().tracked(new org.apache.hadoop.fs.Path(run.toString()), false);
                what.accept(session);
                new Verbs(session, false).train();
            });
        }
    }
}
