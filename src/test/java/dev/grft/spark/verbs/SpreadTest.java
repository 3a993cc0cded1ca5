package dev.grft.spark.verbs;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerJobStart;
import org.apache.spark.scheduler.SparkListenerTaskEnd;
import org.apache.spark.scheduler.SparkListenerTaskStart;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import scala.collection.JavaConverters;

/** All that is not a step of a training uses all cores, and its bits depend neither on them nor on the shards. */
class SpreadTest {
    @TempDir
    private static Path shared;

    private static int runs;

    @BeforeAll
    static void start() throws IOException {
        Tiny.pretrained(shared.resolve("pretrained"), 1);
        Tiny.images(shared.resolve("train"), 100, 2); // 300
        Tiny.images(shared.resolve("test"), 50, 3); // 150
    }

    @AfterAll
    static void stop() {
        Tiny.noSpark();
    }

    private static List<String> sets(Path directory, String... more) {
        List<String> sets = Tiny.sets(
                shared.resolve("pretrained"),
                shared.resolve("train"),
                shared.resolve("test"),
                directory,
                "training.batchSize=8",
                "training.epochs=1",
                "training.maxSteps=4",
                "evaluation.batchSize=8");
        sets.addAll(Arrays.asList(more));
        return sets;
    }

    private static Path does(SparkSession spark, Consumer<Verbs> verb, String... more) {
        Path directory = shared.resolve("run" + runs++);
        Tiny.does(spark, sets(directory, more), false, verb);
        return directory;
    }

    /** How many tasks of a stage ran at a time, at most, by what its job is for. */
    private static final class Tasks extends SparkListener {
        private final Map<Integer, String> stages = new ConcurrentHashMap<>();
        private final Map<Integer, Integer> running = new ConcurrentHashMap<>();
        private final Map<String, Integer> most = new ConcurrentHashMap<>();

        @Override
        @SuppressWarnings("deprecation") // JavaConverters: of those for Scala 2.13, none is in 2.12
        public void onJobStart(SparkListenerJobStart start) {
            String what = String.valueOf(start.properties().getProperty("spark.job.description"));
            JavaConverters.seqAsJavaList(start.stageInfos())
                    .forEach(stage -> stages.put(stage.stageId(), what.replaceAll("[0-9]+ images.*", "images")));
        }

        @Override
        public void onTaskStart(SparkListenerTaskStart start) {
            String what = stages.getOrDefault(start.stageId(), "");
            most.merge(what, running.merge(start.stageId(), 1, Integer::sum), Math::max);
        }

        @Override
        public void onTaskEnd(SparkListenerTaskEnd end) {
            running.merge(end.stageId(), -1, Integer::sum);
        }
    }

    @Test
    void fewShardsDoNotKeepCoresFromWorking() {
        SparkSession spark = Tiny.spark("local[4]");
        Tasks tasks = new Tasks();
        spark.sparkContext().addSparkListener(tasks);
        List<String> passes = List.of("Decoding the images", "probe: features", "select: scoring", "evaluate grft");

        does(
                spark,
                verbs -> {
                    verbs.train();
                    verbs.evaluate();
                },
                "training.shards=1");

        Tiny.untilHeard(spark.sparkContext());
        assertThat(tasks.most).containsKeys(passes.toArray(String[]::new));
        passes.forEach(pass -> assertThat(tasks.most.get(pass)).as(pass).isGreaterThanOrEqualTo(4));
        assertThat(tasks.most.keySet()).anyMatch(what -> what.startsWith("step"));
        tasks.most.forEach((what, most) -> {
            if (what.startsWith("step")) {
                assertThat(most).as(what).isEqualTo(1);
            }
        });
    }

    @Test
    void selectionsHaveTheSameBitsWhateverTheCoresAndShards() {
        for (String loss : new String[] {"fresh", "probe", "contrastive"}) {
            List<Map<String, String>> files = new ArrayList<>();
            for (String[] other : new String[][] {
                // pieces: 5, 10, 19, and 1, which the largest batch of any pass demands
                {"local[1]", "training.shards=2", "evaluation.batchSize=8"},
                {"local[3]", "training.shards=4", "evaluation.batchSize=8"},
                {"local[8]", "training.shards=1", "evaluation.batchSize=8"},
                {"local[8]", "training.shards=1", "evaluation.batchSize=" + (loss.equals("probe") ? 8 : 512)}
            }) {
                Path run = does(Tiny.spark(other[0]), Verbs::select, "selection.loss=" + loss, other[1], other[2]);
                files.add(Tiny.tensors(run.resolve("selection.safetensors")));
            }

            files.forEach(file -> assertThat(file).as(loss).isEqualTo(files.get(0)));
        }
    }

    @Test
    void evaluationsHaveTheSameBitsWhateverTheCores() throws IOException {
        Path run = does(Tiny.spark("local[1]"), Verbs::train);
        List<String> files = new ArrayList<>();
        for (String master : new String[] {"local[1]", "local[3]", "local[8]"}) {
            Tiny.does(Tiny.spark(master), sets(run), true, Verbs::evaluate);
            files.add(java.nio.file.Files.readString(run.resolve("evaluation.json")));
        }

        files.forEach(file -> assertThat(file).isEqualTo(files.get(0)));
    }
}
