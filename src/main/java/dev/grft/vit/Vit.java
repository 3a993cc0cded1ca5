package dev.grft.vit;

import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Kernels;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A Vision Transformer over shared frozen weights (Dosovitskiy et al. 2021, arXiv 2010.11929). A {@link Trainable} says which
 * parameters train.
 *
 * <p>Stages: patch embedding, {@code depth} encoder blocks, classifier. One instance serves one thread.
 */
public final class Vit implements AutoCloseable {
    private final VitConfig config;
    private final List<Stage> stages;
    private final Classifier classifier;
    private final Buffers buffers;
    private final boolean ownBuffers;
    private final int firstActive;
    private final int frozenStages;

    /**
     * Returns a network over {@code weights} with buffers of its own.
     *
     * @param trainable says which parameters train
     * @param keep what is kept for {@link #backward}; without it, it must not be called
     */
    public Vit(Weights weights, Trainable trainable, Kernels kernels, Keep keep) {
        this(weights, trainable, kernels, new Buffers(kernels.memory(), weights.type(), keep), true);
    }

    /**
     * Returns a network over {@code weights} that only predicts.
     *
     * @param trainable says which parameters train
     * @param buffers that it has in common with others, which keep {@link Keep#NOTHING}; the caller closes them
     */
    public Vit(Weights weights, Trainable trainable, Kernels kernels, Buffers buffers) {
        this(weights, trainable, kernels, buffers, false);
        if (buffers.keep() != Keep.NOTHING) {
            throw new IllegalArgumentException("networks cannot share buffers that keep " + buffers.keep());
        }
    }

    private Vit(Weights weights, Trainable trainable, Kernels kernels, Buffers buffers, boolean ownBuffers) {
        this.config = weights.config();
        this.buffers = buffers;
        this.ownBuffers = ownBuffers;
        List<Stage> list = new ArrayList<>();
        list.add(new PatchEmbedding(config, weights, trainable, kernels, buffers));
        for (int b = 0; b < config.depth(); b++) {
            list.add(new EncoderBlock(b, config, weights, trainable, kernels, buffers));
        }
        this.classifier = new Classifier(config, weights, trainable, kernels, buffers);
        list.add(classifier);
        this.stages = List.copyOf(list);
        this.firstActive = firstActive();
        for (int i = 0; i < stages.size(); i++) {
            if (stages.get(i) instanceof EncoderBlock block) {
                block.keep(inputGradient(i));
            }
        }
        this.frozenStages = (int)
                stages.stream().takeWhile(stage -> stage.trained().isEmpty()).count();
    }

    /** Frees the native memory that it holds beside the weights and the trained vector. It must not be used afterwards. */
    @Override
    public void close() {
        stages.forEach(Stage::close);
        if (ownBuffers) {
            buffers.close();
        }
    }

    /** Returns the stages, in order. */
    public List<Stage> stages() {
        return stages;
    }

    /** Returns the sizes of the model. */
    public VitConfig config() {
        return config;
    }

    /** Returns its working arrays. */
    public Buffers buffers() {
        return buffers;
    }

    /** Returns the bytes of native memory that {@link #close} frees. */
    public long bytes() {
        return (ownBuffers ? buffers.bytes() : 0)
                + stages.stream().mapToLong(Stage::bytes).sum();
    }

    /** Returns where every trained array lies in the trained vector. */
    public Layout layout() {
        return new Layout(stages.stream().map(Stage::trained).toList());
    }

    /** Returns whether stage {@code index} must hand a gradient down: whether anything below it trains or is watched. */
    public boolean inputGradient(int index) {
        return index > firstActive;
    }

    /** Returns what each encoder block of a network in training keeps for the backward. */
    public static List<Keep.OfBlock> kept(VitConfig config, Trainable trainable) {
        return Layout.network(config, trainable).stages.stream()
                .filter(EncoderBlock.class::isInstance)
                .map(stage -> ((EncoderBlock) stage).kept())
                .toList();
    }

    /** Ties every stage to the trained vector and takes over its values. */
    public void bind(Bindings bindings) {
        stages.forEach(m -> m.bind(bindings));
        refresh();
    }

    /** Takes over the present values of the trained vector. */
    public void refresh() {
        stages.forEach(Stage::refresh);
    }

    /**
     * Lets the encoder blocks drop branches of single examples in the passes from now on (stochastic depth, Huang et al. 2016, arXiv
     * 1603.09382).
     *
     * @param rate probability that the last block drops a branch, in [0, 1); it rises linearly from 0 in the first, as in timm; 0: none
     * @param seeds of the examples, {@code [B]}; what an example drops depends on its own only
     */
    public void dropPaths(double rate, long[] seeds) {
        for (Stage stage : stages) {
            if (stage instanceof EncoderBlock block) {
                block.dropPaths(rate, seeds);
            }
        }
    }

    /** Returns logits {@code [B, K]} (features {@code [B, F]} without a head) of images {@code [B, C, S, S]}. */
    public Array forward(Array images) {
        return classifier.forward(encode(images), Math.toIntExact(images.size(0)));
    }

    /** Returns how many stages, from the first on, have nothing that trains: there all networks over the same weights agree. */
    public int frozenStages() {
        return frozenStages;
    }

    /** Returns what comes into the first stage that trains, {@code [B*T, D]}, or {@code [B, D]} behind a block of the class token alone. */
    public Array frozen(Array images) {
        int examples = Math.toIntExact(images.size(0));
        Array x = images;
        for (Stage stage : stages.subList(0, frozenStages)) {
            x = stage.forward(x, examples);
        }
        return x;
    }

    /**
     * Returns logits {@code [B, K]}, given what comes into stage {@code from}.
     *
     * @param x output of the stage before, of this or another network; images for the first
     */
    public Array forward(Array x, int examples, int from) {
        Array y = x;
        for (Stage stage : stages.subList(from, stages.size())) {
            y = stage.forward(y, examples);
        }
        return y;
    }

    /** Returns the features {@code [B, F]} of images {@code [B, C, S, S]}: what the head reads, of a plain ViT the class token behind the last norm. */
    public Array features(Array images) {
        return classifier.features(encode(images), Math.toIntExact(images.size(0)));
    }

    /** Returns the features {@code [B, F]} that the head has read in the last forward pass, until the next. */
    public Array lastFeatures() {
        return classifier.lastFeatures();
    }

    /** Overwrites all gradients, given the gradient of the output; {@code dy} may be changed. */
    public void backward(Array dy) {
        int examples = Math.toIntExact(dy.size(0));
        backwardEncoder(classifier.backward(dy, examples, inputGradient(stages.size() - 1)), examples);
    }

    /**
     * Overwrites all gradients but the head's, which are left as they are, given the gradient of the {@link #features} {@code
     * [B, F]}.
     */
    public void backwardFeatures(Array dfeatures) {
        int examples = Math.toIntExact(dfeatures.size(0));
        backwardEncoder(classifier.featuresBackward(dfeatures, examples, inputGradient(stages.size() - 1)), examples);
    }

    /** Returns what comes out of the last block: class tokens {@code [B, D]}, or all tokens where more of them are read. */
    private Array encode(Array images) {
        int examples = Math.toIntExact(images.size(0));
        Array x = images;
        for (Stage stage : stages.subList(0, stages.size() - 1)) {
            x = stage.forward(x, examples);
        }
        return x;
    }

    private void backwardEncoder(@Nullable Array dx, int examples) {
        Array d = dx;
        for (int i = stages.size() - 2; i >= 0 && d != null; i--) {
            d = stages.get(i).backward(d, examples, inputGradient(i));
        }
    }

    private int firstActive() {
        for (int i = 0; i < stages.size(); i++) {
            if (stages.get(i).active()) {
                return i;
            }
        }
        return stages.size();
    }
}
