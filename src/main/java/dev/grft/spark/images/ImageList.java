package dev.grft.spark.images;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.univocity.parsers.common.TextParsingException;
import com.univocity.parsers.csv.CsvParser;
import com.univocity.parsers.csv.CsvParserSettings;
import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.data.LabelForm;
import dev.grft.data.Sha256;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.StringReader;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RemoteIterator;
import org.jspecify.annotations.Nullable;

/**
 * A file that names images and their classes, as benchmarks are handed around. Paths are relative to a root, by default
 * the folder of the file. Four forms:
 *
 * <ul>
 *   <li>a list, as VTAB-1k's {@code train800.txt}: on each line a path, a blank and a class number from 0 on;
 *   <li>a JSON object, as VPT's splits of FGVC: to each path its class, a whole number or text. The numbers need not be
 *       contiguous;
 *   <li>CSV with a header, separated by commas, semicolons or tabs: columns {@code path} or {@code file_name}, as Hugging Face's metadata.csv has it, and
 *       {@code data.labelColumn};
 *   <li>JSONL, an object with these keys on each line.
 * </ul>
 *
 * <p>A class is named by its text, a number by its digits. For several classes of an image, and for values, see {@link LabelForm}; lists have
 * no place for them. What is named need not be there; the images are opened when they
 * are read.
 */
final class ImageList {
    private static final JsonFactory JSON = new JsonFactory();
    private static final Pattern LINE = Pattern.compile("(.*\\S)\\s+(\\S+)");
    private static final Pattern URI = Pattern.compile("([a-zA-Z][a-zA-Z0-9+.-]+):(?://([^/]*))?(/.*)");
    private static final Pattern NUMBER = Pattern.compile("[0-9]{1,9}");
    private static final ObjectMapper MAPPER =
            new ObjectMapper().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);
    private static final ObjectMapper WITHIN = new ObjectMapper(); // for values that others follow
    private static final int LONGEST = 1 << 16; // characters of a cell
    private static final int SHOWN = 80; // characters of a line, in messages

    private final String path;
    private final Path root;
    private final byte[] content;
    private final SortedMap<String, String> classes = new TreeMap<>(); // labels, by the image's path below the root
    private final Map<String, String> places = new HashMap<>(); // where a path stands, for messages

    private ImageList(String path, Path root, byte[] content) {
        this.path = path;
        this.root = root;
        this.content = content;
    }

    /**
     * Returns what a file names.
     *
     * @param format one of those of files that name images
     * @param labels how labels are read; null for images without labels, which then need none
     * @param root the folder that paths are relative to; null for that of the file
     * @throws UserError if there is no such file or root, or something else in the file
     */
    static ImageList read(
            Configuration hadoop, String path, ImageFormat format, @Nullable LabelForm labels, @Nullable String root) {
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
        switch (format) {
            case JSON -> list.parseJson(labels);
            case CSV -> list.parseCsv(labels);
            case JSONL -> list.parseJsonLines(labels);
            case LIST -> list.parseLines();
            case AUTO, FOLDER, PARQUET, WEBDATASET -> throw new IllegalArgumentException(format + " names no images");
        }
        list.refuseBackslashes();
        if (list.classes.isEmpty()) {
            throw new UserError(path + ": names no image, expected one or more; is it the right file?");
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
            // reported below
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
                                + "'; mend the line, or use another file");
            }
            String label = words.group(2);
            if (!NUMBER.matcher(label).matches()) {
                throw error(
                        place,
                        "must end with a class number, whole and 0 or more, got '" + shown(label)
                                + "'; number the classes, or use another file");
            }
            add(words.group(1), Integer.toString(Integer.parseInt(label)), place);
        }
    }

    private void parseJson(@Nullable LabelForm labels) {
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
                if (labels == null) {
                    parser.skipChildren();
                    add(image, "", place);
                    continue;
                }
                if (labels.task() != Task.SINGLE_LABEL) {
                    add(image, label(WITHIN.readTree(parser), labels, image, place), place);
                    continue;
                }
                if (label != JsonToken.VALUE_NUMBER_INT
                        && !(label == JsonToken.VALUE_STRING
                                && !parser.getText().isBlank())) {
                    throw error(
                            place,
                            "must give the class of " + image + " as a whole number or text, got '" + parser.getText()
                                    + "'; mend it, or use another file");
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

    private void parseCsv(@Nullable LabelForm labels) {
        CsvParserSettings settings = new CsvParserSettings();
        String text = text();
        settings.getFormat().setComment('\0'); // none: a path may begin with #
        settings.getFormat().setDelimiter(delimiter(text));
        settings.setLineSeparatorDetectionEnabled(true);
        settings.setMaxCharsPerColumn(LONGEST);
        settings.setMaxColumns(LONGEST);
        settings.setInputBufferSize(LONGEST);
        settings.setReadInputOnSeparateThread(false);
        settings.setErrorContentLength(SHOWN);
        CsvParser parser = new CsvParser(settings);
        try {
            parser.beginParsing(new StringReader(text));
            String[] header = parser.parseNext();
            int image = column(header, "path", "file_name");
            List<String> columns = labels == null ? List.of() : labels.columns();
            int[] cells =
                    columns.stream().mapToInt(name -> column(header, name)).toArray();
            boolean always = labels != null && labels.task() == Task.SINGLE_LABEL;
            for (String[] row = parser.parseNext(); row != null; row = parser.parseNext()) {
                String[] line = row;
                String place = "line " + parser.getContext().currentLine();
                int last = Math.max(image, Arrays.stream(cells).max().orElse(0));
                if (last >= row.length || row[image] == null || (always && row[cells[0]] == null)) {
                    throw error(
                            place,
                            "must have a path" + (labels == null ? "" : " and a " + String.join(", ", columns))
                                    + ", got '" + shown(String.join(",", texts(row))) + "'; mend the line");
                }
                add(
                        row[image],
                        labels == null
                                ? ""
                                : label(
                                        row[image],
                                        place,
                                        () -> labels.byColumn()
                                                ? labels.ofCells(Arrays.stream(cells)
                                                        .mapToObj(cell -> line[cell])
                                                        .collect(Collectors.toList())) // which may have nulls
                                                : labels.ofText(Objects.requireNonNullElse(line[cells[0]], ""))),
                        place);
            }
        } catch (TextParsingException e) {
            throw new UserError(
                    path + ": is not CSV, line " + (e.getLineIndex() + 1) + "; mend the line, or use another file", e);
        } finally {
            parser.stopParsing();
        }
    }

    /** Returns what separates the cells: a comma, or what spreadsheets write in its place, by the header. */
    private static char delimiter(String text) {
        String header = text.lines().findFirst().orElse("");
        return header.contains(",") ? ',' : header.contains(";") ? ';' : header.contains("\t") ? '\t' : ',';
    }

    private static List<String> texts(@Nullable String[] row) {
        return Arrays.stream(row).map(cell -> cell == null ? "" : cell).toList();
    }

    private int column(@Nullable String @Nullable [] header, String... names) {
        for (int i = 0; header != null && i < header.length; i++) {
            if (Arrays.asList(names).contains(header[i])) {
                return i;
            }
        }
        throw error(
                "line 1",
                "must be a header with " + String.join(" or ", names) + ", got '"
                        + (header == null ? "" : shown(String.join(",", texts(header))))
                        + "'; add the column, or set data.labelColumn");
    }

    private void parseJsonLines(@Nullable LabelForm labels) {
        int number = 0;
        for (String line : text().split("\n", -1)) {
            number++;
            if (line.isBlank()) {
                continue;
            }
            String place = "line " + number;
            try {
                JsonNode object = MAPPER.readTree(line);
                JsonNode image = object.path(object.has("path") ? "path" : "file_name");
                if (labels != null && labels.task() != Task.SINGLE_LABEL && image.isTextual()) {
                    add(image.asText(), label(object, labels, image.asText(), place), place);
                    continue;
                }
                String labelColumn = labels == null ? "label" : labels.columns().get(0);
                JsonNode label = labels == null ? image : object.path(labelColumn);
                if (!image.isTextual() || !isLabel(label)) {
                    throw error(
                            place,
                            "must be an object such as {\"path\": \"images/a.jpg\", \"" + labelColumn
                                    + "\": \"cat\"}, got '" + shown(line.strip())
                                    + "'; mend it, or use another file");
                }
                add(image.asText(), label.asText().strip(), place);
            } catch (JsonProcessingException e) {
                throw new UserError(
                        path + ": " + place + " is not JSON: " + shown(e.getOriginalMessage()) + "; mend it", e);
            }
        }
    }

    /** Returns the label of an image; a message says which image. */
    private String label(String image, String place, Supplier<String> label) {
        try {
            return label.get();
        } catch (IllegalArgumentException e) {
            throw error(
                    place,
                    "names " + shown(image) + ", which " + e.getMessage()
                            + "; mend the line, or is data.labelColumn right?");
        }
    }

    /** Returns the label of an image, which a value gives, or the keys of an object. */
    private String label(JsonNode value, LabelForm labels, String image, String place) {
        return label(image, place, () -> {
            boolean alone = !value.isObject() && labels.columns().size() == 1;
            String label = labelOf(
                    alone ? MAPPER.createObjectNode().set(labels.columns().get(0), value) : value, labels);
            if (label == null) {
                throw new IllegalArgumentException("has no " + String.join(", ", labels.columns()));
            }
            return label;
        });
    }

    /**
     * Returns the label that the keys of an object give; null if it has none.
     *
     * @throws IllegalArgumentException if it has another one than the form says; the message goes on from the image's name
     */
    static @Nullable String labelOf(JsonNode object, LabelForm labels) {
        List<@Nullable String> cells = new ArrayList<>();
        for (String column : labels.columns()) {
            JsonNode cell = object.path(column);
            if (cell.isArray() && !labels.byColumn() && labels.task() == Task.MULTI_LABEL) {
                List<@Nullable String> names = new ArrayList<>();
                cell.forEach(name -> names.add(isLabel(name) ? name.asText().strip() : null));
                return labels.ofClasses(names);
            }
            boolean blank = cell.isTextual() && cell.asText().isBlank() && labels.task() == Task.SINGLE_LABEL;
            boolean none = blank || cell.isMissingNode() || cell.isNull();
            if (!none && (labels.byColumn() ? !cell.isValueNode() : !isLabel(cell) && !cell.isTextual())) {
                throw new IllegalArgumentException("has the " + column + " " + shown(cell.toString()) + ", needs "
                        + switch (labels.task()) {
                            case SINGLE_LABEL -> "text, a whole number or a boolean";
                            case MULTI_LABEL ->
                                labels.byColumn()
                                        ? "0 or 1"
                                        : "an array of classes, or text with " + LabelForm.BAR + " between them";
                            case REGRESSION -> "a number";
                        });
            }
            cells.add(none ? null : cell.asText().strip());
        }
        if (cells.stream().allMatch(Objects::isNull)) {
            return null;
        }
        return labels.byColumn() ? labels.ofCells(cells) : labels.ofText(Objects.requireNonNull(cells.get(0)));
    }

    /** Returns whether a value names a class: text, a whole number or a boolean. */
    static boolean isLabel(JsonNode value) {
        return value.isIntegralNumber()
                || value.isBoolean()
                || (value.isTextual() && !value.asText().isBlank());
    }

    private static String place(JsonParser parser) {
        return "line " + parser.currentTokenLocation().getLineNr() + ", column "
                + parser.currentTokenLocation().getColumnNr();
    }

    /** Returns the content as text, without the mark that Windows puts before it. */
    private String text() {
        int first = content.length < 2 ? 0 : (content[0] & 0xff) << 8 | (content[1] & 0xff);
        if (first == 0xfffe || first == 0xfeff || (content.length > 1 && (content[0] == 0 || content[1] == 0))) {
            throw new UserError(path + ": is in UTF-16, expected UTF-8; save the file in UTF-8");
        }
        ByteBuffer bytes = ByteBuffer.wrap(content);
        CharBuffer text = CharBuffer.allocate(content.length);
        if (StandardCharsets.UTF_8.newDecoder().decode(bytes, text, true).isError()) {
            long line = text.flip().chars().filter(c -> c == '\n').count() + 1;
            throw new UserError(path + ": is not in UTF-8 in line " + line + "; save the file in UTF-8");
        }
        text.flip();
        return text.length() > 0 && text.charAt(0) == '\uFEFF'
                ? text.subSequence(1, text.length()).toString()
                : text.toString();
    }

    /** Refuses paths of Windows. A name may have a backslash elsewhere, but hardly each of a list, and without any slash. */
    private void refuseBackslashes() {
        if (!classes.isEmpty()
                && classes.keySet().stream().allMatch(name -> name.contains("\\") && !name.contains("/"))) {
            throw new UserError(path + ": has paths with backslashes, such as '" + shown(classes.firstKey())
                    + "'; write them with slashes");
        }
    }

    private void add(String image, String label, String place) {
        String name = name(image, place);
        String other = places.put(name, place);
        if (other != null) {
            throw error(place, "names " + name + ", which " + other + " has named already; remove one of them");
        }
        classes.put(name, label);
    }

    /** Returns a path in the one form that it has in reports: below the root, without {@code ./} and doubled slashes. */
    private String name(String image, String place) {
        List<String> parts = new ArrayList<>();
        String folder = root.toUri().getPath();
        String start = folder.endsWith("/") ? folder : folder + "/";
        Matcher uri = URI.matcher(image);
        boolean isUri = uri.matches();
        String local = isUri && isOfRoot(uri.group(1), uri.group(2)) ? uri.group(3) : image;
        boolean below = local.startsWith(start);
        for (String part : (below ? local.substring(start.length()) : image).split("/", -1)) {
            if (part.equals("..")) {
                parts.clear();
                break;
            }
            if (!part.isEmpty() && !part.equals(".")) {
                parts.add(part);
            }
        }
        if (parts.isEmpty() || ((isUri || image.startsWith("/")) && !below)) {
            throw error(
                    place,
                    "must name an image below " + root + ", got '" + shown(image)
                            + "'; make the path relative to that folder, or set data.root to a folder that has all images");
        }
        return String.join("/", parts);
    }

    private boolean isOfRoot(String scheme, @Nullable String authority) {
        return scheme.equals(root.toUri().getScheme())
                && Objects.requireNonNullElse(authority, "")
                        .equals(Objects.requireNonNullElse(root.toUri().getAuthority(), ""));
    }

    private UserError error(String place, String message) {
        return new UserError(path + ": " + place + " " + message);
    }

    private static String shown(String text) {
        String line = text.replaceAll("[\\r\\n]+", " ");
        return line.length() <= SHOWN ? line : line.substring(0, SHOWN) + "...";
    }

    /** Returns the label of each image, by the image's path below the root; one or more. */
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

    /** Returns what identifies the list and the images that it names, of which some may be missing. */
    Inputs.Listing listing(Configuration hadoop) {
        Map<String, FileStatus> there;
        try {
            there = there(root.getFileSystem(hadoop));
        } catch (IOException e) {
            throw new UserError(path + ": the images that it names cannot be listed (" + e.getMessage() + ")", e);
        }
        List<String> times = new ArrayList<>(List.of(Sha256.of(content)));
        List<String> names = new ArrayList<>(times);
        for (String name : classes.keySet()) {
            FileStatus file = there.get(name);
            times.add(below(root, name) + "\t"
                    + (file == null ? "missing" : file.getLen() + "\t" + file.getModificationTime()));
            names.add(name + "\t" + (file == null ? "missing" : file.getLen()));
        }
        return new Inputs.Listing(Inputs.digest(times.stream()), Inputs.digest(names.stream()));
    }

    /** Returns what is there of the images. Lists each folder once, rather than one image at a time. */
    private Map<String, FileStatus> there(FileSystem files) throws IOException {
        Set<Path> folders = new TreeSet<>();
        for (String name : classes.keySet()) {
            folders.add(below(root, name).getParent());
        }
        Map<String, FileStatus> there = new ConcurrentHashMap<>();
        Found.inParallel(folders, folder -> {
            try {
                RemoteIterator<FileStatus> all = files.listStatusIterator(folder);
                while (all.hasNext()) {
                    FileStatus file = all.next();
                    String name = Found.relative(root, file.getPath());
                    if (file.isFile() && classes.containsKey(name)) {
                        there.put(name, file);
                    }
                }
            } catch (FileNotFoundException e) {
                // nor the images in it
            }
            return folder;
        });
        return there;
    }
}
