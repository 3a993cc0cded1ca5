package dev.grft.train;

import dev.grft.vit.kernels.nd4j.Flat;
import dev.grft.vit.kernels.nd4j.Freed;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.deeplearning4j.nn.conf.MultiLayerConfiguration;
import org.deeplearning4j.nn.gradient.DefaultGradient;
import org.deeplearning4j.nn.multilayer.MultiLayerNetwork;
import org.deeplearning4j.nn.updater.BaseMultiLayerUpdater;
import org.deeplearning4j.nn.workspace.LayerWorkspaceMgr;
import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.api.ndarray.INDArray;

/**
 * The driver's side of training: the trained vector and DL4J's updater over it. Needs no pretrained weights, so its
 * memory is proportional to what trains.
 *
 * <p>{@link #apply} gives the bits of {@code MultiLayerNetwork}'s own updater, given the same gradient.
 */
public final class Learner implements AutoCloseable {
    private final MultiLayerNetwork network;
    private final @Nullable Average average;
    private final List<INDArray> origins = new ArrayList<>();
    private long step;

    /** Returns the learner that goes on from a state, without an average, of parameters that are no differences. */
    public Learner(MultiLayerConfiguration configuration, LearnerState from) {
        this(configuration, from, null, null);
    }

    /**
     * Returns the learner that goes on from a state.
     *
     * @param average of the trained vector, which this keeps and closes; null for none
     * @param pretrained returns the pretrained values of an array that trains as a difference, by its name; called for what weight decay
     *     is for, of which native copies are kept. Null if the model began with zeros
     */
    public Learner(
            MultiLayerConfiguration configuration,
            LearnerState from,
            @Nullable Average average,
            @Nullable Function<String, float[]> pretrained) {
        this.average = average;
        network = new MultiLayerNetwork(configuration);
        network.init();
        network.initGradientsView();
        if (pretrained != null) {
            decayFrom(name -> {
                float[] numbers = pretrained.apply(name);
                INDArray origin = Flat.array(numbers, network.params().dataType(), numbers.length);
                origins.add(origin);
                return origin;
            });
        }
        restore(from);
    }

    /** Takes the pretrained values that weight decay counts with, see {@link StageModule#decayFrom}. */
    private void decayFrom(Function<String, INDArray> origin) {
        for (int l = 0; l < network.getnLayers(); l++) {
            ((StageModule) network.getLayer(l)).decayFrom(origin);
        }
    }

    /** Goes on from a state; without an average, from the trained vector as that. */
    public void restore(LearnerState from) {
        put(from);
        if (average != null) {
            average.set(from.result());
        }
    }

    /** Takes over what others have made of this learner's state in some steps; the average takes it in. */
    void advance(LearnerState after) {
        long before = step;
        put(after);
        average(before);
    }

    private void average(long before) {
        if (average != null) {
            average.add(network.params(), network.getFlattenedGradients(), before, step);
        }
    }

    private void put(LearnerState from) {
        if (from.trained().length != network.numParams()) {
            throw new IllegalArgumentException("a state of " + from.trained().length
                    + " trained parameters for a network of " + network.numParams());
        }
        Flat.write(from.trained(), network.params());
        INDArray state = updater().getStateViewArray();
        if (state != null) {
            if (from.updater().length == 0) {
                state.assign(0);
            } else if (from.updater().length == state.length()) {
                Flat.write(from.updater(), state);
            } else {
                throw new IllegalArgumentException(
                        "an updater state of " + from.updater().length + " values, expected " + state.length());
            }
        }
        step = from.step();
    }

    /**
     * Makes one step.
     *
     * @param gradient sums over the examples, {@code [N]}
     * @param clipNorm the largest L2 norm of the mean gradient, beyond which it is scaled down; 0 for no limit
     * @return the L2 norm of the mean gradient before scaling, without the penalty
     */
    public double apply(StepGradient gradient, double clipNorm) {
        Flat.write(gradient.gradient(), network.getFlattenedGradients());
        double norm = norm(gradient.gradient()) / gradient.examples();
        clip(norm, clipNorm);
        update(gradient.examples());
        average(step - 1);
        return norm;
    }

    private void clip(double norm, double clipNorm) {
        if (clipNorm > 0 && norm > clipNorm) {
            network.getFlattenedGradients().muli(clipNorm / norm);
        }
    }

    private void update(int examples) {
        DefaultGradient keyed = new DefaultGradient(network.getFlattenedGradients());
        for (int l = 0; l < network.getnLayers(); l++) {
            StageModule module = (StageModule) network.getLayer(l);
            for (var view : module.gradientViews().gradientForVariable().entrySet()) {
                keyed.setGradientFor(l + "_" + view.getKey(), view.getValue());
            }
        }
        updater().update(keyed, Math.toIntExact(step), 0, examples, LayerWorkspaceMgr.noWorkspaces());
        network.params()
                .subi(network.getFlattenedGradients().reshape(network.params().shape()));
        step++;
    }

    /** Returns what the penalty adds to the mean loss. */
    public double penalty() {
        return network.calcRegularizationScore(true);
    }

    /** Returns the learning rate of the next step. */
    public double learningRate() {
        return network.getLayerWiseConfigurations().getConf(0).getLayer() instanceof StageLayer layer
                ? layer.getIUpdater().getLearningRate(Math.toIntExact(step), 0)
                : Double.NaN;
    }

    /** Returns a copy of the state. */
    public LearnerState state() {
        return state(average == null ? null : average.values());
    }

    /** Returns a copy of the state without the average: what others need to make steps. */
    LearnerState stateWithoutAverage() {
        return state(null);
    }

    private LearnerState state(float @Nullable [] averaged) {
        INDArray state = updater().getStateViewArray();
        return new LearnerState(trained(), state == null ? new float[0] : Flat.read(state), step, averaged);
    }

    /** Returns a copy of the trained vector, {@code [N]}. */
    public float[] trained() {
        return Flat.read(network.params());
    }

    /** Returns a copy of what the training comes to so far, {@code [N]}: the average, or the trained vector if none is kept. */
    public float[] result() {
        float[] averaged = average == null ? null : average.values();
        return averaged == null ? trained() : averaged;
    }

    /** Puts the trained vector {@code [N]} into an array of the same length. */
    public void trained(float[] copy) {
        Flat.read(network.params(), copy);
    }

    /** Returns the number of steps made. */
    public long step() {
        return step;
    }

    /** Returns the bytes of native memory that it holds: parameters, gradient, updater state, and pretrained values for weight decay. */
    long bytes() {
        INDArray state = network.getUpdater(false) == null ? null : updater().getStateViewArray();
        long values = 2 * network.numParams() + (state == null ? 0 : state.length());
        return network.params().dataType().width()
                * (values + origins.stream().mapToLong(INDArray::length).sum());
    }

    /** Frees the network's vectors. DL4J's own close also collects the garbage of the whole heap. */
    @Override
    public void close() {
        Freed.arrays(origins);
        Freed.array(network.getUpdater(false) == null ? null : updater().getStateViewArray());
        Freed.array(network.getFlattenedGradients());
        Freed.array(network.params());
        if (average != null) {
            average.close();
        }
    }

    private BaseMultiLayerUpdater<?> updater() {
        return (BaseMultiLayerUpdater<?>) network.getUpdater(true);
    }

    /** Returns the L2 norm; parts are summed side by side and added up in their order, so that it is always the same. */
    private static double norm(float[] v) {
        int part = 1 << 16;
        double[] squares = IntStream.range(0, (v.length + part - 1) / part)
                .parallel()
                .mapToDouble(p -> squares(v, p * part, Math.min(v.length, (p + 1) * part)))
                .toArray();
        double sum = 0;
        for (double square : squares) {
            sum += square;
        }
        return Math.sqrt(sum);
    }

    private static double squares(float[] v, int from, int to) {
        double sum = 0;
        for (int i = from; i < to; i++) {
            sum += (double) v[i] * v[i];
        }
        return sum;
    }
}
