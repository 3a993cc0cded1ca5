package dev.grft.spark.images;

import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.checkpoint.file.Storage;
import dev.grft.data.PassedOver;
import dev.grft.data.Sha256;
import dev.grft.report.lineage.Dataset;
import dev.grft.spark.tables.FolderNote;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
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

    /**
     * Returns the images as datasets of OpenLineage: a folder or a file of tables or tars with the bytes and number of the files that are read.
     * A file that names images is one, and the folder that its paths are relative to another.
     */
    public List<Dataset> datasets() {
        if (list != null) {
            Dataset names = Dataset.at(list.file()).type(Dataset.Type.FILE);
            return list.root().isRoot() // paths are whole then
                    ? List.of(names)
                    : List.of(names, Dataset.at(list.root()).type(Dataset.Type.FILE));
        }
        Found files = Objects.requireNonNull(found);
        List<Found.Entry> read = read(files);
        return List.of(Dataset.at(files.place())
                .type(Dataset.Type.FILE)
                .count(Dataset.Statistic.FILES, read.size())
                .count(
                        Dataset.Statistic.BYTES,
                        read.stream().mapToLong(Found.Entry::size).sum()));
    }

    /** Returns the files that are read. */
    private List<Found.Entry> read(Found files) {
        return switch (format) {
            case WEBDATASET -> files.ending(TarSource.SUFFIX);
            case PARQUET -> files.visible();
            default -> files.files(file -> ImageEndings.isImage(file.name()), new PassedOver());
        };
    }

    /** Returns the listing. */
    public Listing listing() {
        if (list != null) {
            return list.listing(hadoop);
        }
        Found files = Objects.requireNonNull(found);
        List<Found.Entry> read = read(files);
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

    /** Chooses the files that are read in folders that the verb {@code pack} has written: those that their notes name. */
    private static final class Packed {
        /** A file that the verb {@code pack} has written: the how many-th, from 0, of how many. */
        private static final Pattern FILE = Pattern.compile("images-(\\d{5})-of-(\\d{5,9})\\.parquet");

        private final Found found;
        private final Map<String, FolderNote> notes =
                new HashMap<>(); // by the path of their folder, which ends with a slash
        private final Set<String> parts =
                new HashSet<>(); // folders with a note of which only some files were looked for

        private Packed(Configuration hadoop, Found found) {
            this.found = found;
            Storage storage = new Storage(hadoop);
            for (Found.Entry file : found.called(FolderNote.PACKED)) {
                add(file, storage.readString(found.file(file)));
            }
            SortedMap<String, Found.Entry> others = new TreeMap<>();
            found.read().stream()
                    .filter(file -> isInPlace(file) && !notes.containsKey(folder(file)))
                    .forEach(file -> others.put(folder(file), file));
            for (Found.Entry file : others.values()) { // of a pattern, or a file itself
                Path note = Storage.beside(found.file(file), FolderNote.PACKED);
                if (storage.exists(note)) {
                    add(file, storage.readString(note));
                    parts.add(folder(file));
                }
            }
        }

        private void add(Found.Entry file, String text) {
            FolderNote note = FolderNote.of(text);
            if (note != null) {
                notes.put(folder(file), note);
            }
        }

        private static String folder(Found.Entry file) {
            return file.name().substring(0, file.name().lastIndexOf('/') + 1);
        }

        /** Returns whether {@code pack} has written a file where it stays, so that only a note tells whether it counts. */
        private static boolean isInPlace(Found.Entry file) {
            return !FolderNote.withoutGeneration(file.fileName()).equals(file.fileName());
        }

        /**
         * Returns what was found, of folders that the verb {@code pack} has written only the files that their notes name. If it replaces them at
         * this moment, they are listed again.
         *
         * @throws UserError if some of the files are missing or not complete: a copy may end early
         */
        static Found whole(Configuration hadoop, @Nullable String key, Found found) {
            Map<String, FolderNote> before = Map.of();
            for (Found now = found; ; now = Found.at(hadoop, now.path(), key)) {
                Packed packed = new Packed(hadoop, now);
                boolean again = packed.notes.equals(before);
                String lacking = packed.lacking();
                if (lacking == null
                        && (again
                                || packed.parts
                                        .isEmpty())) { // of a part, only a listing between two equal notes is of one
                    // table
                    packed.choose();
                    return now;
                }
                if (again) {
                    throw UserError.of(
                            "%s: is not whole: %s; copy the files or pack the images again",
                            now.path(), Objects.requireNonNull(lacking));
                }
                before = packed.notes;
            }
        }

        private void choose() {
            for (Found.Entry file : found.read()) {
                if (isInPlace(file) && !notes.containsKey(folder(file))) {
                    throw UserError.of(
                            "%s: is not whole: it has %s, but no %s, which pack writes last; copy all files or pack the images"
                                    + " again",
                            found.path(), file.fileName(), FolderNote.PACKED);
                }
            }
            if (notes.values().stream().anyMatch(note -> note.files() != null)
                    || !found.read().stream().allMatch(this::isNamed)) {
                found.choose(this::isNamed, "that " + FolderNote.PACKED + " does not name");
            }
            FolderNote note = notes.get("");
            if (note == null || note.files() == null) {
                requireNumbered();
            }
        }

        /** Returns whether a file counts. Notes of earlier builds name none: then those do that were moved there. */
        private boolean isNamed(Found.Entry file) {
            FolderNote note = notes.get(folder(file));
            if (note == null) {
                return true;
            }
            return note.files() == null ? !isInPlace(file) : note.files().containsKey(file.fileName());
        }

        /** Returns what is not as the notes say; null if all is. */
        private @Nullable String lacking() {
            if (notes.isEmpty()) {
                return null;
            }
            Map<String, Long> sizes = new HashMap<>();
            found.visible().forEach(file -> sizes.put(file.name(), file.size()));
            for (Map.Entry<String, FolderNote> note : notes.entrySet()) {
                Map<String, Long> files = note.getValue().files();
                if (files == null) {
                    continue;
                }
                for (Map.Entry<String, Long> file : files.entrySet()) {
                    String name = note.getKey() + file.getKey();
                    Long size = sizes.get(name);
                    if (size == null ? !parts.contains(note.getKey()) : !size.equals(file.getValue())) {
                        return String.format(
                                "of the %d files that pack wrote, %s %s",
                                files.size(),
                                name,
                                size == null
                                        ? "is missing"
                                        : "has " + size + " bytes in place of the " + file.getValue() + " that "
                                                + FolderNote.PACKED + " tells");
                    }
                }
            }
            List<Found.Entry> read = found.read();
            return !parts.isEmpty() && read.stream().noneMatch(this::isNamed)
                    ? FolderNote.PACKED + " names none of its files, such as "
                            + read.get(0).fileName()
                    : null;
        }

        /** Refuses a folder without a note in which some of the files are missing that the verb {@code pack} writes. */
        private void requireNumbered() {
            List<String> names = found.ending(RowSource.SUFFIX).stream()
                    .map(Found.Entry::fileName)
                    .toList();
            List<Matcher> packed = names.stream().map(FILE::matcher).toList();
            boolean named =
                    names.size() == 1 && new Path(found.path()).getName().equals(names.get(0)); // itself
            if (names.isEmpty() || found.pattern() || named || !packed.stream().allMatch(Matcher::matches)) {
                return;
            }
            String of = packed.get(0).group(2);
            int count = Integer.parseInt(of);
            String first = names.get(0);
            for (int i = 0; i < count; i++) {
                String name = String.format(
                        Locale.ROOT, "images-%0" + packed.get(0).group(1).length() + "d-of-%s.parquet", i, of);
                if (!names.contains(name)) {
                    throw UserError.of(
                            "%s: is not whole: of the %d files that pack wrote, %s is missing (%s is there); copy the files or pack the"
                                    + " images again",
                            found.path(), count, name, first);
                }
            }
            if (names.size() > count) {
                throw UserError.of(
                        "%s: has %d files of several packings, such as %s and %s; keep those of one",
                        found.path(), names.size(), first, names.get(names.size() - 1));
            }
        }
    }
}
