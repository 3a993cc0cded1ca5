package dev.grft.checkpoint;

import java.util.Map;
import java.util.Optional;

/** Parts of names of tensors that no supported model has, and what they mean. */
final class Strangers {
    private static final String ATTENTION_POOL = "the model pools its tokens by attention, as SigLIP does";
    private static final String ROTARY = "the model is of the family of EVA and DINOv3, whose blocks know positions"
            + " by rotation and not by an embedding";
    private static final String GATED = "the model has a gated MLP (SwiGLU), with a third matrix where others have two";

    private static final Map<String, String> REASONS = Map.ofEntries(
            Map.entry("q_norm", "the model normalizes queries and keys"),
            Map.entry("dist_token", "the model has a distillation token"),
            Map.entry("distillation_token", "the model has a distillation token"),
            Map.entry("attn_pool", ATTENTION_POOL),
            Map.entry("probe", ATTENTION_POOL),
            Map.entry("rope_embeddings", ROTARY),
            Map.entry("rope", ROTARY),
            Map.entry("gamma_1", ROTARY),
            Map.entry("up_proj", ROTARY),
            Map.entry("weights_in", GATED),
            Map.entry("w12", GATED),
            Map.entry("fc1_g", GATED),
            Map.entry("relative_position_bias", "the model has relative positions"),
            Map.entry("lambda_1", "the model has relative positions, as BEiT does"),
            Map.entry(
                    "text_model",
                    "the model has a text tower; save its vision tower alone: CLIPVisionModel.from_pretrained(NAME)"
                            + ".save_pretrained(FOLDER); AutoImageProcessor.from_pretrained(NAME).save_pretrained(FOLDER)"),
            Map.entry("decoder", "the model has a decoder; save its encoder alone"),
            Map.entry("pre_logits", "the model has a layer between the last norm and the head"));

    private Strangers() {}

    /** Returns what a tensor of that name says about its model, if it is known. */
    static Optional<String> reason(String tensor) {
        String parts = "." + tensor.replace('/', '.') + ".";
        return REASONS.keySet().stream()
                .sorted()
                .filter(part -> parts.contains("." + part + "."))
                .findFirst()
                .map(REASONS::get);
    }
}
