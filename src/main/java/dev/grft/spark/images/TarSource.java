package dev.grft.spark.images;

import dev.grft.UserError;
import dev.grft.checkpoint.file.Storage;
import dev.grft.data.LabelForm;
import dev.grft.data.Labels;
import dev.grft.data.PassedOver;
import dev.grft.data.Target;
import dev.grft.spark.cluster.Causes;
import dev.grft.spark.cluster.Parcels;
import dev.grft.spark.cluster.Pulse;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.Serializable;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import java.util.TreeMap;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaPairRDD;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.util.CollectionAccumulator;
import org.apache.spark.util.SerializableConfiguration;
import org.apache.spark.util.TaskCompletionListener;
import org.jspecify.annotations.Nullable;
import scala.Tuple2;

/**
 * Images in tar files, as WebDataset lays them out: the entries of a sample follow each other and share a key, their path up to
 * the first point of the file's name. What follows the point says what an entry is: {@code jpg}, {@code png} and the others of {@link
 * ImageEndings} an image, {@code cls} the name or number of its class, {@code json} an object that has the class under the key {@code
 * data.labelColumn}; nothing else is read, but counted. An image's name is the tar's and the entry's, joined by a slash.
 *
 * <p>A task goes through a tar from its beginning to its end, once for names and labels and once for the images, and holds one
 * sample at a time. Nothing is unpacked to a disk.
 */
final class TarSource implements Source.Stored {
    /** The ending of a tar's name. */
    static final String SUFFIX = ".tar";

    /** Bytes of a part of a tar that a task reads in order: the whole tar is read up to there. */
    private static final long SMALLEST_PART = 1 << 23;

    /** Maximum number of parts of a tar: each reads the headers and the small contents of those before it, too. */
    private static final long MOST_PARTS = 16;

    private final JavaSparkContext context;
    private final Found found;
    private final Reader reader;
    private final @Nullable LabelForm labels;
    private PassedOver passed = new PassedOver(); // within the tars
    private @Nullable CollectionAccumulator<TreeMap<String, Long>>
            passedInOrder; // the same, of tasks that read in order
    private @Nullable CollectionAccumulator<String> cutInOrder; // tars without an end mark, of these tasks

    /**
     * Returns the images of the tars that were found.
     *
     * @param labels how labels are read; null for images without labels
     */
    TarSource(JavaSparkContext context, Configuration hadoop, Found found, @Nullable LabelForm labels) {
        this.context = context;
        this.found = found;
        this.reader = new Reader(new SerializableConfiguration(hadoop), found.root(), labels);
        this.labels = labels;
        if (found.ending(SUFFIX).isEmpty()) {
            throw new UserError(found.path() + ": there is no " + SUFFIX + " file; is data.format right?");
        }
    }

    @Override
    public Path root() {
        return found.root();
    }

    @Override
    public @Nullable LabelForm form() {
        return labels;
    }

    /** Returns the whole tars, each a part. */
    private List<Part> tars() {
        List<Part> tars = new ArrayList<>();
        for (Found.Entry tar : found.ending(SUFFIX)) {
            tars.add(new Part(tars.size(), found.file(tar).toString(), 0, Long.MAX_VALUE));
        }
        return tars;
    }

    @Override
    public List<Named> named(String prefix) {
        Reader read = reader; // tasks take this along, not the source
        Pulse pulse = Pulse.of(context.sc());
        List<Named> named = new ArrayList<>();
        passed = new PassedOver();
        List<Part> tars = tars();
        for (Listing listing : Causes.unwrapped(
                context.parallelize(tars, tars.size()).map(tar -> read.list(tar, prefix, pulse))::collect)) {
            named.addAll(listing.named);
            listing.passed.forEach(passed::add);
            if (listing.cut != null) {
                passed.note(mayBeCut(listing.cut));
            }
        }
        return named;
    }

    private String mayBeCut(String tar) {
        return found.path() + ": " + tar
                + " ends without the mark of a tar's end, so it may be cut off; compare it with its original";
    }

    @Override
    public PassedOver passedOver() {
        PassedOver all = new PassedOver();
        all.add(passed);
        if (passedInOrder != null) {
            passedInOrder.value().forEach(part -> part.forEach(all::add));
        }
        if (cutInOrder != null) {
            cutInOrder.value().forEach(tar -> all.note(mayBeCut(tar)));
        }
        Set<Found.Entry> tars = Set.copyOf(found.ending(SUFFIX));
        PassedOver beside = new PassedOver();
        found.files(tars::contains, beside);
        all.add(beside);
        if (labels != null
                && beside.reasons().keySet().stream().anyMatch(reason -> ImageEndings.contains(reason.substring(1)))) {
            all.note(found.path() + ": has images beside " + tars.size() + " " + SUFFIX
                    + ", which are read; to read the images, set data.format=folder");
        }
        return all;
    }

    @Override
    public void checkLabels(List<Named> named, boolean known) {
        for (Named image : named) {
            if (labels != null && image.label == null) {
                throw new UserError(
                        found.path() + ": " + image.name + " has no label; needs a .cls beside it, or a .json"
                                + " with the key that data.labelColumn names");
            }
        }
    }

    @Override
    public JavaPairRDD<Long, Encoded> encoded(String prefix, Ranking ranking, @Nullable Labels outputs) {
        Reader read = reader;
        List<Part> tars = tars();
        List<Tuple2<Part, Ranks>> parts = new ArrayList<>();
        List<Ranks> ranks = ranking.of(tars.size());
        tars.forEach(tar -> parts.add(new Tuple2<>(tar, ranks.get(tar.number))));
        return Parcels.of(context, parts)
                .flatMapToPair(tar -> new Ranked(read.open(tar._1(), true), prefix, tar._2(), outputs));
    }

    /** The images of a tar with their ranks; its end requires that they are those that were listed. */
    private static final class Ranked implements Iterator<Tuple2<Long, Encoded>> {
        private final TarSamples samples;
        private final String prefix;
        private final Ranks ranks;
        private final @Nullable Labels outputs;
        private int place;
        private long names;

        Ranked(TarSamples samples, String prefix, Ranks ranks, @Nullable Labels outputs) {
            this.samples = samples;
            this.prefix = prefix;
            this.ranks = ranks;
            this.outputs = outputs;
        }

        @Override
        public boolean hasNext() {
            boolean more = samples.hasNext();
            if (!more && !ranks.areOf(names)) {
                throw new UserError(
                        samples.tar + ": has not the images that were listed; keep the images unchanged during a run");
            }
            return more;
        }

        @Override
        public Tuple2<Long, Encoded> next() {
            TarSamples.Sample sample = samples.next();
            Encoded image = sample.encoded(prefix, ImageSource.target(outputs, sample.label));
            names = Ranks.next(names, image.name);
            return new Tuple2<>(ranks.at(place++, image.name), image);
        }
    }

    @Override
    public long count() {
        return -1;
    }

    /** Where there are fewer tars than partitions, several tasks read a part of each. */
    @Override
    public JavaRDD<Encoded> inOrder(int partitions, int batch) {
        CollectionAccumulator<TreeMap<String, Long>> passedByTask = new CollectionAccumulator<>();
        context.sc().register(passedByTask);
        passedInOrder = passedByTask;
        CollectionAccumulator<String> cutByTask = new CollectionAccumulator<>();
        context.sc().register(cutByTask);
        cutInOrder = cutByTask;
        List<Found.Entry> tars = found.ending(SUFFIX);
        List<Part> parts = new ArrayList<>();
        for (Found.Entry tar : tars) {
            long bytes = tar.size();
            long number = Math.max(
                    1, Math.min(bytes / SMALLEST_PART + 1, Math.min(MOST_PARTS, (long) partitions / tars.size())));
            for (long i = 0; i < number; i++) {
                parts.add(new Part(
                        parts.size(),
                        found.file(tar).toString(),
                        bytes / number * i,
                        i == number - 1 ? Long.MAX_VALUE : bytes / number * (i + 1)));
            }
        }
        Reader read = reader;
        return context.parallelize(parts, parts.size())
                .flatMap(part -> {
                    TarSamples samples = read.open(part, true);
                    TaskContext.get().addTaskCompletionListener((TaskCompletionListener) task -> {
                        passedByTask.add(new TreeMap<>(samples.passed));
                        if (samples.cut) {
                            cutByTask.add(samples.tar);
                        }
                    });
                    return samples;
                })
                .map(sample -> sample.encoded("", Target.NONE));
    }

    /** The samples of a tar whose first entry has its content in some range of bytes. */
    private static final class Part implements Serializable {
        private static final long serialVersionUID = 1L;

        final int number;
        final String tar;
        final long from;
        final long to; // exclusive

        Part(int number, String tar, long from, long to) {
            this.number = number;
            this.tar = tar;
            this.from = from;
            this.to = to;
        }
    }

    /** Opens tars in the tasks. */
    private static final class Reader implements Serializable {
        private static final long serialVersionUID = 1L;

        private final SerializableConfiguration hadoop;
        private final Path root;
        private final @Nullable LabelForm labels;

        Reader(SerializableConfiguration hadoop, Path root, @Nullable LabelForm labels) {
            this.hadoop = hadoop;
            this.root = root;
            this.labels = labels;
        }

        Listing list(Part tar, String prefix, Pulse pulse) {
            Listing listing = new Listing();
            TarSamples samples = open(tar, false);
            samples.forEachRemaining(sample -> {
                pulse.beat(1);
                listing.named.add(new Named(prefix + sample.name, sample.label, tar.number, listing.named.size()));
            });
            listing.passed.putAll(samples.passed);
            listing.cut = samples.cut ? samples.tar : null;
            return listing;
        }

        TarSamples open(Part part, boolean content) {
            Path path = new Path(part.tar);
            try {
                FileSystem files = Storage.files(hadoop.value(), path);
                long bytes = files.getFileStatus(path).getLen();
                TarSamples.Skimmed skimmed = new TarSamples.Skimmed(files.open(path), bytes);
                TaskContext.get().addTaskCompletionListener((TaskCompletionListener) task -> skimmed.close());
                return new TarSamples(Found.relative(root, path), skimmed, labels, content, part.from, part.to);
            } catch (FileNotFoundException e) {
                throw new UserError(part.tar + ": is no longer there; keep the images unchanged during a run", e);
            } catch (IOException e) {
                throw new UncheckedIOException(part.tar + ": cannot be opened", e);
            }
        }
    }

    /** What is in a tar. */
    private static final class Listing implements Serializable {
        private static final long serialVersionUID = 1L;

        final List<Named> named = new ArrayList<>();
        final TreeMap<String, Long> passed = new TreeMap<>(); // files, by reason

        @Nullable
        String cut; // the tar, if it has no end mark
    }
}
