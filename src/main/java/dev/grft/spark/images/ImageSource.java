package dev.grft.spark.images;

import dev.grft.UserError;
import dev.grft.data.BrokenImages;
import dev.grft.data.Labels;
import dev.grft.data.Preprocess;
import dev.grft.data.Sha256;
import java.io.Serializable;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Supplier;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.Partitioner;
import org.apache.spark.SparkContext;
import org.apache.spark.api.java.JavaPairRDD;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.SparkSession;
import org.jspecify.annotations.Nullable;

/**
 * Reads images from any file system that Spark reaches, in two passes. The first takes the names and labels to the
 * driver and ranks them (about 300 bytes an image there, half of which each executor gets, too); the second takes the
 * encoded images to their shards, in one shuffle, and decodes them there, once.
 *
 * <p>A folder has a folder for each class, with images (.jpg, .jpeg, .png) at any depth; an image's name is its path
 * below the folder. Parquet has an image in each row: bytes, or a struct with a field {@code bytes} as Hugging Face
 * writes; the name is the file's path, # and the row's number in the file. Files and folders whose names begin with .
 * or _ are not read. A file may name images and their classes, see {@link ImageList}; an image's name is its path there, and
 * one that is named but not there is broken. Of WebDataset see {@link TarSource}.
 *
 * <p>Several paths are one set; where their roots differ, names begin with what differs.
 */
public final class ImageSource {
    /** How the images are stored. */
    public enum Format {
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
        CSV(".csv"),
        /** A JSON object on each line, with the same keys. */
        JSONL(".jsonl");

        private final String suffix; // of a file that names images; else empty

        Format(String suffix) {
            this.suffix = suffix;
        }

        /** Returns this, or what the ending of a path tells. */
        private Format at(String path) {
            String lower = path.toLowerCase(Locale.ROOT);
            return this != AUTO
                    ? this
                    : Arrays.stream(values())
                            .filter(format -> !format.suffix.isEmpty() && lower.endsWith(format.suffix))
                            .findFirst()
                            .orElse(AUTO);
        }
    }

    /**
     * How images are found at a path.
     *
     * @param imageColumn of Parquet: the images
     * @param labelColumn the classes: the column of Parquet and CSV, the key of JSONL and of WebDataset's json; strings or
     *     integers, an integer is a class named by its digits; null for images without classes
     * @param root of a file that names images: the folder that paths are relative to; null for that of the file
     */
    public record Form(
            Format format,
            String imageColumn,
            @Nullable String labelColumn,
            @Nullable String root) {

        /** Returns whether the images get their classes. */
        boolean labeled() {
            return labelColumn != null;
        }

        /** Returns this for images without classes. */
        public Form unlabeled() {
            return new Form(format, imageColumn, null, root);
        }

        /**
         * Returns what a path names, if it is a file that names images.
         *
         * @throws UserError if it cannot be read, or is malformed
         */
        @Nullable
        ImageList list(Configuration hadoop, String path) {
            Format of = format.at(path);
            return of.suffix.isEmpty() ? null : ImageList.read(hadoop, path, of, labelColumn, root);
        }
    }

    private final SparkSession spark;
    private final String place; // for messages
    private final List<Source> sources;
    private final List<String> prefixes; // of the names of each source

    private ImageSource(SparkSession spark, List<String> paths, List<Source> sources) {
        this.spark = spark;
        this.place = String.join(" and ", paths);
        this.sources = sources;
        this.prefixes = prefixes(
                sources.stream().map(source -> source.root().toUri().getPath()).toList());
    }

    /** Returns what lies at a path, to be looked at without decoding it. */
    public static ImageSource at(SparkSession spark, String path, Form form) {
        return new ImageSource(spark, List.of(path), List.of(open(spark, path, form)));
    }

    /** Returns what it is called in messages. */
    public String place() {
        return place;
    }

    /**
     * Returns the labeled images at some paths, as one set.
     *
     * @param paths each a folder, or a file that names images; for Parquet a folder, a file or a pattern such as {@code
     *     data/train-*.parquet}
     * @param known the classes of a trained head, none other may come; null for those that are found, two or more
     * @param preprocess how the images are prepared
     * @param maxBroken the share of images that may be broken, in [0, 1]
     * @param shards how many partitions the examples get, 1 or more
     * @throws UserError if there is nothing at a path, or something else than expected, or too much of it is broken, or
     *     an image comes twice
     */
    public static Images read(
            SparkSession spark,
            List<String> paths,
            Form form,
            @Nullable Labels known,
            Preprocess preprocess,
            double maxBroken,
            int shards) {
        return read(spark, paths, open(spark, paths, form), known, preprocess, maxBroken, shards);
    }

    /** Returns the labeled images of sources that are open already, each at a place, otherwise as {@link #read}. */
    public static Images read(
            SparkSession spark,
            List<String> places,
            List<Source> sources,
            @Nullable Labels known,
            Preprocess preprocess,
            double maxBroken,
            int shards) {
        return new ImageSource(spark, places, sources).images(known, preprocess, maxBroken, shards);
    }

    /**
     * Returns the images at a path without labels ({@link Example#UNLABELED}), in folders at any depth, or a single
     * one; otherwise as {@link #read}.
     */
    public static Images unlabeled(
            SparkSession spark, String path, Form form, Preprocess preprocess, double maxBroken, int shards) {
        List<Source> sources = open(spark, List.of(path), form.unlabeled());
        return read(spark, List.of(path), sources, Labels.none(), preprocess, maxBroken, shards);
    }

    private static List<Source> open(SparkSession spark, List<String> paths, Form form) {
        return paths.stream().map(path -> open(spark, path, form)).toList();
    }

    /** Returns the images at one path. */
    public static Source open(SparkSession spark, String path, Form form) {
        Configuration hadoop = spark.sessionState().newHadoopConf();
        JavaSparkContext context = JavaSparkContext.fromSparkContext(spark.sparkContext());
        ImageList list = form.list(hadoop, path);
        if (list != null) {
            return new ListedImages(context, hadoop, list, form.labeled());
        }
        Found found = Found.at(hadoop, path);
        boolean tars = form.format() == Format.WEBDATASET
                || (form.format() == Format.AUTO
                        && !found.ending(TarSource.SUFFIX).isEmpty());
        return tars ? new TarSource(context, hadoop, found, form.labelColumn()) : RowSource.open(spark, found, form);
    }

    private Images images(@Nullable Labels known, Preprocess preprocess, double maxBroken, int shards) {
        if (shards < 1) {
            throw new IllegalArgumentException("needs 1 shard or more, got " + shards);
        }
        List<Named> named = described("Listing the images of " + place, () -> named(known != null));
        Labels labels = known == null || known.size() > 0 ? labels(named, known) : known;
        return described(
                "Decoding the " + named.size() + " images of " + place + " into " + shards + " shards",
                () -> decoded(named, labels, preprocess, maxBroken, shards));
    }

    /**
     * Returns what the names of each source begin with: what its root adds to the folder that all roots have in common;
     * nothing if they are the same.
     */
    public static List<String> prefixes(List<String> roots) {
        List<String[]> parts = roots.stream()
                .map(root -> root.equals("/") ? new String[] {""} : root.split("/", -1))
                .toList();
        int common = 0;
        while (sameAt(common, parts)) {
            common++;
        }
        int from = common;
        return parts.stream()
                .map(root ->
                        root.length == from ? "" : String.join("/", Arrays.copyOfRange(root, from, root.length)) + "/")
                .toList();
    }

    private static boolean sameAt(int part, List<String[]> roots) {
        String[] first = roots.get(0);
        return part < first.length
                && roots.stream().allMatch(root -> part < root.length && root[part].equals(first[part]));
    }

    /**
     * Returns names and labels of all images, by name.
     *
     * @param known whether the classes are known, and not those that are found
     */
    public List<Named> named(boolean known) {
        List<Named> all = new ArrayList<>();
        for (int i = 0; i < sources.size(); i++) {
            List<Named> named = sources.get(i).named(prefixes.get(i));
            sources.get(i).checkLabels(named, known);
            all.addAll(named);
        }
        if (all.isEmpty()) {
            throw new UserError(place
                    + ": there are no images, neither .jpg, .jpeg and .png files, also in tars, nor rows of Parquet");
        }
        all.sort(Comparator.comparing((Named image) -> image.name));
        for (int i = 1; i < all.size(); i++) {
            if (all.get(i).name.equals(all.get(i - 1).name)) {
                throw new UserError(place + ": " + all.get(i).name + " is in more than one of them; keep it in one");
            }
        }
        return all;
    }

    private Labels labels(List<Named> named, @Nullable Labels known) {
        Set<String> names = new TreeSet<>();
        for (Named image : named) {
            if (image.label != null) {
                names.add(image.label);
            }
        }
        try {
            Labels declared = known == null ? declared() : known;
            if (declared != null) {
                names.forEach(declared::index);
                return declared;
            }
            return Labels.of(names);
        } catch (UserError e) {
            throw new UserError(place + ": " + e.getMessage(), e);
        }
    }

    /** Returns the classes that the sources themselves name, in order; null if none does. */
    private @Nullable Labels declared() {
        List<String> declared = null;
        for (Source source : sources) {
            List<String> classes = source.classes();
            if (declared != null && classes != null && !declared.equals(classes)) {
                throw new UserError("they name different classes, " + String.join(", ", declared) + " and "
                        + String.join(", ", classes) + "; use sets with the same ones");
            }
            declared = declared == null ? classes : declared;
        }
        return declared == null ? null : Labels.inOrder(declared);
    }

    private Images decoded(List<Named> named, Labels labels, Preprocess preprocess, double maxBroken, int shards) {
        Broadcast<String[]> names = JavaSparkContext.fromSparkContext(spark.sparkContext())
                .broadcast(named.stream().map(image -> image.name).toArray(String[]::new));
        Shards decoded = new Shards(encoded(names, labels)
                .repartitionAndSortWithinPartitions(new ByShard(shards))
                .map(image -> image._2().decoded(image._1(), preprocess)));
        Runnable release = () -> {
            decoded.release();
            names.unpersist(false);
        };
        try {
            Decoded[] results = results(decoded.results(), named);
            BrokenImages broken = broken(named, results);
            long count = broken.total() - broken.count();
            broken.check(maxBroken, place);
            if (count == 0) {
                throw new UserError(place + ": " + broken + "; there must be one to read");
            }
            return new Images(decoded.shards(), labels, count, broken, digest(named, results), release);
        } catch (RuntimeException e) {
            release.run();
            throw e;
        }
    }

    /** Returns all images by their rank among their names; without labels they get none. */
    public JavaPairRDD<Long, Encoded> encoded(Broadcast<String[]> names, @Nullable Labels labels) {
        JavaPairRDD<Long, Encoded> encoded = sources.get(0).encoded(prefixes.get(0), names, labels);
        for (int i = 1; i < sources.size(); i++) {
            encoded = encoded.union(sources.get(i).encoded(prefixes.get(i), names, labels));
        }
        return encoded;
    }

    static long rank(String[] names, String name) {
        int rank = Arrays.binarySearch(names, name);
        if (rank < 0) {
            throw new UserError(name + " was not there when the images were listed; read a set that does not change");
        }
        return rank;
    }

    /** Decodes, and returns what came of each image, by id, without the examples. */
    private Decoded[] results(JavaRDD<Decoded> decoded, List<Named> named) {
        Decoded[] results = new Decoded[named.size()];
        for (Decoded image : decoded.collect()) {
            results[(int) image.id] = image;
        }
        for (int id = 0; id < results.length; id++) {
            if (results[id] == null && !named.get(id).skippedIfEmpty) {
                throw new UserError(place + ": listed " + results.length + " images but could not read all of them;"
                        + " read a set that does not change");
            } else if (results[id] == null) {
                results[id] = new Decoded(id, Sha256.digest().digest(), null, "empty");
            }
        }
        return results;
    }

    private static BrokenImages broken(List<Named> named, Decoded[] results) {
        List<BrokenImages.Broken> broken = new ArrayList<>();
        for (int id = 0; id < results.length; id++) {
            String reason = results[id].reason;
            if (reason != null) {
                broken.add(new BrokenImages.Broken(named.get(id).name, reason));
            }
        }
        return new BrokenImages(broken, results.length);
    }

    private static String digest(List<Named> named, Decoded[] results) {
        MessageDigest digest = Sha256.digest();
        for (int id = 0; id < results.length; id++) {
            Named image = named.get(id);
            String line = image.name
                    + '\t'
                    + (image.label == null ? "" : image.label)
                    + '\t'
                    + HexFormat.of().formatHex(results[id].sha256)
                    + '\n';
            digest.update(line.getBytes(StandardCharsets.UTF_8));
        }
        return Sha256.hexadecimal(digest);
    }

    /** Shows a sentence in Spark's pages while something runs. */
    private <T> T described(String sentence, Supplier<T> job) {
        SparkContext context = spark.sparkContext();
        String before = context.getLocalProperty("spark.job.description");
        context.setJobDescription(sentence);
        try {
            return job.get();
        } finally {
            context.setJobDescription(before);
        }
    }

    // What travels between machines is of classes, not records: Kryo cannot write records.

    public static final class Named implements Serializable {
        private static final long serialVersionUID = 1L;

        public final String name;
        public final @Nullable String label;
        final boolean skippedIfEmpty; // by who reads it

        Named(String name, @Nullable String label, boolean skippedIfEmpty) {
            this.name = name;
            this.label = label;
            this.skippedIfEmpty = skippedIfEmpty;
        }
    }

    private static final class ByShard extends Partitioner {
        private static final long serialVersionUID = 1L;

        private final int shards;

        ByShard(int shards) {
            this.shards = shards;
        }

        @Override
        public int numPartitions() {
            return shards;
        }

        @Override
        public int getPartition(Object id) {
            return (int) ((Long) id % shards);
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof ByShard partitioner && shards == partitioner.shards;
        }

        @Override
        public int hashCode() {
            return shards;
        }
    }
}
