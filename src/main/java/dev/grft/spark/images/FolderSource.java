package dev.grft.spark.images;

import dev.grft.UserError;
import dev.grft.data.Labels;
import dev.grft.data.PassedOver;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.JavaPairRDD;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.jspecify.annotations.Nullable;

/** Images that are files at any depth of a folder of classes; of images without labels, anywhere. */
final class FolderSource implements Source.Stored {
    private static final Set<String> SPLITS =
            Set.of("train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval");

    private final JavaSparkContext context;
    private final Configuration hadoop;
    private final Found found;
    private final boolean labeled;
    private final List<Found.Entry> files;
    private final PassedOver passed = new PassedOver();

    /**
     * Returns the images that were found; they are listed here.
     *
     * @param labeled whether they get their classes
     */
    FolderSource(JavaSparkContext context, Configuration hadoop, Found found, boolean labeled) {
        if (found.pattern() && labeled) {
            throw new UserError(
                    found.path() + ": a pattern cannot name folders of classes; give the folder that has them");
        }
        this.context = context;
        this.hadoop = hadoop;
        this.found = found;
        this.labeled = labeled;
        SortedMap<String, PassedOver> lost = new TreeMap<>(); // by folder of a class
        found.folders().forEach(folder -> lost.put(folder, new PassedOver()));
        this.files = found.files(
                file -> {
                    boolean image = ImageEndings.isImage(file.name());
                    String folder = classOf(file.name());
                    PassedOver of = folder == null ? null : lost.get(folder);
                    if (of != null && image) {
                        lost.remove(folder);
                    } else if (of != null) {
                        of.add(ImageEndings.reason(file.fileName()), 1);
                    }
                    return image;
                },
                passed);
        ImageEndings.noteConvertible(passed, found.path());
        if (labeled) {
            lost.forEach(this::noteLost);
            noteBeside(TarSource.SUFFIX, "webdataset");
            noteBeside(RowSource.SUFFIX, "parquet");
        }
    }

    private void noteLost(String folder, PassedOver of) {
        String place = found.path() + ": the folder " + folder;
        if (Found.isHidden(folder)) {
            if (!folder.startsWith(".")) {
                passed.note(place + " is not a class, because its name begins with _; rename it if it is one");
            }
        } else {
            passed.note(place + " is not a class, because it has no " + ImageEndings.list("or") + " file"
                    + (of.count() == 0 ? "" : "; " + of));
        }
    }

    private void noteBeside(String suffix, String format) {
        int beside = found.ending(suffix).size();
        if (beside > 0) {
            passed.note(found.path() + ": has " + beside + " " + suffix + " beside " + files.size()
                    + " images in folders, which are read; to read the " + suffix + ", set data.format=" + format);
        }
    }

    /** Returns the first folder of a name; null if it lies in none. */
    private static @Nullable String classOf(String name) {
        int end = name.indexOf('/');
        return end < 0 ? null : name.substring(0, end);
    }

    private @Nullable String label(String name) {
        return labeled ? classOf(name) : null;
    }

    @Override
    public Path root() {
        return found.root();
    }

    @Override
    public List<Named> named(String prefix) {
        Map<String, String> same = new HashMap<>(); // one text for each class, not for each image
        List<Named> named = new ArrayList<>();
        for (Found.Entry file : files) {
            String label = label(file.name());
            named.add(new Named(
                    prefix + file.name(),
                    label == null ? null : same.computeIfAbsent(label, text -> text),
                    0,
                    named.size()));
        }
        return named;
    }

    @Override
    public PassedOver passedOver() {
        return passed;
    }

    @Override
    public void checkLabels(List<Named> named, boolean known) {
        if (!labeled) {
            return;
        }
        Set<String> labels = new TreeSet<>();
        for (Named image : named) {
            if (image.label == null) {
                throw new UserError(found.path() + ": " + image.name + " is in no folder of a class; move it into one,"
                        + " or give the folder above these folders");
            }
            labels.add(image.label);
        }
        if (!known && !labels.isEmpty() && SPLITS.containsAll(labels)) {
            throw new UserError(found.path() + ": the folders " + String.join(", ", labels)
                    + " look like splits of a set, not like its classes; give one of them");
        }
    }

    @Override
    public ListedImages.Files files(String prefix, @Nullable Labels labels) {
        List<ListedImages.Wanted> wanted = new ArrayList<>();
        for (Found.Entry file : files) {
            wanted.add(new ListedImages.Wanted(
                    prefix + file.name(), found.file(file).toString(), ImageSource.target(labels, label(file.name()))));
        }
        return new ListedImages.Files(context, hadoop, wanted);
    }

    @Override
    public JavaPairRDD<Long, Encoded> encoded(String prefix, Ranking ranking, @Nullable Labels labels) {
        return files(prefix, labels).ranked(ranking.of(1).get(0));
    }

    @Override
    public long count() {
        return files.size();
    }

    @Override
    public JavaRDD<Encoded> inOrder(int partitions, int batch) {
        return files("", null).inOrder(partitions, batch);
    }
}
