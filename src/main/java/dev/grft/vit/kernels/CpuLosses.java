package dev.grft.vit.kernels;

import static dev.grft.vit.kernels.HostArray.memory;
import static dev.grft.vit.kernels.HostArray.read;
import static dev.grft.vit.kernels.HostArray.size;

import java.util.Arrays;

/** Losses and their gradients, in double precision. */
final class CpuLosses {
    private static final long COST = 32; // of an exponential in double precision

    private final CpuThreads threads;

    CpuLosses(CpuThreads threads) {
        this.threads = threads;
    }

    void crossEntropy(Array logits, Array targets, Array losses, Array dlogits) {
        int classes = size(logits, 1);
        CpuMemory in = memory(logits);
        CpuMemory target = memory(targets);
        CpuMemory loss = memory(losses);
        CpuMemory out = memory(dlogits);
        threads.rows(logits.size(0), COST * classes, (lane, from, to) -> {
            float[] v = lane.row(0, classes);
            float[] p = lane.row(1, classes);
            for (long b = from; b < to; b++) {
                in.get(b * classes, v, 0, classes);
                target.get(b * classes, p, 0, classes);
                loss.put(b, crossEntropy(v, p, classes));
                out.put(b * classes, v, 0, classes);
            }
        });
    }

    /** Returns the loss of an example with logits {@code v}, which are replaced by their gradient, and targets {@code p}. */
    private static float crossEntropy(float[] v, float[] p, int classes) {
        float max = Float.NEGATIVE_INFINITY;
        for (int k = 0; k < classes; k++) {
            max = Math.max(max, v[k]);
        }
        double total = 0;
        double expected = 0;
        double weight = 0;
        for (int k = 0; k < classes; k++) {
            total += Math.exp((double) v[k] - max);
            expected += p[k] * ((double) v[k] - max);
            weight += p[k];
        }
        for (int k = 0; k < classes; k++) {
            v[k] = (float) (weight * (Math.exp((double) v[k] - max) / total) - p[k]);
        }
        return (float) (weight * Math.log(total) - expected);
    }

    void binaryCrossEntropy(Array logits, Array targets, Array losses, Array dlogits) {
        each(logits, targets, losses, dlogits, OfOutput.BINARY);
    }

    void squaredError(Array outputs, Array targets, Array losses, Array doutputs) {
        each(outputs, targets, losses, doutputs, OfOutput.SQUARE);
    }

    /** A loss that is a mean over the outputs. */
    private interface OfOutput {
        OfOutput BINARY = new OfOutput() {
            @Override
            public double loss(double z, double target, double weight) {
                return weight * (Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)))) - z * target;
            }

            @Override
            public double gradient(double z, double target, double weight) {
                double e = Math.exp(-Math.abs(z));
                return weight * (z < 0 ? e : 1) / (1 + e) - target;
            }
        };

        OfOutput SQUARE = new OfOutput() {
            @Override
            public double loss(double z, double target, double weight) {
                double error = weight == 0 ? 0 : z - target / weight;
                return weight * error * error;
            }

            @Override
            public double gradient(double z, double target, double weight) {
                return 2 * (weight * z - target);
            }
        };

        /** Returns the loss of an output, given its target times the weight. */
        double loss(double z, double target, double weight);

        /** Returns its derivative by {@code z}. */
        double gradient(double z, double target, double weight);
    }

    private void each(Array outputs, Array targets, Array losses, Array doutputs, OfOutput of) {
        int k = size(outputs, 1);
        CpuMemory in = memory(outputs);
        CpuMemory target = memory(targets);
        CpuMemory loss = memory(losses);
        CpuMemory out = memory(doutputs);
        threads.rows(outputs.size(0), COST * k, (lane, from, to) -> {
            float[] v = lane.row(0, k);
            float[] t = lane.row(1, k + 1);
            for (long b = from; b < to; b++) {
                in.get(b * k, v, 0, k);
                target.get(b * (k + 1), t, 0, k + 1);
                double sum = 0;
                for (int i = 0; i < k; i++) {
                    sum += of.loss(v[i], t[i], t[k]);
                    v[i] = (float) (of.gradient(v[i], t[i], t[k]) / k);
                }
                loss.put(b, (float) (sum / k));
                out.put(b * k, v, 0, k);
            }
        });
    }

    void contrastive(Array features, Array same, double temperature, Array losses, Array dfeatures) {
        int n = size(features, 0);
        int d = size(features, 1);
        double[] z = new double[Math.multiplyExact(n, d)];
        double[] lengths = new double[n];
        normalize(read(features), z, lengths, d);
        float[] positive = read(same);
        CpuMemory loss = memory(losses);
        double[] ds = new double[Math.multiplyExact(n, n)]; // gradient of the similarities z_a.z_n
        long cost = (long) n * (d + COST);
        threads.rows(n, cost, (lane, from, to) -> {
            for (int a = (int) from; a < to; a++) {
                loss.put(a, (float) contrast(z, a, positive, temperature, ds, d));
            }
        });
        CpuMemory out = memory(dfeatures);
        threads.rows(n, cost, (lane, from, to) -> {
            double[] dz = lane.sums(d);
            float[] df = lane.row(0, d);
            for (int a = (int) from; a < to; a++) {
                featureGradient(z, ds, a, lengths[a], dz, df, d);
                out.put((long) a * d, df, 0, d);
            }
        });
    }

    /** Puts the gradient of feature {@code a} into {@code df [d]}, given those of all similarities; {@code dz} is scratch. */
    private static void featureGradient(double[] z, double[] ds, int a, double length, double[] dz, float[] df, int d) {
        int n = z.length / d;
        Arrays.fill(dz, 0, d, 0);
        for (int b = 0; b < n; b++) {
            double g = ds[a * n + b] + ds[b * n + a];
            for (int j = 0; j < d; j++) {
                dz[j] += g * z[b * d + j];
            }
        }
        double radial = 0;
        for (int j = 0; j < d; j++) {
            radial += dz[j] * z[a * d + j];
        }
        for (int j = 0; j < d; j++) {
            df[j] = (float) ((dz[j] - radial * z[a * d + j]) / length);
        }
    }

    /** Puts the rows of {@code f [N, d]}, scaled to length 1, into {@code z} and their divisors into {@code lengths [N]}. */
    private static void normalize(float[] f, double[] z, double[] lengths, int d) {
        for (int a = 0; a < lengths.length; a++) {
            double squares = 0;
            for (int j = a * d; j < (a + 1) * d; j++) {
                squares += (double) f[j] * f[j];
            }
            lengths[a] = Math.max(Math.sqrt(squares), 1e-12);
            for (int j = a * d; j < (a + 1) * d; j++) {
                z[j] = f[j] / lengths[a];
            }
        }
    }

    /** Returns the loss of anchor {@code a}; puts the gradient of its similarities into row a of {@code ds [N, N]}, which holds zeros. */
    private static double contrast(double[] z, int a, float[] positive, double temperature, double[] ds, int d) {
        int n = z.length / d;
        double[] s = new double[n];
        double max = Double.NEGATIVE_INFINITY;
        double positives = 0;
        for (int b = 0; b < n; b++) {
            positives += positive[a * n + b];
            if (b != a) {
                for (int j = 0; j < d; j++) {
                    s[b] += z[a * d + j] * z[b * d + j];
                }
                s[b] /= temperature;
                max = Math.max(max, s[b]);
            }
        }
        if (positives == 0) {
            return 0;
        }
        double total = 0;
        double mean = 0;
        for (int b = 0; b < n; b++) {
            if (b != a) {
                total += Math.exp(s[b] - max);
                mean += positive[a * n + b] / positives * (s[b] - max);
            }
        }
        for (int b = 0; b < n; b++) {
            if (b != a) {
                ds[a * n + b] = (Math.exp(s[b] - max) / total - positive[a * n + b] / positives) / temperature;
            }
        }
        return Math.log(total) - mean;
    }
}
