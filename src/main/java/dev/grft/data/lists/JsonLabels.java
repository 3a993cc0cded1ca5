package dev.grft.data.lists;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.grft.Task;
import dev.grft.data.LabelForm;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** What JSON says of the labels of an image. */
public final class JsonLabels {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    private JsonLabels() {}

    /**
     * Returns the label that a value gives, or the keys of an object.
     *
     * @throws IllegalArgumentException if there is none, or another one than the form says; the message goes on from the image's name
     */
    static String of(JsonNode value, LabelForm labels) {
        boolean alone = !value.isObject() && labels.columns().size() == 1;
        String label =
                ofKeys(alone ? MAPPER.createObjectNode().set(labels.columns().get(0), value) : value, labels);
        if (label == null) {
            throw new IllegalArgumentException("has no " + String.join(", ", labels.columns()));
        }
        return label;
    }

    /**
     * Returns the label that the keys of an object give; null if it has none.
     *
     * @throws IllegalArgumentException if it has another one than the form says; the message goes on from the image's name
     */
    public static @Nullable String ofKeys(JsonNode object, LabelForm labels) {
        List<@Nullable String> cells = new ArrayList<>();
        for (String column : labels.columns()) {
            JsonNode cell = object.path(column);
            if (cell.isArray() && !labels.byColumn() && labels.task() == Task.MULTI_LABEL) {
                List<@Nullable String> names = new ArrayList<>();
                cell.forEach(name -> names.add(isLabel(name) ? name.asText().strip() : null));
                return labels.ofClasses(names);
            }
            boolean blank = cell.isTextual() && cell.asText().isBlank() && labels.task() == Task.SINGLE_LABEL;
            boolean none = blank || cell.isMissingNode() || cell.isNull();
            if (!none && (labels.byColumn() ? !cell.isValueNode() : !isLabel(cell) && !cell.isTextual())) {
                throw new IllegalArgumentException("has the " + column + " " + ListForm.shown(cell.toString())
                        + ", needs "
                        + switch (labels.task()) {
                            case SINGLE_LABEL -> "text, a whole number or a boolean";
                            case MULTI_LABEL ->
                                labels.byColumn()
                                        ? "0 or 1"
                                        : "an array of classes, or text with " + LabelForm.BAR + " between them";
                            case REGRESSION -> "a number";
                        });
            }
            cells.add(none ? null : cell.asText().strip());
        }
        if (cells.stream().allMatch(Objects::isNull)) {
            return null;
        }
        return labels.byColumn() ? labels.ofCells(cells) : labels.ofText(Objects.requireNonNull(cells.get(0)));
    }

    /** Returns whether a value names a class: text, a whole number or a boolean. */
    static boolean isLabel(JsonNode value) {
        return value.isIntegralNumber()
                || value.isBoolean()
                || (value.isTextual() && !value.asText().isBlank());
    }
}
