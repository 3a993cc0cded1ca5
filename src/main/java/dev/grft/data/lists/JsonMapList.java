package dev.grft.data.lists;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.grft.Task;
import dev.grft.UserError;
import dev.grft.data.LabelForm;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/** A JSON object that gives each path its class, a whole number or text, as VPT has it for FGVC. */
public final class JsonMapList extends ListForm {
    private static final JsonFactory JSON = new JsonFactory();
    private static final ObjectMapper WITHIN = new ObjectMapper(); // for values that others follow

    /**
     * Returns the form of a file.
     *
     * @param path for messages
     * @param labels how labels are read; null for images without labels, which then need none
     * @param images takes them
     */
    public JsonMapList(String path, @Nullable LabelForm labels, Images images) {
        super(path, labels, images);
    }

    @Override
    public void parse(String text) {
        try (JsonParser parser = JSON.createParser(text)) {
            JsonToken first = parser.nextToken();
            if (first == null) {
                return; // names nothing
            }
            if (first != JsonToken.START_OBJECT) {
                throw error(
                        place(parser),
                        "must begin an object such as {\"images/a.jpg\": 7}, got '" + parser.getText()
                                + "'; is it the wrong file?");
            }
            while (parser.nextToken() != JsonToken.END_OBJECT) {
                String image = parser.currentName();
                String place = place(parser);
                JsonToken label = parser.nextToken();
                if (labels == null) {
                    parser.skipChildren();
                    images.add(image, "", place);
                    continue;
                }
                if (labels.task() != Task.SINGLE_LABEL) {
                    JsonNode value = WITHIN.readTree(parser);
                    images.add(image, label(image, place, () -> JsonLabels.of(value, labels)), place);
                    continue;
                }
                if (label != JsonToken.VALUE_NUMBER_INT
                        && !(label == JsonToken.VALUE_STRING
                                && !parser.getText().isBlank())) {
                    throw error(
                            place,
                            "must give the class of " + image + " as a whole number or text, got '" + parser.getText()
                                    + "'; mend it, or use another file");
                }
                images.add(image, parser.getText().strip(), place);
            }
        } catch (JsonProcessingException e) {
            throw new UserError(
                    path + ": is not JSON: " + e.getOriginalMessage() + " (line "
                            + e.getLocation().getLineNr() + ", column "
                            + e.getLocation().getColumnNr() + "); mend it",
                    e);
        } catch (IOException e) {
            throw new IllegalStateException("no file is read here", e);
        }
    }

    private static String place(JsonParser parser) {
        return "line " + parser.currentTokenLocation().getLineNr() + ", column "
                + parser.currentTokenLocation().getColumnNr();
    }
}
