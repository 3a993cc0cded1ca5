package dev.grft.vit;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.api.ndarray.INDArray;

/**
 * The last stage: class tokens {@code [B, D]} to logits {@code [B, K]}: normalized (the features), times the head.
 *
 * <p>Without a head (K = 0) the output is the features {@code [B, D]}.
 */
final class Classifier implements Stage {
    private final VitConfig config;
    private final Buffers buffers;
    private final LayerNorm norm;
    private final @Nullable Linear head;
    private @Nullable INDArray features;

    Classifier(VitConfig config, Weights weights, TrainingPlan plan, Kernels kernels, Buffers buffers) {
        this.config = config;
        this.buffers = buffers;
        this.norm = new LayerNorm("norm", config.epsilon(), weights, plan, kernels, buffers);
        this.head = config.classes() == 0 ? null : new Linear("head", weights, plan, kernels, buffers);
    }

    @Override
    public List<TrainedArray> trained() {
        List<TrainedArray> arrays = new ArrayList<>(norm.trained());
        if (head != null) {
            arrays.addAll(head.trained());
        }
        return arrays;
    }

    @Override
    public boolean active() {
        return norm.active() || (head != null && head.active());
    }

    @Override
    public void bind(Bindings bindings) {
        norm.bind(bindings);
        if (head != null) {
            head.bind(bindings);
        }
    }

    @Override
    public void refresh() {
        norm.refresh();
        if (head != null) {
            head.refresh();
        }
    }

    @Override
    public INDArray forward(INDArray x, int examples) {
        INDArray normed = features(x, examples);
        if (head == null) {
            return normed;
        }
        INDArray logits = buffers.shared("logits", examples, config.classes());
        head.forward(normed, logits);
        return logits;
    }

    /** Returns the features {@code [B, D]} of class tokens {@code [B, D]}. */
    INDArray features(INDArray x, int examples) {
        INDArray normed = buffers.saved("head", "features", examples, config.width());
        norm.forward(x, normed);
        features = normed;
        return normed;
    }

    @Override
    public @Nullable INDArray backward(INDArray dy, int examples, boolean inputGradient) {
        if (features == null) {
            throw new IllegalStateException("head: backward before forward");
        }
        INDArray dfeatures = dy;
        if (head != null) {
            boolean below = inputGradient || norm.active();
            dfeatures = buffers.shared("dfeatures", examples, config.width());
            head.backward(features, dy, examples, below ? dfeatures : null);
        }
        return backwardFeatures(dfeatures, examples, inputGradient);
    }

    /** The part of {@link #backward} behind the head, given the gradient of the features {@code [B, D]}. */
    @Nullable
    INDArray backwardFeatures(INDArray dfeatures, int examples, boolean inputGradient) {
        INDArray dx = null;
        if (inputGradient) {
            dx = buffers.shared("dclassTokens", examples, config.width());
            dx.assign(0);
        }
        if (inputGradient || norm.active()) {
            norm.backward(dfeatures, dx);
        }
        return dx;
    }
}
