package dev.grft.data;

import dev.grft.UserError;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

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
        return Arrays.stream(values())
                .filter(task -> task.word().equals(name))
                .findFirst()
                .orElseThrow(() -> new UserError(place + ": must be one of "
                        + Arrays.stream(values()).map(Task::word).collect(Collectors.joining(", ")) + ", got " + name));
    }

    /** Returns the name in settings and files, such as {@code multi-label}. */
    public String word() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /** Returns the name that transformers has for it, its {@code problem_type}. */
    public String problemType() {
        return this == REGRESSION
                ? "regression"
                : name().toLowerCase(Locale.ROOT) + "_classification";
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
