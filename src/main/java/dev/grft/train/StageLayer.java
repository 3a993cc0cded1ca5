package dev.grft.train;

import dev.grft.vit.TrainedArray;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.deeplearning4j.nn.api.Layer;
import org.deeplearning4j.nn.api.ParamInitializer;
import org.deeplearning4j.nn.conf.InputPreProcessor;
import org.deeplearning4j.nn.conf.NeuralNetConfiguration;
import org.deeplearning4j.nn.conf.inputs.InputType;
import org.deeplearning4j.nn.conf.layers.BaseLayer;
import org.deeplearning4j.nn.conf.memory.LayerMemoryReport;
import org.deeplearning4j.nn.conf.memory.MemoryReport;
import org.deeplearning4j.optimize.api.TrainingListener;
import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.indexing.NDArrayIndex;
import org.nd4j.linalg.learning.config.IUpdater;
import org.nd4j.linalg.learning.regularization.Regularization;

/**
 * The DL4J configuration of one {@link dev.grft.vit.Stage}: its trained arrays are the layer's parameters, each with the
 * strength of its {@link Pull} and its {@link Decay} and its {@link UpdateRule.RowRates}. The frozen weights are no parameters. DL4J writes it to JSON, hence the getters.
 */
public final class StageLayer extends BaseLayer {
    private static final long serialVersionUID = 1L;
    private static final ParamInitializer INITIALIZER = new Views();

    private List<Trained> arrays = new ArrayList<>();

    /** One trained array. A class, because DL4J's JSON does not write records. */
    public static final class Trained implements java.io.Serializable {
        private static final long serialVersionUID = 1L;

        private String name = "";
        private int rows;
        private int columns;
        private double rate = 1;
        private List<Double> rowRates = List.of();
        private boolean difference;
        private double pull;
        private boolean pullDecoupled;
        private double decay;
        private boolean decayDecoupled;

        /** For DL4J's JSON only. */
        public Trained() {}

        /**
         * Returns the description of an array.
         *
         * @param rate factor of its learning rate
         * @param pull strength of its {@link Pull}, 0 or more
         * @param pullDecoupled whether the pull goes past the updater
         * @param decay factor of its {@link Decay}, 0 or more
         * @param decayDecoupled whether the decay goes past the updater
         */
        public Trained(
                TrainedArray array,
                double rate,
                double pull,
                boolean pullDecoupled,
                double decay,
                boolean decayDecoupled) {
            this.name = array.name();
            this.rows = array.rows();
            this.columns = array.columns();
            this.difference = array.role() == TrainedArray.Role.DIFFERENCE;
            this.rate = rate;
            this.rowRates = array.rates();
            this.pull = pull;
            this.pullDecoupled = pullDecoupled;
            this.decay = decay;
            this.decayDecoupled = decayDecoupled;
        }

        public String getName() {
            return name;
        }

        public void setName(String name) {
            this.name = name;
        }

        public int getRows() {
            return rows;
        }

        public void setRows(int rows) {
            this.rows = rows;
        }

        public int getColumns() {
            return columns;
        }

        public void setColumns(int columns) {
            this.columns = columns;
        }

        public double getRate() {
            return rate;
        }

        public void setRate(double rate) {
            this.rate = rate;
        }

        public List<Double> getRowRates() {
            return rowRates;
        }

        public void setRowRates(List<Double> rowRates) {
            this.rowRates = List.copyOf(rowRates);
        }

        public boolean isDifference() {
            return difference;
        }

        public void setDifference(boolean difference) {
            this.difference = difference;
        }

        public double getPull() {
            return pull;
        }

        public void setPull(double pull) {
            this.pull = pull;
        }

        public boolean isPullDecoupled() {
            return pullDecoupled;
        }

        public void setPullDecoupled(boolean pullDecoupled) {
            this.pullDecoupled = pullDecoupled;
        }

        public double getDecay() {
            return decay;
        }

        public void setDecay(double decay) {
            this.decay = decay;
        }

        public boolean isDecayDecoupled() {
            return decayDecoupled;
        }

        public void setDecayDecoupled(boolean decayDecoupled) {
            this.decayDecoupled = decayDecoupled;
        }

        /** Returns whether its weight decay needs its pretrained value. */
        boolean needsOrigin() {
            return difference && decay > 0;
        }

        private List<Regularization> regularizations(@Nullable INDArray origin) {
            List<Regularization> all = new ArrayList<>();
            if (pull > 0) {
                all.add(new Pull(pull, pullDecoupled));
            }
            if (decay > 0) {
                all.add(new Decay(decay, decayDecoupled, origin));
            }
            if (!rowRates.isEmpty()) {
                all.add(new UpdateRule.RowRates(rowRates));
            }
            return all;
        }

        long size() {
            return (long) rows * columns;
        }

        /** Returns what DL4J calls it: DL4J puts the layer's number and an underscore before it, and cuts at the last one. */
        String key() {
            return name.replace('_', '-');
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Trained trained
                    && name.equals(trained.name)
                    && rows == trained.rows
                    && columns == trained.columns
                    && rate == trained.rate
                    && rowRates.equals(trained.rowRates)
                    && difference == trained.difference
                    && pull == trained.pull
                    && pullDecoupled == trained.pullDecoupled
                    && decay == trained.decay
                    && decayDecoupled == trained.decayDecoupled;
        }

        @Override
        public int hashCode() {
            return Objects.hash(
                    name, rows, columns, rate, rowRates, difference, pull, pullDecoupled, decay, decayDecoupled);
        }
    }

    /** For DL4J's JSON only. */
    public StageLayer() {}

    /** Returns the layer of these arrays. */
    public StageLayer(List<Trained> arrays) {
        this.arrays = new ArrayList<>(arrays);
    }

    public List<Trained> getArrays() {
        return arrays;
    }

    public void setArrays(List<Trained> arrays) {
        this.arrays = arrays;
    }

    @Override
    public Layer instantiate(
            NeuralNetConfiguration conf,
            Collection<TrainingListener> listeners,
            int index,
            INDArray params,
            boolean initialize,
            DataType type) {
        StageModule module = new StageModule(conf, type);
        module.setListeners(listeners);
        module.setIndex(index);
        module.setParamsViewArray(params);
        module.setParamTable(INITIALIZER.init(conf, params, initialize));
        module.setConf(conf);
        return module;
    }

    @Override
    public ParamInitializer initializer() {
        return INITIALIZER;
    }

    @Override
    public List<Regularization> getRegularizationByParam(String parameter) {
        return regularizations(parameter, null);
    }

    /** Returns what holds a parameter back; {@code origin} is the pretrained value that its weight decay counts with, null for 0. */
    List<Regularization> regularizations(String parameter, @Nullable INDArray origin) {
        return array(parameter).map(array -> array.regularizations(origin)).orElse(List.of());
    }

    @Override
    public IUpdater getUpdaterByParam(String parameter) {
        UpdateRule rule = (UpdateRule) getIUpdater();
        return array(parameter).map(array -> rule.times(array.rate)).orElse(rule);
    }

    private Optional<Trained> array(String parameter) {
        return arrays.stream().filter(array -> array.key().equals(parameter)).findFirst();
    }

    @Override
    public boolean isPretrainParam(String parameter) {
        return false;
    }

    @Override
    public InputType getOutputType(int index, InputType input) {
        throw new UnsupportedOperationException("the sizes of a ViT are fixed; do not call setInputType");
    }

    @Override
    public void setNIn(InputType input, boolean override) {
        throw new UnsupportedOperationException("the sizes of a ViT are fixed; do not call setInputType");
    }

    @Override
    public InputPreProcessor getPreProcessorForInputType(InputType input) {
        throw new UnsupportedOperationException("the sizes of a ViT are fixed; do not call setInputType");
    }

    @Override
    public LayerMemoryReport getMemoryReport(InputType input) {
        long size = arrays.stream().mapToLong(Trained::size).sum();
        return new LayerMemoryReport.Builder(getLayerName(), StageLayer.class, input, input)
                .standardMemory(size, 2 * size)
                .workingMemory(0, 0, MemoryReport.CACHE_MODE_ALL_ZEROS, MemoryReport.CACHE_MODE_ALL_ZEROS)
                .cacheMemory(MemoryReport.CACHE_MODE_ALL_ZEROS, MemoryReport.CACHE_MODE_ALL_ZEROS)
                .build();
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof StageLayer layer && super.equals(other) && arrays.equals(layer.arrays);
    }

    @Override
    public int hashCode() {
        return Objects.hash(super.hashCode(), arrays);
    }

    /** Cuts a layer's share of the flat vectors into its arrays: views, row-major. */
    private static final class Views implements ParamInitializer {
        @Override
        public long numParams(NeuralNetConfiguration conf) {
            return numParams(conf.getLayer());
        }

        @Override
        public long numParams(org.deeplearning4j.nn.conf.layers.Layer layer) {
            return arrays(layer).stream().mapToLong(Trained::size).sum();
        }

        @Override
        public List<String> paramKeys(org.deeplearning4j.nn.conf.layers.Layer layer) {
            return arrays(layer).stream().map(Trained::key).toList();
        }

        @Override
        public List<String> weightKeys(org.deeplearning4j.nn.conf.layers.Layer layer) {
            return paramKeys(layer);
        }

        @Override
        public List<String> biasKeys(org.deeplearning4j.nn.conf.layers.Layer layer) {
            return List.of();
        }

        @Override
        public boolean isWeightParam(org.deeplearning4j.nn.conf.layers.Layer layer, String key) {
            return true;
        }

        @Override
        public boolean isBiasParam(org.deeplearning4j.nn.conf.layers.Layer layer, String key) {
            return false;
        }

        @Override
        public Map<String, INDArray> init(NeuralNetConfiguration conf, @Nullable INDArray view, boolean initialize) {
            if (initialize && view != null) {
                view.assign(0);
            }
            Map<String, INDArray> views = views(conf, view);
            views.keySet().forEach(conf::addVariable);
            return views;
        }

        @Override
        public Map<String, INDArray> getGradientsFromFlattened(NeuralNetConfiguration conf, INDArray view) {
            return views(conf, view);
        }

        private static Map<String, INDArray> views(NeuralNetConfiguration conf, @Nullable INDArray view) {
            Map<String, INDArray> views = new LinkedHashMap<>();
            if (view == null) { // DL4J has none for a layer without parameters
                return views;
            }
            long at = 0;
            for (Trained array : arrays(conf.getLayer())) {
                INDArray flat = view.reshape(view.length()).get(NDArrayIndex.interval(at, at + array.size()));
                views.put(array.key(), flat.reshape('c', array.rows, array.columns));
                at += array.size();
            }
            return views;
        }

        private static List<Trained> arrays(org.deeplearning4j.nn.conf.layers.Layer layer) {
            return ((StageLayer) layer).arrays;
        }
    }
}
