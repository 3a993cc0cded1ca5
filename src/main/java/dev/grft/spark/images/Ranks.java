package dev.grft.spark.images;

import dev.grft.UserError;
import dev.grft.spark.images.Source.Named;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The ranks, among the names of all images, of the images of one part of a source: a tar, or a file of a table. A task looks them up by
 * place, so it needs neither names nor the ranks of other parts. Images that follow each other in the part and by name make a run, which
 * takes 12 bytes.
 */
final class Ranks implements Serializable {
    /** The ranks of a part without images. */
    private static final Ranks NONE = new Ranks(new int[0], new int[0], new int[0], 0);

    private static final long serialVersionUID = 1L;

    private final int[] from; // first place of each run, ascending
    private final int[] to; // the place after its last
    private final int[] ranks; // of its first image
    private final long names; // see next

    private Ranks(int[] from, int[] to, int[] ranks, long names) {
        this.from = from;
        this.to = to;
        this.ranks = ranks;
        this.names = names;
    }

    /**
     * Returns the ranks of the parts of a source.
     *
     * @param named all images, by name
     * @param source number of the source
     * @param parts how many it has
     */
    static List<Ranks> of(List<Named> named, int source, int parts) {
        int[] counts = new int[parts];
        for (Named image : named) {
            if (image.source == source) {
                counts[image.part]++;
            }
        }
        long[][] images = new long[parts][]; // place, and rank in the lower half
        Arrays.setAll(images, part -> new long[counts[part]]);
        Arrays.fill(counts, 0);
        for (int rank = 0; rank < named.size(); rank++) {
            Named image = named.get(rank);
            if (image.source == source) {
                images[image.part][counts[image.part]++] = (long) image.place << Integer.SIZE | rank;
            }
        }
        List<Ranks> all = new ArrayList<>();
        for (long[] part : images) {
            all.add(of(named, part));
        }
        return all;
    }

    private static Ranks of(List<Named> named, long[] images) {
        Arrays.sort(images);
        int[] from = new int[images.length];
        int[] to = new int[images.length];
        int[] ranks = new int[images.length];
        long names = 0;
        int runs = 0;
        for (long image : images) {
            int place = (int) (image >> Integer.SIZE);
            int rank = (int) image;
            names = next(names, named.get(rank).name);
            int last = runs - 1;
            if (runs == 0 || place != to[last] || rank != ranks[last] + place - from[last]) {
                last = runs++;
                from[last] = place;
                ranks[last] = rank;
            }
            to[last] = place + 1;
        }
        return runs == 0
                ? NONE
                : new Ranks(Arrays.copyOf(from, runs), Arrays.copyOf(to, runs), Arrays.copyOf(ranks, runs), names);
    }

    /**
     * Returns the rank of the image at a place.
     *
     * @param name of the image, for the message
     * @throws UserError if no image was listed there
     */
    long at(long place, String name) {
        int run = Arrays.binarySearch(from, (int) Math.min(place, Integer.MAX_VALUE));
        run = run < 0 ? -run - 2 : run;
        if (run < 0 || place >= to[run]) {
            throw unlisted(name);
        }
        return ranks[run] + (place - from[run]);
    }

    /** Returns the error of an image that was not listed. */
    static UserError unlisted(String name) {
        return new UserError(
                name + " was not there when the images were listed; keep the images unchanged during a run");
    }

    /** Returns a sum of the names so far, 0 before the first, with one more. */
    static long next(long names, String name) {
        return 31 * names + name.hashCode();
    }

    /** Returns whether the images that were listed had these names, in the order of their places. */
    boolean areOf(long names) {
        return this.names == names;
    }
}
