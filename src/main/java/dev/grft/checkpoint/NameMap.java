package dev.grft.checkpoint;

import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What the names of tensors and models tell. timm's names are the only ones that are read so far. */
final class NameMap {
    /** Parts of names that a plain ViT does not have, and what they mean. */
    private static final Map<String, String> STRANGERS = Map.of(
            "fc_norm", "the model averages its tokens instead of using the class token",
            "ls1", "the model has layer scale",
            "ls2", "the model has layer scale",
            "norm_pre", "the model normalizes its tokens before the first block, as CLIP does",
            "q_norm", "the model normalizes queries and keys",
            "reg_token", "the model has register tokens",
            "dist_token", "the model has a distillation token",
            "pre_logits", "the model has a layer between the last norm and the head",
            "embeddings", "these are Hugging Face's names",
            "Transformer", "these are JAX's names");

    private static final Pattern PLAIN = Pattern.compile("cls_token|pos_embed|((patch_embed\\.proj|norm|head"
            + "|blocks\\.(?<block>0|[1-9]\\d{0,3})\\.(norm1|attn\\.qkv|attn\\.proj|norm2|mlp\\.fc1|mlp\\.fc2))"
            + "\\.(weight|bias))");

    private static final Pattern PRESET = Pattern.compile("vit_(tiny|small|base|large|demo)_patch\\d{1,4}_\\d{1,4}");

    private NameMap() {}

    /** Returns whether a plain ViT of some depth has this tensor. */
    static boolean plain(String tensor) {
        return PLAIN.matcher(tensor).matches();
    }

    /** Returns the number of the block that a tensor is in; -1 for one outside the blocks. */
    static int block(String tensor) {
        Matcher matcher = PLAIN.matcher(tensor);
        String block = matcher.matches() ? matcher.group("block") : null;
        return block == null ? -1 : Integer.parseInt(block);
    }

    /** Returns whether {@link dev.grft.vit.VitConfig#preset} knows the sizes of this model. */
    static boolean preset(String architecture) {
        return PRESET.matcher(architecture).matches();
    }

    /** Returns whether timm is likely to know this model. */
    static boolean timm(String architecture) {
        return !architecture.startsWith("vit_demo_");
    }

    /** Returns a sentence about a tensor that a plain ViT does not have. */
    static String strangeness(String tensor) {
        Optional<String> known = STRANGERS.keySet().stream()
                .sorted()
                .filter(part -> ("." + tensor.replace('/', '.') + ".").contains("." + part + "."))
                .findFirst();
        return known.map(STRANGERS::get).orElse("a plain ViT has no such tensor");
    }
}
