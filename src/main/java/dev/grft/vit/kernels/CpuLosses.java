package dev.grft.vit.kernels;

import static dev.grft.vit.kernels.CpuArrays.memory;
import static dev.grft.vit.kernels.CpuArrays.read;
import static dev.grft.vit.kernels.CpuArrays.size;

import java.util.Arrays;
import org.nd4j.linalg.api.ndarray.INDArray;

/** Losses and their gradients, in double precision. */
final class CpuLosses {
    private final CpuScratch scratch;

    CpuLosses(CpuScratch scratch) {
        this.scratch = scratch;
    }

    void crossEntropy(INDArray logits, INDArray targets, INDArray losses, INDArray dlogits) {
        int examples = size(logits, 0);
        int classes = size(logits, 1);
        float[] v = scratch.row(0, classes);
        float[] p = scratch.row(1, classes);
        CpuMemory in = memory(logits);
        CpuMemory target = memory(targets);
        CpuMemory loss = memory(losses);
        CpuMemory out = memory(dlogits);
        for (long b = 0; b < examples; b++) {
            in.get(b * classes, v, 0, classes);
            target.get(b * classes, p, 0, classes);
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
            loss.put(b, (float) (weight * Math.log(total) - expected));
            for (int k = 0; k < classes; k++) {
                v[k] = (float) (weight * (Math.exp((double) v[k] - max) / total) - p[k]);
            }
            out.put(b * classes, v, 0, classes);
        }
    }

    void binaryCrossEntropy(INDArray logits, INDArray targets, INDArray losses, INDArray dlogits) {
        each(logits, targets, losses, dlogits, OfOutput.BINARY);
    }

    void squaredError(INDArray outputs, INDArray targets, INDArray losses, INDArray doutputs) {
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

    private void each(INDArray outputs, INDArray targets, INDArray losses, INDArray doutputs, OfOutput of) {
        int examples = size(outputs, 0);
        int k = size(outputs, 1);
        float[] v = scratch.row(0, k);
        float[] t = scratch.row(1, k + 1);
        CpuMemory in = memory(outputs);
        CpuMemory target = memory(targets);
        CpuMemory loss = memory(losses);
        CpuMemory out = memory(doutputs);
        for (long b = 0; b < examples; b++) {
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
    }

    void contrastive(INDArray features, INDArray same, double temperature, INDArray losses, INDArray dfeatures) {
        int n = size(features, 0);
        int d = size(features, 1);
        double[] z = new double[Math.multiplyExact(n, d)];
        double[] lengths = new double[n];
        normalize(read(memory(features), new float[n * d], n * d), z, lengths, d);
        float[] positive = read(memory(same), new float[Math.multiplyExact(n, n)], n * n);
        CpuMemory loss = memory(losses);
        double[] ds = new double[Math.multiplyExact(n, n)]; // gradient of the similarities z_a.z_n
        for (int a = 0; a < n; a++) {
            loss.put(a, (float) contrast(z, a, positive, temperature, ds, d));
        }
        double[] dz = new double[d];
        float[] df = new float[d];
        CpuMemory out = memory(dfeatures);
        for (int a = 0; a < n; a++) {
            Arrays.fill(dz, 0);
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
                df[j] = (float) ((dz[j] - radial * z[a * d + j]) / lengths[a]);
            }
            out.put((long) a * d, df, 0, d);
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
