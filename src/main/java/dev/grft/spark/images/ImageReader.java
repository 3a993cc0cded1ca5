package dev.grft.spark.images;

import dev.grft.UserError;
import dev.grft.data.BrokenImages;
import dev.grft.data.Example;
import dev.grft.data.Labels;
import dev.grft.data.PassedOver;
import dev.grft.data.Preprocess;
import dev.grft.data.Sha256;
import dev.grft.spark.cluster.Causes;
import dev.grft.spark.cluster.ExecutorSettings;
import dev.grft.spark.cluster.Parcels;
import dev.grft.spark.cluster.Pulse;
import dev.grft.spark.images.Source.Named;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.function.IntFunction;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.apache.spark.SparkContext;
import org.apache.spark.api.java.JavaPairRDD;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.sql.SparkSession;
import org.jspecify.annotations.Nullable;

/**
 * Reads images into pieces, in two passes. The first takes the names and labels to the driver and ranks them, about 300
 * bytes an image. The second takes the encoded images to their pieces, in one shuffle, and decodes them there, once, on all
 * cores. A task gets the ranks of the images that it reads, see {@link Ranks}, and no names of others.
 *
 * @param preprocess how the images are prepared
 * @param maxBroken the fraction of images that may be broken, in [0, 1]
 * @param shards how many shards a training has, 1 or more
 * @param batch size of the largest batch that a pass over the images takes
 */
public record ImageReader(SparkSession spark, Preprocess preprocess, double maxBroken, int shards, int batch) {
    public ImageReader {
        if (shards < 1) {
            throw new IllegalArgumentException("needs 1 shard or more, got " + shards);
        }
    }

    /** Returns a reader of images that are looked at one by one. */
    public ImageReader(SparkSession spark, Preprocess preprocess, double maxBroken, int shards) {
        this(spark, preprocess, maxBroken, shards, 1);
    }

    /**
     * Returns the labeled images of a source.
     *
     * @param known the classes of a trained head, none other may come; null for those that are found, two or more; {@link
     *     Labels#none} for images without labels
     * @throws UserError if there is no image, too many are broken, or one comes twice
     */
    public Images read(ImageSource source, @Nullable Labels known) {
        return read(source, known, false);
    }

    /**
     * Returns the labeled images of a source, as {@link #read(ImageSource, Labels)}.
     *
     * @param steps whether they are read for the steps of a training alone: on a cluster they then go to the shards at once
     */
    public Images read(ImageSource source, @Nullable Labels known, boolean steps) {
        List<Named> named = described("Listing the images of " + source.place(), () -> source.named(known != null));
        Labels labels = known == null || known.size() > 0 ? source.labels(named, known) : known;
        return described(
                "Decoding the " + named.size() + " images of " + source.place(),
                () -> decoded(
                        source, named, labels, steps && !spark.sparkContext().isLocal()));
    }

    /**
     * Returns the images at a path without labels ({@link Example#UNLABELED}), in folders at any depth, or a single one;
     * otherwise as {@link #read}.
     */
    public Images unlabeled(String path, ReadOptions options) {
        return read(ImageSource.at(spark, List.of(path), options.unlabeled()), Labels.none());
    }

    private Images decoded(ImageSource source, List<Named> named, Labels labels, boolean inShards) {
        Preprocess prepared = preprocess; // tasks take this along, not the reader
        Pulse pulse = Pulse.of(spark.sparkContext());
        int piece = Images.piece(named.size(), batch, ExecutorSettings.tasksAtATime(spark.sparkContext()));
        JavaPairRDD<Long, Encoded> encoded = inShards
                ? source.encoded(named, labels, shards, 1)
                : source.encoded(named, labels, Images.pieces(named.size(), piece), piece);
        Shards decoded = new Shards(encoded.map(image -> {
            Decoded result = image._2().decoded(image._1(), prepared);
            pulse.beat(1);
            return result;
        }));
        Images.Kept kept = inShards
                ? Images.Kept.inShards(decoded, named.size(), piece, shards)
                : Images.Kept.inPieces(
                        decoded,
                        named.size(),
                        piece,
                        shards,
                        spark.sparkContext().isLocal());
        try {
            Decoded[] results = results(source, decoded.results(), named);
            BrokenImages broken = broken(named, results);
            broken.check(maxBroken, source.place());
            if (broken.count() == broken.total()) {
                throw new UserError(source.place() + ": " + broken
                        + "; expected at least one that can be read: mend some or give others");
            }
            PassedOver passed = new PassedOver();
            passed.add(source.passedOver());
            noteTurned(
                    passed,
                    Stream.of(results).filter(result -> result.leftTurned).count());
            return Images.of(kept, labels, broken, passed, digest(named, id -> results[id].sha256));
        } catch (RuntimeException e) {
            kept.release();
            throw e;
        }
    }

    /** Notes photos that lie on their side or head. */
    public static void noteTurned(PassedOver passed, long photos) {
        if (photos > 0) {
            passed.note(photos + (photos == 1 ? " photo is" : " photos are")
                    + " turned by EXIF data, which data.exif=ignore leaves"
                    + " out, as torchvision and timm do; set data.exif=transpose to see them upright");
        }
    }

    /** Returns the {@linkplain Images#digest digest} of the images of a source, without decoding them. */
    public static String digest(ImageSource source) {
        List<Named> named = source.named(true);
        byte[][] digests = new byte[named.size()][];
        JavaPairRDD<Long, Encoded> encoded = source.encoded(named, null);
        try {
            Causes.unwrapped(encoded.mapValues(image -> Sha256.digest().digest(image.content))::collect)
                    .forEach(image -> digests[Math.toIntExact(image._1())] = image._2());
        } finally {
            Parcels.release(encoded.values());
        }
        requireAll(source, digests);
        return digest(named, id -> digests[id]);
    }

    /** Decodes, and returns what came of each image, by id, without the examples. */
    private static Decoded[] results(ImageSource source, JavaRDD<Decoded> decoded, List<Named> named) {
        Decoded[] results = new Decoded[named.size()];
        for (Decoded image : Causes.unwrapped(decoded::collect)) {
            results[(int) image.id] = image;
        }
        requireAll(source, results);
        return results;
    }

    private static void requireAll(ImageSource source, Object[] ofEachImage) {
        for (Object one : ofEachImage) {
            if (one == null) {
                throw new UserError(source.place() + ": listed " + ofEachImage.length
                        + " images but could not read all of them; keep the images unchanged during a run");
            }
        }
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

    private static String digest(List<Named> named, IntFunction<byte[]> sha256) {
        MessageDigest digest = Sha256.digest();
        for (int id = 0; id < named.size(); id++) {
            Named image = named.get(id);
            String line = image.name
                    + '\t'
                    + (image.label == null ? "" : image.label)
                    + '\t'
                    + HexFormat.of().formatHex(sha256.apply(id))
                    + '\n';
            digest.update(line.getBytes(StandardCharsets.UTF_8));
        }
        return HexFormat.of().formatHex(digest.digest());
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
}
