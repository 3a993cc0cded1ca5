package dev.grft.data.lists;

import dev.grft.data.LabelForm;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** On each line a path, a blank and a class number from 0 on, as VTAB-1k has it. */
public final class LineList extends ListForm {
    private static final Pattern LINE = Pattern.compile("(.*\\S)\\s+(\\S+)");
    private static final Pattern NUMBER = Pattern.compile("[0-9]{1,9}");

    /**
     * Returns the form of a file.
     *
     * @param path for messages
     * @param labels how labels are read; null for images without labels, which then need none
     * @param images takes them
     */
    public LineList(String path, @Nullable LabelForm labels, Images images) {
        super(path, labels, images);
    }

    @Override
    public void parse(String text) {
        int number = 0;
        for (String line : text.split("\n", -1)) {
            number++;
            String stripped = line.strip();
            if (stripped.isEmpty()) {
                continue;
            }
            String place = "line " + number;
            Matcher words = LINE.matcher(stripped);
            if (!words.matches()) {
                throw error(
                        place,
                        "must be a path and a class number, such as 'images/000000.jpg 7', got '" + shown(stripped)
                                + "'; mend the line, or use another file");
            }
            String label = words.group(2);
            if (!NUMBER.matcher(label).matches()) {
                throw error(
                        place,
                        "must end with a class number, whole and 0 or more, got '" + shown(label)
                                + "'; number the classes, or use another file");
            }
            images.add(words.group(1), Integer.toString(Integer.parseInt(label)), place);
        }
    }
}
