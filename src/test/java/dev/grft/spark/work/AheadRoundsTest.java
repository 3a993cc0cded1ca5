package dev.grft.spark.work;

import static dev.grft.spark.work.StandingRoundsTest.assertEqual;
import static dev.grft.spark.work.StandingRoundsTest.examples;
import static dev.grft.spark.work.StandingRoundsTest.source;
import static dev.grft.spark.work.StandingRoundsTest.trained;
import static org.assertj.core.api.Assertions.assertThat;

import dev.grft.rounds.Coordinator;
import dev.grft.spark.images.Shard;
import dev.grft.train.LearnerState;
import dev.grft.train.StepGradient;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Trainings whose standing tasks prepare batches ahead. */
class AheadRoundsTest {
    private static final AtomicReference<List<Boolean>> AGAIN =
            new AtomicReference<>(); // tasks that Spark has repeated

    @BeforeAll
    static void start() {
        StandingRoundsTest.start();
    }

    @AfterAll
    static void stop() {
        StandingRoundsTest.stop();
    }

    @AfterEach
    void nothingIsLeft() throws InterruptedException {
        AheadTest.assertNothingIsLeft();
    }

    /** Returns rounds whose standing tasks wait for as long as a slow machine needs. */
    private static StandingRounds patient(
            JavaSparkContext spark, JavaRDD<Shard> shards, Sampler sampler, Replicas.Recipe recipe, long steps) {
        long minutes = TimeUnit.MINUTES.toNanos(10);
        return new StandingRounds(
                spark,
                shards,
                sampler,
                recipe,
                steps,
                Duration.ofMinutes(10),
                Duration.ofSeconds(10),
                new Coordinator.Patience(minutes, minutes, minutes, 3, minutes),
                true);
    }

    /** The files are cut off after step s, so step s + 1 has only what was read before its parameters were known. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void theImagesOfAStepAreReadBeforeItsParametersArrive(boolean beside) throws Exception {
        Ahead.threads(beside);
        List<Boolean> again = new ArrayList<>();
        AGAIN.set(again);
        JavaRDD<Shard> images = examples(2, 24);
        List<StepGradient> expected = new ArrayList<>();
        Rounds jobs = source(Rounds::new, images, 10);
        for (int step = 0; step < 3; step++) {
            expected.add(jobs.gradient(step, trained(step)));
        }
        List<String> files = images.map(Shard::toString).collect();
        JavaRDD<Shard> watched = images.mapPartitions(
                part -> {
                    if (TaskContext.get().attemptNumber() > 0) {
                        AGAIN.get().add(true);
                    }
                    return part;
                },
                true);
        try (StandingRounds standing = source(AheadRoundsTest::patient, watched, 10)) {
            assertEqual(standing.gradient(0, trained(0)), expected.get(0));
            AheadTest.until(() -> Ahead.ready() == 2);
            files.forEach(AheadTest::damage);
            assertEqual(standing.gradient(1, trained(1)), expected.get(1));
            assertThat(again).as("tasks that have failed").isEmpty();
            assertEqual(standing.gradient(2, trained(2)), expected.get(2));
        }
        assertThat(images.map(Shard::toString).collect())
                .as("what was not prepared could not be read, so the files were made anew")
                .isNotEqualTo(files);
    }

    @ParameterizedTest
    @CsvSource({"1, false", "3, false", "8, false", "1, true", "3, true", "8, true"})
    void theBitsAreThoseOfAJobEachStep(int shards, boolean beside) {
        Ahead.threads(beside);
        JavaRDD<Shard> images = examples(shards, 24);
        for (Balance balance : List.of(Balance.NONE, Balance.of(images, 3, "sampler"))) {
            Rounds jobs = source(Rounds::new, images, balance, 10, "training.microBatch=2");
            List<StepGradient> gradients = new ArrayList<>();
            LearnerState state = new LearnerState(trained(7), new float[0], 4);
            try (StandingRounds standing = source(StandingRounds::new, images, balance, 10, "training.microBatch=2")) {
                for (int step = 0; step < 4; step++) {
                    gradients.add(standing.gradient(step, trained(step)));
                }
                if (balance == Balance.NONE) {
                    LearnerState local = standing.localSteps(state, 2, 0.5).state();
                    local = standing.localSteps(local, 3, 0.5).state();
                    standing.rest();
                    LearnerState other = jobs.localSteps(state, 2, 0.5).state();
                    assertThat(local).isEqualTo(jobs.localSteps(other, 3, 0.5).state());
                }
            }
            for (int step = 0; step < 4; step++) {
                assertEqual(gradients.get(step), jobs.gradient(step, trained(step)));
            }
        }
    }
}
