package dev.grft.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.checkpoint.file.Json;
import dev.grft.checkpoint.file.Npz;
import dev.grft.checkpoint.file.Storage;
import dev.grft.checkpoint.file.Tensor;
import dev.grft.checkpoint.file.Tensors;
import dev.grft.vit.Variant;
import dev.grft.vit.VitConfig;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.jspecify.annotations.Nullable;

/** Reads a pretrained model, in whichever library's files. */
final class Pretrained {
    static final String MODEL = "model.safetensors";
    static final String CONFIG = "config.json";
    static final String PREPROCESSOR = "preprocessor_config.json";
    static final String SUFFIX = ".safetensors";

    /** Files of Python's pickles, which run code when they are read. */
    private static final List<String> PICKLES = List.of(".bin", ".pt", ".pth", ".ckpt", ".pkl", ".tar");

    private final Storage storage;
    private final Tensors file;
    private final List<String> notes;
    private final NameMap names;
    private final Map<String, Tensor> tensors; // by timm's names
    private final Description description;

    private Pretrained(Configuration hadoop, Path path) {
        this.storage = new Storage(hadoop);
        Wrapping read = Wrapping.removed(Tensors.read(hadoop, path));
        this.file = read.model();
        this.notes = new ArrayList<>(read.notes());
        this.names = NameMap.of(file.names());
        this.tensors = new Conversion(names).toTimm(file);
        this.description = description(path);
    }

    /** Returns what {@link Checkpoint#load} does. */
    static Checkpoint load(Configuration hadoop, String path, int imageSize) {
        return new Pretrained(hadoop, find(new Storage(hadoop), path)).checkpoint(imageSize);
    }

    /** Returns the file of a model: the path itself, or the one in that folder. */
    private static Path find(Storage storage, String path) {
        Path given = new Path(path);
        refusePickle(given);
        boolean isFile = path.endsWith(SUFFIX) || path.endsWith(Npz.SUFFIX) || path.endsWith(Tensors.INDEX);
        if (isFile && storage.exists(given)) {
            return given;
        }
        Path file = isFile ? given : new Path(path, MODEL);
        if (isFile || storage.exists(file)) {
            requireExists(storage, file);
            return file;
        }
        List<Path> found = storage.list(given);
        for (String end : List.of(MODEL + Tensors.INDEX, Npz.SUFFIX)) {
            List<Path> some =
                    found.stream().filter(one -> one.getName().endsWith(end)).toList();
            if (some.size() > 1) {
                throw UserError.of("%s: has several models, %s; name one of them", path, some);
            }
            if (some.size() == 1) {
                return some.get(0);
            }
        }
        found.forEach(Pretrained::refusePickle);
        requireExists(storage, file);
        return file;
    }

    private static void requireExists(Storage storage, Path file) {
        if (!storage.exists(file)) {
            throw UserError.of(
                    "%s: no such file; expected a directory with %s and %s, or a %s, %s or %s%s file; if it lies elsewhere, give"
                            + " its path by model.pretrained, by export's --pretrained, or by pretrained of Spark ML",
                    file, MODEL, CONFIG, SUFFIX, Npz.SUFFIX, SUFFIX, Tensors.INDEX);
        }
    }

    private static void refusePickle(Path path) {
        String name = path.getName().toLowerCase(Locale.ROOT);
        if (PICKLES.stream().anyMatch(name::endsWith)) {
            throw UserError.of(
                    "%s: is a Python pickle, which runs code when it is read; convert it: python -c \"import"
                            + " torch; from safetensors.torch import save_file; save_file({k: v.contiguous().clone() for"
                            + " k, v in torch.load('%s', weights_only=True, map_location='cpu').items()}, '%s')\"",
                    path, path.getName(), MODEL);
        }
    }

    private Description description(Path path) {
        Path config = Storage.beside(path, CONFIG);
        if (!storage.exists(config)) {
            if (names == NameMap.NPZ || names == NameMap.TORCHVISION) {
                return Description.without(config.toString(), names, file);
            }
            throw UserError.of(
                    "%s: no such file; it has the image settings of %s; download it from where the model is",
                    config, path.getName());
        }
        JsonNode json = json(config);
        if (!names.ofTransformers()) {
            return Description.ofTimm(config.toString(), json);
        }
        Path images = Storage.beside(path, PREPROCESSOR);
        @Nullable JsonNode preprocessor = storage.exists(images) ? json(images) : null;
        Description found = Description.ofTransformers(config.toString(), json, images.toString(), preprocessor);
        if (preprocessor == null) {
            notes.add(images + ": no such file; images get the mean "
                    + found.recipe().mean() + " and the deviation "
                    + found.recipe().std() + " of the model's family. Save the model's image processor beside it if it"
                    + " has others: AutoImageProcessor.from_pretrained(NAME).save_pretrained(FOLDER)");
        }
        return found;
    }

    private JsonNode json(Path path) {
        return Json.parse(path.toString(), storage.readString(path));
    }

    private Checkpoint checkpoint(int imageSize) {
        VitConfig stored = sizes();
        requireTensors(stored);
        Map<String, float[]> numbers = new LinkedHashMap<>();
        stored.tensors().keySet().forEach(name -> numbers.put(name, tensor(name).floats()));
        int meant = description.imageSize() % stored.patchSize() == 0 ? description.imageSize() : 0;
        int side = imageSize == 0 ? meant : imageSize;
        VitConfig config = side == 0 ? stored : stored.withImageSize(side);
        if (config.patches() != stored.patches()) {
            float[] positions = tensor("pos_embed").floats();
            numbers.put(
                    "pos_embed",
                    Positions.resample(
                            positions,
                            stored.variant().positioned(),
                            stored.width(),
                            config.imageSize() / config.patchSize(),
                            names.resampling()));
        }
        return Checkpoint.read(file, names, description, config, numbers, notes);
    }

    private VitConfig sizes() {
        long[] patch = shape("patch_embed.proj.weight", 4);
        if (patch[1] != VitConfig.CHANNELS || patch[2] != patch[3]) {
            throw UserError.of(
                    "%s: %s has shape %s, expected [width, 3, patch, patch]; only square patches of RGB images are"
                            + " supported",
                    file.file(), names.theirs("patch_embed.proj.weight"), Arrays.toString(patch));
        }
        int width = (int) patch[0];
        int patchSize = (int) patch[2];
        int mlpWidth = (int) shape("blocks.0.mlp.fc1.weight", 2)[0];
        if (mlpWidth == 2 * shape("blocks.0.mlp.fc2.weight", 2)[1]) {
            throw UserError.of(
                    "%s: %s has twice as many outputs as %s has inputs: the model has a gated MLP (SwiGLU); only plain"
                            + " MLPs are supported",
                    file.file(), names.theirs("blocks.0.mlp.fc1.weight"), names.theirs("blocks.0.mlp.fc2.weight"));
        }
        int classes = tensors.containsKey("head.weight") ? (int) shape("head.weight", 2)[0] : 0;
        int depth = 1 + tensors.keySet().stream().mapToInt(NameMap::block).max().orElse(0);
        int heads = heads(width);
        try {
            Form form = new Form(names, tensors, description);
            Variant variant = form.variant();
            int side = Positions.side((int) shape("pos_embed", 3)[1], variant.positioned());
            return new VitConfig(
                    Math.multiplyExact(side, patchSize),
                    patchSize,
                    width,
                    depth,
                    heads,
                    mlpWidth,
                    classes,
                    description.epsilon(),
                    variant,
                    classes == 0 ? Task.SINGLE_LABEL : description.task());
        } catch (UserError | ArithmeticException e) {
            throw new UserError(file.file() + ": " + e.getMessage(), e);
        }
    }

    /** Returns the number of heads, which most tensors do not tell. */
    private int heads(int width) {
        if (description.width() != 0 && description.width() != width) {
            throw UserError.of(
                    "%s: describes a model of width %d (%s), %s has width %d; does it belong to this file?",
                    description.place(), description.width(), description.architecture(), file.file(), width);
        }
        // The published tiny, small, base and large have heads of 64; other widths do not tell (huge: 1280, heads of
        // 80).
        boolean published = List.of(192, 384, 768, 1024).contains(width);
        int heads = description.heads() == 0 && published ? width / 64 : description.heads();
        if (heads == 0) {
            throw UserError.of(
                    "%s: %s is missing and the architecture %s is not known; add it",
                    description.place(),
                    names.ofTransformers() ? "num_attention_heads" : "model_args.num_heads",
                    description.architecture());
        }
        return heads;
    }

    private Tensor tensor(String name) {
        Tensor found = tensors.get(name);
        if (found == null) {
            throw UserError.of("%s: the tensor %s is missing; is it another file?", file.file(), names.theirs(name));
        }
        return found;
    }

    private long[] shape(String tensor, int dimensions) {
        long[] shape = tensor(tensor).shape();
        if (shape.length != dimensions || Arrays.stream(shape).anyMatch(n -> n < 1 || n > Integer.MAX_VALUE)) {
            throw UserError.of(
                    "%s: %s has shape %s, a ViT needs one of %d dimensions; is it another model?",
                    file.file(), names.theirs(tensor), Arrays.toString(shape), dimensions);
        }
        return shape;
    }

    private void requireTensors(VitConfig config) {
        String sizes = "a ViT of width " + config.width() + ", depth " + config.depth() + " and MLP width "
                + config.mlpWidth();
        Map<String, long[]> expected = config.tensors();
        expected.forEach((tensor, shape) -> {
            if (!tensors.containsKey(tensor)) {
                throw UserError.of(
                        "%s: the tensor %s is missing, %s needs it; is the file complete?",
                        file.file(), names.theirs(tensor), sizes);
            }
            Tensor found = tensor(tensor);
            if (!Arrays.equals(found.shape(), shape)) {
                throw UserError.of(
                        "%s: %s has shape %s, %s needs %s; is it another model?",
                        file.file(),
                        names.theirs(tensor),
                        Arrays.toString(found.shape()),
                        sizes,
                        Arrays.toString(shape));
            }
            if (!found.dtype().fractional()) {
                throw UserError.of(
                        "%s: %s is of %s, expected F32, F16, BF16 or F64; convert the file",
                        file.file(), names.theirs(tensor), found.dtype());
            }
        });
        for (String tensor : tensors.keySet()) {
            if (!expected.containsKey(tensor)) {
                throw UserError.of(
                        "%s: has the tensor %s, %s has no such tensor; is the file complete?",
                        file.file(), names.theirs(tensor), sizes);
            }
        }
    }
}
