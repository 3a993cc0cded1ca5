package dev.grft.vit;

import dev.grft.vit.kernels.Array;
import dev.grft.vit.kernels.Kernels;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The attention of the class token alone, without a key or a value of any other token. With x the tokens {@code [T, D]} of an
 * example, c its class token, and the weights and biases of qkv in three parts, for head h:
 *
 * <pre>
 *   q = c Wq' + bq        u_h = q_h Wk_h        a_h = softmax(u_h x' / sqrt(D/H))        z_h = a_h x        out_h = z_h Wv_h' + bv_h
 * </pre>
 *
 * <p>That is attention as everywhere else: the score of token j is {@code q_h . (Wk_h x_j + bk_h)}, of which the last term is the
 * same for all tokens and so nothing to the softmax; and {@code sum_j a_hj (Wv_h x_j + bv_h)} has weights whose sum is 1. But of
 * products with qkv's weights, rows are H for each example in place of T, forward and backward: a quarter less of a block's work.
 *
 * <p>The gradient of those weights is a sum of outer products over {@code 1 + 2H} vectors of an example in place of T tokens:
 *
 * <pre>
 *   dWq = dq' c        dWk_h = q_h' du_h        dWv_h = dout_h' z_h
 * </pre>
 *
 * A method that trains or watches the weights reads these vectors in place of tokens.
 */
final class ClassAttention {
    private final String name;
    private final VitConfig config;
    private final Linear qkv;
    private final Kernels kernels;
    private final Buffers buffers;
    private final double scale;
    private @Nullable Saved saved; // null if another attention has attended

    /** What the backward needs of the forward. */
    private record Saved(
            Array tokens, // c [B, D]
            Array queries, // q [B, D]
            Array asked, // u [B*H, D]
            Array weights, // a [B*H, T]
            Array seen) {} // z [B*H, D]

    ClassAttention(String name, VitConfig config, Linear qkv, Kernels kernels, Buffers buffers) {
        this.name = name;
        this.config = config;
        this.qkv = qkv;
        this.kernels = kernels;
        this.buffers = buffers;
        this.scale = 1 / Math.sqrt((double) config.width() / config.heads());
    }

    /**
     * Puts the attention of the class tokens to {@code x [B*T, D]} into {@code out [B, D]}.
     *
     * @return {@link #attended}: false, and nothing is done, if qkv {@linkplain Linear#merged is no matrix} in this pass
     */
    boolean forward(Array x, int examples, Array out) {
        Array w = qkv.merged();
        if (w == null) {
            saved = null;
            return false;
        }
        long d = config.width();
        long all = (long) examples * config.heads();
        Saved s = new Saved(
                buffers.saved(name, "classTokens", examples, d),
                buffers.saved(name, "queries", examples, d),
                buffers.saved(name, "asked", all, d),
                buffers.saved(name, "classAttention", all, config.tokens()),
                buffers.saved(name, "seen", all, d));
        kernels.copyRows(x, 0, s.tokens, 0, 1, examples);
        kernels.fillRows(part(qkv.bias(), 0), s.queries);
        kernels.gemm(false, s.tokens, true, part(w, 0), 1, 1, s.queries);
        Array apart = buffers.shared("apart", all, d);
        kernels.headsApart(s.queries, config.heads(), apart);
        kernels.gemm(false, apart, false, part(w, 1), 1, 0, s.asked);
        kernels.attend(s.asked, x, scale, s.weights, s.seen);
        kernels.gemm(false, s.seen, true, part(w, 2), 1, 0, apart);
        kernels.fillRows(part(qkv.bias(), 2), out);
        kernels.addHeads(apart, config.heads(), out);
        saved = s;
        return true;
    }

    /** Returns whether the last {@link #forward} has computed its result. */
    boolean attended() {
        return saved != null;
    }

    /**
     * Overwrites the gradients of qkv and {@code dx [B*T, D]}, and returns dx.
     *
     * @param dout gradient of the output, {@code [B, D]}
     * @param x input of {@link #forward}
     * @param dx null if nothing needs it
     */
    @Nullable
    Array backward(Array dout, Array x, int examples, @Nullable Array dx) {
        Saved s = Objects.requireNonNull(saved, name);
        Array w = Objects.requireNonNull(qkv.merged(), name);
        long d = config.width();
        int heads = config.heads();
        long all = (long) examples * heads;
        Array apart = buffers.shared("apart", all, d);
        Array dseen = buffers.shared("dseen", all, d);
        kernels.headsApart(dout, heads, apart);
        kernels.gemm(false, apart, false, part(w, 2), 1, 0, dseen);
        Array dasked = buffers.shared("dasked", all, d);
        kernels.attendBackward(dseen, s.asked, x, scale, s.weights, dasked, dx);
        kernels.gemm(false, dasked, true, part(w, 1), 1, 0, apart);
        Array dqueries = buffers.shared("dqueries", examples, d).fill(0);
        kernels.addHeads(apart, heads, dqueries);
        if (dx != null) {
            Array dtokens = buffers.shared("classTokens", examples, d);
            kernels.gemm(false, dqueries, false, part(w, 0), 1, 0, dtokens);
            Array sum = apart.rows(0, examples); // read no more
            kernels.copyRows(dx, 0, sum, 0, 1, examples);
            kernels.add(dtokens, sum);
            kernels.copyRows(sum, 0, dx, 0, 1, examples);
        }
        if (qkv.active()) {
            gradients(s, dqueries, dasked, dout, examples);
        }
        return dx;
    }

    private void gradients(Saved s, Array dqueries, Array dasked, Array dout, int examples) {
        long d = config.width();
        int heads = config.heads();
        int vectors = 1 + 2 * heads;
        Array left =
                buffers.shared("outerLeft", (long) examples * vectors, 3 * d).fill(0);
        Array right = buffers.shared("outerRight", (long) examples * vectors, d);
        Array apart = buffers.shared("apart", (long) examples * heads, d);
        put(dqueries, left, examples, 0, 0);
        kernels.copyRows(s.tokens, 0, right, 0, 1, examples);
        kernels.headsApart(s.queries, heads, apart);
        put(apart, left, examples, 1, 1);
        kernels.copyRows(dasked, 0, right, 1, heads, examples);
        kernels.headsApart(dout, heads, apart);
        put(apart, left, examples, 1 + heads, 2);
        kernels.copyRows(s.seen, 0, right, 1 + heads, heads, examples);
        qkv.backward(right, left, examples, null);
        Array dbias = qkv.biasGradient();
        if (dbias != null) {
            part(dbias, 1).fill(0); // the keys' bias is nothing to the softmax
        }
    }

    /** Puts the rows of each example of {@code x [B*n, D]} into a third, 0 to 2, of those of {@code y [B*m, 3D]}, from a row of them on. */
    private void put(Array x, Array y, int examples, int row, int third) {
        Array thirds = y.reshape(3 * y.size(0), x.size(1));
        for (int i = 0; i < x.size(0) / examples; i++) {
            kernels.copyRows(x, i, thirds, 3 * (row + i) + third, 1, examples);
        }
    }

    /** Returns the part of the queries (0), of the keys (1) or of the values (2) of {@code [3D, D]} or {@code [3D]}. */
    private Array part(Array ofAll, int index) {
        return ofAll.rows((long) index * config.width(), (index + 1L) * config.width());
    }
}
