package dev.grft.spark.images;

import dev.grft.UserError;
import dev.grft.checkpoint.file.Failures;
import dev.grft.checkpoint.file.Storage;
import dev.grft.data.LabelForm;
import dev.grft.data.Sha256;
import dev.grft.data.lists.CsvList;
import dev.grft.data.lists.JsonLinesList;
import dev.grft.data.lists.JsonMapList;
import dev.grft.data.lists.LineList;
import dev.grft.data.lists.ListForm;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
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
    private static final Pattern URI = Pattern.compile("([a-zA-Z][a-zA-Z0-9+.-]+):(?://([^/]*))?(/.*)");

    private final String path;
    private final Path file;
    private final Path root;
    private final byte[] content;
    private final SortedMap<String, String> classes = new TreeMap<>(); // labels, by the image's path below the root
    private final Map<String, String> places = new HashMap<>(); // where a path stands, for messages

    private ImageList(String path, Path file, Path root, byte[] content) {
        this.path = path;
        this.file = file;
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
            FileSystem files = Storage.files(hadoop, given);
            Path file = files.makeQualified(given);
            byte[] content = content(files, path, file);
            list = new ImageList(path, file, root == null ? file.getParent() : root(hadoop, path, root), content);
        } catch (IOException | IllegalArgumentException e) {
            throw Failures.unlessAway(
                    path,
                    e,
                    new UserError(
                            path + ": cannot be read (" + e.getMessage() + "); check the path and its permissions", e));
        }
        ListForm form = switch (format) {
            case JSON -> new JsonMapList(path, labels, list::add);
            case CSV -> new CsvList(path, labels, list::add);
            case JSONL -> new JsonLinesList(path, labels, list::add);
            case LIST -> new LineList(path, labels, list::add);
            case AUTO, FOLDER, PARQUET, WEBDATASET -> throw new IllegalArgumentException(format + " names no images");
        };
        form.parse(ListForm.text(path, list.content));
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
        FileSystem files = Storage.files(hadoop, given);
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

    /** Refuses paths of Windows. A name may have a backslash elsewhere, but hardly each of a list, and without any slash. */
    private void refuseBackslashes() {
        if (!classes.isEmpty()
                && classes.keySet().stream().allMatch(name -> name.contains("\\") && !name.contains("/"))) {
            throw new UserError(path + ": has paths with backslashes, such as '" + ListForm.shown(classes.firstKey())
                    + "'; write them with slashes");
        }
    }

    private void add(String image, String label, String place) {
        String name = name(image, place);
        String other = places.put(name, place);
        if (other != null) {
            throw ListForm.error(
                    path, place, "names " + name + ", which " + other + " has named already; remove one of them");
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
            throw ListForm.error(
                    path,
                    place,
                    "must name an image below " + root + ", got '" + ListForm.shown(image)
                            + "'; make the path relative to that folder, or set data.root to a folder that has all"
                            + " images");
        }
        return String.join("/", parts);
    }

    private boolean isOfRoot(String scheme, @Nullable String authority) {
        return scheme.equals(root.toUri().getScheme())
                && Objects.requireNonNullElse(authority, "")
                        .equals(Objects.requireNonNullElse(root.toUri().getAuthority(), ""));
    }

    /** Returns the label of each image, by the image's path below the root; one or more. */
    SortedMap<String, String> classes() {
        return classes;
    }

    /** Returns the folder that the paths are relative to, qualified. */
    Path root() {
        return root;
    }

    /** Returns the file itself, qualified. */
    Path file() {
        return file;
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
            there = there(Storage.files(hadoop, root));
        } catch (IOException e) {
            throw Failures.unlessAway(
                    path,
                    e,
                    new UserError(
                            path + ": the images that it names cannot be listed (" + e.getMessage()
                                    + "); check data.root and its permissions",
                            e));
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
