package dev.grft.checkpoint.artifact;

import dev.grft.UserError;
import dev.grft.checkpoint.Checkpoint;
import dev.grft.checkpoint.Family;
import dev.grft.checkpoint.NameMap;
import dev.grft.checkpoint.file.Dtype;
import dev.grft.checkpoint.file.Storage;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.jspecify.annotations.Nullable;

/** What a run has trained, as other programs read it. */
public final class Export {
    private static final String PEFT = "peft";

    private static final String TRANSFORMERS_4 = "transformers4";

    private Export() {}

    /**
     * Writes a run's delta as an adapter of PEFT's, or its merged model as a library reads it.
     *
     * @param run folder with a {@code delta.safetensors}
     * @param format {@code peft}, or the library whose files are written: {@code timm}, {@code transformers}, {@code
     *     torchvision} or {@code npz}
     * @param library of {@code peft}: the library whose model the adapter is put on: {@code timm}, {@code transformers} or
     *     {@code transformers4}, whose modules have other names; null for that of the pretrained model, and timm if it is none
     * @param pretrained path of the pretrained model; null for where it was when the run was made
     * @param output folder that gets the files
     * @throws UserError if there is no delta, the pretrained model is another one, or the delta has no such form
     */
    public static void write(
            Configuration hadoop,
            String run,
            String format,
            @Nullable String library,
            @Nullable String pretrained,
            String output) {
        @Nullable NameMap merged = format.equals(PEFT) ? null : NameMap.of("--format", format);
        if (merged != null && library != null) {
            throw new UserError("--library: is for --format peft only; leave it out");
        }
        Path path = new Path(run, "delta.safetensors");
        if (!new Storage(hadoop).exists(path)) {
            throw UserError.of("%s: there is no delta to export; train first", path);
        }
        DeltaFile file = DeltaFile.read(hadoop, path);
        Settings.Model model =
                Config.parse(path + ": settings", file.settings()).model();
        String from = pretrained == null ? model.pretrained() : pretrained;
        if (from == null) {
            throw UserError.of("%s: does not tell where its pretrained model is; give --pretrained PATH", path);
        }
        Checkpoint checkpoint = Checkpoint.load(hadoop, from, model.imageSize());
        checkpoint.requireFits(file.delta());
        if (merged != null) {
            checkpoint.merged(file.delta()).save(hadoop, output, merged, Dtype.F32);
            return;
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
                checkpoint.config(),
                names,
                four ? names::module : names::moduleInMemory,
                from);
    }
}
