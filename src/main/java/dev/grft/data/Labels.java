package dev.grft.data;

import dev.grft.Delta;
import dev.grft.Task;
import dev.grft.UserError;
import java.io.Serializable;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The outputs of a head: what each is called, a class or a value, in order, and what they say of an image. Immutable; equal if the names,
 * their order and the task are.
 */
public final class Labels implements Serializable {
    private static final long serialVersionUID = 1L;
    /** Up to so many classes, files have every pair or every probability of them; beyond, only what is not 0 or is largest. */
    public static final int MANY = 100;

    private static final int SHOWN = 20;
    private static final Pattern INTEGER = Pattern.compile("-?[0-9]+");
    private static final Labels NONE = new Labels(Task.SINGLE_LABEL, List.of());

    private final String[] names; // not a List.of, which Kryo cannot read
    private final Map<String, Integer> indices = new HashMap<>();

    private final Task task;
    private final @Nullable Standard standard;

    private Labels(Task task, Collection<String> inOrder) {
        this(task, inOrder, null);
    }

    private Labels(Task task, Collection<String> inOrder, @Nullable Standard standard) {
        this.task = task;
        this.standard = standard;
        names = inOrder.toArray(new String[0]);
        for (String name : names) {
            if (indices.put(name, indices.size()) != null) {
                throw new UserError(
                        "the " + noun(task) + " " + name + " appears twice; " + noun(task) + " names must be unique");
            }
        }
    }

    /**
     * Returns the classes of these names, sorted: as numbers if all of them are integers, else by their characters
     * (upper case before lower case).
     *
     * @param names in any order, repeated or not
     * @throws UserError if there are fewer than two classes
     */
    public static Labels of(Collection<String> names) {
        return of(Task.SINGLE_LABEL, names);
    }

    /** Returns the classes of these names, sorted as {@link #of(Collection)} does, for a task. */
    public static Labels of(Task task, Collection<String> names) {
        Comparator<String> order = Comparator.naturalOrder();
        if (names.stream().allMatch(name -> INTEGER.matcher(name).matches())) {
            order = Comparator.<String, BigInteger>comparing(BigInteger::new).thenComparing(order);
        }
        TreeSet<String> sorted = new TreeSet<>(order);
        sorted.addAll(names);
        return inOrder(task, new ArrayList<>(sorted));
    }

    /** Returns the outputs of a delta's head, whatever the classes are called. */
    public static Labels of(Delta delta) {
        requireEnough(delta.task(), delta.labels());
        return new Labels(delta.task(), delta.labels());
    }

    /**
     * Returns the classes in the given order, such as that of a trained head.
     *
     * @throws UserError if there are fewer than two, or one comes twice
     */
    public static Labels inOrder(List<String> names) {
        return inOrder(Task.SINGLE_LABEL, names);
    }

    /**
     * Returns the outputs of a head for a task, in the given order.
     *
     * @throws UserError if there are too few, one comes twice, or the name of one of several labels cannot be written as text
     */
    public static Labels inOrder(Task task, List<String> names) {
        requireEnough(task, names);
        Labels labels = new Labels(task, names);
        String barred = labels.barred();
        if (barred != null) {
            throw UserError.of(
                    "the class %s has %s in its name, which separates the classes of an image in text; rename it",
                    barred, LabelForm.BAR);
        }
        return labels;
    }

    /** Returns the first of several labels whose name has the character that separates them in text; null if none has. */
    public @Nullable String barred() {
        return task != Task.MULTI_LABEL
                ? null
                : Arrays.stream(names)
                        .filter(name -> name.indexOf(LabelForm.BAR) >= 0)
                        .findFirst()
                        .orElse(null);
    }

    private static void requireEnough(Task task, List<String> names) {
        if (names.size() < task.fewest()) {
            throw new UserError("found "
                    + (names.isEmpty() ? "no " + noun(task) : "one class only (" + names.get(0) + ")")
                    + (task == Task.SINGLE_LABEL
                            ? ", expected two classes or more; check the folders of the classes, or data.labelColumn"
                            : ", expected one or more; check data.labelColumn"));
        }
    }

    private static String noun(Task task) {
        return task == Task.REGRESSION ? "value" : "class";
    }

    /**
     * Returns the classes 0, 1, ... of a set that numbers them, whether an image shows them or not.
     *
     * @param classes how many, two or more
     */
    public static Labels numbered(int classes) {
        return numbered(Task.SINGLE_LABEL, classes);
    }

    /** Returns the classes 0, 1, ... for a task. */
    public static Labels numbered(Task task, int classes) {
        return inOrder(
                task, IntStream.range(0, classes).mapToObj(Integer::toString).toList());
    }

    /** Returns the empty labels, those of images without classes. */
    public static Labels none() {
        return NONE;
    }

    /** Returns the class that is predicted: the index of the largest of the probabilities {@code [K]}, of equal ones the lowest. */
    public static int likeliest(float[] probabilities) {
        int best = 0;
        for (int k = 1; k < probabilities.length; k++) {
            best = probabilities[k] > probabilities[best] ? k : best;
        }
        return best;
    }

    /**
     * Returns the classes of the k largest probabilities, the largest first, of equal ones the lowest first.
     *
     * @param probabilities {@code [K]}, none negative
     * @param k at least 1; more than K count as K
     */
    public static int[] likeliest(float[] probabilities, int k) {
        long[] keys = new long[probabilities.length]; // bits of floats that are not negative are in their order
        for (int c = 0; c < keys.length; c++) {
            keys[c] = (long) (Integer.MAX_VALUE - Float.floatToIntBits(probabilities[c])) << Integer.SIZE | c;
        }
        Arrays.sort(keys);
        return Arrays.stream(keys).limit(k).mapToInt(key -> (int) key).toArray();
    }

    /** Returns what the outputs say of an image. */
    public Task task() {
        return task;
    }

    /** Returns the same outputs for a training on images with these labels: of values with the {@link Standard} of these. */
    public Labels ofTraining(Collection<String> labels) {
        return task == Task.REGRESSION
                ? new Labels(
                        task,
                        names(),
                        Standard.of(labels.stream().map(this::values).toList()))
                : this;
    }

    /** Returns what a training standardizes values by; null if it does not. */
    public @Nullable Standard standard() {
        return standard;
    }

    /** Returns a delta that was trained for these outputs, with a head that gives the outputs themselves. */
    public Delta told(Delta trained) {
        return standard == null
                ? trained.withHead(trained.headWeight(), trained.headBias(), task)
                : trained.withHead(
                        standard.weight(trained.headWeight(), false), standard.bias(trained.headBias(), false), task);
    }

    /** Returns what an image shows as a training sees it: values are standardized. */
    public Target trained(Target target) {
        if (standard == null) {
            return target;
        }
        float[] values = target.values();
        standard.apply(values, 0);
        return Target.ofValues(values);
    }

    /** Returns a delta as it is trained for these outputs, the inverse of {@link #told}. */
    public Delta trained(Delta told) {
        return standard == null
                ? told
                : told.withHead(standard.weight(told.headWeight(), true), standard.bias(told.headBias(), true), task);
    }

    /** Returns how many outputs there are. */
    public int size() {
        return names.length;
    }

    /** Returns how many outputs there are, in words: 3 classes, 1 value. */
    public String counted() {
        boolean values = task == Task.REGRESSION;
        return names.length + (values ? " value" : " class") + (names.length == 1 ? "" : values ? "s" : "es");
    }

    /** Returns whether there are more than {@link #MANY}. */
    public boolean many() {
        return names.length > MANY;
    }

    /** Returns the names in order. */
    public List<String> names() {
        return List.of(names);
    }

    /** Returns the name of a class in [0, size). */
    public String name(int index) {
        return names[index];
    }

    /** Returns whether there is a class of that name. */
    boolean contains(String name) {
        return indices.containsKey(name);
    }

    /**
     * Returns the index of a class, in [0, size).
     *
     * @throws UserError if there is none of that name; it names those that there are
     */
    public int index(String name) {
        Integer index = indices.get(name);
        if (index == null) {
            throw new UserError("unknown class " + name + ", known are " + this);
        }
        return index;
    }

    /**
     * Returns what an image shows.
     *
     * @param label its text, see {@link LabelForm}
     * @throws UserError if it names a class that there is not, or has another number of values
     */
    public Target target(String label) {
        return switch (task) {
            case SINGLE_LABEL -> Target.ofClass(index(label));
            case MULTI_LABEL ->
                Target.ofClasses(
                        LabelForm.parts(label).stream().mapToInt(this::index).toArray());
            case REGRESSION -> Target.ofValues(values(label));
        };
    }

    private float[] values(String label) {
        List<String> parts = LabelForm.parts(label);
        if (parts.size() != names.length) {
            throw new UserError("got " + parts.size() + " values of an image, needs " + names.length + ": " + this);
        }
        float[] values = new float[names.length];
        for (int k = 0; k < values.length; k++) {
            values[k] = Float.parseFloat(parts.get(k));
        }
        return values;
    }

    /** Returns what an image shows, for people: its class, its classes, or its values with their names. */
    public String words(Target target) {
        return switch (task) {
            case SINGLE_LABEL -> name(target.label());
            case MULTI_LABEL ->
                target.classes().length == 0
                        ? "none"
                        : Arrays.stream(target.classes()).mapToObj(this::name).collect(Collectors.joining(", "));
            case REGRESSION -> {
                float[] values = target.values();
                yield IntStream.range(0, values.length)
                        .mapToObj(k -> name(k) + " " + values[k])
                        .collect(Collectors.joining(", "));
            }
        };
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Labels labels && task == labels.task && Arrays.equals(names, labels.names);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(names);
    }

    /** Returns the names, the first twenty of many. */
    @Override
    public String toString() {
        String first = Arrays.stream(names).limit(SHOWN).collect(Collectors.joining(", "));
        return names.length > SHOWN ? first + " and " + (names.length - SHOWN) + " more" : first;
    }
}
