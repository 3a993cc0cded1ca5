package dev.grft.spark.images;

import dev.grft.UserError;
import dev.grft.data.Sha256;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.LocatedFileStatus;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RemoteIterator;

/** Digests of what a result depends on, cheap enough to find out before the work whether it is done already. */
public final class Inputs {
    private Inputs() {}

    /** Returns the SHA-256 of the parts, in order. */
    public static String digest(String... parts) {
        MessageDigest digest = Sha256.digest();
        for (String part : parts) {
            digest.update(part.getBytes(StandardCharsets.UTF_8));
            digest.update((byte) 0);
        }
        return Sha256.hexadecimal(digest);
    }

    /**
     * Returns a digest of the names, sizes and times of all images at a path, and of the file that names them if there is
     * one; the images are not opened.
     *
     * @param key of the configuration, for messages
     * @throws UserError if there is nothing, or it cannot be listed
     */
    public static String listing(Configuration hadoop, String key, String path, ImageSource.Form form) {
        List<String> lines = new ArrayList<>();
        try {
            ImageList list = form.list(hadoop, path);
            if (list != null) {
                lines.addAll(list.listing(hadoop));
            } else {
                Path given = new Path(path);
                FileSystem files = given.getFileSystem(hadoop);
                FileStatus[] found = files.globStatus(given);
                if (found == null || found.length == 0) {
                    throw UserError.of("%s: there is no such file or folder (%s)", path, key);
                }
                for (FileStatus each : found) {
                    list(files, each, lines);
                }
            }
        } catch (IOException | IllegalArgumentException e) {
            throw new UserError(path + ": cannot be listed (" + e.getMessage() + "); is " + key + " right?", e);
        }
        Collections.sort(lines);
        return digest(lines.toArray(String[]::new));
    }

    /**
     * Adds a line for each file, at any depth. {@code listFiles} asks an object store once for all folders together, but
     * on a local disk it starts the program {@code ls} for every single file, to learn whose it is.
     */
    private static void list(FileSystem files, FileStatus at, List<String> lines) throws IOException {
        if (at.isFile()) {
            lines.add(line(at));
        } else if (files.getUri().getScheme().equals("file")) {
            for (FileStatus below : files.listStatus(at.getPath())) {
                list(files, below, lines);
            }
        } else {
            RemoteIterator<LocatedFileStatus> below = files.listFiles(at.getPath(), true);
            while (below.hasNext()) {
                lines.add(line(below.next()));
            }
        }
    }

    /** Returns what tells a file from a later one of the same name. */
    static String line(FileStatus file) {
        return file.getPath() + "\t" + file.getLen() + "\t" + file.getModificationTime();
    }
}
