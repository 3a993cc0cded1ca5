package dev.grft.data;

import dev.grft.UserError;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * The images of a set that could not be decoded, for the report, and the rule how many of them are too many.
 *
 * @param images the broken ones that are named, in the order of their names
 * @param count how many are broken, named or not
 * @param total how many images the set has, broken or not
 */
public record BrokenImages(List<Broken> images, long count, long total) {
    private static final int SHOWN = 5;

    /**
     * One broken image.
     *
     * @param name its name in the set
     * @param reason why it could not be decoded
     */
    public record Broken(String name, String reason) {}

    public BrokenImages {
        images = List.copyOf(images);
        if (images.size() > count || count > total) {
            throw new IllegalArgumentException(count + " broken images of " + total + ", " + images.size() + " named");
        }
    }

    /** Returns broken images all of which are named. */
    public BrokenImages(List<Broken> images, long total) {
        this(images, images.size(), total);
    }

    /** Returns the reasons of those that are named, by name, in order. */
    public Map<String, String> reasons() {
        Map<String, String> reasons = new LinkedHashMap<>();
        images.forEach(image -> reasons.put(image.name(), image.reason()));
        return reasons;
    }

    /** Returns the broken images as a share of all, in [0, 1]; 0 if there are none at all. */
    double share() {
        return total == 0 ? 0 : (double) count / total;
    }

    /**
     * Refuses a set of which more than a share is broken.
     *
     * @param limit the largest share that is accepted ({@code data.maxBroken}), in [0, 1]
     * @param place where the images lie, for the message
     * @throws UserError if the share is above the limit; it names the first few
     */
    public void check(double limit, String place) {
        check(limit, place, "");
    }

    /**
     * Refuses as {@link #check(double, String)} does.
     *
     * @param remedy ends the message
     */
    public void check(double limit, String place, String remedy) {
        if (!(limit >= 0 && limit <= 1)) {
            throw new IllegalArgumentException("the limit of broken images must be in [0, 1], got " + limit);
        }
        if (share() > limit) {
            throw new UserError(place + ": " + this + ", data.maxBroken allows " + percent(limit)
                    + "; mend or remove them, or raise data.maxBroken" + remedy);
        }
    }

    /** Returns a sentence with the count, the share and the first few names and reasons. */
    @Override
    public String toString() {
        String sentence = count + " of " + total + " images (" + percent(share()) + ") are broken";
        if (images.isEmpty()) {
            return sentence;
        }
        String first = images.stream()
                .limit(SHOWN)
                .map(b -> b.name() + ": " + b.reason())
                .collect(Collectors.joining("; "));
        long more = count - Math.min(SHOWN, images.size());
        return sentence + " [" + first + (more > 0 ? "; and " + more + " more" : "") + "]";
    }

    private static String percent(double share) {
        return Math.round(share * 1e6) / 1e4 + " %";
    }
}
