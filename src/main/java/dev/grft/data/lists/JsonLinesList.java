package dev.grft.data.lists;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.data.LabelForm;
import org.jspecify.annotations.Nullable;

/** JSONL: on each line an object with the keys {@code path} or {@code file_name}, and those of the labels. */
public final class JsonLinesList extends ListForm {
    private static final ObjectMapper MAPPER =
            new ObjectMapper().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

    /**
     * Returns the form of a file.
     *
     * @param path for messages
     * @param labels how labels are read; null for images without labels, which then need none
     * @param images takes them
     */
    public JsonLinesList(String path, @Nullable LabelForm labels, Images images) {
        super(path, labels, images);
    }

    @Override
    public void parse(String text) {
        int number = 0;
        for (String line : text.split("\n", -1)) {
            number++;
            if (line.isBlank()) {
                continue;
            }
            String place = "line " + number;
            try {
                JsonNode object = MAPPER.readTree(line);
                JsonNode image = object.path(object.has("path") ? "path" : "file_name");
                if (labels != null && labels.task() != Task.SINGLE_LABEL && image.isTextual()) {
                    images.add(
                            image.asText(), label(image.asText(), place, () -> JsonLabels.of(object, labels)), place);
                    continue;
                }
                String labelColumn = labels == null ? "label" : labels.columns().get(0);
                JsonNode label = labels == null ? image : object.path(labelColumn);
                if (!image.isTextual() || !JsonLabels.isLabel(label)) {
                    throw error(
                            place,
                            "must be an object such as {\"path\": \"images/a.jpg\", \"" + labelColumn
                                    + "\": \"cat\"}, got '" + shown(line.strip())
                                    + "'; mend it, or use another file");
                }
                images.add(image.asText(), label.asText().strip(), place);
            } catch (JsonProcessingException e) {
                throw new UserError(
                        path + ": " + place + " is not JSON: " + shown(e.getOriginalMessage()) + "; mend it", e);
            }
        }
    }
}
