package dev.grft.report;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.grft.data.Labels;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * What a model says of the test images. {@code predictions.jsonl} has a line for each, by id; of more than 10,000 images it has
 * every second, third and so on. {@code mistakes.json} lists the most confident mistakes of all, with pictures.
 */
public final class Predictions {
    /** Most lines of {@code predictions.jsonl}. */
    static final int MOST = 10_000;

    /** Most mistakes that get a picture. */
    static final int MISTAKES = 24;

    private static final ObjectMapper MAPPER = new ObjectMapper();

    /** Most confident first, of equals the lower id. */
    private static final Comparator<Prediction> CONFIDENCE =
            Comparator.comparingDouble(Prediction::probability).reversed().thenComparingLong(Prediction::id);

    private final Labels labels;
    private final long every;
    private final List<Prediction> some = new ArrayList<>();
    private final PriorityQueue<Prediction> mistakes = new PriorityQueue<>(CONFIDENCE.reversed());

    /**
     * One image.
     *
     * @param id its rank among the names of its set
     * @param probability of the predicted class, in [0, 1]
     * @param ofLabel probability of the true class
     * @param picture a data URI, null where there is none
     */
    public record Prediction(
            @JsonProperty("id") long id,
            @JsonProperty("name") String name,
            @JsonProperty("label") String label,
            @JsonProperty("predicted") String predicted,
            @JsonProperty("probability") double probability,
            @JsonProperty("probability_of_label") double ofLabel,

            @JsonProperty("picture") @JsonInclude(JsonInclude.Include.NON_NULL) @Nullable
            String picture) {
        Prediction with(@Nullable String other) {
            return new Prediction(id, name, label, predicted, probability, ofLabel, other);
        }
    }

    /**
     * Returns none yet.
     *
     * @param total how many ids there are, of which some may never come
     */
    public Predictions(Labels labels, long total) {
        this.labels = labels;
        this.every = Math.max(1, (total + MOST - 1) / MOST);
    }

    /**
     * Adds what the model says of an image, in any order.
     *
     * @param label index of the true class
     * @param predicted index of the likeliest class
     * @param probability of the predicted class
     * @param ofLabel probability of the true class
     */
    public void add(long id, String name, int label, int predicted, float probability, float ofLabel) {
        Prediction prediction =
                new Prediction(id, name, labels.name(label), labels.name(predicted), probability, ofLabel, null);
        if (id % every == 0) {
            some.add(prediction);
        }
        if (predicted != label) {
            mistakes.add(prediction);
            if (mistakes.size() > MISTAKES) {
                mistakes.remove();
            }
        }
    }

    /** Returns the most confident mistakes, at most 24. */
    public List<Prediction> mistakes() {
        return mistakes.stream().sorted(CONFIDENCE).toList();
    }

    /** Returns {@code predictions.jsonl}. */
    public String jsonl() {
        return some.stream()
                .sorted(Comparator.comparingLong(Prediction::id))
                .map(prediction -> json(prediction) + "\n")
                .collect(Collectors.joining());
    }

    /** Returns {@code mistakes.json}, with pictures by id. */
    public String mistakesJson(Map<Long, String> pictures) {
        return mistakes().stream()
                .map(mistake -> json(mistake.with(pictures.get(mistake.id))))
                .collect(Collectors.joining(",\n", "[", "]\n"));
    }

    private static String json(Prediction prediction) {
        try {
            return MAPPER.writeValueAsString(prediction);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }
}
