package dev.grft.checkpoint;

import dev.grft.UserError;
import dev.grft.checkpoint.file.Tensor;
import dev.grft.checkpoint.file.Tensors;
import dev.grft.vit.VitConfig;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Renames, joins, splits and transposes tensors between a library's layout and timm's, which is the layout inside this
 * program. No other class transposes.
 */
final class Conversion {
    private static final List<String> PARTS = List.of("attn.q.", "attn.k.", "attn.v.");
    private static final String JOINED = "attn.qkv.";
    private static final String PATCH_BIAS = "patch_embed.proj.bias";

    private final NameMap names;

    /** Returns the conversion between this naming and timm's. */
    Conversion(NameMap names) {
        this.names = names;
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
            String name = names.ours(entry.getKey());
            if (name != null) {
                named.put(name, toTimm(file, name, entry.getValue()));
            } else if (!names.unused(file, entry.getKey())
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

    private Tensor toTimm(Tensors file, String name, Tensor tensor) {
        if (names == NameMap.NPZ) {
            return transposed(file, name, tensor);
        }
        long[] shape = tensor.shape();
        if (names == NameMap.CLIP && name.equals("cls_token") && shape.length == 1) {
            return tensor.reshaped(1, 1, shape[0]);
        }
        return names == NameMap.CLIP && name.equals("pos_embed") && shape.length == 2
                ? tensor.reshaped(1, shape[0], shape[1])
                : tensor;
    }

    /** Joins query, key and value where the library has a matrix for each. */
    private Map<String, Tensor> joined(Tensors file, Map<String, Tensor> named) {
        if (!names.splitsQkv()) {
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
                            names.theirs(one),
                            Arrays.toString(found.shape()),
                            names.theirs(name),
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
        return UserError.of("%s: the tensor %s is missing; is the file complete?", file.file(), names.theirs(tensor));
    }

    private float[] floats(Tensors file, String name, Tensor tensor) {
        if (!tensor.dtype().fractional()) {
            throw UserError.of(
                    "%s: %s is of %s, expected F32, F16, BF16 or F64; convert the file",
                    file.file(), names.theirs(name), tensor.dtype());
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
            if (!names.splitsQkv() || !name.contains(JOINED)) {
                named.put(names.theirs(name), laidOut(config, name, shape, numbers));
                return;
            }
            long[] third = shape.clone();
            third[0] /= 3;
            int length = numbers.length / 3;
            for (int i = 0; i < PARTS.size(); i++) {
                String part = name.replace(JOINED, PARTS.get(i));
                float[] some = Arrays.copyOfRange(numbers, i * length, (i + 1) * length);
                named.put(names.theirs(part), laidOut(config, part, third, some));
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

    /** Returns a tensor of timm's in the library's layout. */
    private Tensor laidOut(VitConfig config, String name, long[] shape, float[] numbers) {
        boolean tokens = name.equals("cls_token") || name.equals("pos_embed");
        if (names == NameMap.CLIP && tokens) {
            long d = config.width();
            long[] flat = name.equals("cls_token") ? new long[] {d} : new long[] {numbers.length / d, d};
            return Tensor.ofFloats(flat, numbers);
        }
        if (names != NameMap.NPZ || tokens) {
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
}
