package dev.grft.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.UserError;
import dev.grft.vit.VitConfig;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a model's tensors do not tell, as the file beside them has it: read, and written.
 *
 * @param place of the file, for errors
 * @param architecture timm's name of the model, or of the nearest
 * @param width of a token; 0 if it is not told
 * @param heads of the attention; 0 if it is not told
 * @param epsilon of every LayerNorm
 * @param imageSize side of the images that the model is meant for, pixels; 0 for what its positions are for
 * @param mean of each channel, 3, for pixels in [0, 1]
 * @param std of each channel, 3
 * @param cropFraction side of the central crop over the shorter side of the resized image, in (0, 1]
 * @param labels of the classes in the order of the head, or none
 */
record Description(
        String place,
        String architecture,
        int width,
        int heads,
        double epsilon,
        int imageSize,
        List<Float> mean,
        List<Float> std,
        double cropFraction,
        List<String> labels) {
    /** What timm is told to build, with sizes of our own, where no better name is known. */
    static final String NEAREST = "vit_base_patch16_224";

    /** timm's epsilon, and of everybody who says nothing else. */
    static final double EPSILON = 1e-6;

    static final double CROP = 0.9;
    private static final List<Float> HALF = List.of(0.5f, 0.5f, 0.5f);

    /**
     * Returns what holds for a file with nothing beside it: the published heads, and how its authors prepare images.
     *
     * @param place of the missing file
     */
    static Description without(String place, NameMap names, Tensors tensors) {
        int heads = 0;
        if (names == NameMap.NPZ) {
            String query = NameMap.NPZ.theirs("blocks.0.attn.q.weight");
            long[] shape = tensors.has(query) ? tensors.tensor(query).shape() : new long[0];
            heads = shape.length == 3 ? (int) Math.min(shape[1], Integer.MAX_VALUE) : 0;
            return new Description(place, NEAREST, 0, heads, EPSILON, 0, HALF, HALF, CROP, List.of());
        }
        Tensor token = tensors.byName().get(NameMap.TORCHVISION.theirs("cls_token"));
        heads = token != null && token.length() == 1280 ? 16 : 0; // vit_h_14; the others have heads of 64
        return new Description(
                place,
                NEAREST,
                0,
                heads,
                EPSILON,
                0,
                List.of(0.485f, 0.456f, 0.406f),
                List.of(0.229f, 0.224f, 0.225f),
                0.875,
                List.of());
    }

    /** Returns what a {@code config.json} of timm's says. */
    static Description ofTimm(String place, JsonNode json) {
        JsonNode arguments = json.path("model_args");
        JsonNode pool = json.path("global_pool");
        if (pool.isTextual() && !pool.textValue().equals("token")) {
            throw UserError.of(
                    "%s: global_pool is %s, only token is supported; use another checkpoint", place, pool.textValue());
        }
        for (String key : List.of("act_layer", "norm_layer")) {
            if (!arguments.path(key).isMissingNode() && !arguments.path(key).isNull()) {
                throw UserError.of(
                        "%s: model_args.%s is %s, only timm's default is supported; use another checkpoint",
                        place, key, arguments.path(key));
            }
        }
        String word = json.path("architecture").asText(NEAREST);
        String architecture = word.contains(".") ? word.substring(0, word.indexOf('.')) : word;
        int width = Json.positive(place, "model_args.", arguments, "embed_dim");
        int heads = Json.positive(place, "model_args.", arguments, "num_heads");
        if (json.has("architecture") && NameMap.preset(architecture)) {
            VitConfig preset = VitConfig.preset(architecture, 0);
            width = width == 0 ? preset.width() : width;
            heads = heads == 0 ? preset.heads() : heads;
        }
        JsonNode images = json.path("pretrained_cfg").isObject() ? json.path("pretrained_cfg") : json;
        JsonNode crop = images.path("crop_pct");
        if (!absent(crop) && !(crop.isNumber() && crop.doubleValue() > 0 && crop.doubleValue() <= 1)) {
            throw UserError.of("%s: crop_pct must be in (0, 1], got %s", place, crop);
        }
        JsonNode labels = json.path("label_names");
        return new Description(
                place,
                architecture,
                width,
                heads,
                epsilon(place, json, EPSILON),
                0,
                channels(place, images, "mean"),
                channels(place, images, "std"),
                absent(crop) ? CROP : crop.doubleValue(),
                absent(labels) ? List.of() : Json.strings(place + ": label_names", labels));
    }

    /**
     * Returns what a {@code config.json} of Hugging Face's transformers says.
     *
     * @param imagesPlace of {@code preprocessor_config.json}, for errors
     * @param images that file; null if there is none
     */
    static Description ofTransformers(String place, JsonNode json, String imagesPlace, @Nullable JsonNode images) {
        String activation = json.path("hidden_act").asText("gelu");
        if (!activation.equals("gelu")) {
            throw UserError.of(
                    "%s: hidden_act is %s, only gelu is supported; use another checkpoint", place, activation);
        }
        int heads = Json.positive(place, "", json, "num_attention_heads");
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
        }
        JsonNode colors = images == null ? json : images;
        return new Description(
                place,
                NEAREST,
                Json.positive(place, "", json, "hidden_size"),
                heads,
                epsilon(place, json, 1e-12), // the library's default
                side,
                channels(imagesPlace, colors, "image_mean"),
                channels(imagesPlace, colors, "image_std"),
                crop,
                labels);
    }

    /** Returns the {@code config.json} of a model with timm's names. */
    static String toTimm(Checkpoint model) {
        VitConfig config = model.config();
        ObjectNode root = Json.MAPPER.createObjectNode();
        root.put("architecture", NameMap.timm(model.architecture()) ? model.architecture() : NEAREST);
        root.put("num_classes", config.classes());
        root.put("num_features", config.width());
        root.put("global_pool", "token");
        if (config.epsilon() != EPSILON) { // timm has no word for it and passes it over
            root.put("layer_norm_eps", config.epsilon());
        }
        ObjectNode arguments = root.putObject("model_args");
        arguments.putArray("img_size").add(config.imageSize()).add(config.imageSize());
        arguments.put("patch_size", config.patchSize());
        arguments.put("embed_dim", config.width());
        arguments.put("depth", config.depth());
        arguments.put("num_heads", config.heads());
        if (config.mlpWidth() % config.width() == 0) {
            arguments.put("mlp_ratio", config.mlpWidth() / config.width());
        } else {
            arguments.put("mlp_ratio", ratio(config.mlpWidth(), config.width()));
        }
        arguments.put("num_classes", config.classes());
        arguments.put("in_chans", VitConfig.CHANNELS);
        arguments.put("global_pool", "token");
        ObjectNode images = root.putObject("pretrained_cfg");
        images.put("custom_load", false);
        images.putArray("input_size")
                .add(VitConfig.CHANNELS)
                .add(config.imageSize())
                .add(config.imageSize());
        images.put("fixed_input_size", true);
        images.put("interpolation", "bilinear");
        images.put("crop_pct", model.cropFraction());
        images.put("crop_mode", "center");
        put(images.putArray("mean"), model.mean());
        put(images.putArray("std"), model.std());
        images.put("num_classes", config.classes());
        images.putNull("pool_size");
        images.put("first_conv", "patch_embed.proj");
        images.put("classifier", "head");
        if (!model.labels().isEmpty()) {
            model.labels().forEach(root.putArray("label_names")::add);
        }
        return Json.pretty(root);
    }

    /** Returns the ratio from which timm's {@code int(width * ratio)} makes the MLP's width again. */
    private static double ratio(int mlpWidth, int width) {
        double ratio = (double) mlpWidth / width;
        return (int) (width * ratio) == mlpWidth ? ratio : Math.nextUp(ratio);
    }

    /** Returns the {@code config.json} of a model with the names of transformers. */
    static String toTransformers(Checkpoint model) {
        VitConfig config = model.config();
        ObjectNode root = Json.MAPPER.createObjectNode();
        root.putArray("architectures").add(config.classes() > 0 ? "ViTForImageClassification" : "ViTModel");
        root.put("model_type", "vit");
        root.put("hidden_size", config.width());
        root.put("num_hidden_layers", config.depth());
        root.put("num_attention_heads", config.heads());
        root.put("intermediate_size", config.mlpWidth());
        root.put("hidden_act", "gelu");
        root.put("hidden_dropout_prob", 0.0);
        root.put("attention_probs_dropout_prob", 0.0);
        root.put("layer_norm_eps", config.epsilon());
        root.put("image_size", config.imageSize());
        root.put("patch_size", config.patchSize());
        root.put("num_channels", VitConfig.CHANNELS);
        root.put("qkv_bias", true);
        ObjectNode names = root.putObject("id2label");
        ObjectNode numbers = root.putObject("label2id");
        for (int k = 0; k < config.classes(); k++) {
            String name =
                    model.labels().isEmpty() ? "LABEL_" + k : model.labels().get(k);
            names.put(Integer.toString(k), name);
            numbers.put(name, k);
        }
        return Json.pretty(root);
    }

    /** Returns the {@code preprocessor_config.json} of a model: of the image processor that resizes, then crops. */
    static String toPreprocessor(Checkpoint model) {
        int side = model.config().imageSize();
        ObjectNode root = Json.MAPPER.createObjectNode();
        root.put("image_processor_type", "BitImageProcessor");
        root.put("do_convert_rgb", true);
        root.put("do_resize", true);
        root.putObject("size").put("shortest_edge", (int) Math.floor(side / model.cropFraction()));
        root.put("resample", 2); // bilinear
        root.put("do_center_crop", true);
        root.putObject("crop_size").put("height", side).put("width", side);
        root.put("do_rescale", true);
        root.put("rescale_factor", 1 / 255.0);
        root.put("do_normalize", true);
        put(root.putArray("image_mean"), model.mean());
        put(root.putArray("image_std"), model.std());
        return Json.pretty(root);
    }

    private static void put(ArrayNode array, float[] channels) {
        for (float channel : channels) {
            array.add(channel);
        }
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

    private static List<Float> channels(String place, JsonNode images, String key) {
        JsonNode found = images.path(key);
        if (absent(found)) {
            return HALF;
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
