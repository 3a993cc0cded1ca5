package dev.grft.spark.images;

import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.data.LabelForm;
import org.apache.hadoop.conf.Configuration;
import org.jspecify.annotations.Nullable;

/**
 * Options that say how images are found at a path: the keys {@code data.format}, {@code data.imageColumn}, {@code
 * data.labelColumn}, {@code data.task} and {@code data.root}.
 *
 * @param imageColumn of Parquet: the images
 * @param labelColumn what images show, see {@link LabelForm}: the columns of Parquet and CSV, the keys of JSONL and of WebDataset's
 *     json; a class is a string or an integer, an integer names it by its digits; null for images without labels
 * @param root of a file that names images: the folder that paths are relative to; null for that of the file
 */
public record ReadOptions(
        ImageFormat format,
        String imageColumn,
        @Nullable String labelColumn,
        @Nullable String root,
        Task task) {
    /** Returns options for images of one class each. */
    public ReadOptions(ImageFormat format, String imageColumn, @Nullable String labelColumn, @Nullable String root) {
        this(format, imageColumn, labelColumn, root, Task.SINGLE_LABEL);
    }

    /** Returns how labels are read; null for images without labels. */
    @Nullable
    public LabelForm labels() {
        return labelColumn == null ? null : LabelForm.of(task, labelColumn);
    }

    /** Returns whether the images get their classes. */
    boolean labeled() {
        return labelColumn != null;
    }

    /** Returns these options for images without classes. */
    public ReadOptions unlabeled() {
        return new ReadOptions(format, imageColumn, null, root, task);
    }

    /**
     * Returns the list of images that a path holds, or null if it holds the images themselves.
     *
     * @throws UserError if the list cannot be read, or is malformed
     */
    @Nullable
    ImageList list(Configuration hadoop, String path) {
        ImageFormat of = format.at(path);
        if (of == ImageFormat.LIST) {
            Inputs.oneClass(this, path + ": the lines of a list");
        }
        return of.namesImages() ? ImageList.read(hadoop, path, of, labels(), root) : null;
    }
}
