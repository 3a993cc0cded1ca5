package dev.grft.spark.images;

import dev.grft.checkpoint.file.Storage;
import dev.grft.data.LabelForm;
import dev.grft.data.Labels;
import dev.grft.data.Target;
import dev.grft.spark.cluster.Parcels;
import java.io.File;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.Serializable;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.ChecksumException;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.security.AccessControlException;
import org.apache.spark.Partitioner;
import org.apache.spark.api.java.JavaPairRDD;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.util.SerializableConfiguration;
import org.jspecify.annotations.Nullable;
import scala.Tuple2;

/** Images that an {@link ImageList} names. Each is opened by the task that reads it; nothing is listed. */
final class ListedImages implements Source.Stored {
    /** Images that one task reads, one after the other. */
    private static final int IN_A_TASK = 256;

    /** Images that are worth a task of their own where cores are free. */
    private static final int LEAST = 8;

    private final JavaSparkContext context;
    private final Configuration hadoop;
    private final ImageList list;
    private final @Nullable LabelForm labels; // null: images get none

    /**
     * Returns the images of a list.
     *
     * @param labels how labels were read; null: images get none
     */
    ListedImages(JavaSparkContext context, Configuration hadoop, ImageList list, @Nullable LabelForm labels) {
        this.context = context;
        this.hadoop = hadoop;
        this.list = list;
        this.labels = labels;
    }

    @Override
    public Path root() {
        return list.root();
    }

    @Override
    public @Nullable LabelForm form() {
        return labels;
    }

    @Override
    public List<Named> named(String prefix) {
        List<Named> named = new ArrayList<>();
        list.classes()
                .forEach((name, label) ->
                        named.add(new Named(prefix + name, labels == null ? null : label, 0, named.size())));
        return named;
    }

    @Override
    public void checkLabels(List<Named> named, boolean known) {
        // every line has one
    }

    @Override
    public Files files(String prefix, @Nullable Labels outputs) {
        List<Wanted> wanted = new ArrayList<>();
        for (Map.Entry<String, String> image : list.classes().entrySet()) {
            wanted.add(new Wanted(
                    prefix + image.getKey(),
                    ImageList.below(list.root(), image.getKey()).toString(),
                    ImageSource.target(outputs, labels == null ? null : image.getValue())));
        }
        return new Files(context, hadoop, wanted);
    }

    @Override
    public JavaPairRDD<Long, Encoded> encoded(String prefix, Ranking ranking, @Nullable Labels labels) {
        return files(prefix, labels).ranked(ranking.of(1).get(0));
    }

    @Override
    public long count() {
        return list.classes().size();
    }

    @Override
    public JavaRDD<Encoded> inOrder(int partitions, int batch) {
        return files("", null).inOrder(partitions, batch);
    }

    /** Files that hold an image each. A task gets the paths of its partition and opens one file after the other. */
    static final class Files {
        private final JavaSparkContext context;
        private final Configuration hadoop;
        private final List<Wanted> wanted;

        Files(JavaSparkContext context, Configuration hadoop, List<Wanted> wanted) {
            this.context = context;
            this.hadoop = hadoop;
            this.wanted = new ArrayList<>(wanted);
            this.wanted.sort(Comparator.comparing((Wanted image) -> image.name));
        }

        /** Returns these and those of another source. */
        Files and(Files others) {
            List<Wanted> all = new ArrayList<>(wanted);
            all.addAll(others.wanted);
            return new Files(context, hadoop, all);
        }

        /** Returns the images in so many partitions of whole batches, in the order of their names. */
        JavaRDD<Encoded> inOrder(int partitions, int batch) {
            SerializableConfiguration configuration = new SerializableConfiguration(hadoop);
            return sent(cut(wanted, partitions, batch)).map(image -> image.read(configuration.value()));
        }

        private static <T> List<List<T>> cut(List<T> all, int partitions, int batch) {
            long batches = ((long) all.size() + batch - 1) / batch;
            List<List<T>> parts = new ArrayList<>();
            int from = 0;
            for (int p = 1; p <= partitions; p++) {
                int to = (int) Math.min(all.size(), p * batches / partitions * batch);
                parts.add(new ArrayList<>(all.subList(from, to)));
                from = to;
            }
            return parts;
        }

        /**
         * Returns the images by their rank, in that order.
         *
         * @param ranks of these images, by their place in the order of the names
         */
        JavaPairRDD<Long, Encoded> ranked(Ranks ranks) {
            int tasks = Math.max(
                    (wanted.size() + IN_A_TASK - 1) / IN_A_TASK,
                    Math.min(context.defaultParallelism(), (wanted.size() + LEAST - 1) / LEAST));
            List<Ranked> ranked = new ArrayList<>();
            for (Wanted image : wanted) {
                ranked.add(new Ranked(ranks.at(ranked.size(), image.name), image));
            }
            return read(cut(ranked, Math.max(1, tasks), 1));
        }

        /** Returns the images, which are all that there are, by rank, in partitions and in the order of their ranks there. */
        JavaPairRDD<Long, Encoded> dealt(Partitioner partitioner) {
            List<List<Ranked>> parts = new ArrayList<>();
            for (int p = 0; p < partitioner.numPartitions(); p++) {
                parts.add(new ArrayList<>());
            }
            long rank = 0;
            for (Wanted image : wanted) {
                parts.get(partitioner.getPartition(rank)).add(new Ranked(rank++, image));
            }
            return read(parts);
        }

        private JavaPairRDD<Long, Encoded> read(List<List<Ranked>> parts) {
            SerializableConfiguration configuration = new SerializableConfiguration(hadoop);
            return sent(parts).mapToPair(image -> new Tuple2<>(image.rank, image.wanted.read(configuration.value())));
        }

        private <T> JavaRDD<T> sent(List<List<T>> parts) {
            return Parcels.of(context, parts).flatMap(List::iterator);
        }
    }

    /** A file and its rank among all images. */
    private static final class Ranked implements Serializable {
        private static final long serialVersionUID = 1L;

        final long rank;
        final Wanted wanted;

        Ranked(long rank, Wanted wanted) {
            this.rank = rank;
            this.wanted = wanted;
        }
    }

    /** A file that holds an image. */
    static final class Wanted implements Serializable {
        private static final long serialVersionUID = 1L;
        private static final int LONGEST_NAME = 255; // bytes, of the usual file systems

        final String name;
        final String path;
        final Target target;

        Wanted(String name, String path, Target target) {
            this.name = name;
            this.path = path;
            this.target = target;
        }

        Encoded read(Configuration hadoop) {
            Path file = new Path(path);
            try (var in = opened(Storage.files(hadoop, file), file)) {
                byte[] content = in.readNBytes(TarSamples.LARGEST + 1);
                return content.length > TarSamples.LARGEST
                        ? Encoded.broken(name, target, "more than the " + TarSamples.LARGEST + " bytes allowed")
                        : Encoded.file(name, target, content);
            } catch (FileNotFoundException | NoSuchFileException e) {
                return Encoded.broken(name, target, "missing, or not a file that can be read");
            } catch (AccessControlException | AccessDeniedException e) {
                return Encoded.broken(name, target, "not a file that this user may read");
            } catch (ChecksumException e) {
                return Encoded.broken(name, target, "not what its checksum file, ." + file.getName() + ".crc, says");
            } catch (IllegalArgumentException e) { // HDFS allows no colon in names
                return Encoded.broken(name, target, "its file system cannot open that name (" + e.getMessage() + ")");
            } catch (IOException e) {
                if (isNoFile(file)) {
                    return Encoded.broken(name, target, "missing, or not a file that can be read");
                }
                throw new UncheckedIOException(file + ": cannot be read", e);
            }
        }

        /**
         * Returns whether the local disk has no file of that path: it is of a directory or a socket, below a file, too long, or a link
         * that leads nowhere. Opening each of them fails in its own way. Any other failure is of the system, not of the path.
         */
        private static boolean isNoFile(Path file) {
            if (!"file".equals(file.toUri().getScheme())) {
                return false;
            }
            java.nio.file.Path path = java.nio.file.Path.of(file.toUri().getPath());
            try {
                return !java.nio.file.Files.readAttributes(path, BasicFileAttributes.class)
                        .isRegularFile();
            } catch (IOException e) {
                return file.getName().getBytes(StandardCharsets.UTF_8).length > LONGEST_NAME
                        || java.nio.file.Files.isSymbolicLink(path)
                        || !java.nio.file.Files.isDirectory(path.resolveSibling("."));
            }
        }

        /**
         * Opens a file. One of a local disk is opened itself unless Hadoop has left checksums of it; Hadoop would look at it a dozen
         * times. Hadoop's file of checksums cannot have a name with a colon.
         */
        private static InputStream opened(FileSystem files, Path file) throws IOException {
            if (Found.isLocal(files)) {
                File local = new File(file.toUri().getPath());
                if (local.getName().contains(":")
                        || !new File(local.getParent(), "." + local.getName() + ".crc").exists()) {
                    return java.nio.file.Files.newInputStream(
                            local.toPath()); // tells what is missing from what cannot be read
                }
            }
            return files.open(file);
        }
    }
}
