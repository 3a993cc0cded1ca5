package dev.grft;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * The slices that are trained, by matrix in network order; a matrix that is not named stays frozen. Chosen
 * before training. Immutable; two selections are equal if they train the same slices.
 */
public final class Selection implements Serializable {
    private static final long serialVersionUID = 1L;

    private final Map<String, Slices> slices = new LinkedHashMap<>();

    /**
     * Returns the selection of these slices, in their order.
     *
     * @throws IllegalArgumentException if a matrix comes twice
     */
    public Selection(Collection<Slices> all) {
        for (Slices some : all) {
            if (slices.put(some.matrix(), some) != null) {
                throw new IllegalArgumentException(some.matrix() + " is selected twice");
            }
        }
    }

    /** Returns the selection that trains no slice. */
    public static Selection none() {
        return new Selection(List.of());
    }

    /**
     * Returns the sceptics' baseline: as many slices in each matrix as {@code like} has, along the same axis, drawn
     * uniformly without replacement. A score that does not beat it selects nothing worth selecting.
     *
     * @param seed gives the draw; that of a matrix depends on the seed and its name only, not on the order of the
     *     matrices
     */
    public static Selection random(Selection like, long seed) {
        return new Selection(
                like.slices.values().stream().map(s -> random(s, seed)).toList());
    }

    private static Slices random(Slices like, long seed) {
        // A stream of random numbers per matrix; String.hashCode is specified, hence the same on every machine.
        SplittableRandom random =
                new SplittableRandom(seed ^ ((long) like.matrix().hashCode() << 32));
        int slices = like.axis().count(like.shape());
        int[] indices = new int[like.count()];
        int chosen = 0;
        for (int i = 0; chosen < indices.length; i++) { // Knuth, Algorithm S: what is left to choose of what is left
            if (random.nextInt(slices - i) < indices.length - chosen) {
                indices[chosen++] = i;
            }
        }
        return new Slices(like.matrix(), like.shape(), like.axis(), indices);
    }

    /**
     * Returns the slices of this selection that the other does not have.
     *
     * @throws IllegalArgumentException if a matrix of both has rows in one and columns in the other
     */
    public Selection without(Selection other) {
        List<Slices> left = new ArrayList<>();
        slices.forEach((matrix, mine) -> {
            Slices theirs = other.slices.get(matrix);
            int[] indices = mine.indices();
            if (theirs != null) {
                mine.requireAlike(theirs);
                int[] taken = theirs.indices();
                indices = Arrays.stream(indices)
                        .filter(i -> Arrays.binarySearch(taken, i) < 0)
                        .toArray();
            }
            if (indices.length > 0) {
                left.add(new Slices(matrix, mine.shape(), mine.axis(), indices));
            }
        });
        return new Selection(left);
    }

    /**
     * Returns the slices of either selection.
     *
     * @param matrices the names of all matrices, in network order
     * @throws IllegalArgumentException if a matrix of both has rows in one and columns in the other
     */
    public Selection and(Selection other, Collection<String> matrices) {
        List<Slices> either = new ArrayList<>();
        for (String matrix : matrices) {
            Slices mine = slices.get(matrix);
            Slices theirs = other.slices.get(matrix);
            if (mine != null && theirs != null) {
                mine.requireAlike(theirs);
                int[] indices = IntStream.concat(Arrays.stream(mine.indices()), Arrays.stream(theirs.indices()))
                        .distinct()
                        .sorted()
                        .toArray();
                either.add(new Slices(matrix, mine.shape(), mine.axis(), indices));
            } else if (mine != null) {
                either.add(mine);
            } else if (theirs != null) {
                either.add(theirs);
            }
        }
        return new Selection(either);
    }

    /** Returns whether any slice of the matrix is trained. */
    public boolean trains(String matrix) {
        return slices.containsKey(matrix);
    }

    /**
     * Returns the trained slices of a matrix.
     *
     * @throws IllegalArgumentException if there are none; ask {@link #trains} first
     */
    public Slices of(String matrix) {
        Slices found = slices.get(matrix);
        if (found == null) {
            throw new IllegalArgumentException("no slice of " + matrix + " is selected");
        }
        return found;
    }

    /** Returns the slices by matrix, in network order; a view that cannot be changed. */
    public Map<String, Slices> slices() {
        return Collections.unmodifiableMap(slices);
    }

    /** Returns how many numbers are trained, the head aside. */
    public long trained() {
        return slices.values().stream().mapToLong(Slices::size).sum();
    }

    /** Returns the number of trained parameters of each matrix that has any. */
    public Map<String, Long> sizes() {
        Map<String, Long> sizes = new LinkedHashMap<>();
        slices.forEach((matrix, some) -> sizes.put(matrix, some.size()));
        return sizes;
    }

    /** Returns the trained parameters as a fraction of {@code parameters}. */
    public double share(long parameters) {
        return (double) trained() / parameters;
    }

    /**
     * Returns how much two selections agree, in [0, 1]: the slices in both over the slices in either; 1 for two that
     * are empty. A row and a column are different slices although they share a number.
     */
    public double jaccard(Selection other) {
        long both =
                slices.values().stream().mapToLong(mine -> common(mine, other)).sum();
        long either = count() + other.count() - both;
        return either == 0 ? 1 : (double) both / either;
    }

    private static long common(Slices mine, Selection other) {
        Slices theirs = other.slices.get(mine.matrix());
        if (theirs == null || theirs.axis() != mine.axis()) {
            return 0;
        }
        int[] indices = theirs.indices();
        return Arrays.stream(mine.indices())
                .filter(i -> Arrays.binarySearch(indices, i) >= 0)
                .count();
    }

    /** Returns how many slices are trained. */
    public long count() {
        return slices.values().stream().mapToLong(Slices::count).sum();
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Selection selection && slices.equals(selection.slices);
    }

    @Override
    public int hashCode() {
        return slices.hashCode();
    }

    @Override
    public String toString() {
        return count() + " slices of " + slices.size() + " matrices, " + trained() + " parameters";
    }
}
