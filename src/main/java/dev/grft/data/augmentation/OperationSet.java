package dev.grft.data.augmentation;

import dev.grft.data.augmentation.RandAugment.Operation;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.Stream;

/** timm's sets of operations for {@link RandAugment}, with the frequency of each operation. */
@SuppressWarnings({"ImmutableEnumChecker", "EnumOrdinal"}) // nothing writes the weights; their order is the operations'
public enum OperationSet {
    /** Fifteen operations, drawn evenly; an operation may be drawn again. */
    ALL("", true, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0),
    /** The three of 3-Augment (DeiT III, arXiv 2204.07118), drawn evenly; an operation may be drawn again. */
    THREE("3a", true, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1),
    /** Mostly those three; an image gets each at most once. */
    THREE_AND_MORE("3aw", false, 1, 1, 1, 3, 1, 6, 0, 1, 1, 1, 1, 2, 2, 0, 0, 6, 6),
    /** Mostly rotations and shears; an image gets each at most once. */
    WEIGHTS("weights", false, 0.25, 0.05, 0.05, 3, 0.05, 0.05, 0.05, 0.25, 0.05, 0.05, 0.25, 2, 2, 1, 1, 0, 0);

    private final String text;
    private final boolean again;
    private final double[] weights;

    /** @param weights relative frequency of each operation, in the order of {@link Operation} */
    OperationSet(String text, boolean again, double... weights) {
        this.text = text;
        this.again = again;
        this.weights = weights;
    }

    /** Returns the set with timm's name. */
    static OperationSet of(String text) {
        return Stream.of(values())
                .filter(set -> set.text.equals(text))
                .findFirst()
                .orElseThrow();
    }

    /** Returns the relative frequency of an operation, 0 if it is not in the set. */
    double weight(Operation operation) {
        return weights[operation.ordinal()];
    }

    /** Returns how many operations can be drawn for an image. */
    int most() {
        return again ? Integer.MAX_VALUE : operations(Set.of()).length;
    }

    /** Returns a drawn operation, and adds it to those that the image has had. */
    Operation draw(Set<Operation> earlier, SplittableRandom random) {
        if (again) {
            Operation[] all = operations(Set.of());
            return all[random.nextInt(all.length)];
        }
        Operation[] left = operations(earlier);
        double rest =
                random.nextDouble() * Stream.of(left).mapToDouble(this::weight).sum();
        int drawn = 0;
        while (drawn < left.length - 1 && rest >= weight(left[drawn])) {
            rest -= weight(left[drawn++]);
        }
        earlier.add(left[drawn]);
        return left[drawn];
    }

    private Operation[] operations(Set<Operation> without) {
        return Stream.of(Operation.values())
                .filter(operation -> weight(operation) > 0 && !without.contains(operation))
                .toArray(Operation[]::new);
    }
}
