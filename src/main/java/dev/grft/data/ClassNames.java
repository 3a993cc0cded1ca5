package dev.grft.data;

import java.io.Serializable;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The names of classes that a column has by number. */
public final class ClassNames implements Serializable {
    private static final long serialVersionUID = 1L;

    private final String[] names; // not a List.of, which Kryo cannot read

    /** Returns the names of classes, in the order of their numbers from 0. */
    public ClassNames(List<String> names) {
        this.names = names.toArray(String[]::new);
    }

    /** Returns the names by number. */
    public List<String> names() {
        return List.of(names);
    }

    /**
     * Returns the class of a number; null for -1 and null, which say that there is none.
     *
     * @param number in decimal digits
     * @throws IllegalArgumentException if no class has that number; the message names those that have
     */
    public @Nullable String of(@Nullable String number) {
        if (number == null || number.equals("-1")) {
            return null;
        }
        if (!number.matches("[0-9]{1,9}") || Integer.parseInt(number) >= names.length) {
            throw new IllegalArgumentException("class " + number + ", but the classes are 0 to " + (names.length - 1));
        }
        return names[Integer.parseInt(number)];
    }
}
