package dev.grft.vit;

import dev.grft.MatrixShape;
import dev.grft.Task;
import dev.grft.UserError;
import java.io.Serializable;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The sizes of a Vision Transformer in timm's form: norms before the branches of a block, learned positions, qkv with bias.
 *
 * @param imageSize side of the square input, pixels; a multiple of {@code patchSize}
 * @param patchSize side of a square patch, pixels
 * @param width D, the length of a token
 * @param depth number of encoder blocks
 * @param heads attention heads; divides {@code width}
 * @param mlpWidth hidden width of the MLP
 * @param classes K, the number of outputs of the head; 0 for a checkpoint without a head
 * @param epsilon of every LayerNorm; timm's ViT uses 1e-6
 * @param variant in what it differs from a plain ViT
 * @param task what the head says of an image
 */
public record VitConfig(
        int imageSize,
        int patchSize,
        int width,
        int depth,
        int heads,
        int mlpWidth,
        int classes,
        double epsilon,
        Variant variant,
        Task task)
        implements Serializable {

    /** Channels of the input: red, green, blue. */
    public static final int CHANNELS = 3;

    private static final Pattern BLOCK = Pattern.compile("blocks\\.(\\d{1,9})\\..+");
    private static final Pattern PRESET = Pattern.compile("vit_(tiny|small|base|large|demo)_patch(\\d+)_(\\d+)");

    public VitConfig {
        require(patchSize > 0, "patchSize must be positive, got %d", patchSize);
        require(
                imageSize > 0 && imageSize % patchSize == 0,
                "imageSize must be a positive multiple of patchSize %d, got %d",
                patchSize,
                imageSize);
        require(heads > 0 && width > 0 && width % heads == 0, "width %d must be a multiple of heads %d", width, heads);
        require(depth > 0, "depth must be positive, got %d", depth);
        require(mlpWidth > 0, "mlpWidth must be positive, got %d", mlpWidth);
        require(classes >= 0, "classes must not be negative, got %d", classes);
        require(epsilon > 0 && epsilon < 1, "epsilon must be in (0, 1), got %s", epsilon);
    }

    /** The sizes of a ViT that tells one class of an image. */
    public VitConfig(
            int imageSize,
            int patchSize,
            int width,
            int depth,
            int heads,
            int mlpWidth,
            int classes,
            double epsilon,
            Variant variant) {
        this(imageSize, patchSize, width, depth, heads, mlpWidth, classes, epsilon, variant, Task.SINGLE_LABEL);
    }

    /** The sizes of a plain ViT that tells one class of an image. */
    public VitConfig(
            int imageSize, int patchSize, int width, int depth, int heads, int mlpWidth, int classes, double epsilon) {
        this(imageSize, patchSize, width, depth, heads, mlpWidth, classes, epsilon, Variant.PLAIN);
    }

    /** Returns the sizes in words. */
    public String text() {
        return String.format(
                Locale.ROOT,
                "ViT of %d blocks, width %d, %d heads, MLPs of %,d, patches of %d and images of %d pixels, %,d parameters",
                depth,
                width,
                heads,
                mlpWidth,
                patchSize,
                imageSize,
                parameters());
    }

    /**
     * Returns the configuration of a published size by its timm name, such as {@code vit_base_patch16_224}, or the demo's
     * {@code vit_demo_patch4_32}.
     *
     * @throws UserError for a name that is not known
     */
    public static VitConfig preset(String name, int classes) {
        Matcher m = PRESET.matcher(name);
        if (!m.matches()) {
            throw UserError.of(
                    "model.preset: unknown model %s; expected vit_{tiny,small,base,large,demo}_patch{P}_{imageSize},"
                            + " such as vit_base_patch16_224",
                    name);
        }
        int patch = Integer.parseInt(m.group(2));
        int size = Integer.parseInt(m.group(3));
        return switch (m.group(1)) {
            case "tiny" -> new VitConfig(size, patch, 192, 12, 3, 768, classes, 1e-6);
            case "small" -> new VitConfig(size, patch, 384, 12, 6, 1536, classes, 1e-6);
            case "base" -> new VitConfig(size, patch, 768, 12, 12, 3072, classes, 1e-6);
            case "large" -> new VitConfig(size, patch, 1024, 24, 16, 4096, classes, 1e-6);
            default -> new VitConfig(size, patch, 128, 6, 4, 512, classes, 1e-6);
        };
    }

    /** Returns N, the number of patches of an image. */
    public int patches() {
        return Math.multiplyExact(imageSize / patchSize, imageSize / patchSize);
    }

    /** Returns T, the number of tokens: the class token, then the patches; N + 1 of a plain ViT. */
    public int tokens() {
        return variant.prefix() + patches();
    }

    /**
     * Returns whether a network keeps the softmax of its attention for the backward: unless that is more than all else that a block keeps.
     * It is computed again then.
     */
    public boolean keepsAttention() {
        return (long) heads * tokens() <= 6L * width + 2L * mlpWidth;
    }

    /** Returns the number of features, which the head reads: D, or twice that where it reads two tokens. */
    public int features() {
        return variant.pooling() == Pooling.CLASS_TOKEN_AND_MEAN ? 2 * width : width;
    }

    /** Returns the length of a flattened patch, C * P * P. */
    public int patchLength() {
        return Math.multiplyExact(CHANNELS * patchSize, patchSize);
    }

    /** Returns this configuration with another number of classes, one of which an image shows. */
    public VitConfig withClasses(int newClasses) {
        return withHead(newClasses, Task.SINGLE_LABEL);
    }

    /** Returns this configuration with a head of another number of outputs and another task. */
    public VitConfig withHead(int outputs, Task newTask) {
        return new VitConfig(imageSize, patchSize, width, depth, heads, mlpWidth, outputs, epsilon, variant, newTask);
    }

    /** Returns this configuration with another image size. */
    public VitConfig withImageSize(int newSize) {
        return new VitConfig(newSize, patchSize, width, depth, heads, mlpWidth, classes, epsilon, variant, task);
    }

    /**
     * Returns the shape of every weight matrix a slice can be taken from, by timm name in the order of the network; the
     * patch embedding counts as a matrix {@code [D, C*P*P]}. The head is not among them: it always trains whole.
     */
    public Map<String, MatrixShape> matrices() {
        Map<String, MatrixShape> shapes = new LinkedHashMap<>();
        shapes.put("patch_embed.proj.weight", new MatrixShape(width, patchLength()));
        for (int b = 0; b < depth; b++) {
            String block = "blocks." + b + ".";
            shapes.put(block + "attn.qkv.weight", new MatrixShape(3 * width, width));
            shapes.put(block + "attn.proj.weight", new MatrixShape(width, width));
            shapes.put(block + "mlp.fc1.weight", new MatrixShape(mlpWidth, width));
            shapes.put(block + "mlp.fc2.weight", new MatrixShape(width, mlpWidth));
        }
        return shapes;
    }

    /** Returns those of {@link #matrices()} whose name ends with one of the words, without {@code .weight}. */
    public Map<String, MatrixShape> matrices(List<String> words) {
        Map<String, MatrixShape> chosen = matrices();
        chosen.keySet().removeIf(matrix -> words.stream().noneMatch(word -> matrix.endsWith(word + ".weight")));
        return chosen;
    }

    /** Returns the number of the encoder block that a parameter lies in by its timm name, from 0; -1 if it lies in none. */
    public static int block(String parameter) {
        Matcher block = BLOCK.matcher(parameter);
        return block.matches() ? Integer.parseInt(block.group(1)) : -1;
    }

    /** Returns the shape of every tensor of the checkpoint, by timm name in timm's order, the head included if there is one. */
    public Map<String, long[]> tensors() {
        Map<String, long[]> shapes = new LinkedHashMap<>();
        long d = width;
        if (variant.classToken()) {
            shapes.put("cls_token", new long[] {1, 1, d});
        }
        if (variant.registers() > 0) {
            shapes.put("reg_token", new long[] {1, variant.registers(), d});
        }
        shapes.put("pos_embed", new long[] {1, (long) variant.positioned() + patches(), d});
        shapes.put("patch_embed.proj.weight", new long[] {d, CHANNELS, patchSize, patchSize});
        shapes.put("patch_embed.proj.bias", new long[] {d});
        if (variant.preNorm()) {
            shapes.put("norm_pre.weight", new long[] {d});
            shapes.put("norm_pre.bias", new long[] {d});
        }
        for (int b = 0; b < depth; b++) {
            String block = "blocks." + b + ".";
            shapes.put(block + "norm1.weight", new long[] {d});
            shapes.put(block + "norm1.bias", new long[] {d});
            shapes.put(block + "attn.qkv.weight", new long[] {3 * d, d});
            shapes.put(block + "attn.qkv.bias", new long[] {3 * d});
            shapes.put(block + "attn.proj.weight", new long[] {d, d});
            shapes.put(block + "attn.proj.bias", new long[] {d});
            if (variant.layerScale()) {
                shapes.put(block + "ls1.gamma", new long[] {d});
            }
            shapes.put(block + "norm2.weight", new long[] {d});
            shapes.put(block + "norm2.bias", new long[] {d});
            shapes.put(block + "mlp.fc1.weight", new long[] {mlpWidth, d});
            shapes.put(block + "mlp.fc1.bias", new long[] {mlpWidth});
            shapes.put(block + "mlp.fc2.weight", new long[] {d, mlpWidth});
            shapes.put(block + "mlp.fc2.bias", new long[] {d});
            if (variant.layerScale()) {
                shapes.put(block + "ls2.gamma", new long[] {d});
            }
        }
        shapes.put(variant.pooling().norm() + ".weight", new long[] {d});
        shapes.put(variant.pooling().norm() + ".bias", new long[] {d});
        if (classes > 0) {
            shapes.put("head.weight", new long[] {classes, features()});
            shapes.put("head.bias", new long[] {classes});
        }
        return shapes;
    }

    /** Returns the number of parameters, the head included; 86,567,656 for ViT-B/16 with 1000 classes. */
    public long parameters() {
        return tensors().values().stream().mapToLong(VitConfig::elements).sum();
    }

    /** Returns the number of parameters without the head; 85,798,656 for ViT-B/16. */
    public long backboneParameters() {
        return withClasses(0).parameters();
    }

    /** Returns the number of elements of a tensor of that shape. */
    public static long elements(long[] shape) {
        long product = 1;
        for (long n : shape) {
            product *= n;
        }
        return product;
    }

    private static void require(boolean condition, String message, Object... arguments) {
        if (!condition) {
            throw UserError.of("model: " + message, arguments);
        }
    }
}
