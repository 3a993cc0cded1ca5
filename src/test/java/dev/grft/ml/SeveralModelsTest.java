package dev.grft.ml;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.Delta;
import dev.grft.Selection;
import dev.grft.checkpoint.artifact.DeltaFile;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.spark.cluster.Gauges;
import dev.grft.spark.verbs.OnTiny;
import dev.grft.spark.verbs.Tiny;
import dev.grft.spark.work.Replicas;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.function.LongSupplier;
import java.util.stream.IntStream;
import org.apache.spark.SparkEnv;
import org.apache.spark.metrics.source.Source;
import org.apache.spark.ml.linalg.Vector;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Several models and several fits in one session. */
class SeveralModelsTest extends OnTiny {
    private static GrftClassificationModel three; // classes

    @BeforeAll
    static void trainOnce() {
        three = classifier(1).fit(images(shared.train()));
    }

    private static GrftClassifier classifier(int count) {
        return new GrftClassifier()
                .setPretrained(shared.pretrained().toString())
                .setImageCol("content")
                .setCount(count)
                .setEpochs(1)
                .setBatchSize(6)
                .setShards(3)
                .setSettings("probe.epochs=5", "engine.kernels=cpu");
    }

    private static Dataset<Row> images(Path folder) {
        return spark.read()
                .format("binaryFile")
                .option("recursiveFileLookup", "true")
                .load(folder.toString())
                .selectExpr("path", "content", "element_at(split(path, '/'), -2) AS label");
    }

    /** Returns a model with a head of zeros but for the bias of one class. */
    private static GrftClassificationModel many(int classes) {
        float[] bias = new float[classes];
        bias[classes - 7] = 1;
        Delta delta = new Delta(
                Selection.none(),
                Map.of(),
                new float[classes * Tiny.CONFIG.width()],
                bias,
                IntStream.range(0, classes).mapToObj(k -> "class " + k).toList(),
                three.pretrainedSha256(),
                Map.of());
        DeltaFile file = three.delta();
        return new GrftClassificationModel("many", new DeltaFile(delta, "linear", file.settings(), file.provenance()))
                .setImageCol("content");
    }

    @Test
    void aModelThatWasTrainedOnGpusLabelsOnCpus() {
        DeltaFile file = three.delta();
        Settings onGpus = Config.with(
                Config.parse("delta", file.settings()),
                "delta",
                Map.of("engine.requireGpu", true, "engine.kernels", "torch", "engine.precision", "tf32"));
        GrftClassificationModel model = new GrftClassificationModel(
                        "gpus", new DeltaFile(file.delta(), file.method(), Config.toYaml(onGpus), file.provenance()))
                .setImageCol("content");
        Dataset<Row> images = images(shared.test()).orderBy("path");

        assertThat(model.transform(images).select("probability").collectAsList())
                .isEqualTo(three.transform(images).select("probability").collectAsList());
    }

    @Test
    void twoModelsInOnePlanCopyTheWeightsOnceAndNotForEachBatch() {
        GrftClassificationModel many = many(1000);
        many.setPredictionCol("other").setProbabilityCol("").setRawPredictionCol("");
        Dataset<Row> images = images(shared.test()).repartition(8).cache();
        List<Row> alone = three.transform(images).select("path", "prediction").collectAsList();
        long before = Replicas.copies();

        List<Row> both = many.transform(three.transform(images)).collectAsList();

        assertThat(Replicas.copies() - before).as("copies of the weights").isLessThanOrEqualTo(1);
        assertThat(both).hasSize(9).allMatch(row -> row.<Double>getAs("other") == 993);
        assertThat(both.stream()
                        .map(row -> List.<Object>of(row.getAs("path"), row.getAs("prediction")))
                        .toList())
                .isEqualTo(alone.stream()
                        .map(row -> List.of(row.get(0), row.get(1)))
                        .toList());
        images.unpersist();
    }

    @Test
    void twoFitsAtOnceGiveWhatEachGivesAlone() throws Exception {
        Map<String, String> one = saved(three, "one");
        Map<String, String> two = saved(classifier(2).fit(images(shared.train())), "two");
        long before = Replicas.copies();

        CompletableFuture<GrftClassificationModel> other =
                CompletableFuture.supplyAsync(() -> classifier(2).fit(images(shared.train())));
        GrftClassificationModel here = classifier(1).fit(images(shared.train()));

        assertThat(saved(here, "here")).isEqualTo(one);
        assertThat(saved(other.get(), "there")).isEqualTo(two);
        assertThat(Replicas.copies() - before).as("copies of the weights").isLessThanOrEqualTo(1);
    }

    @Test
    void fitsAtOnceHaveGaugesOfTheirOwnAndALaterOneTakesTheFirstPlace() {
        Gauges first = Gauges.registered(() -> 1);
        Gauges second = Gauges.registered(() -> 2);
        assertThat(first.sourceName()).isEqualTo("grft");
        assertThat(second.sourceName()).isEqualTo("grft-2");
        assertThat(registered("grft")).isSameAs(first);
        assertThat(registered("grft-2")).isSameAs(second);
        first.close();
        assertThat(registered("grft")).as("the last values stay").isSameAs(first);
        try (Gauges third = Gauges.registered(() -> 3)) {
            assertThat(third.sourceName()).isEqualTo("grft");
            assertThat(registered("grft")).isSameAs(third);
        }
        second.close();
    }

    private static Source registered(String name) {
        var sources = SparkEnv.get().metricsSystem().getSourcesByName(name);
        assertThat(sources.size()).isEqualTo(1);
        return sources.head();
    }

    private static Map<String, String> saved(GrftClassificationModel model, String name) throws Exception {
        Path folder = folderOfAll.resolve("saved").resolve(name);
        model.write().overwrite().save(folder.toString());
        return Tiny.tensors(folder.resolve("delta.safetensors"));
    }

    @Test
    @Tag("thorough")
    void tenFitsOneAfterTheOtherLeaveNothing() throws Exception {
        List<Long> natives = new ArrayList<>();
        List<Long> heaps = new ArrayList<>();
        for (int i = 0; i < 10; i++) {
            classifier(2).fit(images(shared.train()));
            natives.add(settled(Replicas::bytes));
            heaps.add(settled(() ->
                    ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed()));
        }
        assertThat(natives.get(9) - natives.get(1))
                .as("native bytes more, of %s", natives)
                .isLessThan(1 << 20);
        assertThat(heaps.get(9) - heaps.get(1))
                .as("bytes of heap more, of %s", heaps)
                .isLessThan(16 << 20);
    }

    /** Returns the least bytes in use after some garbage collections: what one has found, Spark's cleaner releases a moment later. */
    private static long settled(LongSupplier bytes) throws InterruptedException {
        long least = Long.MAX_VALUE;
        for (int i = 0; i < 5; i++) {
            System.gc();
            Thread.sleep(50);
            least = Math.min(least, bytes.getAsLong());
        }
        return least;
    }

    @Test
    void aModelThatIsNotUsedAnyMoreLeavesTheMemory() throws Exception {
        GrftClassificationModel model = many(20_000);
        Dataset<Row> labeled = model.transform(images(shared.test()));
        assertThat(labeled.first().<Vector>getAs("probability").size()).isEqualTo(20_000);
        long head = 4L * 20_000 * Tiny.CONFIG.width();
        long with = Replicas.bytes(); // and what earlier tests have left to the garbage collector
        assertThat(with).isGreaterThan(head);

        model = null;
        labeled = null;
        for (int i = 0; i < 600 && Replicas.bytes() > with - head; i++) {
            System.gc();
            Thread.sleep(100);
        }

        assertThat(Replicas.bytes()).isLessThanOrEqualTo(with - head);
    }
}
