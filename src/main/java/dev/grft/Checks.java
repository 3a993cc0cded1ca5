package dev.grft;

import java.util.Arrays;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Checks of settings. Each throws a {@link UserError} whose message begins with the key and says what was expected and what was
 * given, such as {@code training.epochs must be >= 1, got 0}.
 */
public final class Checks {
    private Checks() {}

    /** Throws unless a condition holds. */
    public static void require(boolean holds, String key, String expected, @Nullable Object got) {
        if (!holds) {
            throw new UserError(key + " must be " + expected + ", got " + text(got));
        }
    }

    /** Throws unless a number is 1 or more. */
    public static void count(String key, int count) {
        require(count >= 1, key, ">= 1", count);
    }

    /** Throws unless a number is finite and above 0. */
    public static void positive(String key, double number) {
        require(number > 0 && Double.isFinite(number), key, "> 0", number);
    }

    /** Throws unless a number is finite and 0 or more. */
    public static void notNegative(String key, double number) {
        require(number >= 0 && Double.isFinite(number), key, ">= 0", number);
    }

    /** Throws if a text is blank. */
    public static void notBlank(String key, String text) {
        require(!text.isBlank(), key, "text that is not blank", "'" + text + "'");
    }

    /** Throws unless a word is one of the given ones. */
    public static void word(String key, String word, String... words) {
        word(key, word, Arrays.asList(words));
    }

    /** Throws unless a word is one of the given ones. */
    public static void word(String key, String word, Collection<String> words) {
        require(words.contains(word), key, "one of " + String.join(", ", words), "'" + word + "'");
    }

    /** Throws unless there is a name or more, none blank and none given twice. */
    public static void names(String key, List<String> names) {
        require(
                !names.isEmpty() && names.stream().noneMatch(String::isBlank),
                key,
                "one name or more, such as mlp.fc1",
                names);
        distinct(key, names);
    }

    /** Throws if a value is given twice. */
    public static void distinct(String key, List<?> values) {
        require(new HashSet<>(values).size() == values.size(), key, "without repetition", values);
    }

    /** Returns the words of an enum's constants. */
    public static List<String> words(Object[] constants) {
        return Arrays.stream(constants).map(Object::toString).toList();
    }

    /** Returns a number as a person writes it: 20 rather than 20.0, 1.0e-4 rather than 1.0E-4. */
    public static String text(@Nullable Object value) {
        if (value instanceof Double number) {
            boolean whole = number == Math.rint(number) && Math.abs(number) < 1e7 && !number.equals(-0.0);
            return whole
                    ? Long.toString(number.longValue())
                    : Double.toString(number).toLowerCase(Locale.ROOT);
        }
        if (value instanceof List<?> list) {
            return "[" + String.join(", ", list.stream().map(Checks::text).toList()) + "]";
        }
        return String.valueOf(value);
    }
}
