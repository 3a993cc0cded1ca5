package dev.grft.spark.images;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** How images are stored: the values of {@code data.format}. */
public enum ImageFormat {
    /**
     * By the ending of a file that names images; WebDataset if the path is, or directly contains, a .tar file; Parquet if it
     * is, or directly contains, a .parquet file or a folder {@code column=value}; else a folder.
     */
    AUTO(),
    /** A file for each image, in the folder of its class. */
    FOLDER(),
    /** A row for each image. */
    PARQUET(),
    /** Tar files, see {@link TarSource}. */
    WEBDATASET(),
    /** A file that names an image and the number of its class on each line. */
    LIST(".txt"),
    /** A file with a JSON object that gives the class of each image. */
    JSON(".json"),
    /** A table with a header: columns {@code path} or {@code file_name}, and {@code label}. */
    CSV(".csv", ".tsv"),
    /** A JSON object on each line, with the same keys. */
    JSONL(".jsonl");

    private final List<String> suffixes; // of files that name images; else none

    ImageFormat(String... suffixes) {
        this.suffixes = List.of(suffixes);
    }

    /** Returns whether a file of this format names images and holds none, see {@link ImageList}. */
    boolean namesImages() {
        return !suffixes.isEmpty();
    }

    /** Returns this format; for {@link #AUTO}, that of a file that names images if the path ends like one. */
    ImageFormat at(String path) {
        String lower = path.toLowerCase(Locale.ROOT);
        return this != AUTO
                ? this
                : Arrays.stream(values())
                        .filter(format -> format.suffixes.stream().anyMatch(lower::endsWith))
                        .findFirst()
                        .orElse(AUTO);
    }
}
