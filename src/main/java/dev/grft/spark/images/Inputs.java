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
import org.apache.hadoop.fs.Path;

/** Digests of what a result depends on, cheap enough to check before the work whether it is done already. */
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
    public static String listing(Configuration hadoop, String key, String path, ReadOptions options) {
        List<String> lines = new ArrayList<>();
        try {
            ImageList list = options.list(hadoop, path);
            if (list != null) {
                lines.addAll(list.listing(hadoop));
            } else {
                Path given = new Path(path);
                FileSystem files = given.getFileSystem(hadoop);
                List<FileStatus> found = Found.matching(files, given);
                if (found.isEmpty()) {
                    throw UserError.of("%s: there is no such file or folder (%s)", path, key);
                }
                for (FileStatus each : found) {
                    Found.eachFile(files, each, new Found.Visitor() {
                        @Override
                        public void file(FileStatus file) {
                            lines.add(line(file));
                        }

                        @Override
                        public void passedOver(Path at, String reason) {
                            // leads to nothing that is not listed elsewhere
                        }
                    });
                }
            }
        } catch (IOException | IllegalArgumentException e) {
            throw new UserError(path + ": cannot be listed (" + e.getMessage() + "); is " + key + " right?", e);
        }
        Collections.sort(lines);
        return digest(lines.toArray(String[]::new));
    }

    /** Returns the path, size and time of a file, which identify its content. */
    static String line(FileStatus file) {
        return file.getPath() + "\t" + file.getLen() + "\t" + file.getModificationTime();
    }
}
