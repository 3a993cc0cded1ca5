package dev.grft.checkpoint.artifact;

import dev.grft.checkpoint.file.Storage;
import java.util.ArrayList;
import java.util.List;
import org.apache.hadoop.fs.Path;

/**
 * The files of a training's history: {@code history.jsonl}, and of a long training {@code history-2.jsonl}, {@code
 * history-3.jsonl} and so on, in this order. Not every file system can append, so a file may be written whole and must stay small.
 */
public final class HistoryParts {
    private static final String SUFFIX = ".jsonl";

    private final Storage storage;
    private final Path first;

    /**
     * Returns the files of a history.
     *
     * @param first the path of {@code history.jsonl}
     */
    public HistoryParts(Storage storage, Path first) {
        this.storage = storage;
        this.first = first;
    }

    /**
     * Returns the path of a part, whether it exists or not.
     *
     * @param number from 1
     */
    public Path path(int number) {
        if (number == 1) {
            return first;
        }
        String name = first.getName();
        return new Path(first.getParent(), name.substring(0, name.length() - SUFFIX.length()) + "-" + number + SUFFIX);
    }

    /** Returns the lines of a part; of what is being appended, the lines that are there whole. */
    public List<String> lines(Path part) {
        String text = storage.readString(part);
        return text.substring(0, text.lastIndexOf('\n') + 1).lines().toList();
    }

    /** Returns the paths of the parts that exist, in order. */
    public List<Path> existing() {
        List<Path> paths = new ArrayList<>();
        for (int number = 1; storage.exists(path(number)); number++) {
            paths.add(path(number));
        }
        return paths;
    }
}
