package dev.grft.train;

import dev.grft.Checks;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The loop: get a gradient, update, report, save. Where gradients come from and where states are saved is up to its parts. A
 * training that goes on from a saved state ends in the same bits.
 */
public final class Trainer {
    /**
     * How long and how.
     *
     * @param first number of steps that were made before, by another learner
     * @param end number of the step to end with, counted with those
     * @param steps number of all steps of the training, {@code end} or more
     * @param batchSize examples in a step
     * @param examples number of training images
     * @param syncEvery steps between two synchronizations; 1 for exact data-parallel training
     * @param learningRate the largest, for messages
     * @param clipNorm the largest L2 norm of the mean gradient, of local steps of each shard's; 0 for no limit
     * @param saveEvery steps between two saved states; 0 for the last one only
     * @param ownKeys what the keys begin with that change this training alone, for messages
     */
    public record Plan(
            long first,
            long end,
            long steps,
            int batchSize,
            long examples,
            int syncEvery,
            double learningRate,
            double clipNorm,
            int saveEvery,
            String ownKeys) {
        public Plan {
            if (first < 0
                    || end <= first
                    || steps < end
                    || steps > Integer.MAX_VALUE
                    || batchSize < 1
                    || examples < 1
                    || syncEvery < 1) {
                throw new IllegalArgumentException(
                        "no plan: steps " + first + " to " + end + " of " + steps + ", batches of " + batchSize + " of "
                                + examples + " examples, synchronized every " + syncEvery);
            }
        }

        /** Returns whether the loss of a step and its gradient are finite. The gradient can overflow a step before the loss does. */
        public boolean isFinite(Step step) {
            return Double.isFinite(step.loss()) && (syncEvery > 1 || Double.isFinite(step.gradientNorm()));
        }

        /** Returns how often all images have been shown whole after a step. */
        long epochs(long step) {
            return step * batchSize / examples;
        }

        /** Returns the number of steps that show every image once, may be a fraction. */
        public double stepsPerEpoch() {
            return (double) examples / batchSize;
        }
    }

    /** Where states are kept. */
    public interface Keeper {
        /** Returns the newest state of this very training, or null to begin. */
        @Nullable
        LearnerState latest();

        /** Keeps a state. */
        void keep(LearnerState state);
    }

    /** Evaluates the model after each epoch and can end the training. */
    public interface Judge {
        /** Lets every epoch pass. */
        Judge NONE = new Judge() {
            @Override
            public void epoch(long step, float[] trained) {}

            @Override
            public boolean due() {
                return false;
            }

            @Override
            public boolean enough() {
                return false;
            }
        };

        /** Looks at the trained vector {@code [N]}, or its average if one is kept, after the step that ended an epoch, or the whole training. */
        void epoch(long step, float[] trained);

        /** Returns whether the newest state was kept before its epoch had been looked at, because that had failed. */
        boolean due();

        /** Returns whether to stop; a training that has been stopped is not to go on either. */
        boolean enough();
    }

    /** Receives the steps of a training. */
    public interface Listener {
        /** Takes a step that was made, or a round of local steps. */
        void step(Step step);
    }

    /**
     * What one step was like.
     *
     * @param step number of steps made so far
     * @param steps number of all steps
     * @param epoch how many times each image has been shown, a fraction
     * @param loss mean cross-entropy of the batch, before the update
     * @param penalty what the penalty added to it
     * @param learningRate of this step
     * @param gradientNorm L2 norm of the mean gradient without the penalty; NaN for local steps
     * @param examples examples in it
     * @param seconds from its beginning to its end
     * @param inputSeconds of these, how long the slowest shard waited until its images were read and augmented
     */
    public record Step(
            long step,
            long steps,
            double epoch,
            double loss,
            double penalty,
            double learningRate,
            double gradientNorm,
            long examples,
            double seconds,
            double inputSeconds) {}

    private final Plan plan;
    private final Learner learner;
    private final GradientSource source;
    private final Keeper keeper;
    private final Listener listener;
    private final Judge judge;
    private final float[] sent; // the trained vector, as the source was given it last
    private long kept; // number of the last step of the newest kept state

    /** Returns the loop of these parts; {@code learner} is at the state to begin from if none was kept. */
    public Trainer(Plan plan, Learner learner, GradientSource source, Keeper keeper, Listener listener, Judge judge) {
        this.plan = plan;
        this.learner = learner;
        this.source = source;
        this.keeper = keeper;
        this.listener = listener;
        this.judge = judge;
        this.sent = plan.syncEvery() == 1 ? learner.trained() : new float[0];
    }

    /**
     * Trains to the end and returns the last state, which has been kept. If the source of the gradients or the judge fails, or is made
     * to fail because the application must stop, the state after the last step is kept as well.
     *
     * @throws Divergence.Ended if the loss or the gradient is no longer a finite number
     */
    public LearnerState run() {
        LearnerState latest = keeper.latest();
        if (latest != null) {
            learner.restore(latest);
        }
        kept = made();
        if (judge.due()) {
            judge();
            keep();
        }
        while (made() < plan.end() && !judge.enough()) {
            long before = made();
            Step step = plan.syncEvery() == 1 ? step() : localSteps();
            listener.step(step);
            if (!plan.isFinite(step)) { // such a state must not be kept
                String own = plan.ownKeys();
                throw new Divergence.Ended(
                        "training: the loss of step %d is %s, the norm of its gradient %s; lower %straining.learningRate"
                                + " (%s now)%s",
                        step.step(),
                        step.loss(),
                        step.gradientNorm(),
                        own,
                        Checks.text(plan.learningRate()),
                        plan.clipNorm() > 0
                                ? " or lengthen " + own + "training.warmupEpochs"
                                : ", lengthen " + own + "training.warmupEpochs or set " + own + "training.clipNorm");
            }
            if (plan.epochs(before) != plan.epochs(made()) || made() == plan.steps()) {
                judge();
            }
            boolean due = plan.saveEvery() > 0 && before / plan.saveEvery() != made() / plan.saveEvery();
            if (due || made() >= plan.end() || judge.enough()) {
                keep();
            }
        }
        return learner.state();
    }

    private void judge() {
        if (judge != Judge.NONE) {
            source.rest(); // the judge wants the machines
            given(() -> {
                judge.epoch(made(), learner.result());
                return made();
            });
        }
    }

    private void keep() {
        keeper.keep(learner.state());
        kept = made();
    }

    /** Returns what is asked for, which leaves the learner as it is; keeps its state if that fails. */
    private <T> T given(Supplier<T> asked) {
        try {
            return asked.get();
        } catch (Exception e) { // Spark throws checked ones undeclared
            if (made() > kept) {
                try {
                    keep();
                } catch (Exception other) {
                    e.addSuppressed(other);
                }
            }
            throw e;
        }
    }

    /** Returns the number of steps made, those of other learners included. */
    private long made() {
        return plan.first() + learner.step();
    }

    private Step step() {
        long start = System.nanoTime();
        double learningRate = learner.learningRate();
        double penalty = learner.penalty();
        learner.trained(sent);
        StepGradient gradient = given(() -> source.gradient(learner.step(), sent));
        double norm = learner.apply(gradient, plan.clipNorm());
        return report(
                gradient.loss(), gradient.examples(), gradient.inputSeconds(), penalty, learningRate, norm, start);
    }

    private Step localSteps() {
        long start = System.nanoTime();
        double learningRate = learner.learningRate();
        double penalty = learner.penalty();
        int count = (int) Math.min(plan.syncEvery(), plan.end() - made());
        LocalSteps result = given(() -> source.localSteps(learner.stateWithoutAverage(), count, plan.clipNorm()));
        learner.advance(result.state());
        return report(
                result.loss(), result.examples(), result.inputSeconds(), penalty, learningRate, Double.NaN, start);
    }

    private Step report(
            double loss,
            long examples,
            double inputSeconds,
            double penalty,
            double learningRate,
            double norm,
            long start) {
        return new Step(
                made(),
                plan.steps(),
                (double) made() * plan.batchSize() / plan.examples(),
                loss / examples,
                penalty,
                learningRate,
                norm,
                examples,
                (System.nanoTime() - start) / 1e9,
                inputSeconds);
    }
}
