package dev.grft.checkpoint.artifact;

import dev.grft.UserError;
import dev.grft.checkpoint.Checkpoint;
import dev.grft.checkpoint.Family;
import dev.grft.checkpoint.NameMap;
import dev.grft.checkpoint.file.Dtype;
import dev.grft.checkpoint.file.Storage;
import dev.grft.data.ImageRecipe;
import java.util.function.BiFunction;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.jspecify.annotations.Nullable;

/** Writes a run's delta for other programs: as an adapter of PEFT's, or merged, as a library reads models. */
public final class Export {
    private static final String PEFT = "peft";

    private static final String TRANSFORMERS_4 = "transformers4";

    private final Configuration hadoop;
    private final Path path;
    private final DeltaFile file;
    private final @Nullable NameMap merged; // null for PEFT
    private final @Nullable String library;

    private Export(
            Configuration hadoop, Path path, DeltaFile file, @Nullable NameMap merged, @Nullable String library) {
        this.hadoop = hadoop;
        this.path = path;
        this.file = file;
        this.merged = merged;
        this.library = library;
    }

    /**
     * Returns the export of a run's delta.
     *
     * @param run folder with a {@code delta.safetensors}
     * @param format {@code peft}, or the library whose files are written: {@code timm}, {@code transformers}, {@code
     *     torchvision} or {@code npz}
     * @param library of {@code peft}: the library whose model the adapter is put on: {@code timm}, {@code transformers} or
     *     {@code transformers4}, whose modules have other names; null for that of the pretrained model, and timm if it is none
     * @throws UserError if there is no delta, or no such format
     */
    public static Export of(Configuration hadoop, String run, String format, @Nullable String library) {
        @Nullable NameMap merged = format.equals(PEFT) ? null : NameMap.of("--format", format);
        if (merged != null && library != null) {
            throw new UserError("--library: is for --format peft only; leave it out");
        }
        Path path = new Path(run, "delta.safetensors");
        if (!new Storage(hadoop).exists(path)) {
            throw UserError.of("%s: there is no delta to export; train first", path);
        }
        return new Export(hadoop, path, DeltaFile.read(hadoop, path), merged, library);
    }

    /** Returns the path of the delta. */
    public Path delta() {
        return path;
    }

    /** Returns the resolved configuration of the run, as text. */
    public String settings() {
        return file.settings();
    }

    /** Returns where {@link #settings} are, for errors. */
    public String place() {
        return path + ": settings";
    }

    /**
     * Writes the adapter or the merged model, and returns the pretrained model.
     *
     * @param pretrained path of the pretrained model; null if it is not known
     * @param imageSize side of the images of the run, pixels; 0 for that of the pretrained model
     * @param recipe that images were prepared by, from the side of the images and the recipe of the pretrained model
     * @param output folder that gets the files
     * @throws UserError if there is no pretrained model, it is another one or lies in {@code output}, or the delta has no such form
     */
    public Checkpoint write(
            @Nullable String pretrained,
            int imageSize,
            BiFunction<Integer, ImageRecipe, ImageRecipe> recipe,
            String output) {
        if (pretrained == null) {
            throw UserError.of("%s: does not name its pretrained model; give --pretrained PATH", path);
        }
        Checkpoint.requireElsewhere(new Storage(hadoop), pretrained, "--output", output);
        Checkpoint checkpoint = Checkpoint.load(hadoop, pretrained, imageSize);
        checkpoint.requireFits(file.delta());
        if (merged != null) {
            checkpoint
                    .with(recipe.apply(checkpoint.config().imageSize(), checkpoint.recipe()))
                    .merged(file.delta())
                    .save(hadoop, output, merged, Dtype.F32);
            return checkpoint;
        }
        boolean four = TRANSFORMERS_4.equals(library);
        NameMap given = library == null
                ? checkpoint.names().ofTransformers() ? NameMap.TRANSFORMERS : NameMap.TIMM
                : four ? NameMap.TRANSFORMERS : NameMap.of("--library", library);
        NameMap names = Family.of(given, checkpoint.config().variant());
        PeftAdapter.write(
                hadoop,
                new Path(output),
                file,
                checkpoint,
                names,
                four ? names::module : names::moduleInMemory,
                pretrained);
        return checkpoint;
    }
}
