package dev.grft.data;

import dev.grft.Task;
import dev.grft.UserError;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * How the columns of a set, or the keys of its objects, tell what an image shows.
 *
 * <p>A label is a text that {@link Labels#target} reads: the name of a class; of several classes the names, joined by U+001F, none of them if the image
 * shows none; of values the numbers, joined likewise. Not a record: Kryo cannot read them.
 */
public final class LabelForm implements Serializable {
    /** Separates the classes of an image in a cell of text. */
    public static final char BAR = '|';

    static final String JOINED_BY = "\u001f"; // the unit separator, which is in no name

    private static final long serialVersionUID = 1L;
    private static final Pattern NUMBER = Pattern.compile("[+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?");

    private final Task task;
    private final String[] columns;

    private LabelForm(Task task, String... columns) {
        this.task = task;
        this.columns = columns;
    }

    /**
     * Returns the form of a task.
     *
     * @param columns one column; for values, and for classes that have a column each, several, separated by commas
     * @throws UserError if a name is empty or comes twice
     */
    public static LabelForm of(Task task, String columns) {
        if (task == Task.SINGLE_LABEL) {
            return new LabelForm(task, columns);
        }
        String[] each = Arrays.stream(columns.split(",", -1)).map(String::strip).toArray(String[]::new);
        if (Arrays.stream(each).anyMatch(String::isEmpty)
                || Arrays.stream(each).distinct().count() < each.length) {
            throw UserError.of("data.labelColumn must name columns, each once, separated by commas, got %s", columns);
        }
        return new LabelForm(task, each);
    }

    /** Returns what a label is. */
    public Task task() {
        return task;
    }

    /** Returns the columns, one or more. */
    public List<String> columns() {
        return List.of(columns);
    }

    /** Returns whether each column is an output by itself: a value, or a class that an image shows or does not. */
    public boolean byColumn() {
        return task == Task.REGRESSION || columns.length > 1;
    }

    /**
     * Returns the label of a cell of text: the name of a class; classes, separated by {@link #BAR}; or a value.
     *
     * @throws IllegalArgumentException if it is none; the message goes on from the image's name
     */
    public String ofText(String text) {
        if (byColumn()) {
            return ofCells(List.of(text));
        }
        return task == Task.SINGLE_LABEL
                ? text
                : Arrays.stream(text.split("\\" + BAR))
                        .map(String::strip)
                        .filter(name -> !name.isEmpty())
                        .map(LabelForm::requireWhole)
                        .collect(Collectors.joining(JOINED_BY));
    }

    private static String requireWhole(String name) {
        if (name.contains(JOINED_BY)) {
            throw new IllegalArgumentException(
                    "has the class " + name.replace(JOINED_BY, "<U+001F>") + ", whose name must not have U+001F");
        }
        return name;
    }

    /**
     * Returns the label of a list of classes.
     *
     * @throws IllegalArgumentException if one has no name, or U+001F in it
     */
    public String ofClasses(List<@Nullable String> names) {
        for (String name : names) {
            if (name == null || name.isBlank()) {
                throw new IllegalArgumentException("has a class without a name in " + columns[0]);
            }
            requireWhole(name);
        }
        return String.join(JOINED_BY, names);
    }

    /**
     * Returns the label of the cells of an image, one of each column.
     *
     * @param cells null for an empty one
     * @throws IllegalArgumentException if one is no number, or neither 0 nor 1 for a class
     */
    public String ofCells(List<@Nullable String> cells) {
        if (cells.size() != columns.length) {
            throw new IllegalArgumentException(
                    "has " + cells.size() + " labels, needs " + String.join(", ", columns) + " (data.labelColumn)");
        }
        List<String> parts = new ArrayList<>();
        for (int i = 0; i < columns.length; i++) {
            float value = number(columns[i], cells.get(i));
            if (task == Task.REGRESSION) {
                parts.add(Float.toString(value));
            } else if (value == 1) {
                parts.add(columns[i]);
            }
        }
        return String.join(JOINED_BY, parts);
    }

    private float number(String column, @Nullable String cell) {
        boolean values = task == Task.REGRESSION;
        float value = Float.NaN;
        if (cell != null) {
            String text = cell.strip();
            if (NUMBER.matcher(text).matches()) {
                value = Float.parseFloat(text);
            } else if (text.equalsIgnoreCase("true") || text.equalsIgnoreCase("false")) {
                value = text.equalsIgnoreCase("true") ? 1 : 0;
            }
        }
        if (values ? !Float.isFinite(value) : value != 0 && value != 1) {
            throw new IllegalArgumentException("has " + (cell == null ? "no " + column : "the " + column + " " + cell)
                    + ", needs " + (values ? "a finite number" : "0 or 1"));
        }
        return value;
    }

    /** Returns the parts of a label of several: classes or numbers. */
    public static List<String> parts(String label) {
        return label.isEmpty() ? List.of() : List.of(label.split(JOINED_BY, -1));
    }
}
