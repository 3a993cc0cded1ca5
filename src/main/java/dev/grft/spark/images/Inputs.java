package dev.grft.spark.images;

import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.data.PassedOver;
import dev.grft.data.Sha256;
import dev.grft.spark.tables.FolderNote;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;
import org.jspecify.annotations.Nullable;

/**
 * What lies at a path, listed once: digests of it, cheap enough to check before the work whether it is done already, and the images
 * to read.
 */
public final class Inputs {
    private final Configuration hadoop;
    private final ReadOptions options;
    private final ImageFormat format;
    private final @Nullable ImageList list; // one of these two
    private final @Nullable Found found;

    private Inputs(
            Configuration hadoop,
            ReadOptions options,
            ImageFormat format,
            @Nullable ImageList list,
            @Nullable Found found) {
        this.hadoop = hadoop;
        this.options = options;
        this.format = format;
        this.list = list;
        this.found = found;
    }

    /**
     * Returns what lies at a path, which is listed now; the images are not opened.
     *
     * @param key of the configuration that names the path, for messages; null if none does
     * @throws UserError if there is nothing, or it cannot be listed
     */
    public static Inputs at(Configuration hadoop, @Nullable String key, String path, ReadOptions options) {
        ImageList list = options.list(hadoop, path);
        if (list != null) {
            return new Inputs(hadoop, options, options.format(), list, null);
        }
        Found found = Found.at(hadoop, path, key);
        ImageFormat format = options.format() == ImageFormat.AUTO ? stored(found) : options.format();
        return new Inputs(
                hadoop,
                options,
                format,
                null,
                format == ImageFormat.PARQUET ? Packed.whole(hadoop, key, found) : found);
    }

    /**
     * Returns how the images are stored where the format is {@link ImageFormat#AUTO} and no list: of what files there are more,
     * images in folders or tars or Parquet.
     */
    private static ImageFormat stored(Found found) {
        int tars = found.ending(TarSource.SUFFIX).size();
        int tables = found.ending(RowSource.SUFFIX).size();
        if (found.folders().stream().allMatch(Found::isHidden)) {
            return tars > 0 ? ImageFormat.WEBDATASET : tables > 0 ? ImageFormat.PARQUET : ImageFormat.FOLDER;
        }
        if (tars + tables == 0 && !found.isPartitioned()) {
            return ImageFormat.FOLDER;
        }
        long images = found.visible().stream()
                .filter(file -> ImageEndings.isImage(file.name()))
                .count();
        long parquet = found.visible().stream()
                .filter(file -> file.name().endsWith(RowSource.SUFFIX))
                .count();
        if (images > 0 && images >= Math.max(tars, found.isPartitioned() ? parquet : tables)) {
            return ImageFormat.FOLDER;
        }
        return tars > 0 ? ImageFormat.WEBDATASET : ImageFormat.PARQUET;
    }

    /** Returns the images, which are read from the files that were listed. */
    public Source.Stored open(SparkSession spark) {
        JavaSparkContext context = JavaSparkContext.fromSparkContext(spark.sparkContext());
        if (list != null) {
            return new ListedImages(context, hadoop, list, options.labels());
        }
        Found files = Objects.requireNonNull(found);
        return switch (format) {
            case WEBDATASET -> new TarSource(context, hadoop, files, options.labels());
            case PARQUET -> RowSource.open(spark, files, options);
            default ->
                new FolderSource(
                        context,
                        hadoop,
                        files,
                        oneClass(options, files.path() + ": folders").labeled());
        };
    }

    /** Returns options unless they are for more than one class of an image, for which some forms have no place. */
    static ReadOptions oneClass(ReadOptions options, String what) {
        if (options.labeled() && options.task() != Task.SINGLE_LABEL) {
            throw UserError.of(
                    "%s tell one class of each image, but data.task is %s; use Parquet, CSV, JSONL, a JSON object or the .json of"
                            + " WebDataset",
                    what, options.task());
        }
        return options;
    }

    /**
     * What identifies images without opening them.
     *
     * @param times a digest of the paths, sizes and times of all files that are read, and of the file that names them if there is one
     * @param names a digest of the same without the times, of names below the path: equal for copies
     */
    public record Listing(String times, String names) {
        /** Returns the listing of several paths together. */
        public static Listing of(List<Listing> several) {
            return several.size() == 1
                    ? several.get(0)
                    : new Listing(
                            digest(several.stream().map(Listing::times)),
                            digest(several.stream().map(Listing::names)));
        }
    }

    /** Returns the listing. */
    public Listing listing() {
        if (list != null) {
            return list.listing(hadoop);
        }
        Found files = Objects.requireNonNull(found);
        List<Found.Entry> read = switch (format) {
            case WEBDATASET -> files.ending(TarSource.SUFFIX);
            case PARQUET -> files.visible();
            default -> files.files(file -> ImageEndings.isImage(file.name()), new PassedOver());
        };
        return new Listing(
                digest(read.stream().map(file -> files.file(file) + "\t" + file.size() + "\t" + file.time())),
                digest(read.stream().map(file -> FolderNote.withoutGeneration(file.name()) + "\t" + file.size())));
    }

    /** Returns the SHA-256 of the parts, in order. */
    public static String digest(String... parts) {
        return digest(Stream.of(parts));
    }

    static String digest(Stream<String> parts) {
        MessageDigest digest = Sha256.digest();
        parts.forEachOrdered(part -> {
            digest.update(part.getBytes(StandardCharsets.UTF_8));
            digest.update((byte) 0);
        });
        return Sha256.hexadecimal(digest);
    }
}
