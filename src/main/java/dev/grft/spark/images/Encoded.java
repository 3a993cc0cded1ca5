package dev.grft.spark.images;

import dev.grft.UserError;
import dev.grft.data.BrokenImage;
import dev.grft.data.Example;
import dev.grft.data.Pixels;
import dev.grft.data.Preprocess;
import dev.grft.data.Sha256;
import dev.grft.data.Target;
import dev.grft.data.decode.Exif;
import dev.grft.data.decode.ImageDecoder;
import java.io.Serializable;
import org.jspecify.annotations.Nullable;

/** An image as it was found: the bytes of a file, or pixels, or the reason why there is neither. */
public final class Encoded implements Serializable {
    private static final byte[] NO_BYTES = {};
    private static final long serialVersionUID = 1L;

    final String name;
    final Target target;
    final byte[] content;
    private final @Nullable String reason;
    private final int height; // 0: the content is a file
    private final int width;
    private final int channels;
    private float weight = 1;

    private Encoded(
            String name, Target target, byte[] content, @Nullable String reason, int height, int width, int channels) {
        this.name = name;
        this.target = target;
        this.content = content;
        this.reason = reason;
        this.height = height;
        this.width = width;
        this.channels = channels;
    }

    /** Returns an image in the bytes of a JPEG or PNG file. */
    static Encoded file(String name, Target target, byte[] content) {
        return new Encoded(name, target, content, null, 0, 0, 0);
    }

    /** Returns an image that cannot be decoded. */
    static Encoded broken(String name, Target target, String reason) {
        return new Encoded(name, target, NO_BYTES, reason, 0, 0, 0);
    }

    /** Returns an image that is decoded already, see {@link Pixels#ofOpenCv}; as it is found, right or wrong. */
    static Encoded pixels(String name, Target target, int height, int width, int channels, byte[] samples) {
        return height < 1
                ? broken(name, target, "Spark's image reader could not decode it")
                : new Encoded(name, target, samples, null, height, width, channels);
    }

    /** Returns this image, which now has a weight in the loss of a training, 0 or more. */
    Encoded weighing(float much) {
        weight = much;
        return this;
    }

    /** Returns the name of the image. */
    public String name() {
        return name;
    }

    /**
     * Returns the image as the example of that id.
     *
     * @throws BrokenImage if there is none
     */
    public Example example(long id, Preprocess preprocess) throws BrokenImage {
        Pixels image = preprocess.turns() ? Exif.upright(decoded(), orientation()) : decoded();
        return new Example(id, target, name, preprocess.prepare(image), preprocess.source(image), weight);
    }

    private int orientation() {
        return height == 0 ? Exif.orientation(content) : 1;
    }

    /** Returns whether this is a photo that lies on its side or head, if it is prepared so. */
    public boolean leftTurned(Preprocess preprocess) {
        return !preprocess.turns() && orientation() > 1;
    }

    private Pixels decoded() throws BrokenImage {
        if (reason != null) {
            throw new BrokenImage(name, reason);
        }
        if (height == 0) {
            return new ImageDecoder().decode(content, name);
        }
        try {
            return Pixels.ofOpenCv(height, width, channels, content);
        } catch (IllegalArgumentException e) {
            throw new BrokenImage(name, String.valueOf(e.getMessage()), e);
        }
    }

    /**
     * Returns the bytes of the file as they were found; null if there are none.
     *
     * @throws UserError if it is none, but pixels
     */
    public byte @Nullable [] file() {
        if (height > 0) {
            throw new UserError(name + ": holds pixels, not an image file; only files can be packed");
        }
        return reason == null ? content : null;
    }

    /** Returns what comes of it, as the example of that id. */
    Decoded decoded(long id, Preprocess preprocess) {
        byte[] digest = Sha256.digest().digest(content);
        try {
            return new Decoded(id, digest, example(id, preprocess), null, leftTurned(preprocess));
        } catch (BrokenImage e) {
            return new Decoded(id, digest, null, e.reason(), false);
        }
    }
}
