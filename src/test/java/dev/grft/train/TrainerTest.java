package dev.grft.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.grft.Penalty;
import dev.grft.UserError;
import dev.grft.config.Config;
import dev.grft.config.TrainingSettings;
import dev.grft.tuning.Tiny;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.apache.hadoop.conf.Configuration;
import org.assertj.core.data.Offset;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.factory.Nd4j;

/** The loop, with gradients made up from the step and the trained numbers. */
class TrainerTest {
    private static final float[] START = {1, -2, 0.5f, -0.5f, 1, 2, 3, -4};
    private static final TrainingSettings TRAINING = Trainings.training("adam", 0.1, "cosine", 2, 0.01, 0, 1e-8);
    private static final Penalty PENALTY = new Penalty(0.5, 1, 0.25, false);

    private final List<Trainer.Step> steps = new ArrayList<>();

    @Test
    void eachStepAsksForTheGradientAtTheNumbersOfTheStepBefore() {
        Source source = new Source();
        Learner learner = learner();
        LearnerState end =
                trainer(plan(4, 1, 0), learner, source, new Memory(null)).run();

        assertThat(source.asked).containsExactly(0L, 1L, 2L, 3L);
        Learner byHand = learner();
        for (long step = 0; step < 4; step++) {
            byHand.apply(new Source().gradient(step, byHand.trained()), 0);
        }
        assertThat(end).isEqualTo(byHand.state());
        assertThat(learner.state()).isEqualTo(end);
    }

    @Test
    void theListenerIsToldOfEachStep() {
        Learner twin = learner();
        trainer(plan(3, 1, 0), learner(), new Source(), new Memory(null)).run();
        assertThat(steps).hasSize(3);
        for (int s = 0; s < 3; s++) {
            Trainer.Step step = steps.get(s);
            assertThat(step.step()).isEqualTo(s + 1);
            assertThat(step.steps()).isEqualTo(3);
            assertThat(step.epoch()).isEqualTo((s + 1) * 4 / 10.0); // four of ten images each
            assertThat(step.learningRate()).isEqualTo(twin.learningRate());
            assertThat(step.penalty()).isEqualTo(twin.penalty());
            assertThat(step.loss()).isEqualTo((8.0 + s) / 4);
            assertThat(step.examples()).isEqualTo(4);
            assertThat(step.seconds()).isBetween(0.0, 60.0);
            double norm = twin.apply(new Source().gradient(s, twin.trained()), 0);
            assertThat(step.gradientNorm()).isEqualTo(norm).isPositive();
        }
    }

    @Test
    void theLargestNormOfThePlanIsKeptTo() {
        Trainer.Plan plan = plan(2, 1, 0.5, 0);
        LearnerState end =
                trainer(plan, learner(), new Source(), new Memory(null)).run();
        Learner byHand = learner();
        for (long step = 0; step < 2; step++) {
            byHand.apply(new Source().gradient(step, byHand.trained()), 0.5);
        }
        assertThat(end).isEqualTo(byHand.state());
    }

    @Test
    void statesAreKeptEverySoManyStepsAndAtTheEnd() {
        assertThat(kept(plan(7, 1, 3))).containsExactly(3L, 6L, 7L);
        assertThat(kept(plan(6, 1, 3))).containsExactly(3L, 6L);
        assertThat(kept(plan(3, 1, 0))).containsExactly(3L);
        assertThat(kept(plan(3, 1, 5))).containsExactly(3L);
        assertThat(kept(plan(2, 1, 1))).containsExactly(1L, 2L);
    }

    @Test
    void localStepsKeepAtTheEndOfTheRoundInWhichAStateIsDue() {
        assertThat(kept(plan(10, 4, 3))).containsExactly(4L, 8L, 10L);
        assertThat(kept(plan(10, 4, 5))).containsExactly(8L, 10L);
    }

    @Test
    void goingOnFromAnyKeptStateLeadsToTheSameBits() {
        for (int syncEvery : new int[] {1, 2}) {
            Memory memory = new Memory(null);
            LearnerState undisturbed = trainer(plan(8, syncEvery, 2), learner(), new Source(), memory)
                    .run();
            assertThat(memory.kept).hasSize(4);
            for (LearnerState state : memory.kept) {
                Source source = new Source();
                LearnerState end = trainer(plan(8, syncEvery, 2), learner(), source, new Memory(state))
                        .run();
                assertThat(end).as("from step %s", state.step()).isEqualTo(undisturbed);
                assertThat(source.asked).hasSize((int) (8 - state.step()) / syncEvery);
            }
        }
    }

    @Test
    void whenTheSourceFailsTheStateAfterTheLastStepIsKept() {
        for (int syncEvery : new int[] {1, 2}) {
            LearnerState undisturbed = trainer(plan(8, syncEvery, 0), learner(), new Source(), new Memory(null))
                    .run();
            Memory memory = new Memory(null);
            Source lost = new Source() {
                @Override
                public StepGradient gradient(long step, float[] trained) {
                    return super.gradient(fail(step), trained);
                }

                @Override
                public LocalSteps localSteps(LearnerState from, int count, double clipNorm) {
                    fail(from.step());
                    return super.localSteps(from, count, clipNorm);
                }

                private long fail(long step) {
                    if (step == 4) {
                        throw new IllegalStateException("no executor is left");
                    }
                    return step;
                }
            };
            assertThatThrownBy(() -> trainer(plan(8, syncEvery, 0), learner(), lost, memory)
                            .run())
                    .hasMessage("no executor is left");
            assertThat(memory.kept).extracting(LearnerState::step).containsExactly(4L);
            assertThat(trainer(plan(8, syncEvery, 0), learner(), new Source(), new Memory(memory.kept.get(0)))
                            .run())
                    .isEqualTo(undisturbed);
            Memory again = new Memory(memory.kept.get(0));
            assertThatThrownBy(
                    () -> trainer(plan(8, syncEvery, 0), learner(), lost, again).run());
            assertThat(again.kept).as("it has been kept already").isEmpty();
        }
    }

    @Test
    void aTrainingThatIsOverIsNotTrainedOn() {
        LearnerState over = new LearnerState(START, new float[16], 5);
        Source source = new Source();
        Memory memory = new Memory(over);
        assertThat(trainer(plan(5, 1, 1), learner(), source, memory).run()).isEqualTo(over);
        assertThat(source.asked).isEmpty();
        assertThat(memory.kept).isEmpty();
        assertThat(steps).isEmpty();
    }

    @Test
    void aLossThatIsNoNumberStopsTheTrainingAndIsNotKept() {
        for (double loss : new double[] {Double.NaN, Double.POSITIVE_INFINITY}) {
            Memory memory = new Memory(null);
            Source source = new Source() {
                @Override
                public StepGradient gradient(long step, float[] trained) {
                    return step == 2 ? new StepGradient(new float[8], loss, 4) : super.gradient(step, trained);
                }
            };
            steps.clear();
            assertThatThrownBy(() ->
                            trainer(plan(5, 1, 1), learner(), source, memory).run())
                    .isInstanceOf(UserError.class)
                    .hasMessage("training: the loss of step 3 is " + loss
                            + ", the norm of its gradient 0.0; lower methods.lora.training.learningRate (0.5 now), lengthen"
                            + " methods.lora.training.warmupEpochs or set methods.lora.training.clipNorm");
            assertThat(steps(memory)).containsExactly(1L, 2L);
            assertThat(steps).hasSize(3);
            assertThatThrownBy(() -> trainer(plan(5, 1, 1, 1), learner(), source, new Memory(null))
                            .run())
                    .hasMessageEndingWith("lower methods.lora.training.learningRate (0.5 now) or lengthen"
                            + " methods.lora.training.warmupEpochs");
        }
    }

    @Test
    void aGradientThatIsNoNumberStopsTheTrainingAndIsNotKept() {
        Memory memory = new Memory(null);
        Source source = new Source() {
            @Override
            public StepGradient gradient(long step, float[] trained) {
                return new StepGradient(new float[] {1, 1, 1, Float.POSITIVE_INFINITY, 1, 1, 1, 1}, 2, 4);
            }
        };
        assertThatThrownBy(
                        () -> trainer(plan(5, 1, 1), learner(), source, memory).run())
                .isInstanceOf(UserError.class)
                .hasMessageStartingWith(
                        "training: the loss of step 1 is 0.5, the norm of its gradient Infinity; lower");
        assertThat(memory.kept).isEmpty();
    }

    @Test
    void localStepsAreMadeInRoundsOfWhichTheLastIsShorter() {
        Source source = new Source();
        LearnerState end =
                trainer(plan(10, 4, 0), learner(), source, new Memory(null)).run();
        assertThat(source.asked).containsExactly(4L, 4L, 2L);
        assertThat(end.step()).isEqualTo(10);
        assertThat(steps).extracting(Trainer.Step::step).containsExactly(4L, 8L, 10L);
        assertThat(steps).extracting(Trainer.Step::examples).containsExactly(16L, 16L, 8L);
        assertThat(steps).extracting(Trainer.Step::loss).containsExactly(1.25, 1.25, 1.25);
        assertThat(steps).extracting(Trainer.Step::gradientNorm).containsOnly(Double.NaN);
        assertThat(steps.get(1).learningRate())
                .isEqualTo(Schedule.of(TRAINING, 10, 1).valueAt(4, 0));
        assertThat(steps.get(0).penalty()).isCloseTo(0.5 * 5 + 0.25 * 30.5, Offset.offset(1e-5));
    }

    @Test
    void localStepsAreSentNoAverageAndTheLearnersOwnStays() {
        TrainingSettings averaging = Config.load(List.of(), List.of("training.ema=0.9"), new Configuration())
                .training();
        Learner learner = new Learner(
                Trainings.small(TRAINING, PENALTY), LearnerState.start(START), Average.of(averaging, 0), null);
        Average expected = Objects.requireNonNull(Average.of(averaging, 0));
        expected.set(START);
        List<LearnerState> sent = new ArrayList<>();
        Source source = new Source() {
            @Override
            public LocalSteps localSteps(LearnerState from, int count, double clipNorm) {
                sent.add(from);
                LocalSteps made = super.localSteps(from, count, clipNorm);
                INDArray scratch = Nd4j.createFromArray(START).reshape(1, START.length);
                expected.add(
                        Nd4j.createFromArray(made.state().trained()).reshape(1, START.length),
                        scratch,
                        from.step(),
                        from.step() + count);
                return made;
            }
        };
        LearnerState end =
                trainer(plan(10, 4, 0), learner, source, new Memory(null)).run();

        assertThat(sent).hasSize(3).allMatch(state -> state.average() == null);
        assertThat(end.average()).isEqualTo(expected.values()).isNotEqualTo(end.trained());
    }

    /** Has enough after some epochs. */
    private static class Judge implements Trainer.Judge {
        final List<Long> epochs = new ArrayList<>();
        final int most;
        boolean due;

        Judge(int most) {
            this.most = most;
        }

        @Override
        public void epoch(long step, float[] trained) {
            epochs.add(step);
        }

        @Override
        public boolean due() {
            return due;
        }

        @Override
        public boolean enough() {
            return epochs.size() >= most;
        }
    }

    private List<Long> judged(Trainer.Plan plan, Judge judge, Memory memory) {
        new Trainer(plan, learner(), new Source(), memory, steps::add, judge).run();
        return judge.epochs;
    }

    @Test
    void theModelIsJudgedInTheStepThatEndsAnEpochAndAfterTheLast() {
        // four of ten images a step: whole epochs are over after steps 3, 5 and 8
        assertThat(judged(plan(8, 1, 0), new Judge(9), new Memory(null))).containsExactly(3L, 5L, 8L);
        assertThat(judged(plan(7, 1, 0), new Judge(9), new Memory(null))).containsExactly(3L, 5L, 7L);
        assertThat(judged(plan(8, 2, 0), new Judge(9), new Memory(null))).containsExactly(4L, 6L, 8L);
    }

    @Test
    void theSourceLetsGoOfTheMachinesBeforeTheModelIsJudged() {
        Source source = new Source();
        new Trainer(plan(8, 1, 0), learner(), source, new Memory(null), steps::add, new Judge(9) {
                    @Override
                    public void epoch(long step, float[] trained) {
                        super.epoch(step, trained);
                        assertThat(source.rests).isEqualTo(epochs.size());
                    }
                })
                .run();
        assertThat(source.rests).isEqualTo(3);
        trainer(plan(8, 1, 0), learner(), source, new Memory(null)).run();
        assertThat(source.rests).as("nobody judges").isEqualTo(3);
    }

    @Test
    void aTrainingEndsWhenTheJudgeHasEnoughAndKeepsThatState() {
        Memory memory = new Memory(null);

        assertThat(judged(plan(100, 1, 0), new Judge(2), memory)).containsExactly(3L, 5L);

        assertThat(steps).hasSize(5);
        assertThat(steps(memory)).containsExactly(5L);
        Judge over = new Judge(0);
        steps.clear();
        assertThat(judged(plan(100, 1, 0), over, new Memory(memory.kept.get(0))))
                .isEmpty();
        assertThat(steps).as("it does not go on").isEmpty();
    }

    @Test
    void whatIsInterruptedWhileItIsJudgedGoesOnWithThatEpoch() {
        LearnerState undisturbed = trainer(plan(8, 1, 0), learner(), new Source(), new Memory(null))
                .run();
        for (long at : new long[] {5, 8}) {
            Memory memory = new Memory(null);
            Judge lost = new Judge(9) {
                @Override
                public void epoch(long step, float[] trained) {
                    if (step == at) {
                        throw new IllegalStateException("no executor is left");
                    }
                    super.epoch(step, trained);
                }
            };

            assertThatThrownBy(() -> judged(plan(8, 1, 0), lost, memory)).hasMessage("no executor is left");

            assertThat(steps(memory)).containsExactly(at);
            Memory again = new Memory(memory.kept.get(0));
            Judge judge = new Judge(9);
            judge.due = true;
            steps.clear();
            assertThat(judged(plan(8, 1, 0), judge, again))
                    .startsWith(at)
                    .endsWith(8L)
                    .doesNotHaveDuplicates();
            assertThat(steps).as("no step is made again").hasSize((int) (8 - at));
            assertThat(steps(again)).as("kept again, since it has been judged").contains(at);
            assertThat(again.kept.get(again.kept.size() - 1)).isEqualTo(undisturbed);
        }
    }

    @Test
    void aPartOfATrainingCountsTheStepsBeforeIt() {
        Memory memory = new Memory(null);
        Source source = new Source();
        Judge judge = new Judge(9);
        Trainer.Plan part = new Trainer.Plan(5, 8, 9, 4, 10, 1, 0.5, 0, 0, "");

        new Trainer(part, learner(), source, memory, steps::add, judge).run();

        assertThat(source.asked).as("steps of the part").containsExactly(0L, 1L, 2L);
        assertThat(steps).extracting(Trainer.Step::step).containsExactly(6L, 7L, 8L);
        assertThat(steps).extracting(Trainer.Step::steps).containsOnly(9L);
        assertThat(steps.get(2).epoch()).isEqualTo(3.2);
        assertThat(judge.epochs).containsExactly(8L);
        assertThat(steps(memory)).as("the learner's own").containsExactly(3L);
    }

    @Test
    void aPlanThatCannotBeIsRefused() {
        assertThatThrownBy(() -> plan(0, 1, 0, 0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("no plan: steps 0 to 0 of 0, batches of 4 of 10 examples, synchronized every 1");
        assertThat(plan(5, 1, 1, 0).stepsPerEpoch()).isEqualTo(2.5);
    }

    private List<Long> kept(Trainer.Plan plan) {
        Memory memory = new Memory(null);
        LearnerState end = trainer(plan, learner(), new Source(), memory).run();
        assertThat(memory.kept.get(memory.kept.size() - 1)).isEqualTo(end);
        return steps(memory);
    }

    private static List<Long> steps(Memory memory) {
        return memory.kept.stream().map(LearnerState::step).toList();
    }

    private static Trainer.Plan plan(long steps, int syncEvery, int saveEvery) {
        return plan(steps, syncEvery, 0, saveEvery);
    }

    /** Returns the plan of a whole training of four of ten images a step. */
    private static Trainer.Plan plan(long steps, int syncEvery, double clipNorm, int saveEvery) {
        return new Trainer.Plan(0, steps, steps, 4, 10, syncEvery, 0.5, clipNorm, saveEvery, "methods.lora.");
    }

    private Trainer trainer(Trainer.Plan plan, Learner learner, GradientSource source, Trainer.Keeper keeper) {
        return new Trainer(plan, learner, source, keeper, steps::add, Trainer.Judge.NONE);
    }

    private static Learner learner() {
        return new Learner(Trainings.small(TRAINING, PENALTY), LearnerState.start(START));
    }

    /** Depends on its arguments only, as the contract says; notes the steps, or the lengths of the rounds, it is asked for. */
    private static class Source implements GradientSource {
        final List<Long> asked = new ArrayList<>();
        int rests;

        @Override
        public void rest() {
            rests++;
        }

        @Override
        public StepGradient gradient(long step, float[] trained) {
            asked.add(step);
            float[] gradient = Tiny.normal(step, trained.length, 1);
            for (int i = 0; i < gradient.length; i++) {
                gradient[i] += trained[i];
            }
            return new StepGradient(gradient, 8 + step, 4);
        }

        @Override
        public LocalSteps localSteps(LearnerState from, int count, double clipNorm) {
            asked.add((long) count);
            Learner learner = new Learner(Trainings.small(TRAINING, PENALTY), from);
            for (int i = 0; i < count; i++) {
                learner.apply(new Source().gradient(learner.step(), learner.trained()), 0);
            }
            return new LocalSteps(learner.state(), 5.0 * count, 4L * count);
        }
    }

    private static final class Memory implements Trainer.Keeper {
        final List<LearnerState> kept = new ArrayList<>();
        private final @Nullable LearnerState latest;

        Memory(@Nullable LearnerState latest) {
            this.latest = latest;
        }

        @Override
        public @Nullable LearnerState latest() {
            return latest;
        }

        @Override
        public void keep(LearnerState state) {
            kept.add(state);
        }
    }
}
