package dev.grft;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/** The words by which a configuration calls the constants of an enum. */
final class Words {
    private Words() {}

    /** Returns the word of a constant: {@code min-axis} for {@code MIN_AXIS}. */
    static String of(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /**
     * Returns the constant that a word stands for.
     *
     * @param key of the configuration
     * @param what the constants are
     * @throws UserError for a word that is none of theirs
     */
    static <E extends Enum<E>> E parse(String key, String what, String word, E[] choices) {
        return Arrays.stream(choices)
                .filter(choice -> of(choice).equals(word))
                .findFirst()
                .orElseThrow(() -> UserError.of(
                        "%s: unknown %s '%s'; expected one of %s",
                        key, what, word, Arrays.stream(choices).map(Words::of).collect(Collectors.joining(", "))));
    }
}
