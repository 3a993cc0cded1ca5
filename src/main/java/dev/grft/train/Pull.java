package dev.grft.train;

import dev.grft.Grft;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.api.ops.impl.transforms.pairwise.arithmetic.Axpy;
import org.nd4j.linalg.factory.Nd4j;
import org.nd4j.linalg.learning.regularization.Regularization;

/**
 * The penalty of one trained array as DL4J applies it. {@link Grft} has the formulas of the term and of its gradient.
 *
 * @param strength lambda, above 0
 * @param decoupled whether each step subtracts the learning rate times the gradient after the updater; else the gradient goes
 *     through the updater
 */
record Pull(double strength, boolean decoupled) implements Regularization {
    private static final long serialVersionUID = 1L;

    @Override
    public ApplyStep applyStep() {
        return decoupled ? ApplyStep.POST_UPDATER : ApplyStep.BEFORE_UPDATER;
    }

    @Override
    public void apply(INDArray trained, INDArray gradient, double learningRate, int iteration, int epoch) {
        double slope = Grft.penaltySlope(strength);
        Nd4j.exec(new Axpy(trained, gradient, gradient, decoupled ? slope * learningRate : slope));
    }

    @Override
    public double score(INDArray trained, int iteration, int epoch) {
        return Grft.penalty(strength, trained.norm2Number().doubleValue());
    }

    @Override
    public Regularization clone() {
        return this;
    }
}
