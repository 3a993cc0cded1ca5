package dev.grft.checkpoint.artifact;

import dev.grft.Delta;
import dev.grft.checkpoint.Checkpoint;
import dev.grft.checkpoint.file.Dtype;
import org.apache.hadoop.conf.Configuration;

/**
 * The fine-tuned model as a plain one, {@code merged.safetensors} with {@code config.json} beside it: timm and
 * {@link Checkpoint#load} read it like any other.
 */
public final class MergedFile {
    /** The name of the file. */
    public static final String NAME = "merged.safetensors";

    private MergedFile() {}

    /**
     * Merges a delta into the model it was trained on, writes the result and returns it. The pretrained model stays as
     * it is; frozen parameters keep their bits if {@code type} can hold them.
     *
     * @param directory gets {@code merged.safetensors} and {@code config.json}
     * @param type F32, F16 or BF16
     * @throws dev.grft.UserError if the delta was trained on another model, a trained value is not finite or too large
     *     for the type, or the directory cannot be written
     */
    public static Checkpoint write(
            Configuration hadoop, String directory, Checkpoint pretrained, Delta delta, Dtype type) {
        Checkpoint merged = pretrained.merged(delta);
        merged.save(hadoop, directory + "/" + NAME, type);
        return merged;
    }
}
