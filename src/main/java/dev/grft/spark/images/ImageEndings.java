package dev.grft.spark.images;

import dev.grft.data.PassedOver;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** The endings of image files, which are the only ones that are read; in upper or lower case. */
final class ImageEndings {
    private static final List<String> ALL =
            List.of("jpg", "jpeg", "jfif", "jpe", "mpo", "webp", "gif", "bmp", "tif", "tiff", "png");

    private static final SortedMap<String, String> CONVERTERS = new TreeMap<>(
            Map.of("heic", "heif-convert", "heif", "heif-convert", "avif", "avifdec", "jp2", "magick", "jxl", "djxl"));

    private ImageEndings() {}

    /** Returns whether a lower-case ending, without its point, is that of an image. */
    static boolean contains(String ending) {
        return ALL.contains(ending);
    }

    /** Returns whether a file is called like an image. */
    static boolean isImage(String file) {
        return contains(of(file));
    }

    /** Returns what stands behind the last point of a file's name, in lower case; empty without one. */
    static String of(String file) {
        int point = file.lastIndexOf('.');
        return point < 0 ? "" : file.substring(point + 1).toLowerCase(Locale.ROOT);
    }

    /** Returns why a file that is no image is ignored: its ending. */
    static String reason(String file) {
        String ending = of(file);
        return ending.isEmpty() ? "without an ending" : "." + ending;
    }

    /** Notes of ignored files the command that makes images of them that are read. */
    static void noteConvertible(PassedOver passed, String place) {
        CONVERTERS.forEach((ending, command) -> {
            long files = passed.reasons().getOrDefault("." + ending, 0L);
            if (files > 0) {
                passed.note(String.format(
                        Locale.ROOT,
                        "%s: %d .%s are not read; convert them: for f in *.%s; do %s \"$f\" \"${f%%.*}.png\"; done",
                        place,
                        files,
                        ending,
                        ending,
                        command));
            }
        });
    }

    /** Returns the endings for a message: {@code .jpg, .webp or .png} if the last word is {@code or}. */
    static String list(String lastWord) {
        String last = ALL.get(ALL.size() - 1);
        return ALL.subList(0, ALL.size() - 1).stream()
                        .map(ending -> "." + ending)
                        .collect(Collectors.joining(", ")) + " " + lastWord + " ." + last;
    }
}
