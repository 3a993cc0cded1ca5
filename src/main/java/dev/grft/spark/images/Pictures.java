package dev.grft.spark.images;

import dev.grft.Task;
import dev.grft.data.Target;
import dev.grft.report.Thumbnail;
import dev.grft.spark.cluster.Causes;
import java.io.Serializable;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import scala.Tuple2;

/** What a person wants to see of a set of labeled images: how many show each class, and small pictures of some. */
public final class Pictures {
    /** Most pictures in the summary of a set. */
    static final int MOST = 32;

    private Pictures() {}

    /** What a part's images show, added up, and the ids of some of them. */
    private static final class Seen implements Serializable {
        private static final long serialVersionUID = 1L;

        final int[] shown; // classes that an image shows, each once: most parts have few of many
        final long[] counts; // images that show each of these
        final long[][] first; // [chosen classes][at most so many]

        Seen(Shard part, int classes, int[] chosen, int each) {
            long[] ofClass = new long[classes];
            for (Target target : part.targets()) {
                for (int k : target.classes()) {
                    ofClass[k]++;
                }
            }
            shown = IntStream.range(0, classes).filter(k -> ofClass[k] > 0).toArray();
            counts = Arrays.stream(shown).mapToLong(k -> ofClass[k]).toArray();
            first = Arrays.stream(chosen).mapToObj(k -> part.idsOf(k, each)).toArray(long[][]::new);
        }
    }

    /**
     * Returns what {@code data.json} says of a set: {@code images}, {@code broken}, {@code passedOver} (files; {@code
     * passedOverBy} reason), {@code notes} (what may be a mistake), {@code digest}, {@code classes} (how many images by name; none for
     * values) and {@code pictures} ({@code name}, {@code label}, {@code picture}), some of each class, or one of some classes.
     */
    public static Map<String, Object> summary(Images images) {
        int classes = images.labels().size();
        int each = Math.max(1, MOST / classes);
        int shownClasses = Math.min(classes, MOST);
        int[] chosen = IntStream.range(0, shownClasses)
                .map(i -> (int) ((long) i * classes / shownClasses))
                .toArray();
        boolean values = images.labels().task() == Task.REGRESSION;
        List<Seen> seen = Causes.unwrapped(images.parts().map(part -> new Seen(part, classes, chosen, each))::collect);
        Map<String, Long> counts = new LinkedHashMap<>();
        long[] ofClass = new long[classes];
        for (Seen part : seen) {
            for (int i = 0; i < part.shown.length; i++) {
                ofClass[part.shown[i]] += part.counts[i];
            }
        }
        for (int k = 0; k < classes && !values; k++) {
            counts.put(images.labels().name(k), ofClass[k]);
        }
        Set<Long> shown = new LinkedHashSet<>(); // of several classes, an image is shown once
        for (int i = 0; i < shownClasses; i++) {
            int at = i;
            seen.stream()
                    .flatMapToLong(part -> Arrays.stream(part.first[at]))
                    .sorted()
                    .limit(each)
                    .forEach(shown::add);
        }
        if (values) {
            long step = (images.broken().total() + MOST - 1) / MOST;
            LongStream.iterate(0, id -> id < images.broken().total(), id -> id + step)
                    .forEach(shown::add);
        }
        Map<Long, Picture> pictures = of(images, shown);
        Map<String, Object> summary = new LinkedHashMap<>();
        summary.put("images", images.count());
        summary.put("broken", images.broken().count());
        summary.put("passedOver", images.passedOver().count());
        summary.put("passedOverBy", images.passedOver().reasons());
        summary.put("notes", images.passedOver().notes());
        summary.put("digest", images.digest());
        summary.put("classes", counts);
        summary.put(
                "pictures",
                shown.stream()
                        .flatMap(id -> Stream.ofNullable(pictures.get(id))) // a broken one has none
                        .map(picture -> new Shown(picture.name, images.labels().words(picture.target), picture.uri))
                        .toList());
        return summary;
    }

    /** What {@code data.json} says of an image, with its fields in this order. */
    private record Shown(String name, String label, String picture) {}

    /** A picture of an image. */
    public static final class Picture implements Serializable {
        private static final long serialVersionUID = 1L;

        final String name;
        final Target target;
        public final String uri;

        private Picture(String name, Target target, String uri) {
            this.name = name;
            this.target = target;
            this.uri = uri;
        }
    }

    /** Returns pictures of the images with these ids, by id, as data URIs. */
    public static Map<Long, Picture> of(Images images, Collection<Long> ids) {
        if (ids.isEmpty()) {
            return Map.of();
        }
        Set<Long> wanted = new HashSet<>(ids);
        Map<Long, Picture> pictures = new LinkedHashMap<>();
        Causes.unwrapped(images.parts()
                        .flatMap(part -> part.only(wanted::contains).examples().stream()
                                .map(example -> new Tuple2<>(
                                        example.id(),
                                        new Picture(example.name(), example.target(), Thumbnail.of(example.pixels()))))
                                .iterator())::collect)
                .forEach(one -> pictures.put(one._1(), one._2()));
        return pictures;
    }
}
