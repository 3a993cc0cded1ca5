package dev.grft.spark.images;

import dev.grft.UserError;
import org.apache.hadoop.conf.Configuration;
import org.jspecify.annotations.Nullable;

/**
 * Options that say how images are found at a path: the keys {@code data.format}, {@code data.imageColumn}, {@code
 * data.labelColumn} and {@code data.root}.
 *
 * @param imageColumn of Parquet: the images
 * @param labelColumn the classes: the column of Parquet and CSV, the key of JSONL and of WebDataset's json; strings or
 *     integers, an integer is a class named by its digits; null for images without classes
 * @param root of a file that names images: the folder that paths are relative to; null for that of the file
 */
public record ReadOptions(
        ImageFormat format,
        String imageColumn,
        @Nullable String labelColumn,
        @Nullable String root) {

    /** Returns whether the images get their classes. */
    boolean labeled() {
        return labelColumn != null;
    }

    /** Returns these options for images without classes. */
    public ReadOptions unlabeled() {
        return new ReadOptions(format, imageColumn, null, root);
    }

    /**
     * Returns the list of images that a path holds, or null if it holds the images themselves.
     *
     * @throws UserError if the list cannot be read, or is malformed
     */
    @Nullable
    ImageList list(Configuration hadoop, String path) {
        ImageFormat of = format.at(path);
        return of.namesImages() ? ImageList.read(hadoop, path, of, labelColumn, root) : null;
    }
}
