package dev.grft.spark;

import dev.grft.UserError;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.LocatedFileStatus;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RemoteIterator;
import org.jspecify.annotations.Nullable;

/** Digests of what a result depends on, cheap enough to find out before the work whether it is done already. */
final class Inputs {
    private Inputs() {}

    /** Returns the SHA-256 of the parts, in order. */
    static String digest(String... parts) {
        MessageDigest digest = sha256();
        for (String part : parts) {
            digest.update(part.getBytes(StandardCharsets.UTF_8));
            digest.update((byte) 0);
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    /**
     * Returns a digest of the names, sizes and times of all files at a path; their contents are not read.
     *
     * @throws UserError if there is nothing, or it cannot be listed
     */
    static String listing(Configuration hadoop, String key, @Nullable String path) {
        if (path == null) {
            throw UserError.of("%s is not set; give the folder or Parquet file of the images", key);
        }
        List<String> lines = new ArrayList<>();
        try {
            Path given = new Path(path);
            FileSystem files = given.getFileSystem(hadoop);
            FileStatus[] found = files.globStatus(given);
            if (found == null || found.length == 0) {
                throw UserError.of("%s: there is no such file or folder (%s)", path, key);
            }
            for (FileStatus each : found) {
                RemoteIterator<LocatedFileStatus> below = files.listFiles(each.getPath(), true);
                while (below.hasNext()) {
                    LocatedFileStatus file = below.next();
                    lines.add(file.getPath() + "\t" + file.getLen() + "\t" + file.getModificationTime());
                }
            }
        } catch (IOException | IllegalArgumentException e) {
            throw new UserError(path + ": cannot be listed (" + e.getMessage() + "); is " + key + " right?", e);
        }
        Collections.sort(lines);
        return digest(lines.toArray(String[]::new));
    }

    static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }
}
