package dev.grft.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.Delta;
import dev.grft.UserError;
import dev.grft.vit.VitConfig;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.jspecify.annotations.Nullable;

/**
 * A whole model: its sizes, its weights, how its images are prepared and what its classes are called. On disk a file of
 * tensors with a {@code config.json} beside it, both as timm writes and reads them.
 *
 * <p>The arrays are handed over, not copied: nobody may change them.
 */
public final class Checkpoint {
    private static final String MODEL = "model.safetensors";
    private static final String CONFIG = "config.json";
    private static final String SUFFIX = ".safetensors";
    private static final String NEAREST = "vit_base_patch16_224"; // what timm is told to build, with sizes of our own
    private static final Map<String, String> METADATA = Map.of("format", "pt"); // Python's libraries ask for it
    private static final double EPSILON = 1e-6;

    private final String name;
    private final String architecture;
    private final VitConfig config;
    private final Map<String, float[]> tensors;
    private final float[] mean;
    private final float[] std;
    private final double cropFraction;
    private final List<String> labels;
    private @Nullable String sha256; // null until it is asked for

    private Checkpoint(
            String name,
            String architecture,
            VitConfig config,
            Map<String, float[]> tensors,
            float[] mean,
            float[] std,
            double cropFraction,
            List<String> labels,
            @Nullable String sha256) {
        this.name = name;
        this.architecture = architecture;
        this.config = config;
        this.tensors = new LinkedHashMap<>();
        config.tensors().forEach((tensor, shape) -> {
            float[] values = tensors.get(tensor);
            if (values == null || values.length != Tensor.elements(shape)) {
                throw UserError.of(
                        "%s: %s %s, expected the shape %s",
                        name,
                        tensor,
                        values == null ? "is missing" : "has " + values.length + " numbers",
                        Arrays.toString(shape));
            }
            for (int i = 0; i < values.length; i++) {
                if (!Float.isFinite(values[i])) {
                    throw UserError.of(
                            "%s: number %d of %s is %s, expected finite numbers; the file is damaged or its training"
                                    + " diverged, take another",
                            name, i, tensor, values[i]);
                }
            }
            this.tensors.put(tensor, values);
        });
        if (!labels.isEmpty() && labels.size() != config.classes()) {
            throw UserError.of(
                    "%s: has %d label_names, but a head of %d classes; is it the right %s?",
                    name, labels.size(), config.classes(), CONFIG);
        }
        this.mean = mean.clone();
        this.std = std.clone();
        this.cropFraction = cropFraction;
        this.labels = List.copyOf(labels);
        this.sha256 = sha256;
    }

    /**
     * Returns a model that is not on disk yet.
     *
     * @param name goes into errors
     * @param architecture timm's name of the nearest published model, such as {@code vit_tiny_patch16_224}
     * @param tensors every tensor of {@link VitConfig#tensors}, row-major
     * @param mean of each channel, {@code [3]}, for pixels in [0, 1]
     * @param std of each channel, {@code [3]}
     * @param cropFraction side of the central crop over the shorter side of the resized image, in (0, 1]
     * @param labels of the classes in the order of the head, or none
     * @throws UserError if a tensor is missing, of another size or not finite
     */
    public static Checkpoint of(
            String name,
            String architecture,
            VitConfig config,
            Map<String, float[]> tensors,
            float[] mean,
            float[] std,
            double cropFraction,
            List<String> labels) {
        return new Checkpoint(name, architecture, config, tensors, mean, std, cropFraction, labels, null);
    }

    /**
     * Returns the model of a directory with {@code model.safetensors} and {@code config.json}, or of a
     * {@code .safetensors} file with {@code config.json} beside it.
     *
     * <p>The sizes are those of the tensors; the configuration adds the number of heads and the preparation of images
     * (mean and std of 0.5 and a crop of 0.9, timm's defaults of a ViT, where it does not say).
     *
     * @param imageSize side of the images, pixels; the positions are resampled if they are for another; 0 for the
     *     checkpoint's own
     * @throws UserError if a file is missing or malformed, or the model is not a plain ViT
     */
    public static Checkpoint load(Configuration hadoop, String path, int imageSize) {
        Storage storage = new Storage(hadoop);
        Path file = file(path);
        if (!storage.exists(file)) {
            throw UserError.of(
                    "%s: no such file; expected a directory with %s and %s, or a %s file beside its %s",
                    file, MODEL, CONFIG, SUFFIX, CONFIG);
        }
        Path beside = Storage.beside(file, CONFIG);
        if (!storage.exists(beside)) {
            throw UserError.of(
                    "%s: no such file; it says how images are prepared for %s, download it from the same place",
                    beside, file.getName());
        }
        JsonNode json = Json.parse(beside.toString(), storage.readString(beside));
        return new Reader(Safetensors.read(hadoop, file), beside.toString(), json).checkpoint(imageSize);
    }

    /** Reads one model. */
    private record Reader(Safetensors file, String place, JsonNode json) {

        Checkpoint checkpoint(int imageSize) {
            VitConfig stored = sizes();
            requireTensors(stored);
            Map<String, float[]> tensors = new LinkedHashMap<>();
            stored.tensors()
                    .keySet()
                    .forEach(name -> tensors.put(name, file.tensor(name).floats()));
            VitConfig config = imageSize == 0 ? stored : stored.withImageSize(imageSize);
            if (config.patches() != stored.patches()) {
                float[] positions = file.tensor("pos_embed").floats();
                tensors.put(
                        "pos_embed",
                        Positions.resample(positions, stored.width(), config.imageSize() / config.patchSize()));
            }
            JsonNode images = json.path("pretrained_cfg").isObject() ? json.path("pretrained_cfg") : json;
            JsonNode labels = json.path("label_names");
            return new Checkpoint(
                    file.file(),
                    architecture(),
                    config,
                    tensors,
                    channels(images, "mean"),
                    channels(images, "std"),
                    crop(images),
                    labels.isMissingNode() || labels.isNull()
                            ? List.of()
                            : Json.strings(place + ": label_names", labels),
                    file.sha256());
        }

        private VitConfig sizes() {
            for (String tensor : file.names()) {
                if (!NameMap.plain(tensor)) {
                    throw UserError.of(
                            "%s: has the tensor %s: %s; only plain ViTs with timm's names are supported",
                            file.file(), tensor, NameMap.strangeness(tensor));
                }
            }
            long[] patch = shape("patch_embed.proj.weight", 4);
            if (patch[1] != VitConfig.CHANNELS || patch[2] != patch[3]) {
                throw UserError.of(
                        "%s: patch_embed.proj.weight has shape %s, expected [width, 3, patch, patch]; only square"
                                + " patches of RGB images are supported",
                        file.file(), Arrays.toString(patch));
            }
            int width = (int) patch[0];
            int patchSize = (int) patch[2];
            int mlpWidth = (int) shape("blocks.0.mlp.fc1.weight", 2)[0];
            int classes = file.has("head.weight") ? (int) shape("head.weight", 2)[0] : 0;
            int depth = 1 + file.names().stream().mapToInt(NameMap::block).max().orElse(0);
            int heads = heads(width);
            try {
                int side = Positions.side((int) shape("pos_embed", 3)[1] - 1);
                return new VitConfig(
                        Math.multiplyExact(side, patchSize),
                        patchSize,
                        width,
                        depth,
                        heads,
                        mlpWidth,
                        classes,
                        EPSILON);
            } catch (UserError | ArithmeticException e) {
                throw new UserError(file.file() + ": " + e.getMessage(), e);
            }
        }

        private long[] shape(String tensor, int dimensions) {
            long[] shape = file.tensor(tensor).shape();
            if (shape.length != dimensions || Arrays.stream(shape).anyMatch(n -> n < 1 || n > Integer.MAX_VALUE)) {
                throw UserError.of(
                        "%s: %s has shape %s, a ViT needs one of %d dimensions; is it another model?",
                        file.file(), tensor, Arrays.toString(shape), dimensions);
            }
            return shape;
        }

        private void requireTensors(VitConfig config) {
            String sizes = "a ViT of width " + config.width() + ", depth " + config.depth() + " and MLP width "
                    + config.mlpWidth();
            Map<String, long[]> expected = config.tensors();
            expected.forEach((tensor, shape) -> {
                if (!file.has(tensor)) {
                    throw UserError.of(
                            "%s: the tensor %s is missing, %s needs it; is the file complete?",
                            file.file(), tensor, sizes);
                }
                Tensor found = file.tensor(tensor);
                if (!Arrays.equals(found.shape(), shape)) {
                    throw UserError.of(
                            "%s: %s has shape %s, %s needs %s; is it another model?",
                            file.file(), tensor, Arrays.toString(found.shape()), sizes, Arrays.toString(shape));
                }
                if (!found.dtype().fractional()) {
                    throw UserError.of(
                            "%s: %s is of %s, expected F32, F16, BF16 or F64; convert the file",
                            file.file(), tensor, found.dtype());
                }
            });
            for (String tensor : file.names()) {
                if (!expected.containsKey(tensor)) {
                    throw UserError.of(
                            "%s: has the tensor %s, %s has no such tensor; is the file complete?",
                            file.file(), tensor, sizes);
                }
            }
        }

        /** Returns the number of heads, which no tensor tells. Refuses what changes the model without a tensor. */
        private int heads(int width) {
            JsonNode arguments = json.path("model_args");
            JsonNode pool = json.path("global_pool");
            if (pool.isTextual() && !pool.textValue().equals("token")) {
                throw UserError.of(
                        "%s: global_pool is %s, only token is supported; use another checkpoint",
                        place, pool.textValue());
            }
            for (String key : List.of("act_layer", "norm_layer")) {
                if (!arguments.path(key).isMissingNode() && !arguments.path(key).isNull()) {
                    throw UserError.of(
                            "%s: model_args.%s is %s, only timm's default is supported; use another checkpoint",
                            place, key, arguments.path(key));
                }
            }
            int expected = positive(arguments, "embed_dim");
            int heads = positive(arguments, "num_heads");
            String published = architecture();
            if (NameMap.preset(published)) {
                VitConfig preset = VitConfig.preset(published, 0);
                expected = expected == 0 ? preset.width() : expected;
                heads = heads == 0 ? preset.heads() : heads;
            }
            if (expected != 0 && expected != width) {
                throw UserError.of(
                        "%s: describes a model of width %d (%s), %s has width %d; does it belong to this file?",
                        place, expected, published, file.file(), width);
            }
            // timm's tiny, small, base and large have heads of 64; other widths do not tell (huge: 1280 with heads of
            // 80).
            if (heads == 0 && List.of(192, 384, 768, 1024).contains(width)) {
                heads = width / 64;
            }
            if (heads == 0) {
                throw UserError.of(
                        "%s: model_args.num_heads is missing and the architecture %s is not known; add it",
                        place, published);
            }
            return heads;
        }

        /** Returns the published model's name, without the tag of its weights. */
        String architecture() {
            String word = json.path("architecture").asText(NEAREST);
            return word.contains(".") ? word.substring(0, word.indexOf('.')) : word;
        }

        private int positive(JsonNode node, String key) {
            JsonNode found = node.path(key);
            if (found.isMissingNode() || found.isNull()) {
                return 0;
            }
            if (!found.isIntegralNumber() || !found.canConvertToInt() || found.intValue() < 1) {
                throw UserError.of("%s: model_args.%s must be a positive whole number, got %s", place, key, found);
            }
            return found.intValue();
        }

        private float[] channels(JsonNode images, String key) {
            JsonNode found = images.path(key);
            if (found.isMissingNode() || found.isNull()) {
                return new float[] {0.5f, 0.5f, 0.5f};
            }
            float[] values = new float[VitConfig.CHANNELS];
            boolean valid = found.isArray() && found.size() == values.length;
            for (int c = 0; valid && c < values.length; c++) {
                values[c] = found.get(c).floatValue();
                valid = found.get(c).isNumber() && Float.isFinite(values[c]) && (key.equals("mean") || values[c] > 0);
            }
            if (!valid) {
                throw UserError.of(
                        "%s: %s must be three %s, got %s",
                        place, key, key.equals("mean") ? "numbers" : "positive numbers", found);
            }
            return values;
        }

        private double crop(JsonNode images) {
            JsonNode found = images.path("crop_pct");
            if (found.isMissingNode() || found.isNull()) {
                return 0.9;
            }
            if (!found.isNumber() || !(found.doubleValue() > 0 && found.doubleValue() <= 1)) {
                throw UserError.of("%s: crop_pct must be in (0, 1], got %s", place, found);
            }
            return found.doubleValue();
        }
    }

    /**
     * Returns this model after training.
     *
     * @throws UserError if the delta was trained on another model
     */
    public Checkpoint merged(Delta delta) {
        DeltaFile.requirePretrained(delta, this);
        Map<String, float[]> weights = new LinkedHashMap<>(tensors);
        delta.changed().forEach(parameter -> weights.computeIfPresent(parameter, (p, w) -> w.clone()));
        delta.mergeInto(weights);
        return new Checkpoint(
                name + " + delta",
                architecture,
                config.withClasses(delta.labels().size()),
                weights,
                mean,
                std,
                cropFraction,
                delta.labels(),
                null);
    }

    /**
     * Writes the model for {@link #load} and timm: {@code path} if it ends with {@code .safetensors}, else
     * {@code model.safetensors} in that directory; and {@code config.json} beside it.
     *
     * @param type F32, F16 or BF16; numbers are rounded to the nearest
     * @throws UserError if a number is too large for the type or the directory cannot be written
     */
    public void save(Configuration hadoop, String path, Dtype type) {
        Storage storage = new Storage(hadoop);
        Path file = file(path);
        Map<String, Tensor> typed = new LinkedHashMap<>();
        config.tensors().forEach((tensor, shape) -> {
            Tensor rounded = Tensor.ofFloats(type, shape, values(tensor));
            if (type == Dtype.F16 || type == Dtype.BF16) {
                for (float value : rounded.floats()) {
                    if (!Float.isFinite(value)) {
                        throw UserError.of(
                                "%s: a number of %s is too large for %s; save it as F32", file, tensor, type);
                    }
                }
            }
            typed.put(tensor, rounded);
        });
        storage.writeAtomically(file, out -> Safetensors.write(out, METADATA, typed));
        storage.writeAtomically(Storage.beside(file, CONFIG), json());
    }

    private String json() {
        ObjectNode root = Json.MAPPER.createObjectNode();
        root.put("architecture", NameMap.timm(architecture) ? architecture : NEAREST);
        root.put("num_classes", config.classes());
        root.put("num_features", config.width());
        root.put("global_pool", "token");
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
        images.put("interpolation", "bicubic");
        images.put("crop_pct", cropFraction);
        images.put("crop_mode", "center");
        images.putArray("mean").add(mean[0]).add(mean[1]).add(mean[2]);
        images.putArray("std").add(std[0]).add(std[1]).add(std[2]);
        images.put("num_classes", config.classes());
        images.putNull("pool_size");
        images.put("first_conv", "patch_embed.proj");
        images.put("classifier", "head");
        if (!labels.isEmpty()) {
            labels.forEach(root.putArray("label_names")::add);
        }
        return Json.pretty(root);
    }

    /** Returns the ratio from which timm's {@code int(width * ratio)} makes the MLP's width again. */
    private static double ratio(int mlpWidth, int width) {
        double ratio = (double) mlpWidth / width;
        return (int) (width * ratio) == mlpWidth ? ratio : Math.nextUp(ratio);
    }

    private static Path file(String path) {
        return path.endsWith(SUFFIX) ? new Path(path) : new Path(path, MODEL);
    }

    private float[] values(String tensor) {
        return Objects.requireNonNull(tensors.get(tensor), tensor); // the constructor has seen them all
    }

    /** Returns the path of the file, as errors tell it. */
    public String name() {
        return name;
    }

    /** Returns timm's name of the model, such as {@code vit_base_patch16_224}. */
    public String architecture() {
        return architecture;
    }

    /** Returns the sizes of the model. */
    public VitConfig config() {
        return config;
    }

    /**
     * Returns the numbers, row-major, by timm name in the order of {@link VitConfig#tensors}; the head if there is one.
     */
    public Map<String, float[]> tensors() {
        return Collections.unmodifiableMap(tensors);
    }

    /** Returns the mean of each channel, {@code [3]}, for pixels in [0, 1]. */
    public float[] mean() {
        return mean.clone();
    }

    /** Returns the standard deviation of each channel, {@code [3]}, for pixels in [0, 1]. */
    public float[] std() {
        return std.clone();
    }

    /** Returns the side of the central crop over the shorter side of the resized image, in (0, 1]. */
    public double cropFraction() {
        return cropFraction;
    }

    /** Returns the names of the classes in the order of the head; empty if the file does not tell. */
    public List<String> labels() {
        return labels;
    }

    /**
     * Returns the SHA-256 of the file, in lower-case hexadecimal; for a model that is not on disk, of the file that
     * {@link #save} would write in F32.
     */
    public synchronized String sha256() {
        if (sha256 == null) {
            Map<String, Tensor> all = new LinkedHashMap<>();
            config.tensors().forEach((tensor, shape) -> all.put(tensor, Tensor.ofFloats(shape, values(tensor))));
            MessageDigest digest = Storage.sha256();
            try (OutputStream out = new DigestOutputStream(OutputStream.nullOutputStream(), digest)) {
                Safetensors.write(out, METADATA, all);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            sha256 = Storage.hexadecimal(digest.digest());
        }
        return sha256;
    }

    @Override
    public String toString() {
        return name + ": " + config;
    }
}
