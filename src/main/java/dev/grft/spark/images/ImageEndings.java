package dev.grft.spark.images;

import java.util.List;
import java.util.stream.Collectors;

/** The endings of image files, which are the only ones that are read; in upper or lower case. */
final class ImageEndings {
    private static final List<String> ALL = List.of("jpg", "jpeg", "png");

    private ImageEndings() {}

    /** Returns whether a lower-case ending, without its point, is that of an image. */
    static boolean contains(String ending) {
        return ALL.contains(ending);
    }

    /** Returns a pattern of the names of image files for Spark, whose patterns are case-sensitive. */
    static String glob() {
        return ALL.stream()
                .map(ending -> ending.chars()
                        .mapToObj(c -> "[" + (char) c + (char) Character.toUpperCase(c) + "]")
                        .collect(Collectors.joining()))
                .collect(Collectors.joining(",", "*.{", "}"));
    }

    /** Returns the endings for a message: {@code .jpg, .jpeg or .png} if the last word is {@code or}. */
    static String list(String lastWord) {
        String last = ALL.get(ALL.size() - 1);
        return ALL.subList(0, ALL.size() - 1).stream()
                        .map(ending -> "." + ending)
                        .collect(Collectors.joining(", ")) + " " + lastWord + " ." + last;
    }
}
