package dev.grft.spark.images;

import java.util.Arrays;
import java.util.Locale;

/** How images are stored: the values of {@code data.format}. */
public enum ImageFormat {
    /**
     * By the ending of a file that names images; WebDataset if the path is, or directly contains, a .tar file; Parquet if it
     * is, or directly contains, a .parquet file or a folder {@code column=value}; else a folder.
     */
    AUTO(""),
    /** A file for each image, in the folder of its class. */
    FOLDER(""),
    /** A row for each image. */
    PARQUET(""),
    /** Tar files, see {@link TarSource}. */
    WEBDATASET(""),
    /** A file that names an image and the number of its class on each line. */
    LIST(".txt"),
    /** A file with a JSON object that gives the class of each image. */
    JSON(".json"),
    /** A table with a header: columns {@code path} or {@code file_name}, and {@code label}. */
    CSV(".csv .tsv"),
    /** A JSON object on each line, with the same keys. */
    JSONL(".jsonl");

    private final String endings; // of files that name images, separated by blanks; else empty

    ImageFormat(String endings) {
        this.endings = endings;
    }

    /** Returns whether a file of this format names images and holds none, see {@link ImageList}. */
    boolean namesImages() {
        return !endings.isEmpty();
    }

    /** Returns this format; for {@link #AUTO}, that of a file that names images if the path ends like one. */
    ImageFormat at(String path) {
        String lower = path.toLowerCase(Locale.ROOT);
        return this != AUTO
                ? this
                : Arrays.stream(values())
                        .filter(format -> format.namesImages()
                                && Arrays.stream(format.endings.split(" ", -1)).anyMatch(lower::endsWith))
                        .findFirst()
                        .orElse(AUTO);
    }
}
