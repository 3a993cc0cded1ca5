package dev.grft.spark.images;

import dev.grft.data.Example;
import java.io.Serializable;
import org.jspecify.annotations.Nullable;

/** What came of decoding an image: an example, or the reason why there is none. */
final class Decoded implements Serializable {
    private static final long serialVersionUID = 1L;

    final long id;
    final byte[] sha256; // of the encoded bytes
    final @Nullable Example example;
    final @Nullable String reason;
    final boolean leftTurned; // a photo that lies on its side or head

    Decoded(long id, byte[] sha256, @Nullable Example example, @Nullable String reason, boolean leftTurned) {
        this.id = id;
        this.sha256 = sha256;
        this.example = example;
        this.reason = reason;
        this.leftTurned = leftTurned;
    }

    /** Returns what came of an image whose digest is not asked for any more. */
    static Decoded before(Example example) {
        return new Decoded(example.id(), new byte[0], example, null, false);
    }

    Decoded withoutExample() {
        return new Decoded(id, sha256, null, reason, leftTurned);
    }
}
