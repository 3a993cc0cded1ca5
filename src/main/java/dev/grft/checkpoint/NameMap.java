package dev.grft.checkpoint;

import dev.grft.UserError;
import dev.grft.checkpoint.file.Tensor;
import dev.grft.checkpoint.file.Tensors;
import dev.grft.vit.VitConfig;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * How libraries name the tensors of a ViT and lay out their numbers. Inside this program names and layouts are timm's; this is
 * the only place that renames, joins or transposes.
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

    private static final Pattern PRESET = Pattern.compile("vit_(tiny|small|base|large|demo)_patch\\d{1,4}_\\d{1,4}");
    private static final Pattern BLOCK =
            Pattern.compile("(?<=blocks\\.|layer\\.|layers\\.|encoder_layer_|encoderblock_)(0|[1-9]\\d{0,3})(?=[./])");
    private static final Map<String, String> RENAMED = renamed();
    private static final List<String> PARTS = List.of("attn.q.", "attn.k.", "attn.v.");
    private static final String JOINED = "attn.qkv.";
    private static final String PATCH_BIAS = "patch_embed.proj.bias";

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

    /**
     * Returns the tensors by timm's names and in timm's layout: the same arrays where nothing has to be moved.
     *
     * @throws UserError for a tensor that no supported model has
     */
    Map<String, Tensor> toTimm(Tensors file) {
        Map<String, Tensor> named = new LinkedHashMap<>();
        String stranger = null;
        for (Map.Entry<String, Tensor> entry : file.byName().entrySet()) {
            String name = ours(entry.getKey());
            if (name != null) {
                named.put(name, toTimm(file, name, entry.getValue()));
            } else if (!unused(file, unprefixed(entry.getKey()))
                    && (stranger == null || Strangers.reason(stranger).isEmpty())) {
                stranger = entry.getKey();
            }
        }
        if (stranger != null) {
            throw UserError.of(
                    "%s: has the tensor %s: %s; only ViTs of a known form with the names of timm, transformers,"
                            + " torchvision or JAX are supported",
                    file.file(), stranger, Strangers.reason(stranger).orElse("no supported model has such a tensor"));
        }
        return withZeros(joined(file, named));
    }

    private boolean unused(Tensors file, String tensor) {
        boolean classifies = file.names().contains("classifier.weight");
        return ofTransformers()
                && (UNUSED.matcher(tensor).matches()
                        || (this == CLIP && classifies && PROBE.matcher(tensor).matches()));
    }

    private Tensor toTimm(Tensors file, String name, Tensor tensor) {
        if (this == NPZ) {
            return transposed(file, name, tensor);
        }
        long[] shape = tensor.shape();
        if (this == CLIP && name.equals("cls_token") && shape.length == 1) {
            return tensor.reshaped(1, 1, shape[0]);
        }
        return this == CLIP && name.equals("pos_embed") && shape.length == 2
                ? tensor.reshaped(1, shape[0], shape[1])
                : tensor;
    }

    /** Returns timm's name of a tensor, or null; of query, key and value {@code attn.q}, {@code attn.k}, {@code attn.v}. */
    private @Nullable String ours(String tensor) {
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

    /** Joins query, key and value. */
    private Map<String, Tensor> joined(Tensors file, Map<String, Tensor> named) {
        if (!splitsQkv()) {
            return named;
        }
        Map<String, Tensor> joined = new LinkedHashMap<>();
        named.forEach((name, tensor) -> {
            Optional<String> part = PARTS.stream().filter(name::contains).findFirst();
            if (part.isEmpty()) {
                joined.put(name, tensor);
                return;
            }
            if (!part.get().equals(PARTS.get(0))) {
                if (!named.containsKey(name.replace(part.get(), PARTS.get(0)))) {
                    throw missing(file, name.replace(part.get(), PARTS.get(0)));
                }
                return;
            }
            long[] shape = tensor.shape();
            float[] all = new float[3 * tensor.length()];
            for (int i = 0; i < PARTS.size(); i++) {
                String one = name.replace(PARTS.get(0), PARTS.get(i));
                Tensor found = named.get(one);
                if (found == null) {
                    throw missing(file, one);
                }
                if (!Arrays.equals(found.shape(), shape)) {
                    throw UserError.of(
                            "%s: %s has shape %s, but %s has %s; is it another model?",
                            file.file(),
                            theirs(one),
                            Arrays.toString(found.shape()),
                            theirs(name),
                            Arrays.toString(shape));
                }
                System.arraycopy(floats(file, one, found), 0, all, i * found.length(), found.length());
            }
            shape[0] *= 3;
            joined.put(name.replace(PARTS.get(0), JOINED), Tensor.ofFloats(shape, all));
        });
        return joined;
    }

    /** Adds zeros for the biases that a model does without: of queries, keys and values, and of patches where a norm follows. */
    private static Map<String, Tensor> withZeros(Map<String, Tensor> named) {
        Map<String, Tensor> all = new LinkedHashMap<>(named);
        boolean biased = named.keySet().stream().anyMatch(name -> name.endsWith(JOINED + "bias"));
        named.forEach((name, tensor) -> {
            boolean patches = name.equals("patch_embed.proj.weight") && named.containsKey("norm_pre.weight");
            if (tensor.shape().length > 0 && (patches || (!biased && name.endsWith(JOINED + "weight")))) {
                int length = (int) tensor.shape()[0];
                all.putIfAbsent(
                        name.replace(".weight", ".bias"), Tensor.ofFloats(new long[] {length}, new float[length]));
            }
        });
        return all;
    }

    private UserError missing(Tensors file, String tensor) {
        return UserError.of("%s: the tensor %s is missing; is the file complete?", file.file(), theirs(tensor));
    }

    private float[] floats(Tensors file, String name, Tensor tensor) {
        if (!tensor.dtype().fractional()) {
            throw UserError.of(
                    "%s: %s is of %s, expected F32, F16, BF16 or F64; convert the file",
                    file.file(), theirs(name), tensor.dtype());
        }
        return tensor.floats();
    }

    /** Returns a tensor of JAX in timm's layout. */
    private Tensor transposed(Tensors file, String name, Tensor tensor) {
        long[] shape = tensor.shape();
        if (name.endsWith(".bias") && shape.length == 2) { // of a query, by heads
            return Tensor.ofFloats(new long[] {tensor.length()}, floats(file, name, tensor));
        }
        if (!name.endsWith(".weight") || shape.length < 2 || tensor.length() == 0) {
            return tensor;
        }
        if (name.startsWith("patch_embed") && shape.length == 4) { // [P, P, C, D]
            int d = (int) shape[3];
            long[] turned = {d, shape[2], shape[0], shape[1]};
            int area = (int) (shape[0] * shape[1]);
            float[] chw = new float[tensor.length()];
            float[] hwc = transposed(floats(file, name, tensor), tensor.length() / d, d); // [D, P*P*C]
            for (int i = 0; i < d; i++) {
                float[] one = Arrays.copyOfRange(hwc, i * area * (int) shape[2], (i + 1) * area * (int) shape[2]);
                System.arraycopy(transposed(one, area, (int) shape[2]), 0, chw, i * one.length, one.length);
            }
            return Tensor.ofFloats(turned, chw);
        }
        int out = (int) (name.contains("attn.proj") ? shape[shape.length - 1] : tensor.length() / shape[0]);
        int in = tensor.length() / out;
        return Tensor.ofFloats(new long[] {out, in}, transposed(floats(file, name, tensor), in, out));
    }

    /** Returns {@code [m, n]} as {@code [n, m]}. */
    private static float[] transposed(float[] x, int m, int n) {
        float[] y = new float[x.length];
        for (int i = 0; i < m; i++) {
            for (int j = 0; j < n; j++) {
                y[j * m + i] = x[i * n + j];
            }
        }
        return y;
    }

    /** Returns a model's tensors, given in timm's order, by their names and in their layout. */
    Map<String, Tensor> fromTimm(VitConfig config, Map<String, float[]> tensors) {
        Map<String, Tensor> named = new LinkedHashMap<>();
        config.tensors().forEach((name, shape) -> {
            float[] numbers = tensors.get(name);
            if (numbers == null) {
                throw new IllegalArgumentException("the tensor " + name + " is missing");
            }
            if (config.variant().preNorm() && name.equals(PATCH_BIAS)) {
                return; // libraries have none where a norm follows: it is in the positions
            }
            if (config.variant().preNorm() && name.equals("pos_embed")) {
                numbers = withPatchBias(config, numbers, tensors.get(PATCH_BIAS));
            }
            if (!splitsQkv() || !name.contains(JOINED)) {
                named.put(theirs(name), laidOut(config, name, shape, numbers));
                return;
            }
            long[] third = shape.clone();
            third[0] /= 3;
            int length = numbers.length / 3;
            for (int i = 0; i < PARTS.size(); i++) {
                String part = name.replace(JOINED, PARTS.get(i));
                float[] some = Arrays.copyOfRange(numbers, i * length, (i + 1) * length);
                named.put(theirs(part), laidOut(config, part, third, some));
            }
        });
        return named;
    }

    /** Returns the positions with the bias of the patches added to those of the patches: the same tokens without that bias. */
    private static float[] withPatchBias(VitConfig config, float[] positions, float @Nullable [] bias) {
        if (bias == null || !nonZero(bias)) {
            return positions;
        }
        float[] sums = positions.clone();
        for (int i = config.variant().positioned() * config.width(); i < sums.length; i++) {
            sums[i] += bias[i % bias.length];
        }
        return sums;
    }

    private static boolean nonZero(float[] numbers) {
        for (float number : numbers) {
            if (number != 0) {
                return true;
            }
        }
        return false;
    }

    private Tensor laidOut(VitConfig config, String name, long[] shape, float[] numbers) {
        boolean tokens = name.equals("cls_token") || name.equals("pos_embed");
        if (this == CLIP && tokens) {
            long d = config.width();
            long[] flat = name.equals("cls_token") ? new long[] {d} : new long[] {numbers.length / d, d};
            return Tensor.ofFloats(flat, numbers);
        }
        if (this != NPZ || tokens) {
            return Tensor.ofFloats(shape, numbers);
        }
        long heads = config.heads();
        long d = config.width();
        boolean attention = PARTS.stream().anyMatch(name::contains);
        if (shape.length == 1) {
            return Tensor.ofFloats(attention ? new long[] {heads, d / heads} : shape, numbers);
        }
        if (shape.length == 4) { // [D, C, P, P]
            int area = (int) (shape[2] * shape[3]);
            int channels = (int) shape[1];
            float[] hwc = new float[numbers.length];
            for (int i = 0; i < d; i++) {
                float[] one = Arrays.copyOfRange(numbers, i * area * channels, (i + 1) * area * channels);
                System.arraycopy(transposed(one, channels, area), 0, hwc, i * one.length, one.length);
            }
            return Tensor.ofFloats(
                    new long[] {shape[2], shape[3], channels, d}, transposed(hwc, (int) d, area * channels));
        }
        long[] turned = attention
                ? new long[] {d, heads, d / heads}
                : name.contains("attn.proj") ? new long[] {heads, d / heads, d} : new long[] {shape[1], shape[0]};
        return Tensor.ofFloats(turned, transposed(numbers, (int) shape[0], (int) shape[1]));
    }

    /** Returns the number of the block that a tensor of timm's is in; -1 for one outside the blocks. */
    static int block(String tensor) {
        Matcher matcher = TIMMS.matcher(tensor);
        String block = matcher.matches() ? matcher.group("block") : null;
        String scaled = matcher.matches() ? matcher.group("scaled") : null;
        return block != null ? Integer.parseInt(block) : scaled != null ? Integer.parseInt(scaled) : -1;
    }

    /** Returns whether {@link VitConfig#preset} knows the sizes of this model. */
    static boolean preset(String architecture) {
        return PRESET.matcher(architecture).matches();
    }

    /** Returns whether timm is likely to know this model. */
    static boolean timm(String architecture) {
        return !architecture.startsWith("vit_demo_");
    }

    /** Returns the library's word. */
    @Override
    public String toString() {
        return library.toLowerCase(Locale.ROOT);
    }
}
