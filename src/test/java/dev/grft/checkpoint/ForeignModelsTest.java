package dev.grft.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.UserError;
import dev.grft.checkpoint.file.Dtype;
import dev.grft.checkpoint.file.Golden;
import dev.grft.checkpoint.file.Json;
import dev.grft.checkpoint.file.Safetensors;
import dev.grft.checkpoint.file.Storage;
import dev.grft.checkpoint.file.Tensor;
import dev.grft.checkpoint.file.Tensors;
import dev.grft.data.ImageRecipe;
import dev.grft.data.Interpolation;
import dev.grft.data.Preprocess.Crop;
import dev.grft.vit.VitConfig;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Models that other libraries have saved, see {@code src/test/python/formats.py}. */
class ForeignModelsTest {
    private static final VitConfig SIZES = new VitConfig(16, 4, 24, 2, 3, 48, 5, 1e-6);

    @TempDir
    Path directory;

    static List<String> models() {
        return List.of(
                "timm-deit",
                "transformers",
                "transformers-features",
                "torchvision",
                "npz",
                "timm-deit3",
                "timm-dinov2",
                "timm-mean",
                "timm-gap",
                "timm-clip",
                "timm-siglip",
                "transformers-dinov2",
                "transformers-dinov2-registers",
                "transformers-clip",
                "transformers-siglip");
    }

    static Stream<String> modelsAndShards() {
        return Stream.concat(models().stream(), Stream.of("transformers-sharded"));
    }

    @ParameterizedTest
    @MethodSource("modelsAndShards")
    void theModelComputesWhatItsLibraryComputes(String folder) {
        Logits.assertSame(folder, load(folder, 0), "");
    }

    @ParameterizedTest
    @MethodSource("models")
    void soItDoesForLargerImages(String folder) {
        Logits.assertSame(folder, load(folder, 32), ".32");
    }

    @ParameterizedTest
    @Tag("thorough")
    @MethodSource("models")
    void soItDoesForImagesOf224Pixels(String folder) {
        Tensor tile = Golden.read("formats/inputs.safetensors").tensor("input.32");
        Tensor logits = Golden.read("formats/" + folder + "/golden.safetensors").tensor("logits.224");
        Logits.assertSame(load(folder, 224), Golden.tiled(tile, 7), logits);
    }

    @ParameterizedTest
    @CsvSource({
        "timm-deit, ''",
        "timm-deit3, 'no position of the class token, layer scale'",
        "timm-dinov2, '4 register tokens, no position of the class token, layer scale'",
        "timm-mean, '2 register tokens, a head that reads mean then norm'",
        "timm-gap, 'no class token, 4 register tokens, layer scale, a head that reads mean then norm'",
        "timm-clip, 'a norm before the first block, quick_gelu'",
        "timm-siglip, 'no class token, tanh_gelu, a head that reads mean'",
        "transformers-dinov2, 'layer scale, a head that reads class token and mean'",
        "transformers-dinov2-registers, '2 register tokens, layer scale, a head that reads class token and mean'",
        "transformers-clip, 'a norm before the first block, quick_gelu'",
        "transformers-siglip, 'no class token, tanh_gelu, a head that reads mean'"
    })
    void inWhatAModelDiffersFromAPlainOneIsTold(String folder, String words) {
        assertThat(load(folder, 0).config().variant().words()).isEqualTo(words);
    }

    @ParameterizedTest
    @CsvSource({
        "timm-deit, BICUBIC",
        "timm-siglip, BICUBIC",
        "torchvision, BICUBIC", // a config.json as timm's, without interpolation
        "npz, BICUBIC",
        "transformers, BICUBIC", // "resample": 3
        "transformers-features, BILINEAR", // no preprocessor: a ViT's default
        "transformers-dinov2, BICUBIC",
        "transformers-clip, BICUBIC",
        "transformers-siglip, BICUBIC"
    })
    void imagesAreResizedAsTheLibraryDoes(String folder, Interpolation interpolation) {
        assertThat(load(folder, 0).recipe().interpolation()).isEqualTo(interpolation);
    }

    /** These have no preprocessor_config.json. */
    @ParameterizedTest
    @CsvSource({
        "transformers-features, 0.5, 0.5, SQUASH",
        "transformers-dinov2, 0.485, 0.229, CENTER",
        "transformers-clip, 0.48145466, 0.26862954, CENTER",
        "transformers-siglip, 0.5, 0.5, SQUASH",
    })
    void imagesOfAModelWithoutAnImageProcessorAreThoseOfItsFamily(String folder, float mean, float std, Crop crop) {
        Checkpoint read = load(folder, 0);

        assertThat(read.recipe().mean().get(0)).isEqualTo(mean);
        assertThat(read.recipe().std().get(0)).isEqualTo(std);
        assertThat(read.recipe().crop()).isEqualTo(crop);
        assertThat(read.notes())
                .singleElement()
                .asString()
                .contains("preprocessor_config.json: no such file; images get the mean [" + mean);
    }

    @ParameterizedTest
    @CsvSource({
        "0, NEAREST",
        "1, LANCZOS",
        "2, BILINEAR",
        "3, BICUBIC",
        "4, BOX",
        "5, HAMMING",
        "null, BICUBIC",
    })
    void thePreprocessorSaysHowToResize(String resample, Interpolation interpolation) throws Exception {
        copy("transformers", "model.safetensors", "config.json", "preprocessor_config.json");
        change("preprocessor_config.json", "resample", resample);

        Checkpoint model = Checkpoint.load(Golden.HADOOP, directory.toString(), 0);
        model.save(Golden.HADOOP, directory.resolve("timm").toString(), NameMap.TIMM, Dtype.F32);
        model.save(Golden.HADOOP, directory.resolve("theirs").toString(), NameMap.TRANSFORMERS, Dtype.F32);

        assertThat(model.recipe().interpolation()).isEqualTo(interpolation);
        assertThat(Files.readString(directory.resolve("timm/config.json")))
                .contains("\"interpolation\" : \"" + interpolation + "\"");
        assertThat(Files.readString(directory.resolve("theirs/preprocessor_config.json")))
                .contains("\"resample\" : " + interpolation.number());
        assertThat(Checkpoint.load(Golden.HADOOP, directory.resolve("theirs").toString(), 0)
                        .recipe())
                .isEqualTo(model.recipe());
    }

    @ParameterizedTest
    @CsvSource({"6, '0 to 5, got 6'", "\"bicubic\", '0 to 5, got \"bicubic\"'", "2.5, '0 to 5, got 2.5'"})
    void aResampleThatPillowDoesNotKnowIsRefused(String resample, String message) throws Exception {
        copy("transformers", "model.safetensors", "config.json", "preprocessor_config.json");
        change("preprocessor_config.json", "resample", resample);

        refused("preprocessor_config.json: resample must be a number from " + message);
    }

    @Test
    void anInterpolationThatPillowDoesNotKnowIsRefused() throws Exception {
        copy("timm-deit", "model.safetensors", "config.json");
        ObjectNode json = (ObjectNode) Json.parse("x", Files.readString(directory.resolve("config.json")));
        ((ObjectNode) json.path("pretrained_cfg")).put("interpolation", "random");
        Files.writeString(directory.resolve("config.json"), Json.pretty(json));

        refused("interpolation must be one of nearest, lanczos, bilinear, bicubic, box, hamming, got 'random'");
    }

    /** torchvision's own: {@code ViT_B_16_Weights.IMAGENET1K_V1.transforms()} and so on. */
    @ParameterizedTest
    @CsvSource({
        "768, 197, 256, BILINEAR, 224", // vit_b_16, default
        "768, 50, 256, BILINEAR, 224", // vit_b_32
        "768, 577, 384, BICUBIC, 384", // vit_b_16, SWAG
        "1024, 197, 242, BILINEAR, 224", // vit_l_16, default
        "1024, 50, 256, BILINEAR, 224", // vit_l_32
        "1024, 1025, 512, BICUBIC, 512", // vit_l_16, SWAG
        "1280, 1370, 518, BICUBIC, 518", // vit_h_14, SWAG
        "1280, 257, 224, BICUBIC, 224" // vit_h_14, SWAG linear
    })
    void torchvisionsRecipesAreKnown(int width, int positions, int resize, Interpolation interpolation, int side)
            throws Exception {
        Map<String, Tensor> tensors = Map.of(
                "class_token", Tensor.ofFloats(new long[] {1, 1, width}, new float[width]),
                "encoder.pos_embedding",
                        Tensor.ofFloats(new long[] {1, positions, width}, new float[positions * width]));
        write(tensors);

        ImageRecipe recipe = Description.without(
                        "config.json",
                        NameMap.TORCHVISION,
                        Tensors.read(Golden.HADOOP, Golden.hadoop(directory.resolve("model.safetensors"))))
                .recipe();

        assertThat(recipe.interpolation()).isEqualTo(interpolation);
        assertThat(recipe.resize(side)).isEqualTo(resize);
    }

    @Test
    void theEpsilonOfClipIsItsOwn() {
        assertThat(load("timm-clip", 0).config().epsilon()).isEqualTo(1e-5);
        assertThat(load("transformers-clip", 0).config().epsilon()).isEqualTo(1e-5);
        assertThat(load("timm-dinov2", 0).config().epsilon()).isEqualTo(1e-6);
        assertThat(load("transformers-siglip", 0).config().epsilon()).isEqualTo(1e-6);
    }

    @ParameterizedTest
    @CsvSource({
        "timm-mean, global_pool, \"map\", global_pool is map; only token and avg of the patches are supported",
        "timm-mean, pool_include_prefix, true, global_pool is avg with pool_include_prefix; only",
        "timm-mean, global_pool, \"token\", has the tensor fc_norm.weight; but",
        "timm-mean, norm_layer, \"rmsnorm\", model_args.norm_layer is \"rmsnorm\"; only timm's default",
        "timm-clip, act_layer, \"silu\", model_args.act_layer is silu; only [gelu",
        "timm-siglip, global_pool, \"token\", the head reads the class token; but there is none"
    })
    void aFormThatIsNotSupportedIsTold(String folder, String key, String value, String message) throws Exception {
        copy(folder, "model.safetensors", "config.json");
        Path file = directory.resolve("config.json");
        ObjectNode root = (ObjectNode) Json.parse("config.json", Files.readString(file));
        ((ObjectNode) root.get("model_args")).set(key, Json.parse(key, value));
        if (root.has(key)) {
            root.set(key, Json.parse(key, value));
        }
        Files.writeString(file, root.toString());

        refused(message.replace(';', ','));
    }

    @Test
    void gatedMlpsAndTheClassifierOfClipAreTold() throws Exception {
        Map<String, Tensor> tensors = new LinkedHashMap<>(
                Tensors.read(Golden.HADOOP, Golden.hadoop(Golden.path("formats/timm-dinov2/model.safetensors")))
                        .byName());
        tensors.put("blocks.0.mlp.fc2.weight", Tensor.ofFloats(new long[] {12, 12}, new float[144]));
        copy("timm-dinov2", "config.json");
        write(tensors);
        refused("the model has a gated MLP (SwiGLU); only plain MLPs are supported");

        Files.delete(directory.resolve("config.json"));
        copy("transformers-clip", "config.json");
        tensors.clear();
        Tensors.read(Golden.HADOOP, Golden.hadoop(Golden.path("formats/transformers-clip/model.safetensors")))
                .byName()
                .forEach((name, tensor) -> tensors.put("vision_model." + name, tensor));
        write(tensors);
        assertThat(load(directory).config().classes()).isZero(); // as transformers 4 saves it
        tensors.put("classifier.weight", Tensor.ofFloats(new long[] {5, 12}, new float[60]));
        tensors.put("classifier.bias", Tensor.ofFloats(new long[] {5}, new float[5]));
        write(tensors);
        refused("the head of CLIPForImageClassification averages tokens before the last norm");
    }

    @Test
    void positionsThatFitTwoWaysAreTold() throws Exception {
        Map<String, Tensor> tensors = new LinkedHashMap<>(
                Tensors.read(Golden.HADOOP, Golden.hadoop(Golden.path("formats/timm-dinov2/model.safetensors")))
                        .byName());
        tensors.put("pos_embed", Tensor.ofFloats(new long[] {1, 9, 12}, new float[9 * 12]));
        copy("timm-dinov2", "config.json");
        write(tensors);

        refused("pos_embed has 9 positions, which fit the patches with and without 5 tokens before them");
    }

    @Test
    void transformersTellsSizesImagesAndLabels() {
        Checkpoint model = load("transformers", 0);

        assertThat(model.names()).isEqualTo(NameMap.TRANSFORMERS);
        assertThat(model.config()).isEqualTo(new VitConfig(16, 4, 24, 2, 3, 48, 5, 1e-12));
        assertThat(model.labels()).containsExactly("tench", "goldfish", "shark", "ray", "cock");
        assertThat(model.recipe().mean()).containsExactly(0.485f, 0.456f, 0.406f);
        assertThat(model.recipe().std()).containsExactly(0.229f, 0.224f, 0.225f);
        assertThat(model.recipe().cropFraction()).isEqualTo(0.8); // 16 of 20 pixels
        assertThat(model.sha256())
                .isEqualTo(Golden.read("formats/transformers/model.safetensors").sha256());
    }

    @Test
    void aModelInShardsIsTheSameModelUnderAnotherDigest() {
        Checkpoint whole = load("transformers", 0);
        Checkpoint shards = load("transformers-sharded", 0);

        whole.tensors()
                .forEach((name, values) ->
                        assertThat(shards.tensors().get(name)).as(name).containsExactly(values));
        assertThat(shards.sha256()).matches("[0-9a-f]{64}").isNotEqualTo(whole.sha256());
    }

    @Test
    void withoutAHeadThereAreNoLabelsAndMissingBiasesAre0() {
        Checkpoint model = load("transformers-features", 0);

        assertThat(model.config().classes()).isZero();
        assertThat(model.config().epsilon()).isEqualTo(0.01);
        assertThat(model.labels()).isEmpty();
        assertThat(model.tensors().get("blocks.1.attn.qkv.bias")).hasSize(72).containsOnly(0);
    }

    @Test
    void jaxNeedsNoDescription() {
        Checkpoint model = load("npz", 0);

        assertThat(model.names()).isEqualTo(NameMap.NPZ);
        assertThat(model.config()).isEqualTo(SIZES); // the heads are a dimension of its kernels
        assertThat(model.recipe().mean()).containsExactly(0.5f, 0.5f, 0.5f);
        assertThat(model.labels()).isEmpty();
        assertThat(model.sha256())
                .isEqualTo(new Storage(Golden.HADOOP).sha256(Golden.hadoop(Golden.path("formats/npz/ViT-Tiny_4.npz"))));
    }

    @Test
    void torchvisionNeedsNoneEitherWhereItsWidthTellsTheHeads() throws Exception {
        copy("torchvision", "model.safetensors");

        refused("config.json: model_args.num_heads is missing");
        assertThat(load("torchvision", 0).names()).isEqualTo(NameMap.TORCHVISION);
    }

    @Test
    void modelsOfOtherKindsAreRefusedWithTheReason() throws Exception {
        Map<String, String> reasons = new LinkedHashMap<>();
        reasons.put("distilled DeiT of timm", "the model has a distillation token");
        reasons.put("CLIP of transformers", "the model has a text tower; save its vision tower alone: CLIPVisionModel");
        reasons.put("SigLIP of timm", "the model pools its tokens by attention");
        reasons.put(
                "DINOv3 of timm",
                "the model is of the family of EVA and DINOv3, whose blocks know positions by rotation");
        reasons.put("DeiT of transformers", "the model has a distillation token");
        reasons.put("DINOv3 of transformers", "the model is of the family of EVA and DINOv3");
        reasons.put("giant DINOv2 of transformers", "the model has a gated MLP (SwiGLU)");
        reasons.put("BEiT of transformers", "the model has relative positions");
        reasons.put("MAE of transformers", "the model has a decoder");
        reasons.put("SigLIP of transformers", "the model pools its tokens by attention");
        JsonNode models = Json.parse("x", Files.readString(Golden.path("formats/refused.json")));
        assertThat(reasons.keySet()).hasSize(models.size());
        for (Map.Entry<String, String> one : reasons.entrySet()) {
            Map<String, Tensor> tensors = new LinkedHashMap<>();
            models.get(one.getKey())
                    .forEach(name -> tensors.put(name.asText(), Tensor.ofFloats(new long[] {1}, new float[1])));
            write(tensors);
            refused("only ViTs of a known form with the names of timm, transformers, torchvision or JAX are supported");
            refused(": " + one.getValue());
        }
    }

    @ParameterizedTest
    @CsvSource({
        "hidden_act, \"gelu_new\", config.json: hidden_act is gelu_new; only [gelu",
        "num_attention_heads, 5, width 24 must be a multiple of heads 5",
        "num_attention_heads, null, config.json: num_attention_heads is missing",
        "hidden_size, 48, describes a model of width 48",
        "layer_norm_eps, 2, config.json: layer_norm_eps must be in (0; 1)",
        "id2label, '{\"1\": \"a\"}', id2label must name the classes 0 to 0",
        "id2label, '{\"0\": \"a\"}', 'has 1 label_names, but a head of 5 classes'"
    })
    void aDescriptionOfTransformersThatDoesNotFitIsTold(String key, String value, String message) throws Exception {
        copy("transformers", "model.safetensors", "config.json", "preprocessor_config.json");
        change("config.json", key, value);

        refused(message.replace(';', ','));
    }

    @ParameterizedTest
    @CsvSource({
        "size, '{\"height\": 16, \"width\": 20}', preprocessor_config.json: size must be",
        "size, '{\"shortest_edge\": 12}', crop_size",
        "image_std, '[1, 0, 1]', image_std must be three positive numbers",
        "image_mean, 1, image_mean must be three numbers"
    })
    void aPreprocessorThatMakesNoSenseIsTold(String key, String value, String message) throws Exception {
        copy("transformers", "model.safetensors", "config.json", "preprocessor_config.json");
        change("preprocessor_config.json", key, value);

        refused(message);
    }

    /** White is 1 before it is normalized, or 255 where it is not scaled: the same as dividing mean and deviation by 255. */
    @Test
    void aPreprocessorThatLeavesOutAStepIsFollowed() throws Exception {
        copy("transformers", "model.safetensors", "config.json", "preprocessor_config.json");
        change("preprocessor_config.json", "image_mean", "[0.25, 0.5, 0.75]");
        change("preprocessor_config.json", "image_std", "[0.5, 0.25, 1]");
        change("preprocessor_config.json", "rescale_factor", "0.00392156862745098");
        assertThat(recipe().mean()).containsExactly(0.25f, 0.5f, 0.75f);

        change("preprocessor_config.json", "rescale_factor", "0.00784313725490196"); // 2 / 255
        assertThat(recipe().mean()).containsExactly(0.125f, 0.25f, 0.375f);
        assertThat(recipe().std()).containsExactly(0.25f, 0.125f, 0.5f);

        change("preprocessor_config.json", "do_rescale", "false");
        assertThat(recipe().mean()).containsExactly(0.25f / 255, 0.5f / 255, 0.75f / 255);
        assertThat(recipe().std()).containsExactly(0.5f / 255, 0.25f / 255, 1f / 255);

        change("preprocessor_config.json", "do_normalize", "false");
        assertThat(recipe().mean()).containsExactly(0f, 0f, 0f);
        assertThat(recipe().std()).containsExactly(1f / 255, 1f / 255, 1f / 255);

        change("preprocessor_config.json", "do_rescale", "true");
        change("preprocessor_config.json", "rescale_factor", "null");
        assertThat(recipe().std()).containsExactly(1f, 1f, 1f);

        change("preprocessor_config.json", "do_resize", "false");
        refused("preprocessor_config.json: do_resize is false, but images are resized to the model's size here");
    }

    /** A height and width without a crop are those of the whole image, as is a ViT's single number; a shortest_edge is cropped. */
    @ParameterizedTest
    @CsvSource({
        "'{\"height\": 16, \"width\": 16}', false, BitImageProcessor, SQUASH",
        "'{\"height\": 20, \"width\": 20}', true, BitImageProcessor, CENTER",
        "'{\"shortest_edge\": 16}', false, BitImageProcessor, CENTER",
        "16, false, ViTFeatureExtractor, SQUASH",
        "16, false, CLIPImageProcessor, CENTER"
    })
    void aSquashIsReadAndWrittenAgain(String size, String cuts, String processor, Crop crop) throws Exception {
        copy("transformers", "model.safetensors", "config.json", "preprocessor_config.json");
        change("preprocessor_config.json", "size", size);
        change("preprocessor_config.json", "do_center_crop", cuts);
        change("preprocessor_config.json", "image_processor_type", '"' + processor + '"');
        Checkpoint model = Checkpoint.load(Golden.HADOOP, directory.toString(), 0);
        assertThat(model.recipe().crop()).isEqualTo(crop);

        for (NameMap names : List.of(NameMap.TIMM, NameMap.TRANSFORMERS)) {
            Path saved = directory.resolve(names.name());
            model.save(Golden.HADOOP, saved.toString(), names, Dtype.F32);
            assertThat(Checkpoint.load(Golden.HADOOP, saved.toString(), 0).recipe())
                    .isEqualTo(model.recipe());
        }
        JsonNode timm = Json.parse("x", Files.readString(directory.resolve("TIMM/config.json")));
        JsonNode theirs = Json.parse("x", Files.readString(directory.resolve("TRANSFORMERS/preprocessor_config.json")));
        boolean squash = crop == Crop.SQUASH;
        assertThat(timm.at("/pretrained_cfg/crop_mode").asText()).isEqualTo(squash ? "squash" : "center");
        assertThat(theirs.path("do_center_crop").booleanValue()).isEqualTo(!squash);
        assertThat(theirs.path("size").has("height")).isEqualTo(squash);
    }

    private dev.grft.data.ImageRecipe recipe() {
        return Checkpoint.load(Golden.HADOOP, directory.toString(), 0).recipe();
    }

    @ParameterizedTest
    @ValueSource(strings = {"transformers", "transformers-dinov2"})
    void theNamesOfTransformers5InMemoryAreRead(String folder) throws Exception {
        copy(folder, "config.json");
        if (folder.equals("transformers")) {
            copy(folder, "preprocessor_config.json");
        }
        Safetensors file = Golden.read("formats/" + folder + "/model.safetensors");
        NameMap names = NameMap.of(file.names());
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        for (String name : file.names()) {
            String ours = names.ours(name);
            int dot = name.lastIndexOf('.');
            boolean module = ours != null && (ours.endsWith(".weight") || ours.endsWith(".bias"));
            tensors.put(
                    module
                            ? names.moduleInMemory(ours.substring(0, ours.lastIndexOf('.'))) + name.substring(dot)
                            : name,
                    file.tensor(name));
        }
        assertThat(tensors.keySet()).isNotEqualTo(file.names());
        write(tensors);

        Checkpoint model = Checkpoint.load(Golden.HADOOP, directory.toString(), 0);

        load(folder, 0)
                .tensors()
                .forEach((name, values) -> assertThat(model.tensors().get(name)).containsExactly(values));
        assertThat(model.notes().get(0)).contains("transformers 5");
    }

    @Test
    void thePreprocessorsSizeIsTheModelsUnlessAnotherIsAskedFor() throws Exception {
        copy("transformers", "model.safetensors", "config.json", "preprocessor_config.json");
        change("preprocessor_config.json", "crop_size", "{\"height\": 20, \"width\": 20}");

        assertThat(Checkpoint.load(Golden.HADOOP, directory.toString(), 0)
                        .config()
                        .imageSize())
                .isEqualTo(20);
        assertThat(Checkpoint.load(Golden.HADOOP, directory.toString(), 16)
                        .config()
                        .imageSize())
                .isEqualTo(16);
    }

    @Test
    void aMissingPartOfAModelIsTold() throws Exception {
        Safetensors file = Golden.read("formats/transformers/model.safetensors");
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        file.names().forEach(name -> tensors.put(name, file.tensor(name)));
        String key = "vit.encoder.layer.1.attention.attention.key.weight";
        Tensor whole = tensors.remove(key);
        copy("transformers", "config.json");
        write(tensors);
        refused("the tensor " + key + " is missing");

        tensors.put(key, Tensor.ofFloats(new long[] {24, 12}, new float[24 * 12]));
        write(tensors);
        refused(key + " has shape [24, 12]");

        tensors.put(key, whole);
        tensors.remove("vit.encoder.layer.0.output.dense.weight");
        write(tensors);
        refused("the tensor vit.encoder.layer.0.output.dense.weight is missing");
    }

    @Test
    void anIndexThatDoesNotFitItsFilesIsTold() throws Exception {
        copy(
                "transformers-sharded",
                "config.json",
                "model-00001-of-00002.safetensors",
                "model-00002-of-00002.safetensors",
                "model.safetensors.index.json");
        assertThat(Checkpoint.load(Golden.HADOOP, directory.toString(), 0)
                        .config()
                        .depth())
                .isEqualTo(2);

        Path index = directory.resolve("model.safetensors.index.json");
        String text = Files.readString(index);
        Files.writeString(
                index, text.replaceFirst("\"vit.layernorm.bias\": \"[^\"]*\"", "\"nose\": \"../x.safetensors\""));
        refused("names the file ../x.safetensors, expected a .safetensors file in the same folder");
        Files.writeString(
                index,
                text.replaceFirst(
                        "\"vit.layernorm.bias\": \"[^\"]*\"", "\"nose\": \"model-00001-of-00002.safetensors\""));
        refused("has the tensor vit.layernorm.bias, which model.safetensors.index.json does not place there");
        Files.writeString(index, "{\"weight_map\": []}");
        refused("weight_map must name the file of each tensor");
    }

    @ParameterizedTest
    @ValueSource(strings = {"pytorch_model.bin", "vit_b_16.pth", "deit.pt", "last.ckpt"})
    void picklesAreRefusedWithTheWayOut(String name) throws Exception {
        Files.write(directory.resolve(name), new byte[] {1});

        for (String path : List.of(directory.toString(), directory.resolve(name).toString())) {
            assertThatThrownBy(() -> Checkpoint.load(Golden.HADOOP, path, 0))
                    .isInstanceOf(UserError.class)
                    .hasMessageContaining(name + ": is a Python pickle, which runs code when it is read")
                    .hasMessageContaining("torch.load('" + name + "', weights_only=True");
        }
    }

    @Test
    void twoModelsInOneFolderAreTold() throws Exception {
        copy("npz", "ViT-Tiny_4.npz");
        Files.copy(directory.resolve("ViT-Tiny_4.npz"), directory.resolve("other.npz"));

        refused("has several models");
    }

    @Test
    void whatIsNoArrayOfNumbersIsToldInAnNpz() throws Exception {
        npz("a.txt", new byte[] {1});
        refused("has the entry a.txt, expected arrays NAME.npy only");
        npz("a.npy", new byte[] {1});
        refused("a: is not a NumPy array");
        npz("a.npy", header("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"));
        refused("a: is of type |O, expected one of");
        npz("a.npy", header("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }"));
        refused("a: is in Fortran order; write it with numpy.ascontiguousarray");
        npz("a.npy", header("{'descr': '<f4', 'fortran_order': False, 'shape': (999999999, 999999), }"));
        refused("a: of shape [999999999, 999999] needs 3999995996000004 bytes, more than the file can hold");
        npz("a.npy", header("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"));
        refused("is damaged");
        npz("a.npy", header("__import__('os')"));
        refused("a: has the header __import__('os'), expected descr");
        Files.write(directory.resolve("x.npz"), new byte[9]);
        refused("holds no arrays; is it a file of numpy.savez?");
    }

    private static byte[] header(String text) {
        byte[] bytes = new byte[10 + text.length()];
        System.arraycopy(
                new byte[] {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (byte) text.length(), 0}, 0, bytes, 0, 10);
        for (int i = 0; i < text.length(); i++) {
            bytes[10 + i] = (byte) text.charAt(i);
        }
        return bytes;
    }

    private void npz(String name, byte[] content) throws IOException {
        try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(directory.resolve("x.npz")))) {
            zip.putNextEntry(new ZipEntry(name));
            zip.write(content);
        }
    }

    private void write(Map<String, Tensor> tensors) throws IOException {
        try (OutputStream out = Files.newOutputStream(directory.resolve("model.safetensors"))) {
            Safetensors.write(out, Map.of("format", "pt"), tensors);
        }
    }

    private void copy(String folder, String... names) throws IOException {
        for (String name : names) {
            Files.copy(Golden.path("formats/" + folder + "/" + name), directory.resolve(name));
        }
    }

    private void change(String file, String key, String json) throws IOException {
        ObjectNode root = (ObjectNode) Json.parse(file, Files.readString(directory.resolve(file)));
        root.set(key, Json.parse(key, json));
        Files.writeString(directory.resolve(file), root.toString());
    }

    private void refused(String message) {
        assertThatThrownBy(() -> Checkpoint.load(Golden.HADOOP, directory.toString(), 0))
                .isInstanceOf(UserError.class)
                .hasMessageContaining(message);
    }

    private static Checkpoint load(String folder, int imageSize) {
        return Checkpoint.load(Golden.HADOOP, Golden.path("formats/" + folder).toString(), imageSize);
    }

    private static Checkpoint load(Path folder) {
        return Checkpoint.load(Golden.HADOOP, folder.toString(), 0);
    }
}
