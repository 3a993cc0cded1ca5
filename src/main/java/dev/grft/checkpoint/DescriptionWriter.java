package dev.grft.checkpoint;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.Task;
import dev.grft.checkpoint.file.Json;
import dev.grft.data.Preprocess.Crop;
import dev.grft.vit.Activation;
import dev.grft.vit.Pooling;
import dev.grft.vit.Variant;
import dev.grft.vit.VitConfig;
import java.util.List;

/** Writes the file beside a model's tensors: what cannot be read from the tensors. The inverse of {@link Description}. */
final class DescriptionWriter {
    private DescriptionWriter() {}

    /** Returns the {@code config.json} of a model with timm's names. */
    static String toTimm(Checkpoint model) {
        VitConfig config = model.config();
        ObjectNode root = Json.MAPPER.createObjectNode();
        Variant form = config.variant();
        String pool = form.pooling() == Pooling.CLASS_TOKEN ? Description.TOKEN : Description.MEAN;
        String architecture = isTimms(model.architecture()) ? model.architecture() : Description.NEAREST;
        root.put("architecture", architecture);
        root.put("num_classes", config.classes());
        root.put("num_features", config.width());
        root.put("global_pool", pool);
        if (config.epsilon() != Description.epsilon(architecture)) { // timm has no word for it and passes it over
            root.put("layer_norm_eps", config.epsilon());
        }
        ObjectNode arguments = root.putObject("model_args");
        arguments.putArray("img_size").add(config.imageSize()).add(config.imageSize());
        arguments.put("patch_size", config.patchSize());
        arguments.put("embed_dim", config.width());
        arguments.put("depth", config.depth());
        arguments.put("num_heads", config.heads());
        putRatio(arguments, config);
        arguments.put("num_classes", config.classes());
        arguments.put("in_chans", VitConfig.CHANNELS);
        arguments.put("global_pool", pool);
        if (!Description.preset(architecture)) {
            arguments.put("qkv_bias", true); // some of timm's have none
        }
        if (!form.equals(Variant.PLAIN)) {
            put(arguments, form);
        }
        ObjectNode images = root.putObject("pretrained_cfg");
        images.put("custom_load", false);
        images.putArray("input_size")
                .add(VitConfig.CHANNELS)
                .add(config.imageSize())
                .add(config.imageSize());
        images.put("fixed_input_size", true);
        images.put("interpolation", model.recipe().interpolation().toString());
        images.put("crop_pct", model.recipe().cropFraction());
        images.put("crop_mode", squashes(model) ? Description.SQUASH : "center");
        put(images.putArray("mean"), model.recipe().mean());
        put(images.putArray("std"), model.recipe().std());
        images.put("num_classes", config.classes());
        images.putNull("pool_size");
        images.put("first_conv", "patch_embed.proj");
        images.put("classifier", "head");
        if (config.task() != Task.SINGLE_LABEL) {
            root.put(Description.PROBLEM_TYPE, config.task().problemType());
        }
        if (!model.labels().isEmpty()) {
            model.labels().forEach(root.putArray("label_names")::add);
        }
        return Json.pretty(root);
    }

    /** Adds timm's arguments for a form, all of them: the architecture may have others. */
    private static void put(ObjectNode arguments, Variant form) {
        arguments.put("class_token", form.classToken());
        arguments.put("reg_tokens", form.registers());
        arguments.put("no_embed_class", form.positioned() < form.prefix());
        arguments.put("pre_norm", form.preNorm());
        if (form.layerScale()) {
            arguments.put("init_values", 1.0);
        } else {
            arguments.putNull("init_values");
        }
        arguments.put("fc_norm", form.pooling() == Pooling.MEAN_THEN_NORM);
        arguments.put("act_layer", word(form.activation(), "gelu_tanh"));
    }

    private static String word(Activation activation, String tanh) {
        return switch (activation) {
            case GELU -> "gelu";
            case QUICK_GELU -> "quick_gelu";
            case TANH_GELU -> tanh;
        };
    }

    private static void putRatio(ObjectNode node, VitConfig config) {
        if (config.mlpWidth() % config.width() == 0) {
            node.put("mlp_ratio", config.mlpWidth() / config.width());
        } else {
            node.put("mlp_ratio", ratio(config.mlpWidth(), config.width()));
        }
    }

    /** Returns the ratio from which timm's {@code int(width * ratio)} makes the MLP's width again. */
    private static double ratio(int mlpWidth, int width) {
        double ratio = (double) mlpWidth / width;
        return (int) (width * ratio) == mlpWidth ? ratio : Math.nextUp(ratio);
    }

    /**
     * Returns the {@code config.json} of a model with the names of transformers.
     *
     * @param family which of its models
     */
    static String toTransformers(Checkpoint model, NameMap family) {
        VitConfig config = model.config();
        ObjectNode root = Json.MAPPER.createObjectNode();
        if (!family.ofTransformers()) {
            throw notOfTransformers(family);
        }
        boolean siglip = family == NameMap.CLIP;
        String headless = siglip ? "SiglipVisionModel" : family.modelClass().replace("ForImageClassification", "Model");
        root.putArray("architectures").add(config.classes() > 0 ? family.modelClass() : headless);
        root.put("model_type", siglip && config.classes() == 0 ? "siglip_vision_model" : modelType(family));
        ObjectNode tower = siglip && config.classes() > 0 ? root.putObject("vision_config") : root;
        if (siglip && config.classes() > 0) {
            tower.put("model_type", "siglip_vision_model");
            root.putObject("text_config").put("model_type", "siglip_text_model");
        }
        tower.put("hidden_size", config.width());
        tower.put("num_hidden_layers", config.depth());
        tower.put("num_attention_heads", config.heads());
        tower.put("hidden_act", word(config.variant().activation(), "gelu_pytorch_tanh"));
        tower.put("layer_norm_eps", config.epsilon());
        tower.put("image_size", config.imageSize());
        tower.put("patch_size", config.patchSize());
        tower.put("num_channels", VitConfig.CHANNELS);
        putFamily(tower, family, config);
        if (config.classes() > 0) {
            root.put(Description.PROBLEM_TYPE, config.task().problemType());
        }
        ObjectNode names = root.putObject("id2label");
        ObjectNode numbers = root.putObject("label2id");
        for (int k = 0; k < config.classes(); k++) {
            String label =
                    model.labels().isEmpty() ? "LABEL_" + k : model.labels().get(k);
            names.put(Integer.toString(k), label);
            numbers.put(label, k);
        }
        return Json.pretty(root);
    }

    private static String modelType(NameMap family) {
        return switch (family) {
            case DINOV2 -> "dinov2";
            case DINOV2_WITH_REGISTERS -> "dinov2_with_registers";
            case CLIP -> "siglip";
            case TRANSFORMERS -> "vit";
            case TIMM, TORCHVISION, NPZ -> throw notOfTransformers(family);
        };
    }

    private static IllegalArgumentException notOfTransformers(NameMap family) {
        return new IllegalArgumentException(family + " is no model of transformers");
    }

    /** Adds the keys that only some families of transformers have. */
    private static void putFamily(ObjectNode tower, NameMap family, VitConfig config) {
        if (family == NameMap.CLIP) {
            tower.put("intermediate_size", config.mlpWidth());
            tower.put("vision_use_head", false);
            return;
        }
        tower.put("qkv_bias", true);
        tower.put("hidden_dropout_prob", 0.0);
        tower.put("attention_probs_dropout_prob", 0.0);
        if (family == NameMap.TRANSFORMERS) {
            tower.put("intermediate_size", config.mlpWidth());
            return;
        }
        putRatio(tower, config);
        tower.put("use_swiglu_ffn", false);
        if (family == NameMap.DINOV2_WITH_REGISTERS) {
            tower.put("num_register_tokens", config.variant().registers());
        } else {
            tower.put("use_mask_token", false);
        }
    }

    /** Returns the {@code preprocessor_config.json} of a model. Its image processor resizes, then crops unless images are squashed. */
    static String toPreprocessor(Checkpoint model) {
        int side = model.config().imageSize();
        ObjectNode root = Json.MAPPER.createObjectNode();
        root.put("image_processor_type", "BitImageProcessor");
        root.put("do_convert_rgb", true);
        root.put("do_resize", true);
        ObjectNode size = root.putObject("size");
        if (squashes(model)) {
            size.put("height", side).put("width", side);
        } else {
            size.put("shortest_edge", model.recipe().resize(side));
            root.putObject("crop_size").put("height", side).put("width", side);
        }
        root.put("do_center_crop", !squashes(model));
        root.put("resample", model.recipe().interpolation().number());
        root.put("do_rescale", true);
        root.put("rescale_factor", 1 / 255.0);
        root.put("do_normalize", true);
        put(root.putArray("image_mean"), model.recipe().mean());
        put(root.putArray("image_std"), model.recipe().std());
        return Json.pretty(root);
    }

    private static boolean squashes(Checkpoint model) {
        return model.recipe().crop() == Crop.SQUASH;
    }

    private static void put(ArrayNode array, List<Float> channels) {
        for (float channel : channels) {
            array.add(channel);
        }
    }

    /** Returns whether timm is likely to have this model. */
    private static boolean isTimms(String architecture) {
        return !architecture.startsWith("vit_demo_");
    }
}
