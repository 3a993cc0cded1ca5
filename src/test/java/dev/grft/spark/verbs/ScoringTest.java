package dev.grft.spark.verbs;

import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.Scores;
import dev.grft.checkpoint.artifact.SelectionFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerJobStart;
import org.apache.spark.scheduler.SparkListenerTaskEnd;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import scala.collection.JavaConverters;

class ScoringTest extends OnSpark {
    @TempDir
    private static Path shared;

    private static int runs;

    @BeforeAll
    static void start() throws IOException {
        Tiny.pretrained(shared.resolve("pretrained"), 1);
        Tiny.images(shared.resolve("train"), 6, 2);
    }

    /** Scores with a fresh head, which does not depend on shards as that of a probe does in its last bits. */
    private static SelectionFile select(String... more) {
        runs++;
        return into("run" + runs, more);
    }

    private static SelectionFile into(String run, String... more) {
        Tiny.does(spark, sets(run, more), false, Verbs::select);
        return SelectionFile.read(
                new Configuration(), new org.apache.hadoop.fs.Path(shared.resolve(run) + "/selection.safetensors"));
    }

    private static List<String> sets(String run, String... more) {
        Path train = shared.resolve("train");
        List<String> sets =
                Tiny.sets(shared.resolve("pretrained"), train, train, shared.resolve(run), "selection.loss=fresh");
        sets.addAll(Arrays.asList(more));
        return sets;
    }

    private static double[] all(SelectionFile file) {
        Scores scores = file.scores();
        List<Double> all = new ArrayList<>();
        for (String matrix : scores.shapes().keySet()) {
            for (double score : scores.rows(matrix)) {
                all.add(score);
            }
            for (double score : scores.columns(matrix)) {
                all.add(score);
            }
        }
        return all.stream().mapToDouble(Double::doubleValue).toArray();
    }

    private static void assertClose(SelectionFile file, SelectionFile expected, double relative) {
        double[] scores = all(file);
        double[] others = all(expected);
        double largest = Arrays.stream(others).max().orElseThrow();
        assertThat(scores).hasSameSizeAs(others);
        for (int i = 0; i < others.length; i++) {
            // the smallest are nothing but rounding
            double tolerance = relative * Math.max(others[i], 1e-6 * largest);
            assertThat(Math.abs(scores[i] - others[i])).as("score %d", i).isLessThanOrEqualTo(tolerance);
        }
    }

    @Test
    void scoresPerExampleDoNotDependOnShardsAndBatches() {
        SelectionFile one = select("training.shards=1");

        for (String[] other : new String[][] {
            {"training.shards=3"}, {"training.shards=5"}, {"training.shards=3", "selection.batchSize=1"}
        }) {
            SelectionFile file = select(other);
            assertClose(file, one, 1e-5);
            assertThat(file.selection()).as(String.join(", ", other)).isEqualTo(one.selection());
            assertThat(file.scores().examples()).isEqualTo(18);
        }
    }

    @Test
    void theScoresOfAbsoluteAndWeightedGradientsAreOthersAndDoNotDependOnShardsEither() {
        for (String score : new String[] {"absolute", "gradient-weight"}) {
            SelectionFile one = select("selection.score=" + score, "training.shards=1");

            assertClose(select("selection.score=" + score, "training.shards=5", "selection.batchSize=3"), one, 1e-4);
            assertThat(all(one)).isNotEqualTo(all(select()));
        }
    }

    @Test
    void theScoresAfterGemAndFpsAndTheFisherScoreAreOthersAndDoNotDependOnShardsEither() {
        for (String score : new String[] {"relative-gradient", "weight-activation", "fisher"}) {
            SelectionFile one = select("selection.score=" + score, "training.shards=1");

            assertClose(select("selection.score=" + score, "training.shards=5", "selection.batchSize=3"), one, 1e-4);
            assertThat(all(select("selection.score=" + score, "training.shards=5")))
                    .as("the same blocks in other shards")
                    .isEqualTo(all(one));
            assertThat(all(one)).isNotEqualTo(all(select()));
            assertThat(one.scores().examples()).isEqualTo(18);
        }
        assertThat(all(select("selection.score=fisher", "run.seed=43")))
                .as("other classes are drawn")
                .isNotEqualTo(all(select("selection.score=fisher")));
    }

    /** Neither a label nor a head has a part in them. */
    @Test
    void weightsTimesActivationsTrainNoProbe() {
        assertHandled(3 * 18, "selection.loss=probe", "selection.score=weight-activation");
    }

    @Test
    void givenScoresSelectWithoutAPassOverTheImages() {
        SelectionFile scored = select("selection.score=absolute");
        Path given = shared.resolve("run" + runs).resolve("selection.safetensors");

        assertHandled(2 * 18, "selection.scores=" + given); // read and decoded, for their labels
        SelectionFile file = select("selection.scores=" + given);
        assertThat(file.selection()).isEqualTo(scored.selection());
        assertThat(all(file)).isEqualTo(all(scored));
        assertThat(file.selection()).isNotEqualTo(select().selection());
    }

    @Test
    void randomSlicesAreScoredOnlyIfTheirNumberDependsOnScores() throws IOException {
        String[] sets = {"tuning.method=random", "training.epochs=1"};
        Tiny.does(spark, sets("scored", sets), false, Verbs::select);
        Tiny.does(spark, sets("scored", sets), false, Verbs::train);

        String told =
                Tiny.does(spark, sets("random", sets), false, Verbs::train).err();

        assertThat(told).contains("train random").doesNotContain("select");
        assertThat(Tiny.tensors(shared.resolve("random/delta.safetensors")))
                .isEqualTo(Tiny.tensors(shared.resolve("scored/delta.safetensors")));
        List<String> axis = sets("axis", sets);
        axis.add("selection.axis=auto");
        List<String> share = sets("share", sets);
        share.addAll(List.of("selection.budget.count=null", "selection.budget.fraction=0.05"));
        for (List<String> counted : List.of(axis, share)) {
            assertThat(Tiny.does(spark, counted, false, Verbs::train).err()).contains("select: scoring");
        }
    }

    @Test
    void anotherFileOfScoresSelectsAnew() throws IOException {
        Path file = shared.resolve("scores.safetensors");
        SelectionFile one = select("selection.score=absolute");
        Files.copy(shared.resolve("run" + runs).resolve("selection.safetensors"), file);
        SelectionFile two = select("selection.score=weight-activation");
        Path other = shared.resolve("run" + runs).resolve("selection.safetensors");
        String[] sets = {"selection.scores=" + file};

        assertThat(into("anew", sets).selection()).isEqualTo(one.selection());
        Files.copy(other, file, StandardCopyOption.REPLACE_EXISTING);
        assertThat(into("anew", sets).selection()).isEqualTo(two.selection()).isNotEqualTo(one.selection());
    }

    /** The selection stays as it is, but what is trained on has changed. */
    @Test
    void underGivenScoresOtherImagesTrainAnew() throws IOException {
        select();
        Path given = shared.resolve("run" + runs).resolve("selection.safetensors");
        String[] sets = {"selection.scores=" + given, "training.epochs=1"};
        Tiny.does(spark, sets("other-images", sets), false, Verbs::train);

        List<String> other = sets("other-images", sets);
        other.add("data.train=" + Tiny.images(shared.resolve("other"), 6, 7));
        String told = Tiny.does(spark, other, false, Verbs::train).err();

        assertThat(told)
                .contains("selection.safetensors is up to date with its inputs")
                .doesNotContain("delta.safetensors is up to date with its inputs");
    }

    @Test
    void everyMethodSelectsFromItsOwnMatricesOfGivenScores() {
        select();
        Path given = shared.resolve("run" + runs).resolve("selection.safetensors");
        String[] sets = {
            "selection.scores=" + given,
            "training.epochs=1",
            "compare.methods=[random]",
            "methods.random.selection.matrices=[attn.qkv]"
        };
        Tiny.does(spark, sets("matrices", sets), false, Verbs::run);

        assertThat(Tiny.tensors(shared.resolve("matrices/random/delta.safetensors"))
                        .keySet())
                .filteredOn(name -> name.startsWith("blocks") || name.startsWith("patch"))
                .isNotEmpty()
                .allSatisfy(name -> assertThat(name).contains("attn.qkv"));
    }

    /** It selects entries, by gradients that it sums itself. */
    @Test
    void gpsDoesNotReadGivenScores() {
        select("selection.matrices=[attn.qkv]");
        Path given = shared.resolve("run" + runs).resolve("selection.safetensors");
        List<String> sets = sets(
                "gps",
                "selection.scores=" + given,
                "selection.matrices=null",
                "tuning.method=gps",
                "training.epochs=1");

        assertThat(Tiny.does(spark, sets, false, Verbs::check).out()).doesNotContain("scores of");
        Tiny.does(spark, sets, false, Verbs::train);

        assertThat(shared.resolve("gps/delta.safetensors")).exists();
    }

    @Test
    void theSquareOfABatchOfOneIsThatOfTheExample() {
        assertClose(select("selection.score=per-batch", "selection.batchSize=1"), select(), 1e-5);
    }

    @Test
    void theSquareOfOneBatchWithEverythingIsThatOfTheSummedGradient() {
        SelectionFile batch = select("selection.score=per-batch", "training.shards=1", "selection.batchSize=18");
        SelectionFile summed = select("selection.score=summed-gradient", "training.shards=3");

        assertClose(summed, batch, 1e-3);
        assertThat(summed.scores().examples()).isEqualTo(18);
        assertThat(all(summed)).isNotEqualTo(all(select()));
    }

    /** Shards of 9 images are one piece of 16 batches or fewer; one of 18 takes two. */
    @Test
    void theSummedGradientOfALargeShardIsComputedInPieces() {
        SelectionFile one = select("selection.score=summed-gradient", "training.shards=2", "selection.batchSize=1");
        AtomicLong jobs = new AtomicLong();
        SparkListener counting = new SparkListener() {
            @Override
            public void onJobStart(SparkListenerJobStart start) {
                if ("select: scoring".equals(start.properties().getProperty("spark.job.description"))) {
                    jobs.incrementAndGet();
                }
            }
        };
        Tiny.heardBy(counting, spark.sparkContext(), () -> {
            SelectionFile two = select("selection.score=summed-gradient", "training.shards=1", "selection.batchSize=1");

            assertClose(two, one, 1e-3);
            assertThat(two.scores().examples()).isEqualTo(18);
        });
        assertThat(jobs).as("the sizes of the shards, 16 images, the last 2").hasValue(3);
        assertThat(spark.sparkContext().getPersistentRDDs().size()).isZero();
    }

    /** Images are handled when they are read, decoded, and scored or shown to the network. */
    @Test
    void everyTaskCountsTheImagesThatItHasHandled() {
        assertHandled(3 * 18, "selection.loss=fresh");
        assertHandled(3 * 18, "selection.loss=fresh", "selection.score=summed-gradient", "selection.batchSize=1");
        assertHandled(4 * 18, "selection.loss=probe");
    }

    private static void assertHandled(long images, String... more) {
        AtomicLong handled = new AtomicLong();
        SparkListener counting = new SparkListener() {
            @Override
            @SuppressWarnings("deprecation") // JavaConverters: of those for Scala 2.13, none is in 2.12
            public void onTaskEnd(SparkListenerTaskEnd end) {
                JavaConverters.seqAsJavaList(end.taskInfo().accumulables().toSeq()).stream()
                        .filter(count -> count.name().contains("images handled"))
                        .forEach(
                                count -> handled.addAndGet((Long) count.update().get()));
            }
        };
        Tiny.heardBy(counting, spark.sparkContext(), () -> select(more));
        assertThat(handled).hasValue(images);
    }

    @Test
    void theContrastiveLossNeedsNoHeadAndSeesEachImageTwice() {
        SelectionFile file = select("selection.loss=contrastive");
        SelectionFile again = select("selection.loss=contrastive");

        assertThat(file.scores().examples()).isEqualTo(36);
        assertThat(file.selection().count()).isEqualTo(18);
        assertThat(all(file)).isEqualTo(all(again));
        assertThat(Arrays.stream(all(file)).sum()).isPositive();
    }

    @Test
    void theContrastiveLossSelectsAnewForOtherSourcesOfItsCrops() {
        String made = "selection.safetensors is up to date with its inputs";
        into("sources", "selection.loss=contrastive");
        List<String> other = sets("sources", "selection.loss=contrastive", "augmentation.cropSource=1");

        assertThat(Tiny.does(spark, other, false, Verbs::select).err()).doesNotContain(made);
        into("no-sources");
        assertThat(Tiny.does(spark, sets("no-sources", "augmentation.cropSource=1"), false, Verbs::select)
                        .err())
                .contains(made);
    }
}
