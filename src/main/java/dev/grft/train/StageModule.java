package dev.grft.train;

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
 * The DL4J layer of one {@link dev.grft.vit.Stage}: trained arrays and their updater. It only updates; {@link Replica} computes the gradients.
 */
final class StageModule extends BaseLayer<StageLayer> {
    private static final long serialVersionUID = 1L;

    private transient Map<String, INDArray> origins = Map.of(); // by key

    StageModule(NeuralNetConfiguration conf, DataType type) {
        super(conf, type);
    }

    /**
     * Takes the pretrained values that weight decay counts with. Without them it pulls trained values as if they were differences to 0.
     *
     * @param origin returns the pretrained value of an array by its name, of the same length
     */
    void decayFrom(Function<String, INDArray> origin) {
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

    @Override
    public INDArray activate(boolean training, LayerWorkspaceMgr workspaces) {
        throw onlyUpdates();
    }

    @Override
    public Pair<Gradient, INDArray> backpropGradient(@Nullable INDArray dy, LayerWorkspaceMgr workspaces) {
        throw onlyUpdates();
    }

    private IllegalStateException onlyUpdates() {
        return new IllegalStateException("this network only updates its parameters, it cannot run");
    }

    Gradient gradientViews() {
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
