package dev.grft.checkpoint.artifact;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.Addition;
import dev.grft.Axis;
import dev.grft.Delta;
import dev.grft.LowRank;
import dev.grft.Slices;
import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.checkpoint.Checkpoint;
import dev.grft.checkpoint.NameMap;
import dev.grft.checkpoint.file.Json;
import dev.grft.checkpoint.file.Safetensors;
import dev.grft.checkpoint.file.Storage;
import dev.grft.checkpoint.file.Tensor;
import dev.grft.vit.VitConfig;
import java.net.URI;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.IntPredicate;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.jspecify.annotations.Nullable;

/**
 * A delta as Hugging Face's PEFT keeps a LoRA adapter, {@code adapter_model.safetensors}, {@code adapter_config.json} and a card with the
 * classes, of which PEFT's files have no place. Rows of
 * a matrix are an update B A whose B is one-hot (which rows) and whose A holds the differences; of columns A is one-hot. So
 * W + B A is the very matrix that a merge makes. The rank of each module is its number of slices. Biases that train with them are
 * kept as PEFT's {@code bias="all"} keeps them: their new values.
 */
final class PeftAdapter {
    private static final String MODEL = "adapter_model.safetensors";
    private static final String CONFIG = "adapter_config.json";
    private static final String CARD = "README.md";
    private static final String TITLE = "# A LoRA adapter of ";
    private static final String PREFIX = "base_model.model."; // what PEFT wraps a model in
    private static final String WEIGHT = ".weight";
    private static final String BIAS = ".bias";
    private static final String QKV_BIAS = ".attn.qkv.bias";
    private static final List<String> PARTS = List.of("q", "k", "v");
    private static final String MERGED = "export --format timm or transformers writes the merged model";

    private final NameMap names;
    private final UnaryOperator<String> module; // the library's name in memory of a module of timm's
    private final Map<String, Tensor> tensors = new LinkedHashMap<>();
    private final Map<String, Factors> factors = new LinkedHashMap<>(); // by timm's module, or attn.q, attn.k, attn.v
    private final Map<String, float[]> biases = new LinkedHashMap<>(); // new values, by the same

    /** An update {@code scale B A}: a {@code [rank, in]}, b {@code [out, rank]}. */
    private static final class Factors {
        final int rank;
        final double scale;
        final float[] a;
        final float[] b;

        Factors(int rank, double scale, float[] a, float[] b) {
            this.rank = rank;
            this.scale = scale;
            this.a = a;
            this.b = b;
        }

        /** Returns the update of some rows of the matrix; the ranks in which they have no part are left out. */
        Factors rows(int from, int to) {
            IntPredicate takesPart = r -> IntStream.range(from, to).anyMatch(row -> b[row * rank + r] != 0);
            int[] kept = IntStream.range(0, rank).filter(takesPart).toArray();
            int in = a.length / rank;
            float[] a2 = new float[kept.length * in];
            float[] b2 = new float[(to - from) * kept.length];
            for (int i = 0; i < kept.length; i++) {
                System.arraycopy(a, kept[i] * in, a2, i * in, in);
                for (int row = from; row < to; row++) {
                    b2[(row - from) * kept.length + i] = b[row * rank + kept[i]];
                }
            }
            return new Factors(kept.length, scale, a2, b2);
        }
    }

    private PeftAdapter(NameMap names, UnaryOperator<String> module) {
        this.names = names;
        this.module = module;
    }

    /**
     * Writes the adapter.
     *
     * @param directory gets the three files
     * @param base the pretrained model
     * @param names of the library whose model the adapter is put on: timm or transformers
     * @param module what that library calls a module of timm's in memory
     * @param pretrained where that model is
     * @throws UserError if what the delta's method trains is no update of low rank, or the library is another
     */
    static void write(
            Configuration hadoop,
            Path directory,
            DeltaFile file,
            Checkpoint base,
            NameMap names,
            UnaryOperator<String> module,
            String pretrained) {
        if (names != NameMap.TIMM && !names.ofTransformers()) {
            throw UserError.of("export: a PEFT adapter needs a model of timm or transformers, got %s", names);
        }
        Delta delta = file.delta();
        PeftAdapter adapter = new PeftAdapter(names, module);
        delta.selection().slices().values().forEach(slices -> adapter.put(slices.matrix(), of(slices, delta)));
        delta.additions().forEach((matrix, addition) -> adapter.put(matrix, of(addition, file.method())));
        delta.whole().keySet().forEach(name -> require(name, base, file.method()));
        if (adapter.factors.isEmpty()) {
            throw UserError.of(
                    "export: %s changes no matrix, and PEFT has no adapter without an adapted matrix; %s",
                    file.method(), MERGED);
        }
        if (!delta.whole().isEmpty()) {
            Map<String, float[]> merged = base.merged(delta).tensors();
            delta.whole().keySet().forEach(name -> adapter.putBias(name, Objects.requireNonNull(merged.get(name))));
        }
        adapter.write(
                hadoop,
                directory,
                base.config().withHead(delta.labels().size(), delta.task()),
                delta,
                Base.of(hadoop, pretrained));
    }

    /**
     * The model that an adapter is put on, as PEFT loads it from any folder: its name on the hub, if it lies in the hub's cache, or else its
     * absolute path.
     *
     * @param revision on the hub; null if the name is a path
     */
    record Base(String name, @Nullable String revision) {
        private static final Pattern CACHED =
                Pattern.compile("models--([^/]+?)--([^/]+)/snapshots/([0-9a-f]{40})(?:/.*)?$");

        /** Returns the model of a path, its folder or its file. */
        static Base of(Configuration hadoop, String path) {
            Matcher cached = CACHED.matcher(path);
            if (cached.find()) {
                return new Base(cached.group(1) + "/" + cached.group(2), cached.group(3));
            }
            Path given = new Path(path);
            boolean file = path.endsWith(".safetensors") || path.endsWith(".npz") || path.endsWith(".json");
            URI uri = new Storage(hadoop)
                    .qualified(file ? Storage.beside(given, ".") : given)
                    .toUri();
            return new Base("file".equals(uri.getScheme()) ? uri.getPath() : uri.toString(), null);
        }
    }

    private static Factors of(Slices slices, Delta delta) {
        float[] values = delta.values(slices.matrix());
        int k = slices.count();
        int out = slices.shape().out();
        int in = slices.shape().in();
        int[] indices = slices.indices();
        if (slices.axis() == Axis.ROW) {
            float[] which = new float[out * k];
            for (int i = 0; i < k; i++) {
                which[indices[i] * k + i] = 1;
            }
            return new Factors(k, 1, values, which);
        }
        float[] which = new float[k * in];
        float[] b = new float[out * k];
        for (int i = 0; i < k; i++) {
            which[i * in + indices[i]] = 1;
            for (int o = 0; o < out; o++) {
                b[o * k + i] = values[i * out + o];
            }
        }
        return new Factors(k, 1, which, b);
    }

    private static Factors of(Addition addition, String method) {
        return switch (addition.kind()) {
            case LOW_RANK -> of((LowRank) addition);
            case ENTRIES -> throw unlike(addition, method, MERGED);
            case BOTTLENECK -> throw unlike(addition, method, "use the delta with evaluate and predict");
        };
    }

    private static Factors of(LowRank update) {
        Map<String, float[]> arrays = update.arrays();
        return new Factors(
                update.rank(),
                update.scale(),
                arrays.getOrDefault(LowRank.nameOfA(update.matrix()), new float[0]),
                arrays.getOrDefault(LowRank.nameOfB(update.matrix()), new float[0]));
    }

    private static UserError unlike(Addition addition, String method, String remedy) {
        return UserError.of("export: %s trains %s, which is not a low-rank update; %s", method, addition, remedy);
    }

    private void put(String matrix, Factors update) {
        String ours = matrix.substring(0, matrix.length() - WEIGHT.length());
        if (!names.splitsQkv() || !ours.endsWith("qkv")) {
            factors.put(ours, update);
            return;
        }
        int third = update.b.length / update.rank / PARTS.size();
        for (int i = 0; i < PARTS.size(); i++) {
            Factors part = update.rows(i * third, (i + 1) * third);
            if (part.rank > 0) {
                factors.put(part(ours, i), part);
            }
        }
    }

    /** Throws if a whole parameter is not a bias, or if the library's model lacks it. */
    private static void require(String name, Checkpoint base, String method) {
        if (!name.endsWith(BIAS)) {
            throw UserError.of(
                    "export: %s trains all of %s, but a PEFT adapter holds only biases and low-rank updates of matrices; %s",
                    method, name, MERGED);
        }
        boolean lacks = name.equals("patch_embed.proj.bias")
                ? base.config().variant().preNorm()
                : name.endsWith(QKV_BIAS) && lacksQkvBias(base.tensors());
        if (lacks) {
            throw UserError.of(
                    "export: %s trains %s, but the pretrained model has no such bias, so that PEFT would leave it out; %s, or"
                            + " train with tuning.biases=false",
                    method, name, MERGED);
        }
    }

    /** Returns whether queries, keys and values have no bias in the file: here it is then 0, and others are not. */
    private static boolean lacksQkvBias(Map<String, float[]> tensors) {
        return tensors.keySet().stream().filter(name -> name.endsWith(QKV_BIAS)).allMatch(name -> isZero(tensors, name))
                && tensors.keySet().stream()
                        .anyMatch(name -> name.startsWith("blocks.") && name.endsWith(BIAS) && !isZero(tensors, name));
    }

    private static boolean isZero(Map<String, float[]> tensors, String name) {
        for (float number : Objects.requireNonNull(tensors.get(name))) {
            if (number != 0) {
                return false;
            }
        }
        return true;
    }

    private void putBias(String name, float[] values) {
        String ours = name.substring(0, name.length() - BIAS.length());
        if (!names.splitsQkv() || !ours.endsWith("qkv")) {
            biases.put(ours, values);
            return;
        }
        int third = values.length / PARTS.size();
        for (int i = 0; i < PARTS.size(); i++) {
            biases.put(part(ours, i), Arrays.copyOfRange(values, i * third, (i + 1) * third));
        }
    }

    /** Returns the name of the query, key or value of a joined module. */
    private static String part(String qkv, int which) {
        return qkv.substring(0, qkv.length() - 3) + PARTS.get(which);
    }

    private void write(Configuration hadoop, Path directory, VitConfig config, Delta delta, Base base) {
        factors.forEach((ours, update) -> {
            String name = PREFIX + module.apply(ours);
            int in = update.a.length / update.rank;
            int out = update.b.length / update.rank;
            boolean patches = ours.startsWith("patch_embed"); // a convolution in both libraries
            long p = config.patchSize();
            tensors.put(
                    name + ".lora_A.weight",
                    Tensor.ofFloats(
                            patches ? new long[] {update.rank, VitConfig.CHANNELS, p, p} : new long[] {update.rank, in},
                            update.a));
            tensors.put(
                    name + ".lora_B.weight",
                    Tensor.ofFloats(
                            patches ? new long[] {out, update.rank, 1, 1} : new long[] {out, update.rank}, update.b));
        });
        biases.forEach((ours, values) -> tensors.put(
                PREFIX + module.apply(ours) + (factors.containsKey(ours) ? ".base_layer" : "") + BIAS,
                Tensor.ofFloats(new long[] {values.length}, values)));
        long classes = config.classes();
        tensors.put(
                PREFIX + names.theirs(Delta.HEAD_WEIGHT),
                Tensor.ofFloats(new long[] {classes, config.features()}, delta.headWeight()));
        tensors.put(PREFIX + names.theirs(Delta.HEAD_BIAS), Tensor.ofFloats(new long[] {classes}, delta.headBias()));
        Storage storage = new Storage(hadoop);
        Path card = new Path(directory, CARD);
        if (storage.exists(card) && !storage.readString(card).contains(TITLE)) {
            throw UserError.of(
                    "%s: is not the card of an adapter that export has written; choose another --output, or move it away",
                    card);
        }
        storage.writeAtomically(
                new Path(directory, MODEL), out -> Safetensors.write(out, Map.of("format", "pt"), tensors));
        storage.writeAtomically(new Path(directory, CONFIG), configuration(base));
        storage.writeAtomically(card, card(base, delta));
    }

    private String card(Base base, Delta delta) {
        List<String> labels = delta.labels();
        boolean values = delta.task() == Task.REGRESSION;
        String problem = delta.task() == Task.SINGLE_LABEL
                ? ""
                : ", problem_type=\"" + delta.task().problemType() + "\"";
        boolean timm = names == NameMap.TIMM;
        return String.join(
                "\n",
                "---",
                "base_model: " + Json.line(base.name),
                "library_name: peft",
                "pipeline_tag: image-classification",
                "---",
                TITLE + labels.size() + (values ? " targets" : " classes"),
                "",
                "```python",
                timm ? "import timm" : "from peft import AutoPeftModel",
                timm ? "from peft import PeftModel" : "",
                "labels = " + Json.line(labels),
                timm
                        ? "model = timm.create_model(\"local-dir:PRETRAINED\", pretrained=True, num_classes=len(labels))"
                        : "model = AutoPeftModel.from_pretrained(\"ADAPTER\", num_labels=len(labels)" + problem
                                + ", ignore_mismatched_sizes=True)",
                timm ? "model = PeftModel.from_pretrained(model, \"ADAPTER\")" : "",
                "```",
                "");
    }

    private String configuration(Base base) {
        ObjectNode root = Json.MAPPER.createObjectNode();
        root.put("peft_type", "LORA");
        root.putNull("task_type"); // PEFT has none for images: its Auto classes read what follows instead
        root.putObject("auto_mapping")
                .put("base_model_class", names.modelClass())
                .put("parent_library", names.modelModule());
        root.put("base_model_name_or_path", base.name);
        root.put("revision", base.revision);
        root.put("inference_mode", true);
        root.put("bias", biases.isEmpty() ? "none" : "all");
        root.put("fan_in_fan_out", false);
        root.put("lora_dropout", 0.0);
        root.put("use_rslora", false);
        root.put("use_dora", false);
        root.put("r", 1); // what a module without a pattern would get; there is none
        root.put("lora_alpha", 1);
        ObjectNode ranks = root.putObject("rank_pattern");
        ObjectNode alphas = root.putObject("alpha_pattern");
        List<String> targets = new ArrayList<>();
        factors.forEach((ours, update) -> {
            String name = module.apply(ours);
            targets.add(name);
            ranks.put(name, update.rank);
            double alpha = update.scale * update.rank; // PEFT divides by the rank
            if (alpha == Math.rint(alpha)) {
                alphas.put(name, (long) alpha);
            } else {
                alphas.put(name, alpha);
            }
        });
        targets.forEach(root.putArray("target_modules")::add);
        root.putArray("modules_to_save").add(module.apply("head"));
        return Json.pretty(root);
    }
}
