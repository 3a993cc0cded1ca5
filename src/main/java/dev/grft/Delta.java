package dev.grft;

import java.io.Serializable;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;

/**
 * The result of training: what to add to the pretrained model, and the new head. Together with the pretrained file it
 * is the whole fine-tuned model, at no cost at inference.
 *
 * <p>The arrays are handed over, not copied, since they can be as large as the model: nobody may change them
 * afterwards. Two deltas are equal if every value has the same bits (all NaN being one).
 */
public final class Delta implements Serializable {
    /** The timm name of the head's weight, {@code [K, D]}. */
    public static final String HEAD_WEIGHT = "head.weight";

    /** The timm name of the head's bias, {@code [K]}. */
    public static final String HEAD_BIAS = "head.bias";

    private static final long serialVersionUID = 1L;

    private final Selection selection;
    private final Map<String, float[]> values;
    private final float[] headWeight;
    private final float[] headBias;
    private final List<String> labels;
    private final String pretrainedSha256;
    private final Map<String, float[]> whole;
    private final Map<String, Addition> additions;
    private final Task task;

    /**
     * Returns the delta of these parts, without additions of other methods.
     *
     * @throws IllegalArgumentException if the parts do not fit each other
     */
    public Delta(
            Selection selection,
            Map<String, float[]> values,
            float[] headWeight,
            float[] headBias,
            List<String> labels,
            String pretrainedSha256,
            Map<String, float[]> whole) {
        this(selection, values, headWeight, headBias, labels, pretrainedSha256, whole, List.of());
    }

    /** Returns the delta of these parts, whose head tells one class of an image. */
    public Delta(
            Selection selection,
            Map<String, float[]> values,
            float[] headWeight,
            float[] headBias,
            List<String> labels,
            String pretrainedSha256,
            Map<String, float[]> whole,
            List<? extends Addition> additions) {
        this(selection, values, headWeight, headBias, labels, pretrainedSha256, whole, additions, Task.SINGLE_LABEL);
    }

    /**
     * Returns the delta of these parts.
     *
     * @param selection the trained slices
     * @param values trained minus pretrained values of each selected matrix, slice-major: rows {@code [k, in]},
     *     columns {@code [k, out]}
     * @param headWeight {@code [K, D]} row-major; the trained values themselves, not a difference
     * @param headBias {@code [K]}; the trained values themselves
     * @param labels the K names of the head's outputs, in their order: classes, or what the values are
     * @param pretrainedSha256 SHA-256 of the pretrained file in lower-case hexadecimal: the delta fits no other
     * @param whole trained minus pretrained values of each parameter that is trained whole, in its own layout; empty
     *     when only slices are trained
     * @param additions what other methods train, at most one for each matrix, in network order
     * @param task of the head
     * @throws IllegalArgumentException if the parts do not fit each other
     */
    public Delta(
            Selection selection,
            Map<String, float[]> values,
            float[] headWeight,
            float[] headBias,
            List<String> labels,
            String pretrainedSha256,
            Map<String, float[]> whole,
            List<? extends Addition> additions,
            Task task) {
        this.task = task;
        this.selection = selection;
        this.values = new LinkedHashMap<>();
        this.headWeight = headWeight;
        this.headBias = headBias;
        this.labels = List.copyOf(labels);
        this.pretrainedSha256 = pretrainedSha256;
        this.whole = new LinkedHashMap<>(whole);
        this.additions = new LinkedHashMap<>();
        for (Addition addition : additions) {
            require(
                    !selection.trains(addition.matrix())
                            && !whole.containsKey(addition.matrix())
                            && this.additions.put(addition.matrix(), addition) == null,
                    addition.matrix() + " is trained twice");
        }
        for (Slices slices : selection.slices().values()) {
            float[] numbers = values.get(slices.matrix());
            if (numbers == null || numbers.length != slices.size()) {
                throw new IllegalArgumentException("delta: " + slices + " need " + slices.size() + " values, got "
                        + (numbers == null ? 0 : numbers.length));
            }
            this.values.put(slices.matrix(), numbers);
        }
        require(values.size() == this.values.size(), "values of a matrix that is not selected, in " + values.keySet());
        require(!labels.isEmpty(), "a head needs at least one label");
        require(
                headBias.length == labels.size() && headWeight.length > 0 && headWeight.length % labels.size() == 0,
                "a head for " + labels.size() + " labels cannot have " + headWeight.length + " weights and "
                        + headBias.length + " biases");
        for (String parameter : whole.keySet()) {
            require(
                    !selection.trains(parameter) && !parameter.equals(HEAD_WEIGHT) && !parameter.equals(HEAD_BIAS),
                    parameter + " is trained twice");
        }
    }

    /**
     * Merges this delta into the pretrained weights, in place: adds to the trained parameters with one float addition
     * each, leaves every other number's bits alone, and puts copies of the head's weight and bias. On an error
     * nothing is changed.
     *
     * @param weights every parameter of the pretrained model by timm name, matrices {@code [out, in]} row-major
     * @throws UserError if a trained parameter is missing or has another size, or an addition cannot be merged
     */
    public void mergeInto(Map<String, float[]> weights) {
        List<Mergeable> mergeable =
                additions.values().stream().map(Addition::mergeable).toList();
        selection
                .slices()
                .forEach((matrix, slices) ->
                        pretrained(weights, matrix, slices.shape().size()));
        whole.forEach((parameter, numbers) -> pretrained(weights, parameter, numbers.length));
        mergeable.forEach(addition ->
                pretrained(weights, addition.matrix(), addition.shape().size()));

        selection
                .slices()
                .forEach((matrix, slices) -> slices.add(
                        values(matrix),
                        pretrained(weights, matrix, slices.shape().size())));
        whole.forEach((parameter, numbers) -> {
            float[] w = pretrained(weights, parameter, numbers.length);
            for (int i = 0; i < w.length; i++) {
                w[i] = Slices.sum(w[i], numbers[i]);
            }
        });
        mergeable.forEach(addition -> addition.mergeInto(
                pretrained(weights, addition.matrix(), addition.shape().size())));
        weights.put(HEAD_WEIGHT, headWeight.clone());
        weights.put(HEAD_BIAS, headBias.clone());
    }

    private float[] pretrained(Map<String, float[]> weights, String parameter, long size) {
        float[] found = weights.get(parameter);
        if (found == null || found.length != size) {
            throw UserError.of(
                    "merge: %s %s, the delta was trained on %d parameters; merge into the pretrained file with SHA-256 %s",
                    parameter,
                    found == null ? "is missing" : "has " + found.length + " parameters",
                    size,
                    pretrainedSha256);
        }
        return found;
    }

    /**
     * Returns this delta of slices with others in their place: their numbers where it has them, else 0. The head and what
     * trains whole stay.
     *
     * @throws IllegalArgumentException if a matrix of both has rows in one and columns in the other
     */
    public Delta on(Selection wanted) {
        Map<String, float[]> numbers = new LinkedHashMap<>();
        wanted.slices().forEach((matrix, slices) -> {
            float[] mine = values.get(matrix);
            numbers.put(
                    matrix,
                    mine == null
                            ? new float[Math.toIntExact(slices.size())]
                            : selection.of(matrix).arranged(mine, slices));
        });
        return new Delta(wanted, numbers, headWeight, headBias, labels, pretrainedSha256, whole, List.of(), task);
    }

    /** Returns of this delta those slices alone that are not in a selection, with nothing that trains whole but the head. */
    public Delta released(Selection again) {
        Delta rest = on(selection.without(again));
        return new Delta(
                rest.selection, rest.values, headWeight, headBias, labels, pretrainedSha256, Map.of(), List.of(), task);
    }

    /** Returns this delta with another head, which is of a task. */
    public Delta withHead(float[] weight, float[] bias, Task of) {
        return new Delta(
                selection, values, weight, bias, labels, pretrainedSha256, whole, List.copyOf(additions.values()), of);
    }

    /**
     * Returns this delta of slices together with the slices of another, which holds none of these. The head and what trains
     * whole are this one's.
     *
     * @param matrices the names of all matrices, in network order
     * @throws IllegalArgumentException if a matrix of both has rows in one and columns in the other
     */
    public Delta and(Delta held, Collection<String> matrices) {
        Selection either = selection.and(held.selection, matrices);
        Delta mine = on(either);
        Delta theirs = held.on(either);
        theirs.values.forEach((matrix, numbers) -> {
            float[] sum = mine.values(matrix);
            for (int i = 0; i < sum.length; i++) {
                sum[i] = Slices.sum(numbers[i], sum[i]); // one of the two is 0
            }
        });
        return mine;
    }

    /** Returns the trained slices. */
    public Selection selection() {
        return selection;
    }

    /** Returns trained minus pretrained values, {@code [k, length]}, by selected matrix in network order. */
    public Map<String, float[]> values() {
        return Collections.unmodifiableMap(values);
    }

    /**
     * Returns the trained minus pretrained values of a selected matrix, slice-major {@code [k, length]}.
     *
     * @throws IllegalArgumentException if none of its slices is selected
     */
    public float[] values(String matrix) {
        float[] found = values.get(matrix);
        if (found == null) {
            throw new IllegalArgumentException("no slice of " + matrix + " is selected");
        }
        return found;
    }

    /** Returns whether a plain ViT has a place for all that was trained: {@link #mergeInto} does not refuse it. */
    public boolean isMergeable() {
        return additions.values().stream().allMatch(Mergeable.class::isInstance);
    }

    /** Returns trained minus pretrained values by parameter that is trained whole; empty when only slices are. */
    public Map<String, float[]> whole() {
        return Collections.unmodifiableMap(whole);
    }

    /** Returns what other methods than slices have trained, by matrix in network order; empty for slices. */
    public Map<String, Addition> additions() {
        return Collections.unmodifiableMap(additions);
    }

    /** Returns the names of all parameters that {@link #mergeInto} changes but the head's, in no particular order. */
    public Set<String> changed() {
        Set<String> names = new TreeSet<>(values.keySet());
        names.addAll(whole.keySet());
        names.addAll(additions.keySet());
        return names;
    }

    /** Returns the head's weight, {@code [K, D]} row-major. */
    public float[] headWeight() {
        return headWeight;
    }

    /** Returns the head's bias, {@code [K]}. */
    public float[] headBias() {
        return headBias;
    }

    /** Returns the K names of the head's outputs, in their order: classes, or what the values are. */
    public List<String> labels() {
        return labels;
    }

    /** Returns what the head says of an image. */
    public Task task() {
        return task;
    }

    /** Returns the SHA-256 of the only pretrained file that this delta fits, in lower-case hexadecimal. */
    public String pretrainedSha256() {
        return pretrainedSha256;
    }

    /** Returns how many numbers were trained: slices, whole parameters, additions and head. */
    public long trained() {
        return trainedWithoutHead() + headWeight.length + headBias.length;
    }

    /** Returns how many numbers were trained beside the head: slices, whole parameters and additions. */
    public long trainedWithoutHead() {
        return selection.trained()
                + whole.values().stream().mapToLong(numbers -> numbers.length).sum()
                + additions.values().stream().mapToLong(Addition::trained).sum();
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Delta delta
                && selection.equals(delta.selection)
                && pretrainedSha256.equals(delta.pretrainedSha256)
                && labels.equals(delta.labels)
                && task == delta.task
                && Arrays.equals(headBias, delta.headBias)
                && Arrays.equals(headWeight, delta.headWeight)
                && equal(values, delta.values)
                && equal(whole, delta.whole)
                && additions.equals(delta.additions);
    }

    private static boolean equal(Map<String, float[]> some, Map<String, float[]> others) {
        return some.keySet().equals(others.keySet())
                && some.entrySet().stream().allMatch(e -> Arrays.equals(e.getValue(), others.get(e.getKey())));
    }

    /** Returns a hash of the small parts only; equal deltas have equal hashes. */
    @Override
    public int hashCode() {
        return Objects.hash(selection, pretrainedSha256, labels, Arrays.hashCode(headBias));
    }

    @Override
    public String toString() {
        return "delta of " + selection + ", " + whole.size() + " whole parameters, " + additions.size() + " additions, "
                + labels.size() + " labels";
    }

    private static void require(boolean condition, String message) {
        if (!condition) {
            throw new IllegalArgumentException("delta: " + message);
        }
    }
}
