package dev.grft.spark.verbs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.Axis;
import dev.grft.Delta;
import dev.grft.MatrixShape;
import dev.grft.Scores;
import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.checkpoint.artifact.SelectionFile;
import dev.grft.train.Scorer;
import dev.grft.tuning.BuiltInScore;
import dev.grft.tuning.Score;
import dev.grft.vit.Keep;
import dev.grft.vit.Weights;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.CpuKernels;
import java.io.IOException;
import java.io.OutputStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.tools.ToolProvider;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A score from outside this program: the one that the page shows, compiled into a jar that only Spark is given. */
class OwnScoreTest extends OnSpark {
    private static final Pattern PAGE = Pattern.compile("```java\n(package lab;.*?)```", Pattern.DOTALL);

    @TempDir
    private static Path folder;

    private static URLClassLoader loader;
    private static ClassLoader before;
    private static Tiny.Shared shared;

    @BeforeAll
    static void submitTheJar() throws IOException {
        Matcher page = PAGE.matcher(Files.readString(Path.of("src/site/markdown/scores.md")));
        assertThat(page.find()).isTrue();
        Path source = Files.writeString(folder.resolve("Snip.java"), page.group(1));
        assertThat(ToolProvider.getSystemJavaCompiler()
                        .run(
                                null,
                                null,
                                null,
                                "-proc:none",
                                "-d",
                                folder.toString(),
                                "-cp",
                                System.getProperty("java.class.path"),
                                source.toString()))
                .isZero();
        Path jar = folder.resolve("score.jar");
        try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(jar))) {
            put(out, "lab/Snip.class", Files.readAllBytes(folder.resolve("lab/Snip.class")));
            put(out, "META-INF/services/dev.grft.tuning.Score", "lab.Snip\n".getBytes(StandardCharsets.UTF_8));
        }
        spark.sparkContext().addJar(jar.toString()); // what --jars does for executors, and
        before = Thread.currentThread().getContextClassLoader();
        loader = new URLClassLoader(new URL[] {jar.toUri().toURL()}, before); // for the driver
        Thread.currentThread().setContextClassLoader(loader);
        shared = Tiny.Shared.in(folder);
    }

    @AfterAll
    static void close() throws IOException {
        Thread.currentThread().setContextClassLoader(before);
        loader.close();
    }

    private static void put(JarOutputStream out, String name, byte[] bytes) throws IOException {
        out.putNextEntry(new JarEntry(name));
        ((OutputStream) out).write(bytes);
    }

    @Test
    void executorsComputeItAndItsScoresDoNotDependOnHowImagesAreDivided() {
        SelectionFile one = select("one", "selection.score=lab.snip", "training.shards=1");
        SelectionFile other = select("other", "selection.score=lab.snip", "training.shards=5");
        SelectionFile usual = select("usual");

        String matrix = "blocks.1.mlp.fc1.weight";
        assertThat(other.scores().rows(matrix)).isEqualTo(one.scores().rows(matrix));
        assertThat(one.scores().examples()).isEqualTo(18);
        assertThat(one.selection()).isNotEqualTo(usual.selection());
        assertThat(one.settings()).contains("lab.snip");
    }

    @Test
    void itSeesInputsGradientsAndWeightsOfEachExample() {
        Map<String, MatrixShape> eligible = dev.grft.tuning.Tiny.CONFIG.matrices();
        Map<String, float[]> tensors = dev.grft.tuning.Tiny.tensors();
        Scores expected = Scores.zero(eligible);
        try (Weights weights = dev.grft.tuning.Tiny.headless(DataType.FLOAT)) {
            for (int b = 0; b < 6; b++) {
                Scorer summed = scorer(weights, eligible, BuiltInScore.SUMMED_GRADIENT);
                summed.addLoss(dev.grft.tuning.Tiny.batch(b, b + 1));
                summed.summed().forEach((matrix, g) -> {
                    MatrixShape shape = Objects.requireNonNull(eligible.get(matrix));
                    double[] rows = new double[shape.out()];
                    double[] columns = new double[shape.in()];
                    for (int i = 0; i < g.length; i++) {
                        double score = Math.abs((double) g[i] * tensors.get(matrix)[i]);
                        rows[i / shape.in()] += score;
                        columns[i % shape.in()] += score;
                    }
                    expected.add(matrix, rows, columns);
                });
            }
            Scorer own = scorer(weights, eligible, Score.of("lab.snip"));
            own.addLoss(dev.grft.tuning.Tiny.batch(0, 4));
            own.addLoss(dev.grft.tuning.Tiny.batch(4, 6));

            for (String matrix : eligible.keySet()) {
                for (Axis axis : Axis.values()) {
                    dev.grft.tuning.Tiny.assertClose(
                            matrix, own.scores().of(matrix, axis), expected.of(matrix, axis), 2e-5);
                }
            }
        }
    }

    @Test
    void aDeltaIsEvaluatedWithoutTheJar() {
        List<String> sets = shared.sets(
                folder.resolve("trained"), "selection.score=lab.snip", "selection.loss=fresh", "training.epochs=1");
        Tiny.does(spark, sets, false, Verbs::train);
        Thread.currentThread().setContextClassLoader(before);
        try {
            Tiny.does(spark, sets, false, Verbs::evaluate);
            assertThat(folder.resolve("trained/evaluation.json")).exists();
        } finally {
            Thread.currentThread().setContextClassLoader(loader);
        }
    }

    @Test
    void withoutItsJarTheRunSaysWhatIsMissing() {
        assertThatThrownBy(() -> select("missing", "selection.score=lab.other"))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("expected one score 'lab.other' on the class path, found [lab.snip]");
    }

    private static Scorer scorer(Weights weights, Map<String, MatrixShape> eligible, Score score) {
        Map<String, float[]> tensors = dev.grft.tuning.Tiny.tensors();
        return new Scorer(
                weights,
                eligible,
                score,
                tensors.get(Delta.HEAD_WEIGHT),
                tensors.get(Delta.HEAD_BIAS),
                Task.SINGLE_LABEL,
                new CpuKernels(),
                Keep.ALL);
    }

    private static SelectionFile select(String name, String... more) {
        Path run = folder.resolve(name);
        List<String> sets = shared.sets(run, "selection.loss=fresh");
        sets.addAll(List.of(more));
        Tiny.does(spark, sets, false, Verbs::select);
        return SelectionFile.read(new Configuration(), new org.apache.hadoop.fs.Path(run + "/selection.safetensors"));
    }
}
