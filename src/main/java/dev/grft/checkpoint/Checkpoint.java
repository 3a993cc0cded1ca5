package dev.grft.checkpoint;

import dev.grft.Delta;
import dev.grft.UserError;
import dev.grft.checkpoint.file.Dtype;
import dev.grft.checkpoint.file.Npz;
import dev.grft.checkpoint.file.Safetensors;
import dev.grft.checkpoint.file.Storage;
import dev.grft.checkpoint.file.Tensor;
import dev.grft.checkpoint.file.Tensors;
import dev.grft.data.ImageRecipe;
import dev.grft.data.Sha256;
import dev.grft.vit.Activation;
import dev.grft.vit.Pooling;
import dev.grft.vit.Variant;
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
    private static final Map<String, String> METADATA = Map.of("format", "pt"); // Python's libraries ask for it

    private final String name;
    private final NameMap names;
    private final String architecture;
    private final VitConfig config;
    private final Map<String, float[]> tensors;
    private final ImageRecipe recipe;
    private final List<String> labels;
    private final List<String> notes;
    private @Nullable String sha256; // null until it is asked for

    private Checkpoint(
            String name,
            NameMap names,
            String architecture,
            VitConfig config,
            Map<String, float[]> tensors,
            ImageRecipe recipe,
            List<String> labels,
            List<String> notes,
            @Nullable String sha256) {
        this.name = name;
        this.names = names;
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
                                    + " diverged; use another file",
                            name, i, tensor, values[i]);
                }
            }
            this.tensors.put(tensor, values);
        });
        if (!labels.isEmpty() && labels.size() != config.classes()) {
            throw UserError.of(
                    "%s: has %d label_names, but a head of %d classes; is it the right %s?",
                    name, labels.size(), config.classes(), Pretrained.CONFIG);
        }
        this.recipe = recipe;
        this.labels = List.copyOf(labels);
        this.notes = List.copyOf(notes);
        this.sha256 = sha256;
    }

    /**
     * Returns a model that is not on disk yet.
     *
     * @param name goes into errors
     * @param architecture timm's name of the nearest published model, such as {@code vit_tiny_patch16_224}
     * @param tensors every tensor of {@link VitConfig#tensors}, row-major
     * @param recipe by which its images are prepared
     * @param labels of the classes in the order of the head, or none
     * @throws UserError if a tensor is missing, of another size or not finite
     */
    public static Checkpoint of(
            String name,
            String architecture,
            VitConfig config,
            Map<String, float[]> tensors,
            ImageRecipe recipe,
            List<String> labels) {
        return new Checkpoint(name, NameMap.TIMM, architecture, config, tensors, recipe, labels, List.of(), null);
    }

    /**
     * Returns the model of a directory, or of a {@code .safetensors}, {@code .safetensors.index.json} or {@code .npz} file in
     * it, with the names of timm, transformers, torchvision or JAX ({@link NameMap}).
     *
     * <p>The sizes are those of the tensors; {@code config.json} beside them, and of transformers {@code
     * preprocessor_config.json}, add the number of heads and the preparation of images (mean and std of 0.5 and a crop of
     * 0.9 and bicubic interpolation, timm's defaults of a ViT, where they do not say). torchvision and JAX may do without: then it is as their authors
     * have published it.
     *
     * @param imageSize side of the images, pixels; the positions are resampled if they are for another; 0 for the
     *     checkpoint's own
     * @throws UserError if a file is missing or malformed, or the model is of no supported form, or a pickle
     */
    public static Checkpoint load(Configuration hadoop, String path, int imageSize) {
        return Pretrained.load(hadoop, path, imageSize);
    }

    /**
     * Requires that a folder that gets files is not that of a pretrained model: its {@code config.json} would be replaced, and its weights by
     * some.
     *
     * @param pretrained as for {@link #load}
     * @param key what names the folder
     * @throws UserError if it is
     */
    public static void requireElsewhere(Storage storage, String pretrained, String key, String folder) {
        Path model = storage.qualified(new Path(pretrained));
        if (storage.qualified(new Path(folder)).equals(storage.isDirectory(model) ? model : model.getParent())) {
            throw UserError.of(
                    "%s %s: is the folder of the pretrained model %s, whose %s would be replaced; choose another folder",
                    key, folder, pretrained, Pretrained.CONFIG);
        }
    }

    /** Returns a model that was read from a file. */
    static Checkpoint read(
            Tensors file,
            NameMap names,
            Description description,
            VitConfig config,
            Map<String, float[]> tensors,
            List<String> notes) {
        return new Checkpoint(
                file.file(),
                names,
                description.architecture(),
                config,
                tensors,
                description.recipe(),
                config.classes() == 0 ? List.of() : description.labels(),
                notes,
                file.sha256());
    }

    /**
     * Returns this model after training.
     *
     * @throws UserError if the delta was trained on another model
     */
    public Checkpoint merged(Delta delta) {
        requireFits(delta);
        Map<String, float[]> weights = new LinkedHashMap<>(tensors);
        delta.changed().forEach(parameter -> weights.computeIfPresent(parameter, (p, w) -> w.clone()));
        delta.mergeInto(weights);
        return new Checkpoint(
                name + " + delta",
                names,
                architecture,
                config.withHead(delta.labels().size(), delta.task()),
                weights,
                recipe,
                delta.labels(),
                List.of(),
                null);
    }

    /** Returns this model with another recipe, by which its images were prepared in a training. */
    public Checkpoint with(ImageRecipe other) {
        return new Checkpoint(name, names, architecture, config, tensors, other, labels, notes, sha256);
    }

    /**
     * Checks that a delta was trained on this model, at this image size if it has positions.
     *
     * @throws UserError if it was trained on another or at another size, naming both
     */
    public void requireFits(Delta delta) {
        if (!delta.pretrainedSha256().equals(sha256())) {
            throw UserError.of(
                    "%s: has the SHA-256 %s, the delta was trained on the file with %s; merge into that one",
                    name, sha256(), delta.pretrainedSha256());
        }
        delta.whole().forEach((parameter, values) -> {
            long size = VitConfig.elements(config.tensors().getOrDefault(parameter, new long[] {values.length}));
            if (size != values.length) { // the positions of another image size
                throw UserError.of(
                        "%s: %s has %d parameters at an image size of %d pixels, the delta was trained with %d; set"
                                + " model.imageSize to that of its training",
                        name, parameter, size, config.imageSize(), values.length);
            }
        });
    }

    /**
     * Writes the model for {@link #load} and timm, or if timm has no such model, transformers: {@code path} if it ends with {@code
     * .safetensors}, else {@code model.safetensors} in that directory; and {@code config.json} beside it.
     *
     * @param type F32, F16 or BF16; numbers are rounded to the nearest
     * @throws UserError if a number is too large for the type or the directory cannot be written
     */
    public void save(Configuration hadoop, String path, Dtype type) {
        write(hadoop, file(path), Family.ofMerged(config.variant()), type);
    }

    /**
     * Writes the model into a directory as a library reads it: {@code model.safetensors}, {@code config.json} and of
     * transformers {@code preprocessor_config.json}; {@code model.npz} and {@code config.json} of JAX.
     *
     * @param type F32, F16 or BF16; numbers are rounded to the nearest; F32 or F16 of JAX
     * @throws UserError if the library has no such model, a number is too large for the type or the directory cannot be
     *     written
     */
    public void save(Configuration hadoop, String directory, NameMap library, Dtype type) {
        Path file = new Path(directory, library == NameMap.NPZ ? "model" + Npz.SUFFIX : Pretrained.MODEL);
        write(hadoop, file, Family.of(library, config.variant()), type);
    }

    private void write(Configuration hadoop, Path file, NameMap family, Dtype type) {
        Storage storage = new Storage(hadoop);
        Map<String, Tensor> typed = typed(file, family, type);
        storage.writeAtomically(file, out -> {
            if (family == NameMap.NPZ) {
                Npz.write(out, typed);
            } else {
                Safetensors.write(out, METADATA, typed);
            }
        });
        boolean transformers = family.ofTransformers();
        storage.writeAtomically(
                Storage.beside(file, Pretrained.CONFIG),
                transformers ? DescriptionWriter.toTransformers(this, family) : DescriptionWriter.toTimm(this));
        if (transformers) {
            storage.writeAtomically(
                    Storage.beside(file, Pretrained.PREPROCESSOR), DescriptionWriter.toPreprocessor(this));
        }
    }

    private Map<String, Tensor> typed(Path file, NameMap library, Dtype type) {
        Map<String, Tensor> typed = new LinkedHashMap<>();
        new Conversion(library).fromTimm(config, tensors).forEach((tensor, values) -> {
            Tensor rounded = Tensor.ofFloats(type, values.shape(), values.floats());
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
        return typed;
    }

    private static Path file(String path) {
        return path.endsWith(Pretrained.SUFFIX) ? new Path(path) : new Path(path, Pretrained.MODEL);
    }

    /** Returns the path of the file, as errors tell it. */
    public String name() {
        return name;
    }

    /** Returns how the file of the model names its tensors. */
    public NameMap names() {
        return names;
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

    /** Returns how images are prepared for the model. */
    public ImageRecipe recipe() {
        return recipe;
    }

    /** Returns the names of the classes in the order of the head; empty if the file does not tell. */
    public List<String> labels() {
        return labels;
    }

    /** Returns sentences that say what of the file is not the model: prefixes that were taken off, tensors of an optimizer. */
    public List<String> notes() {
        return notes;
    }

    /**
     * Returns what tells this model from others for all that is computed with it: its SHA-256, and what only {@code config.json} tells of the
     * network, unless that is as in a plain ViT.
     */
    public String identity() {
        Variant form = config.variant();
        boolean clip = names == NameMap.CLIP;
        boolean plain = config.heads() * 64 == config.width()
                && config.epsilon() == (clip ? 1e-5 : names == NameMap.TRANSFORMERS ? 1e-12 : 1e-6) // their defaults
                && form.activation() == (clip ? Activation.QUICK_GELU : Activation.GELU)
                && (form.pooling() != Pooling.MEAN || !form.classToken()); // the tensors tell all others
        return plain
                ? sha256()
                : String.join(
                        " ",
                        sha256(),
                        Integer.toString(config.heads()),
                        Double.toString(config.epsilon()),
                        form.activation().name(),
                        form.pooling().name());
    }

    /**
     * Returns the SHA-256 of the file, in lower-case hexadecimal; for a model that is not on disk, of the file that
     * {@link #save} would write in F32.
     */
    public synchronized String sha256() {
        if (sha256 == null) {
            Map<String, Tensor> all = new Conversion(Family.ofMerged(config.variant())).fromTimm(config, tensors);
            MessageDigest digest = Sha256.digest();
            try (OutputStream out = new DigestOutputStream(OutputStream.nullOutputStream(), digest)) {
                Safetensors.write(out, METADATA, all);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            sha256 = Sha256.hexadecimal(digest);
        }
        return sha256;
    }

    @Override
    public String toString() {
        return name + ": " + config;
    }
}
