package dev.grft.checkpoint;

import dev.grft.checkpoint.file.Tensor;
import dev.grft.checkpoint.file.Tensors;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The tensors of a model without what programs that train put around them: prefixes of DDP ({@code module.}), {@code torch.compile}
 * ({@code _orig_mod.}), Lightning ({@code model.}, {@code backbone.}) and moving averages, and the tensors of an optimizer.
 *
 * @param notes sentences that say what was taken off and ignored
 */
record Wrapping(Tensors model, List<String> notes) {
    private static final Pattern PREFIX = Pattern.compile(
            "(module|_orig_mod|model|online_model|backbone|net|network|state_dict|state_dict_ema|ema|ema_model|model_ema|module_ema"
                    + "|student|teacher)\\..+");

    /** Prefixes of moving averages, which timm takes where a file has one beside the model itself; so does DINO its teacher. */
    private static final List<String> AVERAGES =
            List.of("state_dict_ema", "model_ema", "ema_model", "module_ema", "ema", "teacher");

    private static final Pattern HEAD = Pattern.compile("(head|classifier|heads\\.head)\\.(weight|bias)");
    private static final Pattern TRAINING = Pattern.compile(
            "(optimizers?|optim|optimizer_states?|lr_schedulers?|scheduler|scaler|grad_scaler|rng_state|epoch|step|global_step|n_averaged"
                    + "|initted)"
                    + "([._/].*)?");
    private static final Pattern PROJECTION =
            Pattern.compile("(.*?)(?:encoder\\.layer|layers)\\.(\\d+)\\.attention\\.([qkvo])_proj\\.(weight|bias)");
    private static final Pattern OF_LAYER = Pattern.compile("(.*?)layers\\.(\\d+)\\.(.+)");
    private static final Map<String, String> OLD = Map.of(
            "q", "attention.attention.query",
            "k", "attention.attention.key",
            "v", "attention.attention.value",
            "o", "attention.output.dense");

    /** Returns a file's tensors unwrapped; the same if nothing is around them. */
    static Wrapping removed(Tensors file) {
        List<String> notes = new ArrayList<>();
        Map<String, Tensor> tensors = new LinkedHashMap<>(file.byName());
        tensors.keySet().removeIf(name -> TRAINING.matcher(name).matches());
        int training = file.byName().size() - tensors.size();
        if (training == 0 || tensors.isEmpty()) {
            tensors = new LinkedHashMap<>(file.byName());
        } else {
            notes.add(file.file() + ": ignored " + training + " tensors of an optimizer or the like");
        }
        StringBuilder taken = new StringBuilder();
        while (true) {
            String chosen = oneOfSeveral(tensors);
            if (!chosen.isEmpty()) {
                int before = tensors.size();
                tensors.keySet()
                        .removeIf(
                                name -> !prefix(name).isEmpty() && !prefix(name).equals(chosen));
                notes.add(file.file() + ": has the model more than once; took the tensors " + taken + chosen
                        + (AVERAGES.contains(chosen.replace(".", "")) ? ", a moving average," : "")
                        + " and ignored "
                        + (before - tensors.size()) + " others");
            }
            String prefix = shared(tensors);
            Map<String, Tensor> shorter = new LinkedHashMap<>();
            tensors.forEach((name, tensor) ->
                    shorter.put(name.startsWith(prefix) ? name.substring(prefix.length()) : name, tensor));
            if (prefix.isEmpty() || shorter.size() < tensors.size()) { // two would have the same name
                break;
            }
            tensors = shorter;
            taken.append(prefix);
        }
        if (taken.length() > 0) {
            notes.add(file.file() + ": took the prefix " + taken + " off the names of the tensors");
        }
        Map<String, Tensor> old = asSaved(tensors);
        if (!old.keySet().equals(tensors.keySet())) {
            notes.add(file.file() + ": has the names that transformers 5 has in memory; read as those that it saves");
        }
        return notes.isEmpty()
                ? new Wrapping(file, notes)
                : new Wrapping(new Tensors(file.file(), old, file.sha256()), notes);
    }

    /** Returns the prefix of a name; empty if it has none. */
    private static String prefix(String name) {
        Matcher prefixed = PREFIX.matcher(name);
        return prefixed.matches() ? prefixed.group(1) + "." : "";
    }

    /** Returns the prefixes of all tensors but those of a head beside a backbone; none if another tensor has none. */
    private static Set<String> prefixes(Map<String, Tensor> tensors) {
        Set<String> found = new TreeSet<>();
        for (String name : tensors.keySet()) {
            String prefix = prefix(name);
            if (prefix.isEmpty() && !HEAD.matcher(name).matches()) {
                return Set.of();
            }
            found.add(prefix);
        }
        found.remove("");
        return found;
    }

    /** Returns the prefix that all tensors share, but those of a head beside a backbone; empty if there is none. */
    private static String shared(Map<String, Tensor> tensors) {
        Set<String> prefixes = prefixes(tensors);
        return prefixes.size() == 1 ? prefixes.iterator().next() : "";
    }

    /**
     * Returns the prefix of the model to take where a file has several: a moving average that is whole, or else what is no moving
     * average; empty if there is one model, or it is unknown.
     */
    private static String oneOfSeveral(Map<String, Tensor> tensors) {
        Set<String> prefixes = prefixes(tensors);
        if (prefixes.size() < 2) {
            return "";
        }
        Map<String, Set<String>> models = new TreeMap<>(); // the bare names by prefix
        prefixes.forEach(prefix -> models.put(prefix, bare(tensors.keySet(), prefix)));
        for (String average : AVERAGES) {
            Set<String> names = models.get(average + ".");
            if (names != null && models.values().stream().allMatch(names::containsAll)) {
                return average + ".";
            }
        }
        AVERAGES.forEach(average -> models.remove(average + "."));
        return models.size() == 1 ? models.keySet().iterator().next() : "";
    }

    /** Returns the names that begin with a prefix, without any. */
    private static Set<String> bare(Set<String> names, String prefix) {
        Set<String> bare = new HashSet<>();
        for (String name : names) {
            if (name.startsWith(prefix)) {
                String rest = name;
                while (!prefix(rest).isEmpty()) {
                    rest = rest.substring(prefix(rest).length());
                }
                bare.add(rest);
            }
        }
        return bare;
    }

    /** Returns the tensors by the names under which transformers saves them, if they have those of its version 5 in memory. */
    private static Map<String, Tensor> asSaved(Map<String, Tensor> tensors) {
        if (tensors.keySet().stream().noneMatch(name -> PROJECTION.matcher(name).matches())) {
            return tensors;
        }
        boolean vit = tensors.keySet().stream().anyMatch(name -> name.contains(".layernorm_before."));
        Map<String, Tensor> saved = new LinkedHashMap<>();
        tensors.forEach((name, tensor) -> {
            Matcher projection = PROJECTION.matcher(name);
            Matcher layer = OF_LAYER.matcher(name);
            if (projection.matches()) {
                saved.put(
                        projection.group(1) + "encoder.layer." + projection.group(2) + "."
                                + OLD.get(projection.group(3)) + "." + projection.group(4),
                        tensor);
            } else if (vit && layer.matches()) {
                String rest =
                        layer.group(3).replace("mlp.fc1", "intermediate.dense").replace("mlp.fc2", "output.dense");
                saved.put(layer.group(1) + "encoder.layer." + layer.group(2) + "." + rest, tensor);
            } else {
                saved.put(name, tensor);
            }
        });
        return saved;
    }
}
