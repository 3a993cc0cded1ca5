package dev.grft.tuning;

import dev.grft.vit.VitConfig;
import java.util.Map;

/**
 * The operations of a step of a network: two for each multiplication of a product. What is not a product counts as many operations of a product
 * as take as long, as measured (see {@code src/site/markdown/cost.md}).
 *
 * <p>Stages behind which a step begins are given as {@code read}, from 0 to the depth: the patch embedding and the first {@code read} blocks are
 * not computed, since their outputs are read; 0 if all stages are computed.
 *
 * @param config the model
 * @param slices trained parameters of each matrix that has some
 * @param added parameters of each array that a method adds to the model, such as a factor of LoRA, by the array's name
 * @param recompute whether activations are computed again in the backward
 * @param still first stages that no gradient passes through: the patch embedding is the first, then come the blocks
 */
public record Operations(
        VitConfig config, Map<String, Long> slices, Map<String, Long> added, boolean recompute, int still) {
    /** Operations of a product that take as long as an entry of the hidden layer of an MLP: bias, GELU, and its gradient. */
    private static final double MLP_ENTRY = 300;

    /** The same of an entry of a block's input: two LayerNorms, two residuals, and their gradients. */
    private static final double WIDTH_ENTRY = 900;

    /** The same of a weight of the attention: softmax and its gradient, and what small products cost more than large ones. */
    private static final double ATTENTION_ENTRY = 900;

    /** The same of an entry of the input of a matrix with slices, for each of their three products. */
    private static final double SLICE_ENTRY = 60;

    public Operations {
        slices = Map.copyOf(slices);
        added = Map.copyOf(added);
    }

    /** Counts a gradient through all stages, of slices or whole matrices alone. */
    public Operations(VitConfig config, Map<String, Long> slices, boolean recompute) {
        this(config, slices, Map.of(), recompute, 0);
    }

    /** Returns the blocks behind which the backward ends. */
    private int end(int read) {
        return Math.max(read, still - 1);
    }

    /** Returns the operations of a whole step over so many examples. */
    public double step(int examples, int read) {
        int end = end(read);
        int blocks = config.depth() - end;
        double again = recompute && blocks > 0 ? linearProducts(examples, end) * (blocks - 1) / blocks : 0;
        double back = ATTENTION_ENTRY * attended(examples, end);
        double tiles = // of their scores and softmax, computed again
                config.keepsAttention() ? 0 : back / 3 + 2 * attended(examples, end) * config.width() / config.heads();
        return products(examples, read)
                + sliceProducts(examples)
                + sliceEntries(examples)
                + again
                + (entries(examples, read) + 2 * entries(examples, end)) / 3
                + (ATTENTION_ENTRY * attended(examples, read) + 2 * back) / 3
                + tiles;
    }

    /** Returns the operations of a forward alone. What is not a product counts as a third of that of a step. */
    public double forward(int examples) {
        return forwardProducts(examples, 0) + (entries(examples, 0) + ATTENTION_ENTRY * attended(examples, 0)) / 3;
    }

    private double forwardProducts(int examples, int read) {
        return linearProducts(examples, read) + 4 * attended(examples, read) * config.width() / config.heads();
    }

    /** Returns the operations of the large products of a step of the frozen network: forward, gradients of inputs, attention. */
    public double products(int examples) {
        return products(examples, 0);
    }

    private double products(int examples, int read) {
        int end = end(read);
        double pixels = end > 0 ? 0 : 2.0 * examples * config.patches() * config.width() * config.patchLength();
        return forwardProducts(examples, read)
                + linearProducts(examples, end)
                - pixels // need no gradient
                + 8 * attended(examples, end) * config.width() / config.heads();
    }

    /**
     * Returns the operations of the products of what trains. A slice and what a method adds have three: forward, its gradient, the gradient of the
     * input. A matrix that trains whole has its gradient, since the others are those of the network.
     */
    public double sliceProducts(int examples) {
        double products = 0;
        for (var array : added.entrySet()) {
            products += 6.0 * rows(array.getKey(), examples) * array.getValue();
        }
        for (var matrix : config.matrices().entrySet()) {
            long trained = slices.getOrDefault(matrix.getKey(), 0L);
            boolean whole = trained >= matrix.getValue().size();
            products += (whole ? 2.0 : 6.0) * rows(matrix.getKey(), examples) * trained;
        }
        return products;
    }

    private double sliceEntries(int examples) {
        double entries = 0;
        for (var matrix : config.matrices().entrySet()) {
            long trained = slices.getOrDefault(matrix.getKey(), 0L);
            if (trained > 0 && trained < matrix.getValue().size()) {
                entries += rows(matrix.getKey(), examples) * matrix.getValue().in();
            }
        }
        return 3 * SLICE_ENTRY * entries;
    }

    /** Returns the operations of the forward's products with weight matrices, a third of those of a step that trains all. */
    public double linearProducts(int examples) {
        return linearProducts(examples, 0);
    }

    private double linearProducts(int examples, int read) {
        return config.matrices().entrySet().stream()
                .filter(e -> computes(e.getKey(), read))
                .mapToDouble(e -> 2 * rows(e.getKey(), examples) * e.getValue().size())
                .sum();
    }

    /** Returns the operations that count for what passes over the entries of arrays, beside the softmax. */
    private double entries(int examples, int read) {
        double entries = 0;
        for (var matrix : config.matrices().entrySet()) {
            String name = matrix.getKey();
            if (!computes(name, read)) {
                continue;
            }
            double rows = rows(name, examples);
            if (name.endsWith("mlp.fc1.weight")) {
                entries += MLP_ENTRY * rows * matrix.getValue().out();
            } else if (name.endsWith("attn.qkv.weight")) {
                entries += WIDTH_ENTRY
                        * examples
                        * config.tokens()
                        * matrix.getValue().in();
            }
        }
        return entries;
    }

    /**
     * Returns the rows that a matrix, or an array added to it, is applied to: no class token before the first block; in the last block it alone, and qkv's
     * keys and values to one vector for each head.
     *
     * @param matrix its name
     */
    public double rows(String matrix, int examples) {
        if (!matrix.startsWith("blocks.")) {
            return (double) examples * config.patches();
        }
        if (!classTokenOnly() || !matrix.startsWith("blocks." + (config.depth() - 1) + ".")) {
            return (double) examples * config.tokens();
        }
        return matrix.contains("qkv") ? examples * (1 + 2.0 * config.heads()) / 3 : examples;
    }

    /** Returns whether a matrix is behind the first {@code read} blocks. */
    private static boolean computes(String matrix, int read) {
        return read == 0 || (matrix.startsWith("blocks.") && Integer.parseInt(matrix.split("\\.", 3)[1]) >= read);
    }

    /**
     * Returns the number of attention weights: heads, asking tokens and tokens. Where the class token asks alone, it asks once for
     * each head, but each time in vectors of D values.
     */
    private double attended(int examples, int read) {
        double last = read == config.depth() ? 0 : classTokenOnly() ? config.heads() : config.tokens();
        double asking = Math.max(0, config.depth() - 1.0 - read) * config.tokens() + last;
        return examples * asking * config.tokens() * config.heads();
    }

    /** Returns whether in the last block the class token attends, alone. */
    private boolean classTokenOnly() {
        return config.variant().pooling().classTokenOnly();
    }
}
