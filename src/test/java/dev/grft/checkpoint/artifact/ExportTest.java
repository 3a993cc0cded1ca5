package dev.grft.checkpoint.artifact;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import dev.grft.Addition;
import dev.grft.Axis;
import dev.grft.Bottleneck;
import dev.grft.Delta;
import dev.grft.Entries;
import dev.grft.LowRank;
import dev.grft.MatrixShape;
import dev.grft.Selection;
import dev.grft.Slices;
import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.checkpoint.Checkpoint;
import dev.grft.checkpoint.Logits;
import dev.grft.checkpoint.file.Dtype;
import dev.grft.checkpoint.file.Golden;
import dev.grft.checkpoint.file.Json;
import dev.grft.checkpoint.file.Safetensors;
import dev.grft.checkpoint.file.Tensor;
import dev.grft.checkpoint.file.Tensors;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.tuning.Tuning;
import dev.grft.vit.Keep;
import dev.grft.vit.Trainable;
import dev.grft.vit.Vit;
import dev.grft.vit.Weights;
import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Array.DataType;
import dev.grft.vit.kernels.Backend;
import dev.grft.vit.kernels.Machine;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Exports; {@code src/test/python/exports.py} loads what this leaves in {@code target/exports} with the real libraries. */
class ExportTest {
    private static final Path EXPORTS = Path.of("target/exports");
    private static final List<String> LABELS = List.of("a", "b", "c", "d");
    private static final MatrixShape QKV = new MatrixShape(72, 24);

    @TempDir
    Path directory;

    private final Safetensors golden = Golden.read("formats/peft/delta.safetensors");

    @ParameterizedTest
    @ValueSource(strings = {"timm", "transformers"})
    void slicesAreTheAdapterThatPeftSaves(String library) throws Exception {
        String base = library.equals("timm") ? "timm-deit" : library;
        Checkpoint pretrained = load("formats/" + base);
        Delta delta = slices(pretrained);
        Path run = run(base, delta, "grft");
        Path output = export(base, "peft", null, run);

        Safetensors ours = Safetensors.read(Golden.HADOOP, Golden.hadoop(output.resolve("adapter_model.safetensors")));
        Safetensors theirs = Golden.read("formats/peft/" + library + "/adapter_model.safetensors");
        assertThat(ours.names()).containsExactlyInAnyOrderElementsOf(theirs.names());
        for (String name : ours.names()) {
            assertThat(ours.tensor(name).shape())
                    .as(name)
                    .containsExactly(theirs.tensor(name).shape());
            assertThat(ours.tensor(name).floats())
                    .as(name)
                    .containsExactly(theirs.tensor(name).floats());
        }
        JsonNode config = json(output.resolve("adapter_config.json"));
        JsonNode saved = json(Golden.path("formats/peft/" + library + "/adapter_config.json"));
        for (String key : List.of(
                "peft_type", "modules_to_save", "task_type", "auto_mapping", "bias", "fan_in_fan_out", "use_rslora")) {
            assertThat(config.get(key)).as(key).isEqualTo(saved.get(key));
        }
        assertThat(config.get("base_model_name_or_path").asText())
                .isEqualTo(Golden.path("formats/" + base).toAbsolutePath().toString());
        assertThat(config.get("revision").isNull()).isTrue();
        assertThat(Files.readString(output.resolve("README.md")))
                .contains(
                        "base_model: \"" + config.get("base_model_name_or_path").asText() + "\"\nlibrary_name: peft")
                .contains("labels = [\"a\",\"b\",\"c\",\"d\"]");
        assertThat(config.get("rank_pattern")).isEqualTo(saved.get("rank_pattern"));
        assertThat(config.get("alpha_pattern")).isEqualTo(saved.get("alpha_pattern"));
        assertThat(Json.strings("ours", config.get("target_modules")))
                .containsExactlyInAnyOrderElementsOf(Json.strings("theirs", saved.get("target_modules")));
        Logits.assertSame(
                pretrained.merged(delta),
                Golden.read("formats/inputs.safetensors").tensor("input"),
                Golden.read("formats/peft/" + library + "/golden.safetensors").tensor("logits"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"timm-deit", "transformers"})
    void loraIsAnAdapterAsItIs(String base) throws Exception {
        Checkpoint pretrained = load("formats/" + base);
        Random random = new Random(7);
        Delta delta = delta(
                pretrained,
                Map.of(),
                List.of(new LowRank(
                        "blocks.1.attn.qkv.weight", QKV, 0.5, numbers(random, 3 * 24), numbers(random, 72 * 3))));

        Path output = export(base, "peft", "lora", run(base, delta, "lora"));

        JsonNode config = json(output.resolve("adapter_config.json"));
        assertThat(config.get("alpha_pattern")).allMatch(alpha -> alpha.doubleValue() == 1.5);
        assertThat(config.get("rank_pattern")).allMatch(rank -> rank.intValue() == 3);
    }

    @Test
    void theModelOfAnAdapterIsAnAbsolutePathOrANameOfTheHub() {
        String revision = "0123456789abcdef0123456789abcdef01234567";
        String cached =
                "/home/me/.cache/huggingface/hub/models--google--vit-base-patch16-224-in21k/snapshots/" + revision;

        for (String path : List.of(cached, cached + "/", cached + "/model.safetensors", "s3a://bucket" + cached)) {
            assertThat(PeftAdapter.Base.of(Golden.HADOOP, path))
                    .isEqualTo(new PeftAdapter.Base("google/vit-base-patch16-224-in21k", revision));
        }
        String here = Path.of("").toAbsolutePath().toString();
        for (String path :
                List.of("vits/b16", "./vits/b16", "vits/b16/model.safetensors", "file://" + here + "/vits/b16")) {
            assertThat(PeftAdapter.Base.of(Golden.HADOOP, path))
                    .isEqualTo(new PeftAdapter.Base(here + "/vits/b16", null));
        }
    }

    @ParameterizedTest
    @EnumSource(Task.class)
    void aModelOfTransformersTellsItsTask(Task task) throws Exception {
        Delta slices = slices(load("formats/transformers"));
        Delta delta = slices.withHead(slices.headWeight(), slices.headBias(), task);
        Path run = run("transformers", delta, "grft");

        Path output = export("transformers", "transformers", "of-" + task, run);
        Path adapter = export("transformers", "peft", "of-" + task, run);
        Path timm = export("transformers", "timm", "of-" + task, run);

        JsonNode config = json(output.resolve("config.json"));
        assertThat(config.get("problem_type").asText()).isEqualTo(task.problemType());
        assertThat(config.get("id2label").get("3").asText()).isEqualTo("d");
        assertThat(config.get("label2id").get("d").asInt()).isEqualTo(3);
        assertThat(Checkpoint.load(Golden.HADOOP, output.toString(), 0).config().task())
                .isEqualTo(task);
        assertThat(Checkpoint.load(Golden.HADOOP, timm.toString(), 0).config().task())
                .isEqualTo(task);
        assertThat(Files.readString(adapter.resolve("README.md")).contains("problem_type=\"" + task.problemType()))
                .isEqualTo(task != Task.SINGLE_LABEL);
    }

    @Test
    void transformers4HasOtherNames() throws Exception {
        Path run = run("transformers", slices(load("formats/transformers")), "grft");
        Path output = EXPORTS.resolve("transformers4-peft"); // for exports.py under transformers 4

        export(run.toString(), "peft", "transformers4", null, output.toString());

        assertThat(json(output.resolve("adapter_config.json"))
                        .get("rank_pattern")
                        .toString())
                .contains("\"vit.encoder.layer.0.attention.attention.key\":2")
                .contains("\"vit.encoder.layer.1.output.dense\":2");
    }

    @Test
    void anAdapterForTimmsModelCanBeMadeOfAnotherLibrarysFile() throws Exception {
        Checkpoint pretrained = load("formats/npz");
        Path run = run("npz", slices(pretrained), "grft");

        export(run.toString(), "peft", null, null, directory.resolve("a").toString());
        export(
                run.toString(),
                "peft",
                "transformers",
                null,
                directory.resolve("b").toString());

        assertThat(json(directory.resolve("a/adapter_config.json"))
                        .get("modules_to_save")
                        .toString())
                .isEqualTo("[\"head\"]");
        assertThat(json(directory.resolve("b/adapter_config.json"))
                        .get("modules_to_save")
                        .toString())
                .isEqualTo("[\"classifier\"]");
    }

    @Test
    void methodsWithoutSuchAFormSayWhyNot() throws Exception {
        Checkpoint model = load("formats/timm-deit");
        refused(
                delta(model, Map.of(), List.of(new Entries(QKV_OF_0, QKV, new int[72], new float[72]))),
                "gps",
                "export: gps trains 1 entries of each row of " + QKV_OF_0 + ", which is not a low-rank update");
        refused(
                delta(model, Map.of("norm.bias", new float[24]), List.of()),
                "bitfit",
                "export: bitfit changes no matrix, and PEFT has no adapter without");
        refused(
                delta(model, Map.of("norm.weight", new float[24]), List.of()),
                "full",
                "export: full trains all of norm.weight, but a PEFT adapter holds only biases and");
        refused(delta(model, Map.of(), List.of()), "linear", "export: linear changes no matrix");
        refused(
                delta(
                        model,
                        Map.of(),
                        List.of(new Bottleneck(
                                "blocks.0.mlp.fc2.weight",
                                new MatrixShape(24, 48),
                                1,
                                new float[24],
                                new float[1],
                                new float[24],
                                new float[24]))),
                "adapter",
                "which is not a low-rank update; use the delta with evaluate");
    }

    private static final String CLASSIFIER_BIAS = "base_model.model.classifier.bias";
    private static final String QKV_OF_0 = "blocks.0.attn.qkv.weight";

    private void refused(Delta delta, String method, String message) throws IOException {
        Path run = run("timm-deit", delta, method);
        Path output = directory.resolve("refused");
        assertThatThrownBy(() -> export(run.toString(), "peft", null, null, output.toString()))
                .isInstanceOf(UserError.class)
                .hasMessageContaining(message);
        assertThat(output).doesNotExist();
    }

    @ParameterizedTest
    @CsvSource({
        "timm-deit, timm",
        "timm-deit, transformers",
        "timm-deit, npz",
        "timm-deit, torchvision",
        "transformers, timm",
        "transformers, transformers",
        "transformers, npz",
        "npz, npz",
        "torchvision, transformers"
    })
    void aMergedModelIsTheSameInEveryLibrarysFiles(String base, String format) throws Exception {
        Checkpoint pretrained = load("formats/" + base);
        Delta delta = slices(pretrained);
        Checkpoint merged = pretrained.merged(delta);

        Path output = export(base, format, null, run(base, delta, "grft"));
        Checkpoint again = Checkpoint.load(Golden.HADOOP, output.toString(), 0);

        assertThat(again.names().toString()).isEqualTo(format);
        assertThat(again.config()).isEqualTo(merged.config());
        assertThat(again.labels()).isEqualTo(LABELS);
        assertThat(again.recipe().mean()).isEqualTo(merged.recipe().mean());
        assertThat(again.recipe().std()).isEqualTo(merged.recipe().std());
        assertThat(again.recipe().cropFraction())
                .isCloseTo(merged.recipe().cropFraction(), org.assertj.core.data.Offset.offset(0.06));
        merged.tensors()
                .forEach((name, values) ->
                        assertThat(again.tensors().get(name)).as(name).containsExactly(values));
        Map<String, Tensor> before = Tensors.read(Golden.HADOOP, file(base)).byName();
        if (again.names() == pretrained.names()) { // in the very layout, so what is frozen has the very bits
            Tensors.read(Golden.HADOOP, file(output)).byName().forEach((name, tensor) -> {
                assertThat(tensor.shape())
                        .as(name)
                        .hasSameSizeAs(before.getOrDefault(name, tensor).shape());
                if (name.contains("norm") || name.contains("LayerNorm")) {
                    assertThat(tensor.floats())
                            .as(name)
                            .containsExactly(before.get(name).floats());
                }
            });
        }
    }

    @ParameterizedTest
    @CsvSource({
        "timm-deit3, timm",
        "timm-dinov2, timm",
        "timm-mean, timm",
        "timm-gap, timm",
        "timm-clip, timm",
        "timm-siglip, timm",
        "timm-siglip, transformers",
        "transformers-clip, timm",
        "transformers-siglip, timm",
        "transformers-siglip, transformers",
        "transformers-dinov2, transformers",
        "transformers-dinov2-registers, transformers"
    })
    void aModelThatIsNoPlainViTIsWrittenWhereALibraryHasIt(String base, String format) throws Exception {
        Checkpoint pretrained = load("formats/" + base);
        Delta delta = anywhere(pretrained, Map.of());

        Path output = export(base, format, null, run(base, delta, "grft"));
        Checkpoint again = Checkpoint.load(Golden.HADOOP, output.toString(), 0);

        Checkpoint merged = pretrained.merged(delta);
        assertThat(again.names().ofTransformers()).isEqualTo(format.equals("transformers"));
        assertThat(again.config()).isEqualTo(merged.config());
        assertThat(again.labels()).isEqualTo(LABELS);
        merged.tensors()
                .forEach((name, values) ->
                        assertThat(again.tensors().get(name)).as(name).containsExactly(values));
        MergedFile.write(Golden.HADOOP, directory.resolve("merged").toString(), pretrained, delta, Dtype.F32);
        Checkpoint file = Checkpoint.load(
                Golden.HADOOP, directory.resolve("merged/merged.safetensors").toString(), 0);
        assertThat(file.config()).isEqualTo(merged.config());
        assertThat(file.sha256()).isEqualTo(merged.sha256());
    }

    /** Libraries have no bias of patches where a norm follows: that of the delta goes into the positions. */
    @ParameterizedTest
    @ValueSource(strings = {"timm-clip", "timm-deit3"})
    void whatTrainsWholeIsWrittenToo(String base) throws Exception {
        Checkpoint pretrained = load("formats/" + base);
        Random random = new Random(3);
        Map<String, float[]> whole = new LinkedHashMap<>();
        for (String name :
                List.of("patch_embed.proj.bias", "norm_pre.bias", "blocks.0.ls1.gamma", "blocks.1.norm2.bias")) {
            if (pretrained.tensors().containsKey(name)) {
                whole.put(name, numbers(random, 12));
            }
        }
        Delta delta = anywhere(pretrained, whole);

        Path output = export(base, "timm", "whole", run(base, delta, "full"));

        Checkpoint again = Checkpoint.load(Golden.HADOOP, output.toString(), 0);
        Tensor logits = Safetensors.read(Golden.HADOOP, Golden.hadoop(output.resolve("logits.safetensors")))
                .tensor("logits");
        Logits.assertSame(again, Golden.read("formats/inputs.safetensors").tensor("input"), logits);
        assertThat(again.tensors().containsKey("blocks.0.ls1.gamma")).isEqualTo(base.equals("timm-deit3"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "timm-deit3",
                "timm-dinov2",
                "timm-gap",
                "timm-clip",
                "timm-siglip",
                "transformers-dinov2",
                "transformers-dinov2-registers",
                "transformers-siglip"
            })
    void anAdapterFitsAModelThatIsNoPlainViT(String base) throws Exception {
        Checkpoint pretrained = load("formats/" + base);

        Path output = export(base, "peft", null, run(base, anywhere(pretrained, Map.of()), "grft"));

        boolean timm = base.startsWith("timm");
        assertThat(json(output.resolve("adapter_config.json"))
                        .get("modules_to_save")
                        .toString())
                .isEqualTo(timm ? "[\"head\"]" : "[\"classifier\"]");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "timm-deit",
                "timm-dinov2",
                "timm-siglip",
                "transformers",
                "transformers-dinov2",
                "transformers-siglip"
            })
    void biasesThatTrainWithSlicesAreInTheAdapter(String base) throws Exception {
        Checkpoint pretrained = load("formats/" + base);
        Random random = new Random(5);
        Map<String, float[]> biases = new LinkedHashMap<>();
        pretrained.tensors().forEach((name, values) -> {
            if (Tuning.isBias(name)) {
                biases.put(name, numbers(random, values.length));
            }
        });
        assertThat(biases).containsKeys("patch_embed.proj.bias", "blocks.1.attn.qkv.bias", "blocks.1.mlp.fc2.bias");

        Path output = export(base, "peft", "biases", run(base, anywhere(pretrained, biases), "grft"));

        assertThat(json(output.resolve("adapter_config.json")).get("bias").asText())
                .isEqualTo("all");
        Safetensors file = Safetensors.read(Golden.HADOOP, Golden.hadoop(output.resolve("adapter_model.safetensors")));
        assertThat(file.names().stream().filter(name -> name.endsWith(".bias")))
                .hasSize(1
                        + biases.size()
                        + (base.startsWith("transformers")
                                ? 2 * pretrained.config().depth()
                                : 0))
                .contains(
                        base.startsWith("timm")
                                ? "base_model.model.blocks.0.attn.qkv.base_layer.bias"
                                : CLASSIFIER_BIAS);
    }

    /** PEFT wraps the modules that it adapts, and no others: here the query alone has rows. */
    @Test
    void aBiasBesideAnAdaptedMatrixLiesInItsBaseLayer() throws Exception {
        Checkpoint pretrained = load("formats/transformers");
        Slices rows = new Slices(QKV_OF_0, QKV, Axis.ROW, new int[] {1, 7});
        Delta delta = new Delta(
                new Selection(List.of(rows)),
                Map.of(QKV_OF_0, numbers(new Random(6), 2 * 24)),
                new float[4 * 24],
                new float[4],
                LABELS,
                pretrained.sha256(),
                Map.of("blocks.0.attn.qkv.bias", new float[72]));

        Path output = directory.resolve("adapter");
        export(run("transformers", delta, "grft").toString(), "peft", null, null, output.toString());

        Safetensors file = Safetensors.read(Golden.HADOOP, Golden.hadoop(output.resolve("adapter_model.safetensors")));
        String attention = "base_model.model.vit.layers.0.attention.";
        assertThat(file.names().stream().filter(name -> name.endsWith(".bias")))
                .containsExactlyInAnyOrder(
                        attention + "q_proj.base_layer.bias",
                        attention + "k_proj.bias",
                        attention + "v_proj.bias",
                        CLASSIFIER_BIAS);
    }

    @ParameterizedTest
    @CsvSource({"timm-clip, patch_embed.proj.bias", "transformers-features, blocks.0.attn.qkv.bias"})
    void aBiasThatTheModelDoesNotHaveCannotBeInAnAdapter(String base, String bias) throws Exception {
        Checkpoint pretrained = load("formats/" + base);
        int length = pretrained.tensors().get(bias).length;
        Path run = run(base, anywhere(pretrained, Map.of(bias, new float[length])), "grft");
        Path output = directory.resolve("refused");

        assertThatThrownBy(() -> export(run.toString(), "peft", null, null, output.toString()))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("export: grft trains " + bias + ", but the pretrained model has no such bias")
                .hasMessageContaining("or train with tuning.biases=false");
        assertThat(output).doesNotExist();
    }

    @ParameterizedTest
    @CsvSource({
        "timm-deit3, transformers, 'transformers has no model for image classification with no position of the class"
                + " token, layer scale; only [timm] has'",
        "timm-deit3, npz, 'npz has no model for image classification with no position of the class token, layer scale'",
        "transformers-dinov2, timm, 'timm has no model for image classification with layer scale, a head that reads"
                + " class token and mean; only [transformers] has'",
        "transformers-clip, transformers, 'transformers has no model for image classification with a norm before the"
                + " first block, quick_gelu; only [timm] has'",
        "transformers-clip, peft, 'transformers has no model for image classification with a norm before'",
    })
    void aFormThatALibraryDoesNotHaveIsTold(String base, String format, String message) throws Exception {
        Path run = run(base, anywhere(load("formats/" + base), Map.of()), "grft");
        Path output = directory.resolve("refused");

        assertThatThrownBy(() -> export(run.toString(), format, null, null, output.toString()))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("export: " + message);
        assertThat(output).doesNotExist();
    }

    /** Returns a delta of two rows or columns of each matrix and whole parameters, with random numbers. */
    private static Delta anywhere(Checkpoint pretrained, Map<String, float[]> whole) {
        Random random = new Random(11);
        List<Slices> all = new ArrayList<>();
        Map<String, float[]> values = new LinkedHashMap<>();
        pretrained.config().matrices().forEach((matrix, shape) -> {
            Slices slices = new Slices(matrix, shape, all.size() % 2 == 0 ? Axis.ROW : Axis.COLUMN, new int[] {1, 7});
            all.add(slices);
            values.put(matrix, numbers(random, (int) slices.size()));
        });
        return new Delta(
                new Selection(all),
                values,
                numbers(random, LABELS.size() * pretrained.config().features()),
                numbers(random, LABELS.size()),
                LABELS,
                pretrained.sha256(),
                whole);
    }

    private static org.apache.hadoop.fs.Path file(String base) {
        return file(Golden.path("formats/" + base));
    }

    private static org.apache.hadoop.fs.Path file(Path folder) {
        try (var files = Files.list(folder)) {
            return Golden.hadoop(files.filter(f -> f.getFileName().toString().matches("model.safetensors|.*npz"))
                    .findFirst()
                    .orElseThrow());
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    @Test
    void whatIsMissingIsTold() throws Exception {
        assertThatThrownBy(() -> export(directory.toString(), "peft", null, null, "x"))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("delta.safetensors: there is no delta to export; train first");
        assertThatThrownBy(() -> export(directory.toString(), "onnx", null, null, "x"))
                .isInstanceOf(UserError.class)
                .hasMessage("--format: unknown naming onnx; expected one of [timm, transformers, torchvision, npz]");
        assertThatThrownBy(() -> export(directory.toString(), "timm", "timm", null, "x"))
                .isInstanceOf(UserError.class)
                .hasMessage("--library: is for --format peft only; leave it out");
        Path run = run("timm-deit", slices(load("formats/timm-deit")), "grft");
        String other = Golden.path("formats/npz").toString();
        assertThatThrownBy(() -> export(run.toString(), "timm", null, other, "x"))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("the delta was trained on the file with");
        assertThatThrownBy(() -> export(run.toString(), "peft", "torchvision", null, "x"))
                .isInstanceOf(UserError.class)
                .hasMessageContaining("a PEFT adapter needs a model of timm or transformers, got torchvision");
    }

    /** Exports as the command line does. */
    private static void export(
            String run, String format, @Nullable String library, @Nullable String pretrained, String output) {
        Export export = Export.of(Golden.HADOOP, run, format, library);
        Settings settings = Config.parse(export.place(), export.settings());
        export.write(
                pretrained == null ? settings.model().pretrained() : pretrained,
                settings.model().imageSize(),
                (side, recipe) -> settings.data().toPreprocess(side, recipe).recipe(),
                output);
    }

    /** Exports, and leaves beside it what Java computes of the merged model. */
    private static Path export(String base, String format, @Nullable String suffix, Path run) throws IOException {
        Path output = EXPORTS.resolve(base + "-as-" + format + (suffix == null ? "" : "-" + suffix));
        export(run.toString(), format, null, null, output.toString());
        Delta delta = DeltaFile.read(Golden.HADOOP, Golden.hadoop(run.resolve("delta.safetensors")))
                .delta();
        Tensor input = Golden.read("formats/inputs.safetensors").tensor("input");
        Checkpoint merged = load("formats/" + base).merged(delta);
        try (Weights weights = Weights.copyOf(merged.config(), merged.tensors(), DataType.FLOAT);
                OutputStream out = Files.newOutputStream(output.resolve("logits.safetensors"))) {
            Array logits = new Vit(weights, Trainable.NOTHING, Backend.kernels("auto"), Keep.NOTHING)
                    .forward(Machine.array(DataType.FLOAT, input.floats(), input.shape()));
            Safetensors.write(out, Map.of(), Map.of("logits", Tensor.ofFloats(logits.shape(), logits.floats())));
        }
        return output;
    }

    @Test
    void filesThatAreNotOfAnExportStay() throws IOException {
        Path model = Files.createDirectories(directory.resolve("model"));
        for (String name : List.of("config.json", "model.safetensors")) {
            Files.copy(Golden.path("formats/timm-deit/" + name), model.resolve(name));
        }
        Checkpoint pretrained = Checkpoint.load(Golden.HADOOP, model.toString(), 0);
        Path run = run("timm-deit", slices(pretrained), "grft");
        String file = model.resolve("model.safetensors").toString();

        assertThatThrownBy(() -> export(run.toString(), "timm", null, file, model.toString()))
                .isInstanceOf(UserError.class)
                .hasMessage("--output " + model + ": is the folder of the pretrained model " + file
                        + ", whose config.json would be replaced; choose another folder");
        Path output = Files.createDirectories(directory.resolve("output"));
        Path readme = Files.writeString(output.resolve("README.md"), "# My project\n");
        assertThatThrownBy(() -> export(run.toString(), "peft", null, file, output.toString()))
                .isInstanceOf(UserError.class)
                .hasMessage(
                        readme + ": is not the card of an adapter that export has written; choose another --output, or"
                                + " move it away");
        Files.delete(readme);
        export(run.toString(), "peft", null, file, output.toString());
        export(run.toString(), "peft", null, file, output.toString());
        assertThat(readme).content().contains("# A LoRA adapter of ");
    }

    private Path run(String base, Delta delta, String method) throws IOException {
        Path run = directory.resolve("run-" + base + "-" + method);
        String pretrained = Golden.path("formats/" + base).toString();
        String settings =
                Config.toYaml(Config.load(List.of(), List.of("model.pretrained=" + pretrained), Golden.HADOOP));
        new DeltaFile(delta, method, settings, "{}")
                .write(Golden.HADOOP, Golden.hadoop(run.resolve("delta.safetensors")));
        return run;
    }

    private Delta slices(Checkpoint pretrained) {
        List<Slices> all = new ArrayList<>();
        Map<String, float[]> values = new LinkedHashMap<>();
        pretrained.config().matrices().forEach((matrix, shape) -> {
            boolean rows = golden.has(matrix + ".rows");
            if (rows || golden.has(matrix + ".columns")) {
                int[] indices =
                        golden.tensor(matrix + (rows ? ".rows" : ".columns")).ints();
                all.add(new Slices(matrix, shape, rows ? Axis.ROW : Axis.COLUMN, indices));
                values.put(matrix, golden.tensor(matrix + ".delta").floats());
            }
        });
        assertThat(all).hasSize(6);
        return new Delta(
                new Selection(all),
                values,
                golden.tensor("head.weight").floats(),
                golden.tensor("head.bias").floats(),
                LABELS,
                pretrained.sha256(),
                Map.of());
    }

    private Delta delta(Checkpoint model, Map<String, float[]> whole, List<? extends Addition> additions) {
        return new Delta(
                Selection.none(),
                Map.of(),
                golden.tensor("head.weight").floats(),
                golden.tensor("head.bias").floats(),
                LABELS,
                model.sha256(),
                whole,
                additions);
    }

    private static float[] numbers(Random random, int n) {
        float[] numbers = new float[n];
        for (int i = 0; i < n; i++) {
            numbers[i] = (float) (0.2 * random.nextGaussian());
        }
        return numbers;
    }

    private static Checkpoint load(String folder) {
        return Checkpoint.load(Golden.HADOOP, Golden.path(folder).toString(), 0);
    }

    private static JsonNode json(Path file) throws IOException {
        return Json.parse(file.toString(), Files.readString(file));
    }
}
