package dev.grft.train;

import dev.grft.Task;
import dev.grft.vit.Buffers;
import dev.grft.vit.kernels.Kernels;
import java.util.List;
import java.util.Objects;
import org.deeplearning4j.nn.api.layers.IOutputLayer;
import org.deeplearning4j.nn.conf.NeuralNetConfiguration;
import org.deeplearning4j.nn.gradient.Gradient;
import org.deeplearning4j.nn.workspace.LayerWorkspaceMgr;
import org.jspecify.annotations.Nullable;
import org.nd4j.common.primitives.Pair;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.dataset.api.DataSet;
import org.nd4j.linalg.dataset.api.iterator.DataSetIterator;
import org.nd4j.linalg.ops.transforms.Transforms;

/**
 * The last layer: the classifier and the loss of its task. Its activation is what the task makes of the logits: for one class the softmax,
 * as DL4J's evaluation expects; gradients are sums over the examples, as DL4J's updaters expect.
 */
final class LossModule extends StageModule implements IOutputLayer {
    private static final long serialVersionUID = 1L;

    private transient @Nullable Kernels kernels;
    private transient @Nullable Buffers buffers;
    private Task task = Task.SINGLE_LABEL;
    private transient @Nullable INDArray labels; // [B, K], or [B, K + 1] with the weights of the examples
    private transient @Nullable INDArray logits; // [B, K]
    private transient @Nullable INDArray losses; // [B]

    LossModule(NeuralNetConfiguration conf, DataType type) {
        super(conf, type);
    }

    void use(Kernels newKernels, Buffers newBuffers, Task newTask) {
        task = newTask;
        kernels = newKernels;
        buffers = newBuffers;
    }

    /** Takes a new batch; what is known of the last one no longer holds. */
    @Override
    public void setInput(INDArray newInput, LayerWorkspaceMgr workspaces) {
        super.setInput(newInput, workspaces);
        logits = null;
        losses = null;
    }

    /** Returns what the task makes of the logits, {@code [B, K]}. */
    @Override
    public INDArray activate(boolean training, LayerWorkspaceMgr workspaces) {
        logits = super.activate(training, workspaces);
        return training ? logits : activated(task, logits);
    }

    /** Returns a copy of the logits as the task reads them: softmax, sigmoid, or as they are. */
    static INDArray activated(Task of, INDArray logits) {
        return switch (of) {
            case SINGLE_LABEL -> Transforms.softmax(logits, true);
            case MULTI_LABEL -> Transforms.sigmoid(logits, true);
            case REGRESSION -> logits.dup();
        };
    }

    @Override
    public Pair<Gradient, INDArray> backpropGradient(@Nullable INDArray ignored, LayerWorkspaceMgr workspaces) {
        INDArray dz = loss(workspaces);
        logits = null;
        return super.backpropGradient(dz, workspaces);
    }

    /** Sets the losses of the batch and returns the gradient of their sum with respect to the logits, {@code [B, K]}. */
    private INDArray loss(LayerWorkspaceMgr workspaces) {
        INDArray z = logits == null ? activate(true, workspaces) : logits;
        INDArray loss = Objects.requireNonNull(buffers).shared("losses", z.size(0));
        INDArray dz = buffers.shared("dlogits", z.shape());
        Objects.requireNonNull(kernels).loss(task, z, Objects.requireNonNull(labels), loss, dz);
        losses = loss;
        return dz;
    }

    /** Returns the mean of the examples' losses plus the penalty. */
    @Override
    public double computeScore(double penalty, boolean training, LayerWorkspaceMgr workspaces) {
        if (losses == null) { // asked for the score alone, without a backward
            loss(workspaces);
        }
        return losses().sumNumber().doubleValue() / losses().length() + penalty;
    }

    /** Returns the losses of the last batch, {@code [B]}, without the penalty. */
    INDArray losses() {
        return Objects.requireNonNull(losses, "no loss before the backward");
    }

    @Override
    public INDArray computeScoreForExamples(double penalty, LayerWorkspaceMgr workspaces) {
        if (losses == null) {
            loss(workspaces);
        }
        return losses().add(penalty).reshape(losses().length(), 1);
    }

    @Override
    public boolean needsLabels() {
        return true;
    }

    @Override
    public void setLabels(INDArray newLabels) {
        labels = newLabels;
    }

    @Override
    public @Nullable INDArray getLabels() {
        return labels;
    }

    @Override
    @SuppressWarnings("deprecation") // what it overrides is deprecated but still abstract
    public int numLabels() {
        return (int) Objects.requireNonNull(labels).size(1);
    }

    // DL4J asks these of the whole network, never of its last layer.

    @Override
    public double f1Score(DataSet data) {
        throw wholeNetworkOnly();
    }

    @Override
    public double f1Score(INDArray examples, INDArray outcomes) {
        throw wholeNetworkOnly();
    }

    @Override
    public void fit(DataSetIterator data) {
        throw wholeNetworkOnly();
    }

    @Override
    public int[] predict(INDArray examples) {
        throw wholeNetworkOnly();
    }

    @Override
    public List<String> predict(DataSet data) {
        throw wholeNetworkOnly();
    }

    @Override
    public void fit(INDArray examples, INDArray outcomes) {
        throw wholeNetworkOnly();
    }

    @Override
    public void fit(DataSet data) {
        throw wholeNetworkOnly();
    }

    @Override
    public void fit(INDArray examples, int[] outcomes) {
        throw wholeNetworkOnly();
    }

    private static UnsupportedOperationException wholeNetworkOnly() {
        return new UnsupportedOperationException("ask the whole network");
    }
}
