package dev.grft.vit;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;

/**
 * An encoder block in plain loops and in double: every token, every gradient, a new array for each intermediate.
 *
 * <p>Shapes: M = B*T rows, D width. Parameters are named without the block: {@code attn.qkv.weight}.
 */
final class NaiveBlock {
    final Map<String, double[]> gradients = new LinkedHashMap<>();
    private final VitConfig config;
    private final Map<String, double[]> parameters;
    private final int m;
    private final int d;
    private final int examples;
    private double[] x = {}; // [M, D]
    private double[] u = {}; // [M, D]
    private double[] p = {}; // [M, 3D]
    private double[] a = {}; // [M*H, T]
    private double[] c = {}; // [M, D]
    private double[] o = {}; // [M, D]
    private double[] r = {}; // [M, D]
    private double[] v = {}; // [M, D]
    private double[] g = {}; // [M, mlpWidth]
    private double[] h = {}; // [M, mlpWidth]
    private double[] q = {}; // [M, D]

    NaiveBlock(VitConfig config, int examples, Map<String, double[]> parameters) {
        this.config = config;
        this.examples = examples;
        this.m = examples * config.tokens();
        this.d = config.width();
        this.parameters = parameters;
    }

    /** Returns y {@code [M, D]}. */
    double[] forward(double[] input) {
        x = input;
        u = norm("norm1", x);
        p = linear("attn.qkv", u);
        a = Naive.attentionWeights(p, examples, config.heads(), config.tokens(), d);
        c = Naive.attention(p, a, examples, config.heads(), config.tokens(), d);
        o = linear("attn.proj", c);
        r = sum(x, scale("ls1", o));

        v = norm("norm2", r);
        g = linear("mlp.fc1", v);
        h = each(g.length, i -> Naive.gelu(g[i]));
        q = linear("mlp.fc2", h);
        return sum(r, scale("ls2", q));
    }

    /** Returns dx {@code [M, D]} and fills {@link #gradients}. */
    double[] backward(double[] dy) {
        double[] dh = linearBackward("mlp.fc2", h, scaleBackward("ls2", q, dy));
        double[] dg = each(dh.length, i -> dh[i] * Naive.geluDerivative(g[i]));
        double[] dv = linearBackward("mlp.fc1", v, dg);
        double[] dr = sum(dy, normBackward("norm2", r, dv));

        double[] dc = linearBackward("attn.proj", c, scaleBackward("ls1", o, dr));
        double[] dp = Naive.attentionBackward(dc, p, a, examples, config.heads(), config.tokens(), d);
        double[] du = linearBackward("attn.qkv", u, dp);
        return sum(dr, normBackward("norm1", x, du));
    }

    private double[] linear(String name, double[] in) {
        double[] bias = parameter(name + ".bias");
        double[] product =
                Naive.gemm(false, in, true, parameter(name + ".weight"), 1, 0, in, m, bias.length, in.length / m);
        return each(product.length, i -> product[i] + bias[i % bias.length]);
    }

    private double[] linearBackward(String name, double[] in, double[] dout) {
        int rows = dout.length / m;
        int columns = in.length / m;
        gradients.put(name + ".weight", Naive.gemm(true, dout, false, in, 1, 0, in, rows, columns, m));
        gradients.put(name + ".bias", columnSums(rows, dout));
        return Naive.gemm(false, dout, false, parameter(name + ".weight"), 1, 0, in, m, columns, rows);
    }

    private double[] norm(String name, double[] in) {
        double[] z = Naive.normalized(in, config.epsilon(), m, d);
        return each(z.length, i -> z[i] * parameter(name + ".weight")[i % d] + parameter(name + ".bias")[i % d]);
    }

    private double[] normBackward(String name, double[] in, double[] dout) {
        double[] z = Naive.normalized(in, config.epsilon(), m, d);
        gradients.put(name + ".weight", columnSums(d, each(z.length, i -> z[i] * dout[i])));
        gradients.put(name + ".bias", columnSums(d, dout));
        double[] inverse = Naive.inverse(in, config.epsilon(), m, d);
        return Naive.layerNormBackward(dout, parameter(name + ".weight"), z, inverse, m, d);
    }

    private double[] scale(String name, double[] in) {
        return config.variant().layerScale() ? each(in.length, i -> in[i] * parameter(name + ".gamma")[i % d]) : in;
    }

    private double[] scaleBackward(String name, double[] in, double[] dout) {
        if (config.variant().layerScale()) {
            gradients.put(name + ".gamma", columnSums(d, each(in.length, i -> in[i] * dout[i])));
        }
        return scale(name, dout);
    }

    private double[] parameter(String name) {
        double[] values = parameters.get(name);
        if (values == null) {
            throw new AssertionError(name);
        }
        return values;
    }

    private static double[] sum(double[] left, double[] right) {
        return each(left.length, i -> left[i] + right[i]);
    }

    private static double[] columnSums(int columns, double[] in) {
        double[] sums = new double[columns];
        for (int i = 0; i < in.length; i++) {
            sums[i % columns] += in[i];
        }
        return sums;
    }

    private static double[] each(int length, IntToDoubleFunction entry) {
        return IntStream.range(0, length).mapToDouble(entry).toArray();
    }
}
