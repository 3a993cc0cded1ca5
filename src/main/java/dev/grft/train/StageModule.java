package dev.grft.train;

import dev.grft.vit.Bindings;
import dev.grft.vit.Stage;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.deeplearning4j.nn.api.TrainingConfig;
import org.deeplearning4j.nn.conf.GradientNormalization;
import org.deeplearning4j.nn.conf.NeuralNetConfiguration;
import org.deeplearning4j.nn.gradient.DefaultGradient;
import org.deeplearning4j.nn.gradient.Gradient;
import org.deeplearning4j.nn.layers.BaseLayer;
import org.deeplearning4j.nn.workspace.LayerWorkspaceMgr;
import org.jspecify.annotations.Nullable;
import org.nd4j.common.primitives.Pair;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.learning.config.IUpdater;
import org.nd4j.linalg.learning.regularization.Regularization;

/**
 * A DL4J layer that is a thin shell around a {@link Stage}. Without a stage (on the driver) it has parameters and an
 * updater, but cannot run.
 *
 * <p>Between stages DL4J sees {@code [B, T, D]}; the stages themselves work on {@code [B*T, D]}, the same numbers.
 */
class StageModule extends BaseLayer<StageLayer> {
    private static final long serialVersionUID = 1L;

    private transient @Nullable Stage stage;
    private transient boolean inputGradient;
    private transient boolean passedBy;
    private transient Map<String, INDArray> origins = Map.of(); // by key

    StageModule(NeuralNetConfiguration conf, DataType type) {
        super(conf, type);
    }

    /** Ties the layer to a stage, whose trained arrays and gradients become views of the network's flat vectors. */
    void attach(Stage newStage, boolean passesGradientDown) {
        stage = newStage;
        inputGradient = passesGradientDown;
        newStage.bind(new Bindings(byName(paramTable()), byName(gradientViews)));
        newStage.refresh();
    }

    /** Sets whether the input is this stage's output already, which is then handed on. */
    final void passBy(boolean now) {
        passedBy = now;
    }

    private Map<String, INDArray> byName(@Nullable Map<String, INDArray> byKey) {
        Map<String, INDArray> named = new HashMap<>();
        if (byKey != null) { // DL4J leaves out a layer without parameters
            layerConf().getArrays().forEach(array -> named.put(array.getName(), byKey.get(array.key())));
        }
        return named;
    }

    /**
     * Takes the pretrained values that weight decay counts with. Without them it pulls trained numbers as if they were differences to 0.
     *
     * @param origin returns the pretrained value of an array by its name, of as many numbers
     */
    final void decayFrom(Function<String, INDArray> origin) {
        Map<String, INDArray> found = new HashMap<>();
        layerConf().getArrays().stream()
                .filter(StageLayer.Trained::needsOrigin)
                .forEach(array -> found.put(array.key(), origin.apply(array.getName())));
        origins = found;
    }

    @Override
    public TrainingConfig getConfig() {
        return new WithOrigins(layerConf(), origins);
    }

    final Stage stage() {
        if (stage == null) {
            throw new IllegalStateException(
                    "layer " + index + " has no stage: this network only updates, it cannot run");
        }
        return stage;
    }

    @Override
    public INDArray activate(boolean training, LayerWorkspaceMgr workspaces) {
        if (passedBy) {
            return input;
        }
        int examples = Math.toIntExact(input.size(0));
        return byExample(stage().forward(byToken(input), examples), examples);
    }

    @Override
    public Pair<Gradient, INDArray> backpropGradient(@Nullable INDArray dy, LayerWorkspaceMgr workspaces) {
        INDArray dx = null;
        if (dy != null) {
            int examples = Math.toIntExact(dy.size(0));
            INDArray below = stage().backward(byToken(dy), examples, inputGradient);
            dx = below == null ? null : byExample(below, examples);
        }
        return new Pair<>(gradientViews(), dx);
    }

    final Gradient gradientViews() {
        Gradient gradient = new DefaultGradient(getGradientsViewArray());
        if (gradientViews != null) { // DL4J leaves out a layer without parameters
            gradientViews.forEach(gradient::setGradientFor);
        }
        return gradient;
    }

    @Override
    public boolean isPretrainLayer() {
        return false;
    }

    private static INDArray byToken(INDArray x) {
        return x.rank() == 3 ? x.reshape('c', x.size(0) * x.size(1), x.size(2)) : x;
    }

    private static INDArray byExample(INDArray x, int examples) {
        return x.size(0) == examples ? x : x.reshape('c', examples, x.size(0) / examples, x.size(1));
    }

    /** The configuration as DL4J's updater reads it: with values that must not be written to JSON. */
    private record WithOrigins(StageLayer layer, Map<String, INDArray> origins) implements TrainingConfig {
        @Override
        public List<Regularization> getRegularizationByParam(String parameter) {
            return layer.regularizations(parameter, origins.get(parameter));
        }

        @Override
        public IUpdater getUpdaterByParam(String parameter) {
            return layer.getUpdaterByParam(parameter);
        }

        @Override
        public String getLayerName() {
            return layer.getLayerName();
        }

        @Override
        public boolean isPretrainParam(String parameter) {
            return layer.isPretrainParam(parameter);
        }

        @Override
        public GradientNormalization getGradientNormalization() {
            return layer.getGradientNormalization();
        }

        @Override
        public double getGradientNormalizationThreshold() {
            return layer.getGradientNormalizationThreshold();
        }

        @Override
        public void setDataType(DataType type) {
            layer.setDataType(type);
        }
    }
}
