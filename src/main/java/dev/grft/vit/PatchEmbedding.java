package dev.grft.vit;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.api.ndarray.INDArray;

/** The first stage: images {@code [B, C, S, S]} to tokens {@code [B*T, D]}, the class token first, positions added. */
final class PatchEmbedding implements Stage {
    private static final String NAME = "patch_embed.proj";

    private final VitConfig config;
    private final Kernels kernels;
    private final Buffers buffers;
    private final Linear proj;
    private final Parameter classToken;
    private final Parameter positions;
    private @Nullable INDArray patches;

    PatchEmbedding(VitConfig config, Weights weights, TrainingPlan plan, Kernels kernels, Buffers buffers) {
        this.config = config;
        this.kernels = kernels;
        this.buffers = buffers;
        this.proj = new Linear(NAME, weights, plan, kernels, buffers);
        this.classToken = weights.parameter("cls_token", plan);
        this.positions = weights.parameter("pos_embed", plan);
    }

    @Override
    public List<TrainedArray> trained() {
        List<TrainedArray> arrays = new ArrayList<>();
        if (classToken.whole()) {
            arrays.add(new TrainedArray(classToken.name(), 1, config.width()));
        }
        if (positions.whole()) {
            arrays.add(new TrainedArray(positions.name(), config.tokens(), config.width()));
        }
        arrays.addAll(proj.trained());
        return arrays;
    }

    @Override
    public boolean active() {
        return classToken.whole() || positions.whole() || proj.active();
    }

    @Override
    public void bind(Bindings bindings) {
        classToken.bind(bindings);
        positions.bind(bindings);
        proj.bind(bindings);
    }

    @Override
    public void refresh() {
        classToken.refresh(kernels);
        positions.refresh(kernels);
        proj.refresh();
    }

    @Override
    public INDArray forward(INDArray x, int examples) {
        long n = (long) examples * config.patches();
        INDArray flat = buffers.saved(NAME, "patches", n, config.patchLength());
        patches = flat;
        kernels.patches(x, config.patchSize(), flat);
        INDArray embedded = buffers.shared("embedded", n, config.width());
        proj.forward(flat, embedded);
        INDArray y = buffers.output(-1, (long) examples * config.tokens(), config.width());
        kernels.tokens(embedded, classToken.value(), positions.value(), examples, y);
        return y;
    }

    @Override
    public @Nullable INDArray backward(INDArray dy, int examples, boolean inputGradient) {
        if (patches == null) {
            throw new IllegalStateException(NAME + ": backward before forward");
        }
        INDArray dpositions = positions.gradient();
        if (dpositions != null) {
            kernels.sumExamples(dy, examples, dpositions);
        }
        INDArray dclass = classToken.gradient();
        if (dclass != null) {
            INDArray rows = buffers.shared("dclass", examples, config.width());
            kernels.classRows(dy, rows);
            kernels.columnSums(rows, dclass);
        }
        if (proj.active()) {
            INDArray dembedded = buffers.shared("dembedded", (long) examples * config.patches(), config.width());
            kernels.patchRows(dy, examples, dembedded);
            proj.backward(patches, dembedded, examples, null);
        }
        return null;
    }
}
