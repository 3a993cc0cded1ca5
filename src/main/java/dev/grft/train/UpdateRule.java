package dev.grft.train;

import dev.grft.config.TrainingSettings;
import dev.grft.vit.kernels.nd4j.Flat;
import dev.grft.vit.kernels.nd4j.Freed;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.api.ops.impl.broadcast.BroadcastMulOp;
import org.nd4j.linalg.api.ops.impl.transforms.pairwise.arithmetic.Axpy;
import org.nd4j.linalg.api.ops.impl.updaters.AdamUpdater;
import org.nd4j.linalg.factory.Nd4j;
import org.nd4j.linalg.indexing.NDArrayIndex;
import org.nd4j.linalg.learning.GradientUpdater;
import org.nd4j.linalg.learning.config.IUpdater;
import org.nd4j.linalg.learning.regularization.Regularization;
import org.nd4j.linalg.schedule.ISchedule;
import org.nd4j.shade.jackson.annotation.JsonCreator;
import org.nd4j.shade.jackson.annotation.JsonProperty;

/**
 * The steps of {@code torch.optim}'s Adam and SGD, with g the mean gradient, t = 1, 2, ... and all state 0 before the first step. Weight
 * decay comes before them or after them, see {@link Decay}.
 *
 * <pre>
 *   adam   m = b1 m + (1 - b1) g      v = b2 v + (1 - b2) g^2
 *          w -= rate * m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + epsilon)
 *   sgd    u = momentum u + g         w -= rate * u, with Nesterov rate * (g + momentum u)
 * </pre>
 *
 * <p>DL4J's own Adam adds epsilon to the root of v before its correction, its momentum is Nesterov's and holds the learning rate: both are
 * other steps.
 */
final class UpdateRule implements IUpdater {
    private static final long serialVersionUID = 1L;

    private final ISchedule schedule;
    private final double factor;
    private final boolean adam;
    private final double beta1;
    private final double beta2;
    private final double epsilon;
    private final double momentum;
    private final boolean nesterov;

    @JsonCreator
    private UpdateRule(
            @JsonProperty("schedule") ISchedule schedule,
            @JsonProperty("factor") double factor,
            @JsonProperty("adam") boolean adam,
            @JsonProperty("beta1") double beta1,
            @JsonProperty("beta2") double beta2,
            @JsonProperty("epsilon") double epsilon,
            @JsonProperty("momentum") double momentum,
            @JsonProperty("nesterov") boolean nesterov) {
        this.schedule = schedule;
        this.factor = factor;
        this.adam = adam;
        this.beta1 = beta1;
        this.beta2 = beta2;
        this.epsilon = epsilon;
        this.momentum = momentum;
        this.nesterov = nesterov;
    }

    /** Returns the rule of {@code training.updater}. */
    static UpdateRule of(TrainingSettings training, ISchedule schedule) {
        return new UpdateRule(
                schedule,
                1,
                !training.updater().equals("sgd"),
                training.beta1(),
                training.beta2(),
                training.epsilon(),
                training.momentum(),
                training.nesterov());
    }

    /** Returns the rule with its learning rate multiplied. */
    UpdateRule times(double other) {
        return new UpdateRule(schedule, factor * other, adam, beta1, beta2, epsilon, momentum, nesterov);
    }

    /** Returns the length of the updater state: two values a parameter with Adam, one with momentum, else none. */
    @Override
    public long stateSize(long parameters) {
        return adam ? 2 * parameters : momentum > 0 ? parameters : 0;
    }

    @Override
    public GradientUpdater<UpdateRule> instantiate(@Nullable INDArray state, boolean initialize) {
        Stepper stepper = new Stepper(this);
        if (state != null) {
            stepper.hold(state, initialize);
        }
        return stepper;
    }

    @Override
    public GradientUpdater<UpdateRule> instantiate(Map<String, INDArray> state, boolean initialize) {
        Stepper stepper = new Stepper(this);
        stepper.setState(state, initialize);
        return stepper;
    }

    @Override
    public double getLearningRate(int iteration, int epoch) {
        return factor * schedule.valueAt(iteration, epoch);
    }

    @Override
    public boolean hasLearningRate() {
        return true;
    }

    @Override
    public void setLrAndSchedule(double learningRate, ISchedule other) {
        throw new UnsupportedOperationException("the learning rate is that of the configuration");
    }

    @Override
    public UpdateRule clone() {
        return times(1);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof UpdateRule rule
                && schedule.equals(rule.schedule)
                && factor == rule.factor
                && adam == rule.adam
                && beta1 == rule.beta1
                && beta2 == rule.beta2
                && epsilon == rule.epsilon
                && momentum == rule.momentum
                && nesterov == rule.nesterov;
    }

    @Override
    public int hashCode() {
        return Objects.hash(schedule, factor, adam, beta1, beta2, epsilon, momentum, nesterov);
    }

    /** Makes the steps of a part of the trained vector. */
    private static final class Stepper implements GradientUpdater<UpdateRule> {
        private static final String STATE = "state";

        private final UpdateRule rule;
        private @Nullable INDArray state; // Adam: m, then v

        Stepper(UpdateRule rule) {
            this.rule = rule;
        }

        @Override
        public UpdateRule getConfig() {
            return rule;
        }

        @Override
        public void setState(Map<String, INDArray> newState, boolean initialize) {
            hold(Objects.requireNonNull(newState.get(STATE)), initialize);
        }

        @Override
        public Map<String, INDArray> getState() {
            return state == null ? Map.of() : Map.of(STATE, state);
        }

        @Override
        public void setStateViewArray(INDArray view, long[] shape, char order, boolean initialize) {
            hold(view, initialize);
        }

        void hold(INDArray view, boolean initialize) {
            state = view.reshape(view.length());
            if (initialize) {
                view.assign(0);
            }
        }

        /** Puts what is to be subtracted from the parameters in place of their gradient. */
        @Override
        public void applyUpdater(INDArray gradient, int iteration, int epoch) {
            double rate = rule.getLearningRate(iteration, epoch);
            if (rule.adam) {
                double root = Math.sqrt(
                        1 - StrictMath.pow(rule.beta2, iteration + 1.0)); // moves epsilon behind the correction
                Nd4j.exec(new AdamUpdater(
                        gradient,
                        part(1, gradient),
                        part(0, gradient),
                        rate,
                        rule.beta1,
                        rule.beta2,
                        rule.epsilon * root,
                        iteration));
                return;
            }
            if (rule.momentum > 0) {
                INDArray memory = part(0, gradient);
                memory.muli(rule.momentum).addi(gradient);
                if (rule.nesterov) {
                    Nd4j.exec(new Axpy(memory, gradient, gradient, rule.momentum));
                } else {
                    gradient.assign(memory);
                }
            }
            gradient.muli(rate);
        }

        private INDArray part(int index, INDArray gradient) {
            long from = index * gradient.length();
            return Objects.requireNonNull(state)
                    .get(NDArrayIndex.interval(from, from + gradient.length()))
                    .reshape(gradient.shape());
        }
    }

    /**
     * The factors of the steps of a trained array's rows. DL4J applies them after the updater, as the last of its regularizations, so that they
     * multiply decoupled decay and pull as well: each row trains as if it had a learning rate of its own.
     *
     * @param factors one for each row, above 0
     */
    record RowRates(List<Double> factors) implements Regularization {
        private static final long serialVersionUID = 1L;

        @Override
        public ApplyStep applyStep() {
            return ApplyStep.POST_UPDATER;
        }

        @Override
        public void apply(INDArray trained, INDArray step, double learningRate, int iteration, int epoch) {
            int rows = factors.size();
            float[] values = new float[rows];
            for (int i = 0; i < rows; i++) {
                values[i] = factors.get(i).floatValue();
            }
            INDArray byRow = step.reshape('c', rows, step.length() / rows);
            INDArray column = Flat.array(values, step.dataType(), rows);
            Nd4j.exec(new BroadcastMulOp(byRow, column, byRow, 0));
            Freed.array(column);
        }

        @Override
        public double score(INDArray trained, int iteration, int epoch) {
            return 0;
        }

        @Override
        public Regularization clone() {
            return this;
        }
    }
}
