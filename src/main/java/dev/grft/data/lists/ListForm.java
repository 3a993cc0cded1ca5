package dev.grft.data.lists;

import dev.grft.UserError;
import dev.grft.data.LabelForm;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.StandardCharsets;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** A form of the files that name images. */
public abstract class ListForm {
    /** Characters of a line, in messages. */
    static final int SHOWN = 80;

    /** Takes the images of a file, in its order. */
    public interface Images {
        /**
         * Takes an image.
         *
         * @param path as the file has it
         * @param label as {@link LabelForm} writes it; empty for an image without
         * @param place where the image stands in the file, for messages
         * @throws UserError if the file must not have this image
         */
        void add(String path, String label, String place);
    }

    final String path;
    final @Nullable LabelForm labels; // null: images have none
    final Images images;

    ListForm(String path, @Nullable LabelForm labels, Images images) {
        this.path = path;
        this.labels = labels;
        this.images = images;
    }

    /**
     * Hands over the images of a file.
     *
     * @param text of the file, see {@link #text}
     * @throws UserError with the place and what to do about it, if the file has another form
     */
    public abstract void parse(String text);

    /**
     * Returns the content of a file as text, without the mark that Windows puts before it.
     *
     * @throws UserError if it is not in UTF-8
     */
    public static String text(String path, byte[] content) {
        int first = content.length < 2 ? 0 : (content[0] & 0xff) << 8 | (content[1] & 0xff);
        if (first == 0xfffe || first == 0xfeff || (content.length > 1 && (content[0] == 0 || content[1] == 0))) {
            throw new UserError(path + ": is in UTF-16, expected UTF-8; save the file in UTF-8");
        }
        ByteBuffer bytes = ByteBuffer.wrap(content);
        CharBuffer text = CharBuffer.allocate(content.length);
        if (StandardCharsets.UTF_8.newDecoder().decode(bytes, text, true).isError()) {
            long line = text.flip().chars().filter(c -> c == '\n').count() + 1;
            throw new UserError(path + ": is not in UTF-8 in line " + line + "; save the file in UTF-8");
        }
        text.flip();
        return text.length() > 0 && text.charAt(0) == '\uFEFF'
                ? text.subSequence(1, text.length()).toString()
                : text.toString();
    }

    /** Returns the label of an image; a message says which image. */
    final String label(String image, String place, Supplier<String> label) {
        try {
            return label.get();
        } catch (IllegalArgumentException e) {
            throw error(
                    place,
                    "names " + shown(image) + ", which " + e.getMessage()
                            + "; mend the line, or is data.labelColumn right?");
        }
    }

    /** Returns an error at a place of a file. */
    public static UserError error(String path, String place, String message) {
        return new UserError(path + ": " + place + " " + message);
    }

    final UserError error(String place, String message) {
        return error(path, place, message);
    }

    /** Returns a text in one line, its beginning if it is long. */
    public static String shown(String text) {
        String line = text.replaceAll("[\\r\\n]+", " ");
        return line.length() <= SHOWN ? line : line.substring(0, SHOWN) + "...";
    }
}
