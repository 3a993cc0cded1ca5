package dev.grft.measures;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.grft.data.Labels;
import java.io.Serializable;

/**
 * What a measure needs of the outputs for one image, beside what it shows.
 *
 * <p>Not a record: records do not survive Kryo, which a cluster may be configured to serialize with.
 */
public abstract class Judgment implements Serializable {
    private static final long serialVersionUID = 1L;

    public final long id; // the image's rank among the names of its set
    public final String name;

    Judgment(long id, String name) {
        this.id = id;
        this.name = name;
    }

    /** Returns how bad the mistake is, in the same unit for all images of a set; below 0 if there is none. */
    public abstract double mistake();

    /** Adds what the image shows and what the model says, by name. */
    public abstract void put(Labels names, ObjectNode line);
}
