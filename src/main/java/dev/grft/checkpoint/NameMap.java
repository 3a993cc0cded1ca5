package dev.grft.checkpoint;

import dev.grft.UserError;
import dev.grft.checkpoint.file.Tensors;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * How libraries name the tensors of a ViT. Inside this program names and layouts are timm's; {@link Conversion} moves
 * tensors between them.
 */
public enum NameMap {
    /** timm's. */
    TIMM("timm", "", List.of()),

    /** Hugging Face's {@code ViTModel} and {@code ViTForImageClassification}: query, key and value are matrices of their own. */
    TRANSFORMERS(
            "transformers",
            "vit.",
            List.of(
                    "cls_token embeddings.cls_token",
                    "pos_embed embeddings.position_embeddings",
                    "patch_embed.proj embeddings.patch_embeddings.projection",
                    "blocks.#.norm1 encoder.layer.#.layernorm_before",
                    "blocks.#.attn.q encoder.layer.#.attention.attention.query",
                    "blocks.#.attn.k encoder.layer.#.attention.attention.key",
                    "blocks.#.attn.v encoder.layer.#.attention.attention.value",
                    "blocks.#.attn.proj encoder.layer.#.attention.output.dense",
                    "blocks.#.norm2 encoder.layer.#.layernorm_after",
                    "blocks.#.mlp.fc1 encoder.layer.#.intermediate.dense",
                    "blocks.#.mlp.fc2 encoder.layer.#.output.dense",
                    "norm layernorm",
                    "head classifier")),

    /** Hugging Face's {@code Dinov2Model} and {@code Dinov2ForImageClassification}. */
    DINOV2("transformers", "dinov2.", Names.DINOV2),

    /** Hugging Face's {@code Dinov2WithRegistersModel} and {@code Dinov2WithRegistersForImageClassification}. */
    DINOV2_WITH_REGISTERS("transformers", "dinov2_with_registers.", Names.DINOV2),

    /** Hugging Face's {@code CLIPVisionModel}, {@code SiglipVisionModel} and {@code SiglipForImageClassification}. */
    CLIP(
            "transformers",
            "vision_model.",
            List.of(
                    "cls_token embeddings.class_embedding",
                    "pos_embed embeddings.position_embedding.weight",
                    "patch_embed.proj embeddings.patch_embedding",
                    "norm_pre pre_layrnorm",
                    "blocks.#.norm1 encoder.layers.#.layer_norm1",
                    "blocks.#.attn.q encoder.layers.#.self_attn.q_proj",
                    "blocks.#.attn.k encoder.layers.#.self_attn.k_proj",
                    "blocks.#.attn.v encoder.layers.#.self_attn.v_proj",
                    "blocks.#.attn.proj encoder.layers.#.self_attn.out_proj",
                    "blocks.#.norm2 encoder.layers.#.layer_norm2",
                    "blocks.#.mlp.fc1 encoder.layers.#.mlp.fc1",
                    "blocks.#.mlp.fc2 encoder.layers.#.mlp.fc2",
                    "norm post_layernorm",
                    "head classifier")),

    /** torchvision's {@code VisionTransformer}. */
    TORCHVISION(
            "torchvision",
            "",
            List.of(
                    "cls_token class_token",
                    "pos_embed encoder.pos_embedding",
                    "patch_embed.proj conv_proj",
                    "blocks.#.norm1 encoder.layers.encoder_layer_#.ln_1",
                    "blocks.#.attn.qkv encoder.layers.encoder_layer_#.self_attention.in_proj",
                    "blocks.#.attn.proj encoder.layers.encoder_layer_#.self_attention.out_proj",
                    "blocks.#.norm2 encoder.layers.encoder_layer_#.ln_2",
                    "blocks.#.mlp.fc1 encoder.layers.encoder_layer_#.mlp.0",
                    "blocks.#.mlp.fc2 encoder.layers.encoder_layer_#.mlp.3",
                    "norm encoder.ln",
                    "head heads.head")),

    /** The original's in JAX: kernels are {@code [in, out]}, with the heads as a dimension, and patches HWIO. */
    NPZ(
            "npz",
            "",
            List.of(
                    "cls_token cls",
                    "pos_embed Transformer/posembed_input/pos_embedding",
                    "patch_embed.proj embedding",
                    "blocks.#.norm1 Transformer/encoderblock_#/LayerNorm_0",
                    "blocks.#.attn.q Transformer/encoderblock_#/MultiHeadDotProductAttention_1/query",
                    "blocks.#.attn.k Transformer/encoderblock_#/MultiHeadDotProductAttention_1/key",
                    "blocks.#.attn.v Transformer/encoderblock_#/MultiHeadDotProductAttention_1/value",
                    "blocks.#.attn.proj Transformer/encoderblock_#/MultiHeadDotProductAttention_1/out",
                    "blocks.#.norm2 Transformer/encoderblock_#/LayerNorm_2",
                    "blocks.#.mlp.fc1 Transformer/encoderblock_#/MlpBlock_3/Dense_0",
                    "blocks.#.mlp.fc2 Transformer/encoderblock_#/MlpBlock_3/Dense_1",
                    "norm Transformer/encoder_norm",
                    "head head"));

    /** Of Hugging Face's models: what classifying by the class token does not use. */
    private static final Pattern UNUSED =
            Pattern.compile("pooler\\.dense\\.(weight|bias)|embeddings\\.(mask_token|position_ids)");

    /** Of {@code SiglipForImageClassification}, which averages the tokens: the tower's pooling by attention. */
    private static final Pattern PROBE = Pattern.compile("head\\.(probe|(attention|layernorm|mlp)\\..+)");

    private static final String NUMBER = "(?<block>0|[1-9]\\d{0,3})";
    private static final Pattern TIMMS = Pattern.compile("cls_token|reg_token|pos_embed"
            + "|((patch_embed\\.proj|norm_pre|norm|fc_norm|head"
            + "|blocks\\." + NUMBER + "\\.(norm1|attn\\.qkv|attn\\.proj|norm2|mlp\\.fc1|mlp\\.fc2))\\.(weight|bias))"
            + "|blocks\\." + NUMBER.replace("block", "scaled") + "\\.ls[12]\\.gamma");

    private static final Pattern BLOCK =
            Pattern.compile("(?<=blocks\\.|layer\\.|layers\\.|encoder_layer_|encoderblock_)(0|[1-9]\\d{0,3})(?=[./])");
    private static final Map<String, String> RENAMED = renamed();

    private final String library;
    private final String prefix; // of all names but the head's, in a whole model for classification

    @SuppressWarnings("ImmutableEnumChecker") // filled by the constructor and never changed
    private final Map<String, String> theirs = new LinkedHashMap<>(); // by ours: of modules and single tensors

    @SuppressWarnings("ImmutableEnumChecker")
    private final Map<String, String> ours = new LinkedHashMap<>();

    /** What several libraries' models share. */
    private static final class Names {
        static final List<String> DINOV2 = List.of(
                "cls_token embeddings.cls_token",
                "reg_token embeddings.register_tokens",
                "pos_embed embeddings.position_embeddings",
                "patch_embed.proj embeddings.patch_embeddings.projection",
                "blocks.#.norm1 encoder.layer.#.norm1",
                "blocks.#.attn.q encoder.layer.#.attention.attention.query",
                "blocks.#.attn.k encoder.layer.#.attention.attention.key",
                "blocks.#.attn.v encoder.layer.#.attention.attention.value",
                "blocks.#.attn.proj encoder.layer.#.attention.output.dense",
                "blocks.#.ls1.gamma encoder.layer.#.layer_scale1.lambda1",
                "blocks.#.norm2 encoder.layer.#.norm2",
                "blocks.#.mlp.fc1 encoder.layer.#.mlp.fc1",
                "blocks.#.mlp.fc2 encoder.layer.#.mlp.fc2",
                "blocks.#.ls2.gamma encoder.layer.#.layer_scale2.lambda1",
                "norm layernorm",
                "head classifier");
    }

    private static Map<String, String> renamed() {
        Map<String, String> renamed = new LinkedHashMap<>(); // in this order: one end is the end of another
        renamed.put("attention.attention.query", "attention.q_proj");
        renamed.put("attention.attention.key", "attention.k_proj");
        renamed.put("attention.attention.value", "attention.v_proj");
        renamed.put("attention.output.dense", "attention.o_proj");
        renamed.put("intermediate.dense", "mlp.fc1");
        renamed.put("output.dense", "mlp.fc2");
        return renamed;
    }

    NameMap(String library, String prefix, List<String> pairs) {
        this.library = library;
        this.prefix = prefix;
        for (String pair : pairs) {
            int space = pair.indexOf(' ');
            theirs.put(pair.substring(0, space), pair.substring(space + 1));
            ours.put(pair.substring(space + 1), pair.substring(0, space));
        }
    }

    /**
     * Returns the naming of a library, by the name of the library in lower case.
     *
     * @param option whose value it is, for the error
     * @throws UserError for another word
     */
    public static NameMap of(String option, String library) {
        return Arrays.stream(values())
                .filter(map -> map.library.equals(library))
                .findFirst() // of transformers that of a plain ViT
                .orElseThrow(() -> UserError.of(
                        "%s: unknown naming %s; expected one of %s",
                        option,
                        library,
                        Arrays.stream(values())
                                .map(map -> map.library)
                                .distinct()
                                .toList()));
    }

    /** Returns what the library calls the class of its models for classification. */
    public String modelClass() {
        return switch (this) {
            case TIMM, TORCHVISION -> "VisionTransformer";
            case TRANSFORMERS -> "ViTForImageClassification";
            case DINOV2 -> "Dinov2ForImageClassification";
            case DINOV2_WITH_REGISTERS -> "Dinov2WithRegistersForImageClassification";
            case CLIP -> "SiglipForImageClassification";
            case NPZ -> throw new IllegalStateException("the original in JAX has functions, no class");
        };
    }

    /** Returns the Python module that has the {@link #modelClass}. */
    public String modelModule() {
        return switch (this) {
            case TIMM -> "timm.models.vision_transformer";
            case TORCHVISION -> "torchvision.models.vision_transformer";
            case TRANSFORMERS -> "transformers.models.vit.modeling_vit";
            case DINOV2 -> "transformers.models.dinov2.modeling_dinov2";
            case DINOV2_WITH_REGISTERS -> "transformers.models.dinov2_with_registers.modeling_dinov2_with_registers";
            case CLIP -> "transformers.models.siglip.modeling_siglip";
            case NPZ -> throw new IllegalStateException("the original in JAX is no module of Python's");
        };
    }

    /** Returns the naming that these tensors follow; timm's if they follow none. */
    static NameMap of(Set<String> tensors) {
        for (NameMap map : List.of(NPZ, TORCHVISION, transformers(tensors))) {
            if (tensors.stream()
                    .anyMatch(name ->
                            map.ours(name) != null && !TIMMS.matcher(name).matches())) {
                return map;
            }
        }
        return TIMM;
    }

    /** Returns that of the naming of Hugging Face's models that these tensors follow, if they follow one. */
    private static NameMap transformers(Set<String> tensors) {
        String all = String.join(" ", tensors);
        if (all.contains(".layer_scale1.lambda1")) {
            return all.contains("embeddings.register_tokens") ? DINOV2_WITH_REGISTERS : DINOV2;
        }
        return all.contains(".layer_norm1.") ? CLIP : TRANSFORMERS;
    }

    /** Returns whether it is a naming of Hugging Face's transformers. */
    public boolean ofTransformers() {
        return library.equals(TRANSFORMERS.library);
    }

    /** Returns how the library resamples positions for another image size; torchvision and JAX leave it to their users, and timm's is taken. */
    Positions.Resampling resampling() {
        return ofTransformers() && this != DINOV2_WITH_REGISTERS
                ? Positions.Resampling.PLAIN
                : Positions.Resampling.ANTIALIASED;
    }

    /** Returns whether classifying images does not read this tensor of the file. */
    boolean unused(Tensors file, String name) {
        String tensor = unprefixed(name);
        boolean classifies = file.names().contains("classifier.weight");
        return ofTransformers()
                && (UNUSED.matcher(tensor).matches()
                        || (this == CLIP && classifies && PROBE.matcher(tensor).matches()));
    }

    /** Returns timm's name of a tensor, or null; of query, key and value {@code attn.q}, {@code attn.k}, {@code attn.v}. */
    @Nullable
    String ours(String tensor) {
        if (this == TIMM) {
            return TIMMS.matcher(tensor).matches() ? tensor : null;
        }
        String name = unprefixed(tensor);
        Matcher block = BLOCK.matcher(name);
        String number = block.find() ? block.group(1) : "#";
        String general = block.replaceFirst("#");
        String single = ours.get(general);
        if (single != null) {
            String one = single.replace("#", number);
            return TIMMS.matcher(one).matches() ? one : null; // a module alone is no tensor
        }
        int dot = general.lastIndexOf(this == NPZ ? '/' : '.');
        String module = dot < 0 ? null : ours.get(general.substring(0, dot));
        String parameter = general.substring(dot + 1);
        if (this == TORCHVISION && parameter.startsWith("in_proj_")) { // the one module that is two parameters
            module = ours.get(general.substring(0, dot) + ".in_proj");
            parameter = parameter.substring("in_proj_".length());
        }
        if (this == NPZ) {
            parameter = parameter.equals("kernel") || parameter.equals("scale") ? "weight" : parameter;
        }
        return module == null || !(parameter.equals("weight") || parameter.equals("bias"))
                ? null
                : module.replace("#", number) + "." + parameter;
    }

    private String unprefixed(String tensor) {
        return tensor.startsWith(prefix) ? tensor.substring(prefix.length()) : tensor;
    }

    /** Returns their name of a tensor of timm's, of {@code attn.qkv} that of the query: as a whole model for classification has it. */
    public String theirs(String tensor) {
        if (this == TIMM) {
            return tensor;
        }
        String single = found(tensor);
        if (single != null) {
            return prefixed(single);
        }
        int dot = tensor.lastIndexOf('.');
        String parameter = tensor.substring(dot + 1);
        String module = module(tensor.substring(0, dot));
        if (this == TORCHVISION && module.endsWith("in_proj")) {
            return module + "_" + parameter;
        }
        if (this == NPZ) {
            boolean norm = tensor.contains("norm");
            return module + "/" + (parameter.equals("bias") ? "bias" : norm ? "scale" : "kernel");
        }
        return module + "." + parameter;
    }

    /** Returns their name of a module of timm's, such as {@code blocks.3.mlp.fc1} or {@code blocks.3.attn.q}. */
    public String module(String module) {
        if (this == TIMM) {
            return module;
        }
        String found = found(module);
        if (found == null && module.endsWith(".attn.qkv")) {
            found = found(module.replace("qkv", "q"));
        }
        if (found == null) {
            return module; // which this library does not have; the name is for an error
        }
        return prefixed(found);
    }

    /** Returns their name, without the prefix, of a module or single tensor; null if they have none. */
    private @Nullable String found(String ours) {
        Matcher block = BLOCK.matcher(ours);
        String number = block.find() ? block.group(1) : "#";
        String found = theirs.get(block.replaceFirst("#"));
        return found == null ? null : found.replace("#", number);
    }

    /**
     * Returns their name of a module of timm's in a running program. transformers 5 has renamed the modules of its ViT and DINOv2,
     * but saves their tensors under the old names.
     */
    public String moduleInMemory(String module) {
        String name = module(module);
        if (this == TRANSFORMERS) {
            name = name.replace("encoder.layer.", "layers.");
        }
        if (ofTransformers() && this != CLIP) {
            for (Map.Entry<String, String> pair : RENAMED.entrySet()) {
                name = name.replace(pair.getKey(), pair.getValue());
            }
        }
        return name;
    }

    private String prefixed(String name) {
        return name.equals("classifier") ? name : prefix + name;
    }

    /** Returns whether query, key and value are matrices of their own. */
    public boolean splitsQkv() {
        return ofTransformers() || this == NPZ;
    }

    /** Returns the number of the block that a tensor of timm's is in; -1 for one outside the blocks. */
    static int block(String tensor) {
        Matcher matcher = TIMMS.matcher(tensor);
        String block = matcher.matches() ? matcher.group("block") : null;
        String scaled = matcher.matches() ? matcher.group("scaled") : null;
        return block != null ? Integer.parseInt(block) : scaled != null ? Integer.parseInt(scaled) : -1;
    }

    /** Returns the library's word. */
    @Override
    public String toString() {
        return library.toLowerCase(Locale.ROOT);
    }
}
