package dev.grft.train;

import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.api.ops.impl.transforms.pairwise.arithmetic.Axpy;
import org.nd4j.linalg.factory.Nd4j;
import org.nd4j.linalg.learning.regularization.Regularization;

/**
 * The weight decay of one trained array, toward 0 of the parameter itself: {@code origin + trained} for what trains as a difference to
 * its pretrained value. It is no term of the reported loss.
 *
 * @param factor {@code training.weightDecay}, above 0
 * @param decoupled whether each step subtracts the learning rate times the decay after the updater, as torch.optim.AdamW does; else the
 *     decay is added to the gradient, as by torch.optim's Adam and SGD
 * @param origin the pretrained value; null for 0
 */
record Decay(double factor, boolean decoupled, @Nullable INDArray origin) implements Regularization {
    private static final long serialVersionUID = 1L;

    @Override
    public ApplyStep applyStep() {
        return decoupled ? ApplyStep.POST_UPDATER : ApplyStep.BEFORE_UPDATER;
    }

    @Override
    public void apply(INDArray trained, INDArray gradient, double learningRate, int iteration, int epoch) {
        double slope = decoupled ? factor * learningRate : factor;
        Nd4j.exec(new Axpy(trained, gradient, gradient, slope));
        if (origin != null) {
            Nd4j.exec(new Axpy(origin.reshape(gradient.shape()), gradient, gradient, slope));
        }
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
