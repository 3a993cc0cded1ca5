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
import dev.grft.data.ImageRecipe;
import dev.grft.data.Interpolation;
import dev.grft.vit.VitConfig;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CheckpointTest {
    private static final VitConfig TINY = new VitConfig(16, 4, 24, 3, 3, 48, 5, 1e-6);

    @TempDir
    Path directory;

    private Map<String, Tensor> tensors;
    private ObjectNode json;

    @BeforeEach
    void takeTheTinyModel() throws IOException {
        Safetensors golden = Golden.read("tiny/model.safetensors");
        tensors = new LinkedHashMap<>();
        golden.names().forEach(name -> tensors.put(name, golden.tensor(name)));
        json = (ObjectNode) Json.parse("config.json", Files.readString(Golden.path("tiny/config.json")));
    }

    @Test
    void aModelOfTimmIsLoaded() {
        Checkpoint model = Checkpoint.load(Golden.HADOOP, Golden.path("tiny").toString(), 0);

        assertThat(model.config()).isEqualTo(TINY);
        assertThat(model.architecture()).isEqualTo("vit_tiny_patch16_224");
        assertThat(List.copyOf(model.tensors().keySet()))
                .isEqualTo(List.copyOf(TINY.tensors().keySet()));
        assertThat(model.tensors().get("blocks.2.mlp.fc2.weight"))
                .containsExactly(tensors.get("blocks.2.mlp.fc2.weight").floats());
        assertThat(model.recipe().mean()).containsExactly(0.485f, 0.456f, 0.406f);
        assertThat(model.recipe().std()).containsExactly(0.229f, 0.224f, 0.225f);
        assertThat(model.recipe().cropFraction()).isEqualTo(0.875);
        assertThat(model.labels()).isEmpty();
        assertThat(model.sha256())
                .isEqualTo(Golden.read("tiny/model.safetensors").sha256());
        assertThat(model.name()).endsWith("tiny/model.safetensors");
    }

    @ParameterizedTest
    @CsvSource({"tiny-fp16, F16", "tiny-bf16, BF16"})
    void halfPrecisionIsReadExactly(String name, Dtype type) {
        Checkpoint model = Checkpoint.load(Golden.HADOOP, Golden.path(name) + "/model.safetensors", 0);

        assertThat(model.config()).isEqualTo(TINY);
        assertThat(model.tensors().get("norm.weight")) // the script rounds the tiny model with PyTorch
                .containsExactly(Tensor.ofFloats(
                                type,
                                new long[] {24},
                                tensors.get("norm.weight").floats())
                        .floats());
        assertThat(model.tensors().get("blocks.0.attn.qkv.weight"))
                .containsExactly(Tensor.ofFloats(
                                type,
                                new long[] {72, 24},
                                tensors.get("blocks.0.attn.qkv.weight").floats())
                        .floats());
    }

    @Test
    void anotherImageSizeResamplesThePositionsOnly() {
        Checkpoint own = Checkpoint.load(Golden.HADOOP, Golden.path("tiny").toString(), 0);
        Checkpoint larger = Checkpoint.load(Golden.HADOOP, Golden.path("tiny").toString(), 32);

        assertThat(larger.config()).isEqualTo(TINY.withImageSize(32));
        assertThat(larger.tensors().get("pos_embed"))
                .hasSize(65 * 24)
                .containsExactly(
                        Positions.resample(own.tensors().get("pos_embed"), 1, 24, 8, Positions.Resampling.ANTIALIASED));
        assertThat(larger.tensors().get("norm.bias"))
                .containsExactly(own.tensors().get("norm.bias"));
        assertThat(larger.sha256()).isEqualTo(own.sha256());
        assertThatThrownBy(
                        () -> Checkpoint.load(Golden.HADOOP, Golden.path("tiny").toString(), 30))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("imageSize must be a positive multiple of patchSize 4, got 30");
    }

    @Test
    void aModelWithoutAHeadIsLoaded() {
        tensors.remove("head.weight");
        tensors.remove("head.bias");

        assertThat(load().config()).isEqualTo(TINY.withClasses(0));
        assertThat(load().tensors()).doesNotContainKey("head.weight").hasSize(42);
    }

    @Test
    void whatTheConfigurationDoesNotSayIsTimmsDefault() {
        json.remove("pretrained_cfg");

        assertThat(load().recipe().mean()).containsExactly(0.5f, 0.5f, 0.5f);
        assertThat(load().recipe().std()).containsExactly(0.5f, 0.5f, 0.5f);
        assertThat(load().recipe().cropFraction()).isEqualTo(0.9);
    }

    @Test
    void theConfigurationOfThePublishedBaseTellsHeadsByItsName() throws Exception {
        JsonNode base = Json.parse("x", Files.readString(Golden.path("vit_base_patch16_224/config.json")));
        json.setAll((ObjectNode) base);

        assertRefused("describes a model of width 768 (vit_base_patch16_224)");
        arguments().remove("num_heads");
        json.put("architecture", "vit_nobody_knows");
        assertRefused("model_args.num_heads is missing and the architecture vit_nobody_knows is not known; add it");
    }

    @Test
    void labelsComeFromTheConfiguration() {
        List.of("a", "b", "c", "d", "é").forEach(json.putArray("label_names")::add);
        assertThat(load().labels()).containsExactly("a", "b", "c", "d", "é");

        json.putArray("label_names").add("a");
        assertRefused("has 1 label_names, but a head of 5 classes; is it the right config.json?");
        json.put("label_names", "a");
        assertRefused("config.json: label_names: must be a list of strings, got \"a\"");
    }

    @Test
    void aTensorOfAnotherShapeIsTold() {
        tensors.put("blocks.1.mlp.fc1.weight", Tensor.ofFloats(new long[] {48, 12}, new float[48 * 12]));

        assertRefused(
                "model.safetensors: blocks.1.mlp.fc1.weight has shape [48, 12], a ViT of width 24, depth 3 and MLP"
                        + " width 48 needs [48, 24]; is it another model?");
    }

    @Test
    void aMissingTensorIsTold() {
        tensors.remove("blocks.1.norm2.bias");
        assertRefused(
                "the tensor blocks.1.norm2.bias is missing, a ViT of width 24, depth 3 and MLP width 48 needs it");

        tensors.remove("pos_embed");
        assertRefused("the tensor pos_embed is missing");
    }

    @ParameterizedTest
    @CsvSource({
        "blocks.0.attn.q_norm.weight, normalizes queries and keys",
        "attn_pool.latent, pools its tokens by attention",
        "blocks.0.mlp.w12.weight, gated MLP (SwiGLU)",
        "rope.periods, know positions by rotation",
        "nose, no supported model has such a tensor",
        "blocks.01.norm1.weight, no supported model has such a tensor"
    })
    void aTensorThatNoSupportedModelHasIsTold(String name, String sentence) {
        tensors.put(name, Tensor.ofFloats(new long[] {1}, new float[1]));

        assertRefused("model.safetensors: has the tensor " + name + ": ");
        assertRefused(sentence);
    }

    @Test
    void aPartOfAnotherFormIsTold() {
        Tensor scale = Tensor.ofFloats(new long[] {24}, new float[24]);
        tensors.put("blocks.0.ls1.gamma", scale);
        assertRefused("the tensor blocks.0.ls2.gamma is missing");
        tensors.remove("blocks.0.ls1.gamma");

        tensors.put("blocks.1.ls1.gamma", scale);
        assertRefused(
                "has the tensor blocks.1.ls1.gamma, a ViT of width 24, depth 3 and MLP width 48 has no such tensor");
        tensors.remove("blocks.1.ls1.gamma");

        tensors.put("reg_token", scale);
        assertRefused("has the tensor reg_token, a ViT of width 24, depth 3 and MLP width 48 has no such tensor");
        tensors.remove("reg_token");

        tensors.remove("blocks.1.attn.qkv.bias");
        assertRefused("the tensor blocks.1.attn.qkv.bias is missing");
    }

    @Test
    void aHeadWithABiasOnlyIsTold() {
        tensors.remove("head.weight");

        assertRefused("has the tensor head.bias, a ViT of width 24, depth 3 and MLP width 48 has no such tensor");
    }

    @Test
    void whatIsNotANumberIsTold() {
        float[] values = tensors.get("norm.weight").floats().clone();
        values[7] = Float.NaN;
        tensors.put("norm.weight", Tensor.ofFloats(new long[] {24}, values));
        assertRefused("number 7 of norm.weight is NaN, expected finite numbers");

        values[7] = Float.NEGATIVE_INFINITY;
        assertRefused("number 7 of norm.weight is -Infinity, expected finite numbers");

        tensors.put("norm.weight", Tensor.ofInts(new long[] {24}, new int[24]));
        assertRefused("norm.weight is of I32, expected F32, F16, BF16 or F64; convert the file");
    }

    @Test
    void positionsThatAreNotASquareAreTold() {
        tensors.put("pos_embed", Tensor.ofFloats(new long[] {1, 18, 24}, new float[18 * 24]));

        assertRefused(
                "model.safetensors: pos_embed has 17 positions besides the class token's, expected a square number");
    }

    @Test
    void patchesMustBeSquareAndRgb() {
        tensors.put("patch_embed.proj.weight", Tensor.ofFloats(new long[] {24, 1, 4, 4}, new float[24 * 16]));
        assertRefused("patch_embed.proj.weight has shape [24, 1, 4, 4], expected [width, 3, patch, patch]");

        tensors.put("patch_embed.proj.weight", Tensor.ofFloats(new long[] {24, 48}, new float[24 * 48]));
        assertRefused("patch_embed.proj.weight has shape [24, 48], a ViT needs one of 4 dimensions");
    }

    @Test
    void aConfigurationThatChangesTheModelIsRefused() {
        refused(
                c -> c.put("global_pool", "avg"),
                "config.json: global_pool is avg, but model_args.global_pool is token");
        refused(c -> arguments().put("act_layer", "silu"), "config.json: model_args.act_layer is silu, only [gelu");
        refused(
                c -> arguments().put("num_heads", "3"),
                "model_args.num_heads must be a positive whole number, got \"3\"");
        refused(c -> arguments().put("num_heads", 5), "width 24 must be a multiple of heads 5");
        refused(c -> images().put("crop_pct", 2), "config.json: crop_pct must be in (0, 1], got 2");
        refused(c -> images().put("mean", 2), "config.json: mean must be three numbers, got 2");
        refused(c -> images().putArray("std").add(1).add(0).add(1), "std must be three positive numbers, got [1,0,1]");
    }

    private void refused(Consumer<ObjectNode> change, String message) {
        ObjectNode good = json.deepCopy();
        change.accept(json);
        assertRefused(message);
        json = good;
    }

    @ParameterizedTest
    @CsvSource({
        "module., module.",
        "_orig_mod., _orig_mod.",
        "model., model.",
        "backbone., backbone.",
        "module._orig_mod.model., module._orig_mod.model.",
        "state_dict.ema_model., state_dict.ema_model."
    })
    void prefixesOfProgramsThatTrainAreTakenOffAndTold(String prefix, String told) throws Exception {
        Map<String, Tensor> wrapped = new LinkedHashMap<>();
        tensors.forEach((name, tensor) ->
                wrapped.put(prefix.equals("backbone.") && name.startsWith("head.") ? name : prefix + name, tensor));
        wrapped.put("optimizer.state.0.exp_avg", tensors.get("cls_token"));
        wrapped.put("epoch", tensors.get("cls_token"));
        Checkpoint plain = Checkpoint.load(Golden.HADOOP, Golden.path("tiny").toString(), 0);
        try (OutputStream out = Files.newOutputStream(directory.resolve("model.safetensors"))) {
            Safetensors.write(out, Map.of("format", "pt"), wrapped);
        }
        Files.writeString(directory.resolve("config.json"), json.toString());

        Checkpoint model = Checkpoint.load(Golden.HADOOP, directory.toString(), 0);

        assertThat(model.config()).isEqualTo(plain.config());
        plain.tensors()
                .forEach((name, values) -> assertThat(model.tensors().get(name)).containsExactly(values));
        assertThat(plain.notes()).isEmpty();
        assertThat(model.notes()).hasSize(2);
        assertThat(model.notes().get(0)).endsWith("model.safetensors: ignored 2 tensors of an optimizer or the like");
        assertThat(model.notes().get(1))
                .endsWith("model.safetensors: took the prefix " + told + " off the names of the tensors");
    }

    private Checkpoint loaded(Map<String, Tensor> all) throws IOException {
        try (OutputStream out = Files.newOutputStream(directory.resolve("model.safetensors"))) {
            Safetensors.write(out, Map.of("format", "pt"), all);
        }
        Files.writeString(directory.resolve("config.json"), json.toString());
        return Checkpoint.load(Golden.HADOOP, directory.toString(), 0);
    }

    @ParameterizedTest
    @CsvSource({
        "model., ema., ema.",
        "model., model_ema., model_ema.",
        "state_dict., state_dict_ema., state_dict_ema.",
        "model._orig_mod., ema_model.module., ema_model.",
        "online_model., ema_model., ema_model.",
        "student.backbone., teacher.backbone., teacher."
    })
    void ofAModelAndItsMovingAverageTheAverageIsTaken(String trained, String average, String told) throws Exception {
        Checkpoint plain = Checkpoint.load(Golden.HADOOP, Golden.path("tiny").toString(), 0);
        Map<String, Tensor> both = new LinkedHashMap<>();
        tensors.forEach((name, tensor) ->
                both.put(trained + name, Tensor.ofFloats(tensor.shape(), new float[tensor.floats().length])));
        tensors.forEach((name, tensor) -> both.put(average + name, tensor));
        both.put("n_averaged", tensors.get("cls_token"));

        Checkpoint model = loaded(both);

        plain.tensors()
                .forEach((name, values) -> assertThat(model.tensors().get(name)).containsExactly(values));
        assertThat(model.notes())
                .anySatisfy(note -> assertThat(note)
                        .endsWith("has the model more than once; took the tensors " + told
                                + ", a moving average, and ignored " + tensors.size() + " others"));
    }

    @Test
    void aMovingAverageWithOtherNamesIsPassedOver() throws Exception {
        Checkpoint plain = Checkpoint.load(Golden.HADOOP, Golden.path("tiny").toString(), 0);
        Map<String, Tensor> both = new LinkedHashMap<>();
        tensors.forEach((name, tensor) -> both.put("model." + name, tensor));
        tensors.forEach((name, tensor) -> both.put("model_ema." + name.replace(".", ""), tensor));

        Checkpoint model = loaded(both);

        plain.tensors()
                .forEach((name, values) -> assertThat(model.tensors().get(name)).containsExactly(values));
        assertThat(model.notes().get(0)).contains("took the tensors model. and ignored " + tensors.size());
    }

    @Test
    void imagesThatAreNotSquareAreRefused() {
        refused(
                c -> arguments().putArray("img_size").add(28).add(32),
                "config.json: model_args.img_size is [28,32], only square images are supported; use another"
                        + " checkpoint");
        refused(c -> images().putArray("input_size").add(3).add(28).add(32), "input_size is [3,28,32], only square");
    }

    @Test
    void missingFilesAreTold() throws Exception {
        assertThatThrownBy(() -> Checkpoint.load(Golden.HADOOP, directory.toString(), 0))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("model.safetensors: no such file; expected a directory with model.safetensors");
        Files.copy(Golden.path("tiny/model.safetensors"), directory.resolve("model.safetensors"));
        assertThatThrownBy(() -> Checkpoint.load(Golden.HADOOP, directory.toString(), 0))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("config.json: no such file; it has the image settings");
        Files.writeString(directory.resolve("config.json"), "{");
        assertThatThrownBy(() -> Checkpoint.load(Golden.HADOOP, directory.toString(), 0))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("config.json: is not valid JSON");
    }

    @Test
    void aSavedModelIsTheSameModel() throws Exception {
        List.of("a", "b", "c", "d", "e").forEach(json.putArray("label_names")::add);
        Checkpoint model = load();

        model.save(Golden.HADOOP, directory.resolve("saved").toString(), Dtype.F32);
        Checkpoint again =
                Checkpoint.load(Golden.HADOOP, directory.resolve("saved").toString(), 0);

        assertThat(again.config()).isEqualTo(model.config());
        assertThat(again.labels()).isEqualTo(model.labels());
        assertThat(again.recipe().mean()).isEqualTo(model.recipe().mean());
        assertThat(again.recipe().std()).isEqualTo(model.recipe().std());
        assertThat(again.recipe()).isEqualTo(model.recipe());
        model.tensors()
                .forEach((name, values) -> assertThat(again.tensors().get(name)).containsExactly(values));
    }

    @Test
    void theSavedConfigurationIsWhatTimmWrites() throws Exception {
        load().save(Golden.HADOOP, directory.resolve("saved").toString(), Dtype.F32);

        ObjectNode saved = (ObjectNode) Json.parse("x", Files.readString(directory.resolve("saved/config.json")));
        ((ObjectNode) json.get("pretrained_cfg")).remove(List.of("tag", "license"));
        assertThat(saved).isEqualTo(json);
    }

    @Test
    void theDigestOfAModelThatIsNotOnDiskIsThatOfItsFile() {
        Checkpoint loaded = load();
        Checkpoint fresh = Checkpoint.of(
                "fresh",
                "vit_demo_patch4_32",
                TINY,
                loaded.tensors(),
                new ImageRecipe(loaded.recipe().mean(), loaded.recipe().std(), 0.5, Interpolation.LANCZOS),
                List.of());

        fresh.save(Golden.HADOOP, directory.resolve("fresh").toString(), Dtype.F32);

        assertThat(fresh.sha256())
                .isEqualTo(
                        new Storage(Golden.HADOOP).sha256(Golden.hadoop(directory.resolve("fresh/model.safetensors"))));
        assertThat(Checkpoint.load(Golden.HADOOP, directory.resolve("fresh").toString(), 0)
                        .config())
                .isEqualTo(TINY);
    }

    @ParameterizedTest
    @CsvSource({"F16, tiny-fp16", "BF16, tiny-bf16"})
    void savingInHalfPrecisionRoundsAsPytorchDoes(Dtype type, String golden) {
        load().save(Golden.HADOOP, directory.resolve("half").toString(), type);

        Safetensors saved = Safetensors.read(Golden.HADOOP, Golden.hadoop(directory.resolve("half/model.safetensors")));
        Safetensors expected = Golden.read(golden + "/model.safetensors");
        for (String name : expected.names()) {
            assertThat(saved.tensor(name).dtype()).isEqualTo(type);
            assertThat(saved.tensor(name).floats())
                    .as(name)
                    .containsExactly(expected.tensor(name).floats());
        }
    }

    @Test
    void aNumberThatIsTooLargeForHalfPrecisionIsTold() {
        tensors.put("norm.weight", Tensor.ofFloats(new long[] {24}, filled(24, 70_000)));

        assertThatThrownBy(() ->
                        load().save(Golden.HADOOP, directory.resolve("half").toString(), Dtype.F16))
                .isInstanceOf(UserError.class)
                .hasMessageEndingWith("a number of norm.weight is too large for F16; save it as F32");
        assertThat(directory.resolve("half")).doesNotExist();
    }

    @Test
    void anMlpThatIsNoMultipleOfTheWidthIsSavedSoThatTimmFindsItsWidth() throws Exception {
        VitConfig odd = new VitConfig(16, 4, 24, 1, 3, 49, 0, 1e-6);
        Map<String, float[]> zeros = new LinkedHashMap<>();
        odd.tensors().forEach((name, shape) -> zeros.put(name, new float[(int) Tensor.elements(shape)]));

        Checkpoint.of("odd", "vit_tiny_patch16_224", odd, zeros, ImageRecipe.same(0.5f, 0.5f, 0.9), List.of())
                .save(Golden.HADOOP, directory.toString(), Dtype.F32);

        JsonNode saved = Json.parse("x", Files.readString(directory.resolve("config.json")));
        assertThat((int) (24 * saved.at("/model_args/mlp_ratio").doubleValue())).isEqualTo(49);
        assertThat(Checkpoint.load(Golden.HADOOP, directory.toString(), 0).config())
                .isEqualTo(odd);
    }

    private ObjectNode arguments() {
        return (ObjectNode) json.get("model_args");
    }

    private ObjectNode images() {
        return (ObjectNode) json.get("pretrained_cfg");
    }

    private Checkpoint load() {
        try (OutputStream out = Files.newOutputStream(directory.resolve("model.safetensors"))) {
            Safetensors.write(out, Map.of("format", "pt"), tensors);
            Files.writeString(directory.resolve("config.json"), json.toString());
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
        return Checkpoint.load(Golden.HADOOP, directory.toString(), 0);
    }

    private void assertRefused(String message) {
        assertThatThrownBy(this::load).isInstanceOf(UserError.class).hasMessageContaining(message);
    }

    private static float[] filled(int length, float value) {
        float[] values = new float[length];
        Arrays.fill(values, value);
        return values;
    }
}
