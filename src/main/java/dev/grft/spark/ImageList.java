package dev.grft.spark;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import dev.grft.UserError;
import dev.grft.spark.ImageSource.Format;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.jspecify.annotations.Nullable;

/**
 * A file that names images and their classes, as benchmarks are handed around. Paths are relative to a root, by default
 * the folder of the file. Two forms:
 *
 * <ul>
 *   <li>a list, as VTAB-1k's {@code train800.txt}: on each line a path, a blank and a class number from 0 on;
 *   <li>a JSON object, as VPT's splits of FGVC: to each path its class, a whole number or text. The numbers need not be
 *       contiguous.
 * </ul>
 *
 * <p>A class is named by its text, a number by its digits. What is named need not be there; the images are opened when they
 * are read.
 */
final class ImageList {
    private static final JsonFactory JSON = new JsonFactory();
    private static final Pattern LINE = Pattern.compile("(.*\\S)\\s+(\\S+)");
    private static final Pattern NUMBER = Pattern.compile("[0-9]{1,9}");
    private static final int SHOWN = 80; // characters of a line, in messages

    private final String path;
    private final Path root;
    private final byte[] content;
    private final SortedMap<String, String> classes = new TreeMap<>(); // by the image's path below the root
    private final Map<String, String> places = new HashMap<>(); // where a path stands, for messages

    private ImageList(String path, Path root, byte[] content) {
        this.path = path;
        this.root = root;
        this.content = content;
    }

    /**
     * Returns what a file names.
     *
     * @param format {@link Format#LIST} or {@link Format#JSON}
     * @param root the folder that paths are relative to; null for that of the file
     * @throws UserError if there is no such file or root, or something else in the file
     */
    static ImageList read(Configuration hadoop, String path, Format format, @Nullable String root) {
        ImageList list;
        try {
            Path given = new Path(path);
            FileSystem files = given.getFileSystem(hadoop);
            Path file = files.makeQualified(given);
            byte[] content = content(files, path, file);
            list = new ImageList(path, root == null ? file.getParent() : root(hadoop, path, root), content);
        } catch (IOException | IllegalArgumentException e) {
            throw new UserError(path + ": cannot be read (" + e.getMessage() + ")", e);
        }
        if (format == Format.JSON) {
            list.parseJson();
        } else {
            list.parseLines();
        }
        if (list.classes.isEmpty()) {
            throw new UserError(path + ": names no image; needs one or more, or is it the wrong file?");
        }
        return list;
    }

    private static byte[] content(FileSystem files, String path, Path file) throws IOException {
        try (var in = files.open(file)) {
            return in.readAllBytes();
        } catch (FileNotFoundException e) {
            throw new UserError(path + ": there is no such file (looked for " + file + ")", e);
        }
    }

    private static Path root(Configuration hadoop, String path, String root) throws IOException {
        Path given = new Path(root);
        FileSystem files = given.getFileSystem(hadoop);
        Path found = files.makeQualified(given);
        try {
            if (files.getFileStatus(found).isDirectory()) {
                return found;
            }
        } catch (FileNotFoundException e) {
            // told below
        }
        throw new UserError(root + ": there is no such folder (looked for " + found + "), to which the paths in " + path
                + " are relative; set data.root to the folder of the images");
    }

    private void parseLines() {
        int number = 0;
        for (String line : text().split("\n", -1)) {
            number++;
            String stripped = line.strip();
            if (stripped.isEmpty()) {
                continue;
            }
            String place = "line " + number;
            Matcher words = LINE.matcher(stripped);
            if (!words.matches()) {
                throw error(
                        place,
                        "must be a path and a class number, such as 'images/000000.jpg 7', got '" + shown(stripped)
                                + "'; mend the line, or is it the wrong file?");
            }
            String label = words.group(2);
            if (!NUMBER.matcher(label).matches()) {
                throw error(
                        place,
                        "must end with a class number, whole and 0 or more, got '" + shown(label)
                                + "'; number the classes, or is it the wrong file?");
            }
            add(words.group(1), Integer.toString(Integer.parseInt(label)), place);
        }
    }

    private void parseJson() {
        try (JsonParser parser = JSON.createParser(text())) {
            JsonToken first = parser.nextToken();
            if (first == null) {
                return; // names nothing
            }
            if (first != JsonToken.START_OBJECT) {
                throw error(
                        place(parser),
                        "must begin an object such as {\"images/a.jpg\": 7}, got '" + parser.getText()
                                + "'; is it the wrong file?");
            }
            while (parser.nextToken() != JsonToken.END_OBJECT) {
                String image = parser.currentName();
                String place = place(parser);
                JsonToken label = parser.nextToken();
                if (label != JsonToken.VALUE_NUMBER_INT
                        && !(label == JsonToken.VALUE_STRING
                                && !parser.getText().isBlank())) {
                    throw error(
                            place,
                            "must give the class of " + image + " as a whole number or text, got '" + parser.getText()
                                    + "'; mend it, or is it the wrong file?");
                }
                add(image, parser.getText().strip(), place);
            }
        } catch (JsonProcessingException e) {
            throw new UserError(
                    path + ": is not JSON: " + e.getOriginalMessage() + " (line "
                            + e.getLocation().getLineNr() + ", column "
                            + e.getLocation().getColumnNr() + ")",
                    e);
        } catch (IOException e) {
            throw new IllegalStateException("no file is read here", e);
        }
    }

    private static String place(JsonParser parser) {
        return "line " + parser.currentTokenLocation().getLineNr() + ", column "
                + parser.currentTokenLocation().getColumnNr();
    }

    private String text() {
        String text = new String(content, StandardCharsets.UTF_8);
        return text.startsWith("\uFEFF") ? text.substring(1) : text; // as Windows marks UTF-8
    }

    private void add(String image, String label, String place) {
        String name = name(image, place);
        String other = places.put(name, place);
        if (other != null) {
            throw error(place, "names " + name + ", which " + other + " has named already; remove one of them");
        }
        classes.put(name, label);
    }

    /** Returns a path in the one form that it has in reports: without {@code ./} and doubled slashes. */
    private String name(String image, String place) {
        List<String> parts = new ArrayList<>();
        for (String part : image.split("/", -1)) {
            if (part.equals("..")) {
                parts.clear();
                break;
            }
            if (!part.isEmpty() && !part.equals(".")) {
                parts.add(part);
            }
        }
        if (parts.isEmpty() || image.startsWith("/")) {
            throw error(
                    place,
                    "must name an image below " + root + ", got '" + shown(image)
                            + "'; make the path relative to that folder, or set data.root");
        }
        return String.join("/", parts);
    }

    private UserError error(String place, String message) {
        return new UserError(path + ": " + place + " " + message);
    }

    private static String shown(String text) {
        return text.length() <= SHOWN ? text : text.substring(0, SHOWN) + "...";
    }

    /** Returns the class of each image, by the image's path below the root; one or more. */
    SortedMap<String, String> classes() {
        return classes;
    }

    /** Returns the folder that the paths are relative to, qualified. */
    Path root() {
        return root;
    }

    /** Returns where an image lies. Unlike {@code new Path(parent, child)} it takes any name, colons and all. */
    static Path below(Path root, String name) {
        return new Path(
                root.toUri().getScheme(),
                root.toUri().getAuthority(),
                root.toUri().getPath() + "/" + name);
    }

    /**
     * Returns what tells whether something has changed: a line with the SHA-256 of the list, and one with size and time of
     * each image. Lists the folders that have them, once each, rather than ask for one image at a time.
     */
    List<String> listing(Configuration hadoop) throws IOException {
        Set<Path> folders = new TreeSet<>();
        for (String name : classes.keySet()) {
            folders.add(below(root, name).getParent());
        }
        FileSystem files = root.getFileSystem(hadoop);
        Map<Path, FileStatus> there = new HashMap<>();
        for (Path folder : folders) {
            try {
                for (FileStatus file : files.listStatus(folder)) {
                    there.put(file.getPath(), file);
                }
            } catch (FileNotFoundException e) {
                // its images are missing
            }
        }
        List<String> lines = new ArrayList<>();
        lines.add(HexFormat.of().formatHex(Inputs.sha256().digest(content)));
        for (String name : classes.keySet()) {
            Path image = below(root, name);
            FileStatus file = there.get(image);
            lines.add(file == null ? image + "\tmissing" : Inputs.line(file));
        }
        return lines;
    }
}
