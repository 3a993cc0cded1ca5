package dev.grft.spark.run;

import com.fasterxml.jackson.annotation.JsonProperty;
import dev.grft.spark.images.Inputs;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;

/**
 * The sets of images that a run directory has read, as {@code images.json}. Copies of a set, whose files have other times or lie
 * elsewhere, have the identity of the set: what was made of it is made of them.
 */
final class KnownImages {
    private final RunDirectory directory;

    /**
     * A set.
     *
     * @param times of its {@link Inputs.Listing}
     * @param names of that
     * @param content digest of what the files hold
     * @param identity what the inputs of artifacts have of it: {@code times} of the first set of this content
     */
    record Known(
            @JsonProperty("times") String times,
            @JsonProperty("names") String names,
            @JsonProperty("content") String content,
            @JsonProperty("identity") String identity) {}

    KnownImages(RunDirectory directory) {
        this.directory = directory;
    }

    /**
     * Returns the identity of a set.
     *
     * @param content reads the images; called only if a set of the same names and sizes is known, but not these times
     */
    String identity(Inputs.Listing listing, Supplier<String> content) {
        List<Known> sets = directory.images();
        for (Known set : sets) {
            if (set.times.equals(listing.times())) {
                return set.identity;
            }
        }
        if (sets.stream().noneMatch(set -> set.names.equals(listing.names()))) {
            return listing.times();
        }
        String found = content.get();
        String identity = sets.stream()
                .filter(set -> set.content.equals(found))
                .map(Known::identity)
                .findFirst()
                .orElse(listing.times());
        add(sets, listing, found, identity);
        return identity;
    }

    /** Notes what a set was found to hold, unless that is known. */
    void note(Inputs.Listing listing, String content) {
        List<Known> sets = directory.images();
        if (sets.stream().noneMatch(set -> set.times.equals(listing.times()))) {
            add(sets, listing, content, listing.times());
        }
    }

    private void add(List<Known> sets, Inputs.Listing listing, String content, String identity) {
        List<Known> all = new ArrayList<>(sets);
        all.add(new Known(listing.times(), listing.names(), content, identity));
        directory.writeImages(all);
    }
}
