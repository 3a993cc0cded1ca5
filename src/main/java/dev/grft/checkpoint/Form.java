package dev.grft.checkpoint;

import dev.grft.UserError;
import dev.grft.checkpoint.file.Tensor;
import dev.grft.vit.Pooling;
import dev.grft.vit.Variant;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** Reads from a model's tensors, and where they do not tell from its description, in what it differs from a plain ViT. */
final class Form {
    private final NameMap names;
    private final Map<String, Tensor> tensors; // by timm's names
    private final Description description;

    Form(NameMap names, Map<String, Tensor> tensors, Description description) {
        this.names = names;
        this.tensors = tensors;
        this.description = description;
    }

    /**
     * Returns the form.
     *
     * @throws UserError for one that is not supported
     */
    Variant variant() {
        boolean classToken = tensors.containsKey("cls_token");
        int registers = tensors.containsKey("reg_token") ? count("reg_token") : 0;
        return new Variant(
                classToken,
                registers,
                positioned(classToken, registers),
                tensors.containsKey("norm_pre.weight"),
                tensors.containsKey("blocks.0.ls1.gamma"),
                description.activation(),
                pooling(classToken));
    }

    private int count(String tokens) {
        Tensor tensor = tensors.get(tokens);
        long[] shape = tensor == null ? new long[0] : tensor.shape();
        return shape.length == 3 ? (int) Math.min(shape[1], Integer.MAX_VALUE) : 0;
    }

    /** Returns the number of tokens before the patches that have positions: the patches' are a square number. */
    private int positioned(boolean classToken, int registers) {
        if (names.ofTransformers()) {
            return classToken ? 1 : 0; // never the registers
        }
        int prefix = (classToken ? 1 : 0) + registers;
        int positions = count("pos_embed");
        List<Integer> fitting = Stream.of(prefix, 0)
                .distinct()
                .filter(before -> Positions.square(positions - before))
                .toList();
        if (fitting.size() > 1) {
            throw UserError.of(
                    "pos_embed has %d positions, which fit the patches with and without %d tokens before them; save the"
                            + " model at another image size",
                    positions, prefix);
        }
        return fitting.isEmpty() ? Math.min(prefix, 1) : fitting.get(0);
    }

    private Pooling pooling(boolean classToken) {
        boolean after = tensors.containsKey("fc_norm.weight");
        if (names == NameMap.DINOV2 || names == NameMap.DINOV2_WITH_REGISTERS) {
            return Pooling.CLASS_TOKEN_AND_MEAN;
        }
        if (names == NameMap.CLIP && classToken && tensors.containsKey("head.weight")) {
            throw new UserError(
                    "the head of CLIPForImageClassification averages tokens before the last norm, which is not"
                            + " supported; save its vision_model and train a new head");
        }
        boolean mean = description.pool().isEmpty()
                ? after || !classToken
                : description.pool().equals(Description.MEAN);
        if (!mean && after) {
            throw UserError.of(
                    "has the tensor fc_norm.weight, but %s says that the class token is read", description.place());
        }
        if (!mean) {
            return Pooling.CLASS_TOKEN;
        }
        return after ? Pooling.MEAN_THEN_NORM : Pooling.MEAN;
    }
}
