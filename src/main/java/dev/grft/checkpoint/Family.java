package dev.grft.checkpoint;

import dev.grft.UserError;
import dev.grft.vit.Activation;
import dev.grft.vit.Pooling;
import dev.grft.vit.Variant;
import java.util.List;
import java.util.Optional;

/** Which of a library's models for image classification has a form. */
public final class Family {
    private Family() {}

    /**
     * Returns the naming of the library's model of that form.
     *
     * @param library one of its namings
     * @throws UserError if it has none
     */
    public static NameMap of(NameMap library, Variant form) {
        return find(library, form).orElseThrow(() -> {
            List<NameMap> others = List.of(NameMap.TIMM, NameMap.TRANSFORMERS).stream()
                    .filter(other -> find(other, form).isPresent())
                    .toList();
            return UserError.of(
                    "export: %s has no model for image classification with %s; %s",
                    library,
                    form.words(),
                    others.isEmpty() ? "use the delta with evaluate and predict" : "only " + others + " has");
        });
    }

    /** Returns the naming in which a merged model is written: timm's, if timm has such a model. */
    static NameMap ofMerged(Variant form) {
        return find(NameMap.TIMM, form).orElseGet(() -> of(NameMap.TRANSFORMERS, form));
    }

    private static Optional<NameMap> find(NameMap library, Variant form) {
        if (library == NameMap.TIMM) {
            boolean known = form.pooling() != Pooling.CLASS_TOKEN_AND_MEAN
                    && (form.positioned() == 0 || form.positioned() == form.prefix());
            return known ? Optional.of(NameMap.TIMM) : Optional.empty();
        }
        if (!library.ofTransformers()) {
            return form.equals(Variant.PLAIN) ? Optional.of(library) : Optional.empty();
        }
        Activation any = form.activation(); // a setting of every model of transformers
        if (form.equals(Variant.PLAIN.withActivation(any))) {
            return Optional.of(NameMap.TRANSFORMERS);
        }
        if (form.equals(dinov2(form.registers(), any))) {
            return Optional.of(form.registers() > 0 ? NameMap.DINOV2_WITH_REGISTERS : NameMap.DINOV2);
        }
        return form.equals(new Variant(false, 0, 0, false, false, any, Pooling.MEAN))
                ? Optional.of(NameMap.CLIP) // SigLIP; that of CLIP averages tokens which no norm has seen
                : Optional.empty();
    }

    private static Variant dinov2(int registers, Activation activation) {
        return new Variant(true, registers, 1, false, true, activation, Pooling.CLASS_TOKEN_AND_MEAN);
    }
}
