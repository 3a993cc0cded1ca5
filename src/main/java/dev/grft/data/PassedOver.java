package dev.grft.data;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * What lies at the place of a set of images and is not read: how many files of each reason, and sentences about what may be a
 * mistake. Images read, broken ones and ignored files are together what was there.
 */
public final class PassedOver {
    private static final int SHOWN = 8;

    private final SortedMap<String, Long> reasons = new TreeMap<>();
    private final List<String> notes = new ArrayList<>();

    /** Adds files that are ignored. */
    public void add(String reason, long files) {
        reasons.merge(reason, files, Long::sum);
    }

    /** Adds a sentence for the user. */
    public void note(String sentence) {
        notes.add(sentence);
    }

    /** Adds what is ignored at another place. */
    public void add(PassedOver other) {
        other.reasons.forEach(this::add);
        notes.addAll(other.notes);
    }

    /** Returns the number of files by reason, such as {@code .webp}; a view. */
    public SortedMap<String, Long> reasons() {
        return Collections.unmodifiableSortedMap(reasons);
    }

    /** Returns the sentences; a view. */
    public List<String> notes() {
        return Collections.unmodifiableList(notes);
    }

    /** Returns how many files are ignored. */
    public long count() {
        return reasons.values().stream().mapToLong(Long::longValue).sum();
    }

    /** Returns the count, and the most frequent reasons with theirs. */
    @Override
    public String toString() {
        if (reasons.isEmpty()) {
            return "0 files ignored";
        }
        List<String> some = reasons.entrySet().stream()
                .sorted((a, b) -> Long.compare(b.getValue(), a.getValue()))
                .limit(SHOWN)
                .map(reason -> reason.getValue() + " " + reason.getKey())
                .collect(Collectors.toCollection(ArrayList::new));
        if (reasons.size() > SHOWN) {
            some.add("and " + (reasons.size() - SHOWN) + " more reasons");
        }
        return count() + (count() == 1 ? " file" : " files") + " ignored [" + String.join("; ", some) + "]";
    }
}
