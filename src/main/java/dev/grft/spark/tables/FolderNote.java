package dev.grft.spark.tables;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A file in a folder that a verb has written: JSON that says what the others were made of, and in {@code files} their names and sizes.
 * It is written last. Where the folder could not be moved to its place as a whole, there may be other files, of a writing that was
 * interrupted or has not ended: they do not count.
 *
 * @param said by key, without the files
 * @param files sizes in bytes, by name; null in notes of earlier versions
 */
public record FolderNote(Map<String, Object> said, @Nullable SortedMap<String, Long> files) {
    /** The name of the note of the verb {@code pack}. */
    public static final String PACKED = "_packed.json";

    private static final String FILES = "files";
    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final String OF_GENERATION = "-(?<generation>[0-9a-f]{12})-\\d+-c\\d{3,}";
    private static final Pattern WITH_GENERATION = Pattern.compile(".*" + OF_GENERATION + "\\.[\\w.]+");
    private static final Pattern PACKED_FILE =
            Pattern.compile("(?<start>.*images-\\d{5,9}-of-\\d{5,9})" + OF_GENERATION + "\\.parquet");

    /** Returns a text for the names of files, so that they are those of one writing: 12 hexadecimal digits. */
    public static String newGeneration() {
        return UUID.randomUUID().toString().replace("-", "").substring(0, 12);
    }

    /** Returns whether a file of this name was written to the place where it stays, and so may be of no table. */
    public static boolean hasGeneration(String name) {
        return !generation(name).isEmpty();
    }

    /** Returns the generation in the name of a file; empty if it has none. */
    public static String generation(String name) {
        Matcher matcher = WITH_GENERATION.matcher(name);
        return matcher.matches() ? matcher.group("generation") : "";
    }

    /** Returns the path of a file of {@code pack} without its generation, so that images have the same names when they are packed again; of any other file the path itself. */
    public static String withoutGeneration(String path) {
        if (!path.contains("-of-")) {
            return path;
        }
        Matcher packed = PACKED_FILE.matcher(path);
        return packed.matches() ? packed.group("start") + ".parquet" : path;
    }

    /** Returns the note of a text; null if it is none. */
    public static @Nullable FolderNote of(String text) {
        try {
            JsonNode root = MAPPER.readTree(text);
            if (root == null || !root.isObject()) {
                return null;
            }
            Map<String, Object> said = new LinkedHashMap<>();
            root.properties().forEach(each -> {
                if (!each.getKey().equals(FILES)) {
                    said.put(each.getKey(), MAPPER.convertValue(each.getValue(), Object.class));
                }
            });
            SortedMap<String, Long> files = root.has(FILES) ? new TreeMap<>() : null;
            if (files != null) {
                root.get(FILES)
                        .properties()
                        .forEach(
                                file -> files.put(file.getKey(), file.getValue().asLong()));
            }
            return new FolderNote(said, files);
        } catch (JsonProcessingException e) {
            return null;
        }
    }

    /** Returns the text of the note, which ends a line. */
    public String text() {
        Map<String, Object> all = new LinkedHashMap<>(said);
        if (files != null) {
            all.put(FILES, files);
        }
        try {
            return MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(all) + "\n";
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }
}
