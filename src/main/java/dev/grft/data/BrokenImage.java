package dev.grft.data;

/**
 * An image that cannot be used: not JPEG or PNG, damaged, or too large. Whoever decodes decides how many are too many.
 */
public final class BrokenImage extends Exception {
    private static final long serialVersionUID = 1L;

    private final String name;
    private final String reason;

    /** Returns the failure of the image {@code name}, with a reason that reads on after its name. */
    public BrokenImage(String name, String reason) {
        super(name + ": " + reason);
        this.name = name;
        this.reason = reason;
    }

    public BrokenImage(String name, String reason, Throwable cause) {
        this(name, reason);
        initCause(cause);
    }

    /** Returns the image's name. */
    public String name() {
        return name;
    }

    /** Returns why it cannot be used. */
    public String reason() {
        return reason;
    }
}
