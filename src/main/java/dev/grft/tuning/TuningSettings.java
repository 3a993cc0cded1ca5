package dev.grft.tuning;

import dev.grft.Checks;
import java.io.Serializable;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The section {@code tuning} of the configuration: the method, and the settings that single methods have of their own. Every
 * constructor throws a {@link dev.grft.UserError} for a value out of range.
 *
 * @param method the word of a {@link Method}
 * @param biases whether slices train together with the biases of their blocks; null: yes, unless a preset is set
 */
public record TuningSettings(
        String method, @Nullable Boolean biases, Lora lora, Adapter adapter, Gps gps, LastLayers lastLayers)
        implements Serializable {
    public TuningSettings {
        Checks.word("tuning.method", method, Method.words());
    }

    /** Returns whether biases train beside the slices, once {@link #biases} is settled for a method. */
    public boolean trainsBiases() {
        return Boolean.TRUE.equals(biases);
    }

    /** Low-rank updates (arXiv 2106.09685). */
    public record Lora(int rank, double alpha, double dropout, List<String> targets) implements Serializable {
        public Lora {
            Checks.count("tuning.lora.rank", rank);
            Checks.positive("tuning.lora.alpha", alpha);
            Checks.require(dropout >= 0 && dropout < 1, "tuning.lora.dropout", "in [0, 1)", dropout);
            targets = List.copyOf(targets);
            Checks.names("tuning.lora.targets", targets);
        }

        /** Returns the factor of B A, alpha / r. */
        double scale() {
            return alpha / rank;
        }
    }

    /** Bottleneck layers (arXiv 1902.00751). */
    public record Adapter(String form, int size, double scale) implements Serializable {
        public Adapter {
            Checks.word("tuning.adapter.form", form, "houlsby", "pfeiffer");
            Checks.count("tuning.adapter.size", size);
            Checks.positive("tuning.adapter.scale", scale);
        }

        /** Returns the linear maps of a block that get an adapter, by the ends of their timm names. */
        List<String> targets() {
            return form.equals("houlsby") ? List.of("attn.proj", "mlp.fc2") : List.of("mlp.fc2");
        }
    }

    /** Single entries of each neuron (arXiv 2312.10136). */
    public record Gps(int perNeuron) implements Serializable {
        public Gps {
            Checks.count("tuning.gps.perNeuron", perNeuron);
        }
    }

    /** The same budget, spent at the end of the network. */
    public record LastLayers(int blocks) implements Serializable {
        public LastLayers {
            Checks.count("tuning.lastLayers.blocks", blocks);
        }
    }
}
