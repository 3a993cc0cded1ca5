package dev.grft.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.checkpoint.file.Json;
import dev.grft.checkpoint.file.Tensor;
import dev.grft.checkpoint.file.Tensors;
import dev.grft.data.ImageRecipe;
import dev.grft.data.Interpolation;
import dev.grft.data.Preprocess.Crop;
import dev.grft.vit.Activation;
import dev.grft.vit.VitConfig;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Reads the file beside a model's tensors: what cannot be read from the tensors. {@link DescriptionWriter} writes that file.
 *
 * @param place of the file, for errors
 * @param architecture timm's name of the model, or of the nearest
 * @param width of a token; 0 if it is not given
 * @param heads of the attention; 0 if it is not given
 * @param epsilon of every LayerNorm
 * @param activation of the MLPs
 * @param pool what the head reads, by timm's words: {@code token}, {@code avg}; empty if it is not given
 * @param imageSize side of the images that the model is meant for, pixels; 0 for what its positions are for
 * @param recipe by which images are prepared
 * @param labels of the head's outputs, in order, or none
 * @param task of the head
 */
record Description(
        String place,
        String architecture,
        int width,
        int heads,
        double epsilon,
        Activation activation,
        String pool,
        int imageSize,
        ImageRecipe recipe,
        List<String> labels,
        Task task) {
    /** The architecture for timm to build, with other sizes, if no better name is known. */
    static final String NEAREST = "vit_base_patch16_224";

    /** timm's epsilon, which also holds for a description without one. */
    private static final double EPSILON = 1e-6;

    /** timm's word for the mean of the patch tokens. */
    static final String MEAN = "avg";

    /** timm's word for the class token. */
    static final String TOKEN = "token";

    /** timm's word for images that are resized to both sides of the input. */
    static final String SQUASH = "squash";

    /** transformers' key of the task, which timm has no word for and passes over. */
    static final String PROBLEM_TYPE = "problem_type";

    private static final double CROP = 0.9; // timm's default of a ViT
    private static final String CLIP = "vit_base_patch16_clip_quickgelu_224"; // with CLIP's norm, and its epsilon

    private static final Pattern PRESET = Pattern.compile("vit_(tiny|small|base|large|demo)_patch\\d{1,4}_\\d{1,4}");

    /** timm's models whose architecture alone says that they have the GELU by tanh. */
    private static final Pattern TANH = Pattern.compile(
            "vit_(base_patch32|so400m_patch16|giantopt_patch16)_siglip_.*|vit_large_patch16_siglip_(gap_)?512");

    /** Words of timm and transformers. */
    private static final Map<String, Activation> ACTIVATIONS = Map.of(
            "gelu", Activation.GELU,
            "quick_gelu", Activation.QUICK_GELU,
            "gelu_tanh", Activation.TANH_GELU,
            "gelu_pytorch_tanh", Activation.TANH_GELU);

    /** Mean and deviation of the colors that a family of models was pretrained with. */
    private record Colors(List<Float> mean, List<Float> std) {
        static final Colors HALF = new Colors(List.of(0.5f, 0.5f, 0.5f), List.of(0.5f, 0.5f, 0.5f));
        static final Colors IMAGENET = new Colors(List.of(0.485f, 0.456f, 0.406f), List.of(0.229f, 0.224f, 0.225f));
        static final Colors CLIP = new Colors(
                List.of(0.48145466f, 0.4578275f, 0.40821073f), List.of(0.26862954f, 0.26130258f, 0.27577711f));

        /** Returns those of a {@code model_type} of transformers, as its published image processors have them. */
        static Colors of(String type) {
            return type.startsWith("clip") ? CLIP : type.startsWith("dinov2") ? IMAGENET : HALF;
        }

        List<Float> values(boolean mean) {
            return mean ? this.mean : std;
        }
    }

    /**
     * Returns what holds for a file with nothing beside it: the published heads, and how its authors prepare images.
     *
     * @param place of the missing file
     */
    static Description without(String place, NameMap names, Tensors tensors) {
        int heads = 0;
        ImageRecipe recipe;
        if (names == NameMap.NPZ) {
            String query = NameMap.NPZ.theirs("blocks.0.attn.q.weight");
            long[] shape = tensors.has(query) ? tensors.tensor(query).shape() : new long[0];
            heads = shape.length == 3 ? (int) Math.min(shape[1], Integer.MAX_VALUE) : 0;
            recipe = ImageRecipe.same(0.5f, 0.5f, CROP).with(Interpolation.BICUBIC); // timm's of these files
        } else {
            long width = length(tensors, "cls_token");
            heads = width == 1280 ? 16 : 0; // vit_h_14; the others have heads of 64
            recipe = ofTorchvision(width, width == 0 ? 0 : length(tensors, "pos_embed") / width);
        }
        return new Description(
                place, NEAREST, 0, heads, EPSILON, Activation.GELU, TOKEN, 0, recipe, List.of(), Task.SINGLE_LABEL);
    }

    private static long length(Tensors tensors, String name) {
        Tensor tensor = tensors.byName().get(NameMap.TORCHVISION.theirs(name));
        return tensor == null ? 0 : tensor.length();
    }

    /**
     * Returns torchvision's recipe of its published weights, which the file does not name. SWAG's are known by their image size, and
     * vit_h_14 is only SWAG's. SWAG's linear ones for 224 pixels cannot be distinguished from the default ones.
     *
     * @param positions number of tokens
     */
    private static ImageRecipe ofTorchvision(long width, long positions) {
        List<Float> mean = Colors.IMAGENET.mean;
        List<Float> std = Colors.IMAGENET.std;
        boolean swag = width == 1280
                || (width == 768 && positions == 1 + 24 * 24) // vit_b_16 at 384 pixels
                || (width == 1024 && positions == 1 + 32 * 32); // vit_l_16 at 512
        if (swag) {
            return new ImageRecipe(mean, std, 1, Interpolation.BICUBIC);
        }
        boolean large = width == 1024 && positions == 1 + 14 * 14; // vit_l_16
        return new ImageRecipe(mean, std, large ? 224.0 / 242 : 0.875, Interpolation.BILINEAR);
    }

    /** Returns what a {@code config.json} of timm's says. */
    static Description ofTimm(String place, JsonNode json) {
        JsonNode arguments = json.path("model_args");
        JsonNode given = arguments.path("global_pool");
        String pool = json.path("global_pool").asText(given.asText(""));
        if (!absent(given) && !given.asText().equals(pool)) {
            throw UserError.of(
                    "%s: global_pool is %s, but model_args.global_pool is %s; which is right?",
                    place, pool, given.asText());
        }
        if (!List.of("", TOKEN, MEAN).contains(pool)
                || arguments.path("pool_include_prefix").asBoolean(false)) {
            throw UserError.of(
                    "%s: global_pool is %s, only token and avg of the patches are supported; use another checkpoint",
                    place, pool.equals(MEAN) ? "avg with pool_include_prefix" : pool);
        }
        if (!absent(arguments.path("norm_layer"))) {
            throw UserError.of(
                    "%s: model_args.norm_layer is %s, only timm's default is supported; use another checkpoint",
                    place, arguments.path("norm_layer"));
        }
        String word = json.path("architecture").asText(NEAREST);
        String architecture = word.contains(".") ? word.substring(0, word.indexOf('.')) : word;
        int width = Json.positive(place, "model_args.", arguments, "embed_dim");
        int heads = Json.positive(place, "model_args.", arguments, "num_heads");
        if (json.has("architecture") && preset(architecture)) {
            VitConfig preset = VitConfig.preset(architecture, 0);
            width = width == 0 ? preset.width() : width;
            heads = heads == 0 ? preset.heads() : heads;
        }
        JsonNode images = json.path("pretrained_cfg").isObject() ? json.path("pretrained_cfg") : json;
        requireSquare(place, "model_args.img_size", arguments.path("img_size"), 0);
        requireSquare(place, "input_size", images.path("input_size"), 1);
        JsonNode crop = images.path("crop_pct");
        if (!absent(crop) && !(crop.isNumber() && crop.doubleValue() > 0 && crop.doubleValue() <= 1)) {
            throw UserError.of("%s: crop_pct must be in (0, 1], got %s", place, crop);
        }
        JsonNode interpolation = images.path("interpolation");
        JsonNode labels = json.path("label_names");
        return new Description(
                place,
                architecture,
                width,
                heads,
                epsilon(place, json, epsilon(architecture)),
                activation(
                        place + ": model_args.act_layer",
                        arguments.path("act_layer"),
                        architecture.contains("_quickgelu_")
                                ? "quick_gelu"
                                : TANH.matcher(architecture).matches() ? "gelu_tanh" : "gelu"),
                pool,
                0,
                new ImageRecipe(
                        channels(place, images, "mean", Colors.HALF.mean),
                        channels(place, images, "std", Colors.HALF.std),
                        absent(crop) ? CROP : crop.doubleValue(),
                        absent(interpolation)
                                ? Interpolation.BICUBIC // timm's default
                                : Interpolation.of(interpolation.asText(), place + ": interpolation"),
                        images.path("crop_mode").asText("").equals(SQUASH) ? Crop.SQUASH : Crop.CENTER),
                absent(labels) ? List.of() : Json.strings(place + ": label_names", labels),
                task(place, json));
    }

    /** Returns the task that {@code problem_type} names; without it, one class of an image. */
    private static Task task(String place, JsonNode json) {
        JsonNode given = json.path(PROBLEM_TYPE);
        if (absent(given)) {
            return Task.SINGLE_LABEL;
        }
        return Arrays.stream(Task.values())
                .filter(task -> task.problemType().equals(given.asText()))
                .findFirst()
                .orElseThrow(() -> UserError.of(
                        "%s: %s is %s, expected one of %s",
                        place,
                        PROBLEM_TYPE,
                        given,
                        Arrays.stream(Task.values()).map(Task::problemType).collect(Collectors.joining(", "))));
    }

    /**
     * Returns what a {@code config.json} of Hugging Face's transformers says.
     *
     * @param imagesPlace of {@code preprocessor_config.json}, for errors
     * @param images that file; null if there is none
     */
    static Description ofTransformers(String place, JsonNode json, String imagesPlace, @Nullable JsonNode images) {
        JsonNode tower = json.path("vision_config").isObject() ? json.path("vision_config") : json;
        String type = json.path("model_type").asText("vit");
        boolean clip = type.startsWith("clip");
        boolean siglip = type.startsWith("siglip");
        int heads = Json.positive(place, "", tower, "num_attention_heads");
        List<String> labels = new ArrayList<>();
        JsonNode names = json.path("id2label");
        for (int k = 0; k < names.size(); k++) {
            JsonNode name = names.path(Integer.toString(k));
            if (!name.isTextual()) {
                throw UserError.of(
                        "%s: id2label must name the classes 0 to %d, %d is %s",
                        place, names.size() - 1, k, name.isMissingNode() ? "missing" : name);
            }
            labels.add(name.textValue());
        }
        int side = 0;
        double crop = 1;
        boolean squashes = siglip || type.equals("vit"); // without a file, as their processors
        if (images != null) {
            JsonNode size = images.path("size");
            JsonNode cut = images.path("crop_size");
            int resized = side(imagesPlace, "size", size);
            boolean cuts = images.path("do_center_crop").asBoolean(false) && !absent(cut);
            side = cuts ? side(imagesPlace, "crop_size", cut) : resized;
            if (cuts && resized < side) {
                throw UserError.of(
                        "%s: crop_size %s must not be larger than size %s, got %d and %d",
                        imagesPlace, cut, size, side, resized);
            }
            crop = (double) side / resized;
            squashes = !cuts && (size.isObject() ? size.has("height") : isOfVit(images, type));
        }
        requireSquare(place, "image_size", tower.path("image_size"), 0);
        JsonNode colors = images == null ? json : images;
        return new Description(
                place,
                clip ? CLIP : NEAREST,
                Json.positive(place, "", tower, "hidden_size"),
                heads,
                epsilon(place, tower, clip ? 1e-5 : type.equals("vit") ? 1e-12 : 1e-6), // the library's defaults
                activation(
                        place + ": hidden_act",
                        tower.path("hidden_act"),
                        clip ? "quick_gelu" : siglip ? "gelu_pytorch_tanh" : "gelu"),
                siglip ? MEAN : TOKEN,
                side,
                new ImageRecipe(
                        colors(imagesPlace, colors, type, true),
                        colors(imagesPlace, colors, type, false),
                        crop,
                        resample(imagesPlace, images, type),
                        squashes ? Crop.SQUASH : Crop.CENTER),
                labels,
                task(place, json));
    }

    /** Returns what {@code resample} says; without it, the default of the image processor. */
    private static Interpolation resample(String place, @Nullable JsonNode images, String type) {
        JsonNode given = images == null ? MissingNode.getInstance() : images.path("resample");
        if (!absent(given)) {
            if (!given.isIntegralNumber() || !given.canConvertToInt()) {
                throw UserError.of("%s: resample must be a number from 0 to 5, got %s", place, given);
            }
            return Interpolation.of(given.intValue(), place + ": resample");
        }
        return isOfVit(images, type) ? Interpolation.BILINEAR : Interpolation.BICUBIC; // of BiT, CLIP, SigLIP, DeiT
    }

    /** Returns whether the image processor is ViT's, which takes a size that is one number for both sides. */
    private static boolean isOfVit(@Nullable JsonNode images, String type) {
        String processor = images == null
                ? ""
                : images.path("image_processor_type")
                        .asText(images.path("feature_extractor_type").asText(""));
        return processor.isEmpty() ? type.equals("vit") : processor.startsWith("ViT");
    }

    /** Refuses images that are not square. */
    private static void requireSquare(String place, String key, JsonNode size, int from) {
        if (size.isArray() && size.size() >= from + 2 && !size.get(from).equals(size.get(from + 1))) {
            throw UserError.of(
                    "%s: %s is %s, only square images are supported; use another checkpoint", place, key, size);
        }
    }

    /**
     * Returns what is subtracted from a color in [0, 1], or by what it is divided then: the mean and deviation of a preprocessor that
     * may leave out to scale 255 to 1, scale by another factor, or leave out to normalize.
     */
    private static List<Float> colors(String place, JsonNode images, String type, boolean mean) {
        JsonNode resize = images.path("do_resize");
        if (resize.isBoolean() && !resize.booleanValue()) {
            throw UserError.of(
                    "%s: do_resize is false, but images are resized to the model's size here; set it to true if that"
                            + " is right",
                    place);
        }
        JsonNode factor = images.path("rescale_factor");
        if (!absent(factor) && !(factor.isNumber() && factor.doubleValue() > 0)) {
            throw UserError.of("%s: rescale_factor must be a positive number, got %s", place, factor);
        }
        boolean rescales = images.path("do_rescale").asBoolean(true);
        double white = !rescales ? 255 : absent(factor) ? 1 : 255 * factor.doubleValue();
        float scale = Math.abs(white - 1) < 1e-6 ? 1 : (float) white; // of what white is before it is normalized
        boolean normalizes = images.path("do_normalize").asBoolean(true);
        List<Float> values = normalizes
                ? channels(
                        place,
                        images,
                        mean ? "image_mean" : "image_std",
                        Colors.of(type).values(mean))
                : Collections.nCopies(VitConfig.CHANNELS, mean ? 0f : 1f);
        return values.stream().map(value -> value / scale).toList();
    }

    /** Returns a length in pixels: a number, a height that is the width, or a {@code shortest_edge}. */
    private static int side(String place, String key, JsonNode size) {
        JsonNode number = size.isObject() ? size.path(size.has("height") ? "height" : "shortest_edge") : size;
        boolean square = !size.has("height") || size.path("height").equals(size.path("width"));
        if (!number.canConvertToInt() || number.intValue() < 1 || !square) {
            throw UserError.of(
                    "%s: %s must be a number of pixels, a square height and width, or a shortest_edge, got %s",
                    place, key, size);
        }
        return number.intValue();
    }

    /** Returns timm's epsilon of an architecture. */
    static double epsilon(String architecture) {
        return architecture.contains("_clip_") ? 1e-5 : EPSILON;
    }

    /** Returns whether {@link VitConfig#preset} has the sizes of this model. */
    static boolean preset(String architecture) {
        return PRESET.matcher(architecture).matches();
    }

    private static Activation activation(String place, JsonNode word, String otherwise) {
        Activation found = ACTIVATIONS.get(absent(word) ? otherwise : word.asText());
        if (found == null) {
            throw UserError.of(
                    "%s is %s, only %s are supported; use another checkpoint",
                    place, word.asText(), new TreeSet<>(ACTIVATIONS.keySet()));
        }
        return found;
    }

    private static double epsilon(String place, JsonNode json, double otherwise) {
        JsonNode found = json.path("layer_norm_eps");
        if (absent(found)) {
            return otherwise;
        }
        if (!found.isNumber() || !(found.doubleValue() > 0 && found.doubleValue() < 1)) {
            throw UserError.of("%s: layer_norm_eps must be in (0, 1), got %s", place, found);
        }
        return found.doubleValue();
    }

    private static List<Float> channels(String place, JsonNode images, String key, List<Float> otherwise) {
        JsonNode found = images.path(key);
        if (absent(found)) {
            return otherwise;
        }
        boolean mean = key.endsWith("mean");
        List<Float> values = new ArrayList<>();
        for (JsonNode one : found) {
            if (one.isNumber() && Float.isFinite(one.floatValue()) && (mean || one.floatValue() > 0)) {
                values.add(one.floatValue());
            }
        }
        if (!found.isArray() || found.size() != VitConfig.CHANNELS || values.size() != VitConfig.CHANNELS) {
            throw UserError.of(
                    "%s: %s must be three %s, got %s", place, key, mean ? "numbers" : "positive numbers", found);
        }
        return values;
    }

    private static boolean absent(JsonNode node) {
        return node.isMissingNode() || node.isNull();
    }
}
