package dev.grft.vit;

import dev.grft.vit.kernels.Kernels;

/** The formulas of {@link Kernels} word for word, in double and without any thought of speed: the second witness. */
public final class Naive {
    private Naive() {}

    /** Returns {@code alpha * op(a) op(b) + beta * c}, {@code [m, n]}, with op(a) {@code [m, k]}. */
    public static double[] gemm(
            boolean transposeA,
            double[] a,
            boolean transposeB,
            double[] b,
            double alpha,
            double beta,
            double[] c,
            int m,
            int n,
            int k) {
        double[] y = new double[m * n];
        for (int i = 0; i < m; i++) {
            for (int j = 0; j < n; j++) {
                double sum = 0;
                for (int l = 0; l < k; l++) {
                    sum += (transposeA ? a[l * m + i] : a[i * k + l]) * (transposeB ? b[j * k + l] : b[l * n + j]);
                }
                y[i * n + j] = alpha * sum + (beta == 0 ? 0 : beta * c[i * n + j]);
            }
        }
        return y;
    }

    /** Returns {@code (x - mean) / sqrt(variance + epsilon)} row by row, {@code [m, n]}. */
    public static double[] normalized(double[] x, double epsilon, int m, int n) {
        double[] inverse = inverse(x, epsilon, m, n);
        double[] y = new double[m * n];
        for (int i = 0; i < m; i++) {
            double mean = mean(x, i, n);
            for (int j = 0; j < n; j++) {
                y[i * n + j] = (x[i * n + j] - mean) * inverse[i];
            }
        }
        return y;
    }

    /** Returns {@code 1 / sqrt(variance + epsilon)} of each row, {@code [m]}. */
    public static double[] inverse(double[] x, double epsilon, int m, int n) {
        double[] y = new double[m];
        for (int i = 0; i < m; i++) {
            double mean = mean(x, i, n);
            double variance = 0;
            for (int j = 0; j < n; j++) {
                variance += (x[i * n + j] - mean) * (x[i * n + j] - mean) / n;
            }
            y[i] = 1 / Math.sqrt(variance + epsilon);
        }
        return y;
    }

    /** Returns the gradient of x, {@code [m, n]}, by the Jacobian of each row. */
    public static double[] layerNormBackward(double[] dy, double[] gamma, double[] z, double[] inverse, int m, int n) {
        double[] dx = new double[m * n];
        for (int i = 0; i < m; i++) {
            for (int j = 0; j < n; j++) {
                for (int l = 0; l < n; l++) {
                    double jacobian = (l == j ? 1 : 0) - 1.0 / n - z[i * n + l] * z[i * n + j] / n;
                    dx[i * n + j] += dy[i * n + l] * gamma[l] * jacobian * inverse[i];
                }
            }
        }
        return dx;
    }

    /** Returns x * Phi(x). */
    public static double gelu(double x) {
        return x * normalCdf(x);
    }

    public static double geluDerivative(double x) {
        return normalCdf(x) + x * Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
    }

    /** Returns the GELU in one of its forms. */
    public static double gelu(Activation activation, double x) {
        if (activation == Activation.GELU) {
            return gelu(x);
        }
        return activation == Activation.QUICK_GELU
                ? x / (1 + Math.exp(-1.702 * x))
                : 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
    }

    public static double geluDerivative(Activation activation, double x) {
        if (activation == Activation.GELU) {
            return geluDerivative(x);
        }
        if (activation == Activation.QUICK_GELU) {
            double sigmoid = 1 / (1 + Math.exp(-1.702 * x));
            return sigmoid + 1.702 * x * sigmoid * (1 - sigmoid);
        }
        double tanh = Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x));
        double inner = Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * x * x);
        return 0.5 * (1 + tanh) + 0.5 * x * (1 - tanh * tanh) * inner;
    }

    /** Returns Phi(x) by its Taylor series about 0, or by the continued fraction of the tail. */
    static double normalCdf(double x) {
        double density = Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
        double a = Math.abs(x);
        if (a < 5) {
            double term = x;
            double sum = x;
            for (int i = 3; Math.abs(term) > 1e-18 * Math.abs(sum); i += 2) {
                term *= x * x / i;
                sum += term;
            }
            return 0.5 + density * sum;
        }
        double fraction = a;
        for (int i = 100; i > 0; i--) {
            fraction = a + i / fraction;
        }
        return x < 0 ? density / fraction : 1 - density / fraction;
    }

    /** Returns the softmax of each head's scores, {@code [B*H*T, T]}. */
    public static double[] attentionWeights(double[] qkv, int examples, int heads, int t, int d) {
        int h = d / heads;
        double[] weights = new double[examples * heads * t * t];
        for (int b = 0; b < examples; b++) {
            for (int head = 0; head < heads; head++) {
                for (int i = 0; i < t; i++) {
                    int row = ((b * heads + head) * t + i) * t;
                    double total = 0;
                    for (int j = 0; j < t; j++) {
                        double dot = 0;
                        for (int l = 0; l < h; l++) {
                            dot += q(qkv, b, i, head, l, 0, t, d, h) * q(qkv, b, j, head, l, 1, t, d, h);
                        }
                        weights[row + j] = Math.exp(dot / Math.sqrt(h));
                        total += weights[row + j];
                    }
                    for (int j = 0; j < t; j++) {
                        weights[row + j] /= total;
                    }
                }
            }
        }
        return weights;
    }

    /** Returns the attention's output, {@code [B*T, D]}. */
    public static double[] attention(double[] qkv, double[] weights, int examples, int heads, int t, int d) {
        int h = d / heads;
        double[] out = new double[examples * t * d];
        for (int b = 0; b < examples; b++) {
            for (int head = 0; head < heads; head++) {
                for (int i = 0; i < t; i++) {
                    for (int j = 0; j < t; j++) {
                        double w = weights[((b * heads + head) * t + i) * t + j];
                        for (int l = 0; l < h; l++) {
                            out[(b * t + i) * d + head * h + l] += w * q(qkv, b, j, head, l, 2, t, d, h);
                        }
                    }
                }
            }
        }
        return out;
    }

    /** Returns the gradient of qkv, {@code [B*T, 3D]}. */
    public static double[] attentionBackward(
            double[] dout, double[] qkv, double[] weights, int examples, int heads, int t, int d) {
        int h = d / heads;
        double scale = 1 / Math.sqrt(h);
        double[] dqkv = new double[qkv.length];
        for (int b = 0; b < examples; b++) {
            for (int head = 0; head < heads; head++) {
                for (int i = 0; i < t; i++) {
                    int row = ((b * heads + head) * t + i) * t;
                    double[] dw = new double[t];
                    double inner = 0;
                    for (int j = 0; j < t; j++) {
                        for (int l = 0; l < h; l++) {
                            double g = dout[(b * t + i) * d + head * h + l];
                            dw[j] += g * q(qkv, b, j, head, l, 2, t, d, h);
                            dqkv[(b * t + j) * 3 * d + 2 * d + head * h + l] += weights[row + j] * g;
                        }
                        inner += weights[row + j] * dw[j];
                    }
                    for (int j = 0; j < t; j++) {
                        double ds = weights[row + j] * (dw[j] - inner) * scale;
                        for (int l = 0; l < h; l++) {
                            dqkv[(b * t + i) * 3 * d + head * h + l] += ds * q(qkv, b, j, head, l, 1, t, d, h);
                            dqkv[(b * t + j) * 3 * d + d + head * h + l] += ds * q(qkv, b, i, head, l, 0, t, d, h);
                        }
                    }
                }
            }
        }
        return dqkv;
    }

    private static double q(double[] qkv, int b, int i, int head, int l, int part, int t, int d, int h) {
        return qkv[(b * t + i) * 3 * d + part * d + head * h + l];
    }

    /** Returns the softmax of u's scores of the tokens, {@code [B*Q, T]}. */
    public static double[] attendWeights(double[] u, double[] x, double scale, int examples, int q, int t, int d) {
        double[] weights = new double[examples * q * t];
        for (int i = 0; i < examples * q; i++) {
            double total = 0;
            for (int j = 0; j < t; j++) {
                weights[i * t + j] = Math.exp(scale * dot(u, i, x, i / q * t + j, d));
                total += weights[i * t + j];
            }
            for (int j = 0; j < t; j++) {
                weights[i * t + j] /= total;
            }
        }
        return weights;
    }

    /** Returns the weighted sums of the tokens, {@code [B*Q, D]}. */
    public static double[] attend(double[] weights, double[] x, int examples, int q, int t, int d) {
        double[] out = new double[examples * q * d];
        for (int i = 0; i < examples * q; i++) {
            for (int j = 0; j < t; j++) {
                for (int l = 0; l < d; l++) {
                    out[i * d + l] += weights[i * t + j] * x[(i / q * t + j) * d + l];
                }
            }
        }
        return out;
    }

    /** Adds the gradients of u and of the tokens to {@code du} and {@code dx}. */
    public static void attendBackward(
            double[] dout,
            double[] u,
            double[] x,
            double[] weights,
            double scale,
            int examples,
            int q,
            int t,
            int d,
            double[] du,
            double[] dx) {
        for (int i = 0; i < examples * q; i++) {
            double inner = 0;
            for (int j = 0; j < t; j++) {
                inner += weights[i * t + j] * dot(dout, i, x, i / q * t + j, d);
            }
            for (int j = 0; j < t; j++) {
                int token = i / q * t + j;
                double w = weights[i * t + j];
                double ds = scale * w * (dot(dout, i, x, token, d) - inner);
                for (int l = 0; l < d; l++) {
                    du[i * d + l] += ds * x[token * d + l];
                    dx[token * d + l] += ds * u[i * d + l] + w * dout[i * d + l];
                }
            }
        }
    }

    /** Returns the product of row i of a and row j of b, of {@code d} numbers both. */
    private static double dot(double[] a, int i, double[] b, int j, int d) {
        double dot = 0;
        for (int l = 0; l < d; l++) {
            dot += a[i * d + l] * b[j * d + l];
        }
        return dot;
    }

    /** Returns the supervised contrastive loss of each anchor, {@code [N]}. */
    public static double[] contrastive(double[] f, double[] same, double temperature, int n, int d) {
        double[] losses = new double[n];
        for (int a = 0; a < n; a++) {
            double sum = 0;
            double positives = 0;
            for (int b = 0; b < n; b++) {
                sum += b == a ? 0 : Math.exp(cosine(f, a, b, d) / temperature);
                positives += same[a * n + b];
            }
            for (int p = 0; p < n && positives > 0; p++) {
                losses[a] += same[a * n + p] * (Math.log(sum) - cosine(f, a, p, d) / temperature) / positives;
            }
        }
        return losses;
    }

    private static double cosine(double[] f, int a, int b, int d) {
        double ab = 0;
        double aa = 0;
        double bb = 0;
        for (int j = 0; j < d; j++) {
            ab += f[a * d + j] * f[b * d + j];
            aa += f[a * d + j] * f[a * d + j];
            bb += f[b * d + j] * f[b * d + j];
        }
        return ab / Math.sqrt(aa * bb);
    }

    /** Returns the gradient {@code [out, in]} of one example's linear map. */
    public static double[] gradient(double[] dy, double[] x, int example, int t, int out, int in) {
        double[] g = new double[out * in];
        for (int i = example * t; i < (example + 1) * t; i++) {
            for (int o = 0; o < out; o++) {
                for (int j = 0; j < in; j++) {
                    g[o * in + j] += dy[i * out + o] * x[i * in + j];
                }
            }
        }
        return g;
    }

    /** Adds the row and column sums of the squares of {@code g [out, in]}. */
    public static void addSquares(double[] g, double[] rows, double[] columns) {
        for (int o = 0; o < rows.length; o++) {
            for (int i = 0; i < columns.length; i++) {
                double square = g[o * columns.length + i] * g[o * columns.length + i];
                rows[o] += square;
                columns[i] += square;
            }
        }
    }

    private static double mean(double[] x, int row, int n) {
        double mean = 0;
        for (int j = 0; j < n; j++) {
            mean += x[row * n + j] / n;
        }
        return mean;
    }
}
