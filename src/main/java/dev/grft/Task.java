package dev.grft;

import java.util.Locale;

/** What a model says of an image. The names are those of {@code data.task}. */
public enum Task {
    /** One class of several: softmax of the head's outputs, cross-entropy. */
    SINGLE_LABEL(2),
    /** Any number of the classes, none too: sigmoid of each output, binary cross-entropy. */
    MULTI_LABEL(1),
    /** Numbers: the outputs themselves, mean squared error. */
    REGRESSION(1);

    private final int fewest;

    Task(int fewest) {
        this.fewest = fewest;
    }

    /**
     * Returns the task of a name, such as {@code multi-label}.
     *
     * @param place where the name was found, for messages
     * @throws UserError for an unknown name
     */
    public static Task of(String name, String place) {
        return Words.parse(place, "task", name, values());
    }

    /** Returns the name in settings and files, such as {@code multi-label}. */
    public String word() {
        return Words.of(this);
    }

    /** Returns the name that transformers has for it, its {@code problem_type}. */
    public String problemType() {
        return this == REGRESSION ? "regression" : name().toLowerCase(Locale.ROOT) + "_classification";
    }

    /** Returns the loss of a model that says the same of every image, of classes of equal size, or values of variance 1. */
    public double lossOfChance(int outputs) {
        return switch (this) {
            case SINGLE_LABEL -> Math.log(outputs);
            case MULTI_LABEL -> Math.log(2);
            case REGRESSION -> 1;
        };
    }

    /** Returns the least number of outputs of a head. */
    public int fewest() {
        return fewest;
    }

    @Override
    public String toString() {
        return word();
    }
}
