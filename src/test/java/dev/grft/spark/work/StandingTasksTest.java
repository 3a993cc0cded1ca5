package dev.grft.spark.work;

import static dev.grft.spark.work.StandingRoundsTest.assertEqual;
import static dev.grft.spark.work.StandingRoundsTest.assertThatNoJobIsLeft;
import static dev.grft.spark.work.StandingRoundsTest.examples;
import static dev.grft.spark.work.StandingRoundsTest.source;
import static dev.grft.spark.work.StandingRoundsTest.trained;
import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.spark.images.Shard;
import dev.grft.spark.verbs.Tiny;
import dev.grft.train.StepGradient;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** How many standing tasks there are, and how they reach the driver: by its port, as on a cluster. */
class StandingTasksTest {
    private static JavaSparkContext context;

    @BeforeAll
    static void start() {
        StandingRoundsTest.start();
        context = StandingRoundsTest.context;
    }

    @AfterAll
    static void stop() {
        StandingRoundsTest.stop();
    }

    /** Two cores of local mode run two tasks at a time, whatever Spark's parallelism of other jobs is. */
    @ParameterizedTest
    @ValueSource(strings = {"1", "7"})
    void thereAreAsManyTasksAsRunAtATime(String parallelism) {
        context.sc().conf().set("spark.default.parallelism", parallelism);
        context.setJobGroup("slots", "a training");
        int before = context.statusTracker().getJobIdsForGroup("slots").length;
        try (StandingRounds standing = source(StandingRounds::new, examples(8, 24), 10)) {
            standing.gradient(0, trained(0));
            Tiny.untilHeard(context.sc());
            int[] jobs = context.statusTracker().getJobIdsForGroup("slots");
            assertThat(jobs).hasSize(before + 1);
            int job = Arrays.stream(jobs).max().getAsInt();
            int stage = context.statusTracker().getJobInfo(job).stageIds()[0];
            assertThat(context.statusTracker().getStageInfo(stage).numTasks()).isEqualTo(2);
        } finally {
            context.sc().conf().remove("spark.default.parallelism");
            context.clearJobGroup();
        }
    }

    private static StandingRounds remote(
            JavaSparkContext spark, JavaRDD<Shard> shards, Sampler sampler, Replicas.Recipe recipe, long steps) {
        return new StandingRounds(
                spark,
                shards,
                sampler,
                recipe,
                steps,
                Duration.ofSeconds(20),
                Duration.ofSeconds(10),
                StandingRounds.PATIENCE,
                false);
    }

    @Test
    void tasksThatConnectToThePortGiveTheSameBits() {
        JavaRDD<Shard> images = examples(5, 24);
        Rounds jobs = source(Rounds::new, images, 7);
        try (StandingRounds standing = source(StandingTasksTest::remote, images, 7)) {
            for (int step = 0; step < 3; step++) {
                StepGradient gradient = standing.gradient(step, trained(step));
                standing.rest();
                assertEqual(gradient, jobs.gradient(step, trained(step)));
            }
        }
    }

    @Test
    void whereTasksDoNotReachTheDriverATrainingGoesOnByJobsAndWarnsOnce() throws Exception {
        JavaRDD<Shard> images = examples(3, 24);
        Rounds jobs = source(Rounds::new, images, 7);
        List<String> warnings = new ArrayList<>();
        Reach reach = new Reach(warnings::add);
        context.sc().conf().set("spark.driver.host", "127.0.0.2"); // where nothing listens
        try (RoundSource source = source(
                (spark, shards, sampler, recipe, steps) ->
                        new StandingOrJobs(remote(spark, shards, sampler, recipe, steps), jobs, reach),
                images,
                7)) {
            for (int step = 0; step < 3; step++) {
                assertEqual(source.gradient(step, trained(step)), jobs.gradient(step, trained(step)));
            }
            assertThat(source.vectors()).isEqualTo(1 + 3);
        } finally {
            context.sc().conf().set("spark.driver.host", "127.0.0.1");
        }
        RoundSource next = source(
                (spark, shards, sampler, recipe, steps) ->
                        Rounds.of(reach, true, spark, shards, sampler, recipe, steps),
                images,
                7);
        assertThat(next).as("the next part of the session").isInstanceOf(Rounds.class);
        assertThat(reach.standing(context, "standing")).isFalse();
        assertThat(warnings).hasSize(1);
        assertThat(warnings.get(0))
                .matches("train: executor driver on 127.0.0.1: the driver cannot be reached at 127.0.0.2:\\d+"
                        + " \\(Connection refused\\), so a job of Spark for each step from now on; let executors connect to"
                        + " that port \\(spark.grft.port fixes it\\), or set engine.rounds to jobs");
        assertThatNoJobIsLeft();
    }
}
