package dev.grft.spark.images;

import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.data.LabelForm;
import dev.grft.data.Labels;
import dev.grft.data.PassedOver;
import dev.grft.data.Target;
import dev.grft.spark.cluster.Pulse;
import dev.grft.spark.images.Source.Named;
import java.net.URI;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.apache.spark.Partitioner;
import org.apache.spark.api.java.JavaPairRDD;
import org.apache.spark.sql.SparkSession;
import org.jspecify.annotations.Nullable;

/**
 * Images at one or more paths, as one set, on any file system that Spark reaches. Where the roots of the paths differ, in
 * their bucket or below it, names begin with what differs.
 *
 * <p>A folder has a folder for each class, with images ({@link ImageEndings}) at any depth; an image's name is its path
 * below the folder. Parquet has an image in each row: bytes, or a struct with a field {@code bytes} as Hugging Face
 * writes; the name is the file's path, # and the row's number in the file. Files and folders whose names begin with .
 * or _ are not read. A file may name images and their classes, see {@link ImageList}; an image's name is its path there, and
 * one that is named but not there is broken. Of WebDataset see {@link TarSource}.
 */
public final class ImageSource {
    private final String place; // for messages
    private final List<Source> sources;
    private final List<String> prefixes; // of the names of each source

    /** Returns the images of sources that are open already, each at a place. */
    public ImageSource(List<String> places, List<Source> sources) {
        this.place = String.join(" and ", places);
        this.sources = sources;
        this.prefixes = prefixes(
                places(sources.stream().map(source -> source.root().toUri()).toList()));
    }

    /**
     * Returns the images at some paths; they are neither listed nor decoded yet.
     *
     * @param paths each a folder, or a file that names images; for Parquet a folder, a file or a pattern such as {@code
     *     data/train-*.parquet}
     * @throws UserError if there is nothing at a path, or something else than expected
     */
    public static ImageSource at(SparkSession spark, List<String> paths, ReadOptions options) {
        return new ImageSource(
                paths,
                paths.stream().<Source>map(path -> open(spark, path, options)).toList());
    }

    /** Returns the images at one path. */
    public static Source.Stored open(SparkSession spark, String path, ReadOptions options) {
        return Inputs.at(spark.sessionState().newHadoopConf(), null, path, options)
                .open(spark);
    }

    /** Returns the paths, for messages. */
    public String place() {
        return place;
    }

    /**
     * Returns names and labels of all images, by name.
     *
     * @param known whether the classes are known, and not those that are found
     * @throws UserError if there is none, one comes twice, or one has no label and needs one
     */
    public List<Named> named(boolean known) {
        List<Named> all = new ArrayList<>();
        for (int i = 0; i < sources.size(); i++) {
            List<Named> named = sources.get(i).named(prefixes.get(i));
            sources.get(i).checkLabels(named, known);
            for (Named image : named) {
                image.source = i;
                all.add(image);
            }
        }
        if (all.isEmpty()) {
            throw none(place, passedOver());
        }
        all.sort(Comparator.comparing((Named image) -> image.name));
        for (int i = 1; i < all.size(); i++) {
            if (all.get(i).name.equals(all.get(i - 1).name)) {
                throw new UserError(place + ": " + all.get(i).name + " is in more than one of them; keep it in one");
            }
        }
        return all;
    }

    /** Returns the error of a place without images. */
    public static UserError none(String place, PassedOver passed) {
        return new UserError(place + ": there are no images, neither " + ImageEndings.list("and")
                + " files, also in tars, nor rows of Parquet" + (passed.count() == 0 ? "" : "; " + passed));
    }

    /** Returns what lies at the paths and is not among the images; to be called after {@link #named}. */
    public PassedOver passedOver() {
        PassedOver all = new PassedOver();
        sources.forEach(source -> all.add(source.passedOver()));
        return all;
    }

    /** Returns the outputs of all images: the known ones, those that the sources name, or the classes that are found. */
    Labels labels(List<Named> named, @Nullable Labels known) {
        Task task = sources.get(0).task();
        Set<String> names = new TreeSet<>();
        for (Named image : named) {
            if (image.label != null && task == Task.SINGLE_LABEL) {
                names.add(image.label);
            } else if (image.label != null && task == Task.MULTI_LABEL) {
                names.addAll(LabelForm.parts(image.label));
            }
        }
        try {
            List<String> declared = known == null || task == Task.REGRESSION ? declared() : null;
            if (known != null) {
                requireFit(known, task, declared);
                requireAll(known, task);
            }
            Labels labels = known == null && declared != null ? Labels.inOrder(task, declared) : known;
            if (labels == null) {
                return Labels.of(task, names);
            }
            names.forEach(labels::index);
            return known != null
                    ? known
                    : labels.ofTraining(named.stream()
                            .flatMap(image -> Stream.ofNullable(image.label))
                            .toList());
        } catch (UserError e) {
            throw new UserError(place + ": " + e.getMessage(), e);
        }
    }

    /** Refuses images for a head of another task or of other values. */
    private static void requireFit(Labels known, Task task, @Nullable List<String> declared) {
        if (known.task() != task) {
            throw UserError.of("data.task is %s, but the head is of the task %s; set data.task", task, known.task());
        }
        if (declared != null && !declared.equals(known.names())) {
            throw UserError.of(
                    "data.labelColumn names %s, but the head has the values %s; set data.labelColumn",
                    String.join(", ", declared), known);
        }
    }

    /** Refuses images that tell nothing of a class which they may show beside others. */
    private void requireAll(Labels known, Task task) {
        for (Source source : sources) {
            List<String> told = task == Task.MULTI_LABEL ? source.classes() : null;
            if (told != null && !told.containsAll(known.names())) {
                throw UserError.of(
                        "the images tell of the classes %s, but the head has the classes %s; set data.labelColumn",
                        String.join(", ", told), known);
            }
        }
    }

    /** Returns a digest of all that a training takes of the images, given that of names, labels and bytes. */
    public String content(String digest) {
        return Inputs.digest(digest, String.valueOf(declared()));
    }

    /** Returns the classes that the sources themselves name, in order; null if none does. */
    private @Nullable List<String> declared() {
        List<String> declared = null;
        for (Source source : sources) {
            List<String> classes = source.classes();
            if (declared != null && classes != null && !declared.equals(classes)) {
                throw new UserError("they name different classes, " + String.join(", ", declared) + " and "
                        + String.join(", ", classes) + "; use sets with the same classes");
            }
            declared = declared == null ? classes : declared;
        }
        return declared;
    }

    /**
     * Returns the encoded images in partitions, each sorted by rank among the names. Runs of consecutive ranks go to the
     * partitions in turn; an image that is not there is left out. A partition of images that have a file each opens its own files;
     * others are shuffled to their partitions.
     *
     * @param named all images, as {@link #named} has returned them
     * @param labels the classes; null: the images get none
     * @param run how many consecutive ranks go to the same partition
     */
    public JavaPairRDD<Long, Encoded> encoded(List<Named> named, @Nullable Labels labels, int partitions, int run) {
        Partitioner byRank = new ByRank(partitions, run);
        ListedImages.Files files = files(labels);
        return files == null
                ? encoded(named, labels).repartitionAndSortWithinPartitions(byRank)
                : counted(files.dealt(byRank));
    }

    /** Returns the encoded images by their rank, in the tasks that read them. */
    JavaPairRDD<Long, Encoded> encoded(List<Named> named, @Nullable Labels labels) {
        JavaPairRDD<Long, Encoded> encoded = null;
        for (int i = 0; i < sources.size(); i++) {
            int source = i;
            JavaPairRDD<Long, Encoded> some =
                    sources.get(i).encoded(prefixes.get(i), parts -> Ranks.of(named, source, parts), labels);
            encoded = encoded == null ? some : encoded.union(some);
        }
        return counted(Objects.requireNonNull(encoded));
    }

    /** Returns the files of all images if each image has one; else null. */
    private ListedImages.@Nullable Files files(@Nullable Labels labels) {
        ListedImages.Files all = null;
        for (int i = 0; i < sources.size(); i++) {
            ListedImages.Files some = sources.get(i).files(prefixes.get(i), labels);
            if (some == null) {
                return null;
            }
            all = all == null ? some : all.and(some);
        }
        return all;
    }

    private static JavaPairRDD<Long, Encoded> counted(JavaPairRDD<Long, Encoded> encoded) {
        Pulse pulse = Pulse.of(encoded.context());
        return encoded.mapToPair(image -> {
            pulse.beat(1);
            return image;
        });
    }

    /** Deals runs of consecutive ranks to partitions in turn. */
    static final class ByRank extends Partitioner {
        private static final long serialVersionUID = 1L;

        private final int partitions;
        private final int run;

        ByRank(int partitions, int run) {
            this.partitions = partitions;
            this.run = run;
        }

        @Override
        public int numPartitions() {
            return partitions;
        }

        @Override
        public int getPartition(Object rank) {
            return (int) ((Long) rank / run % partitions);
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof ByRank that && partitions == that.partitions && run == that.run;
        }

        @Override
        public int hashCode() {
            return Objects.hash(partitions, run);
        }
    }

    /** Returns what an image shows by its label, {@link Target#NONE} without a label or labels. */
    static Target target(@Nullable Labels labels, @Nullable String label) {
        return labels == null || label == null ? Target.NONE : labels.target(label);
    }

    /** Returns the paths of roots; with their bucket, cluster or file system in front if it is not the same of all. */
    static List<String> places(List<URI> roots) {
        boolean several = roots.stream()
                        .filter(root -> root.getScheme() != null) // a data frame has none
                        .map(ImageSource::holder)
                        .distinct()
                        .count()
                > 1;
        return roots.stream()
                .map(root -> several && root.getScheme() != null
                        ? "/" + holder(root) + (root.getPath().equals("/") ? "" : root.getPath())
                        : root.getPath())
                .toList();
    }

    private static String holder(URI root) {
        return root.getAuthority() == null ? root.getScheme() : root.getAuthority();
    }

    /**
     * Returns what the names of each source begin with: what its root adds to the folder that all roots have in common;
     * nothing if they are the same.
     */
    static List<String> prefixes(List<String> roots) {
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
}
