package dev.grft.spark.work;

import dev.grft.train.LearnerState;
import dev.grft.train.LocalSteps;
import dev.grft.train.StepGradient;
import java.util.function.Function;

/**
 * Gradients by standing tasks, until an executor cannot reach the driver: then by a job of Spark for each step. If the standing tasks have ended within a
 * step, the job makes this step. The bits are the same, so an executor that comes later, from another part of the network, ends no training.
 */
final class StandingOrJobs implements RoundSource {
    private final Rounds jobs;
    private final Reach reach;
    private RoundSource source;

    /** An executor does not reach the driver. */
    static final class Unreached extends RuntimeException {
        private static final long serialVersionUID = 1L;

        final String obstacle;

        Unreached(String obstacle) {
            super(obstacle);
            this.obstacle = obstacle;
        }
    }

    /**
     * Returns gradients by standing tasks.
     *
     * @param reach receives the reason if an executor cannot connect
     */
    StandingOrJobs(StandingRounds standing, Rounds jobs, Reach reach) {
        this.source = standing;
        this.jobs = jobs;
        this.reach = reach;
    }

    @Override
    public StepGradient gradient(long step, float[] trained) {
        return made(from -> from.gradient(step, trained));
    }

    @Override
    public LocalSteps localSteps(LearnerState from, int count, double clipNorm) {
        return made(source -> source.localSteps(from, count, clipNorm));
    }

    private <T> T made(Function<RoundSource, T> round) {
        try {
            return round.apply(source);
        } catch (Unreached e) {
            reach.giveUp(e.obstacle);
            source.close();
            source = jobs;
            return round.apply(jobs);
        }
    }

    @Override
    public int vectors() {
        return source.vectors();
    }

    @Override
    public void rest() {
        source.rest();
    }

    @Override
    public void close() {
        source.close();
    }
}
