package dev.grft.vit.kernels.torch;

import static dev.grft.vit.kernels.torch.Torch.doubles;
import static dev.grft.vit.kernels.torch.Torch.scalar;

import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** Losses and their gradients, in double precision. */
public final class Losses {
    private static final double NEVER = -1e300; // a similarity far below every other: 0 times it is 0

    private Losses() {}

    /** A loss of outputs {@code [B, K]}: puts that of each example into {@code losses [B]}, and the gradient of their sum into {@code gradient}. */
    public interface OfOutputs {
        void apply(Tensor outputs, Tensor targets, Tensor losses, Tensor gradient);
    }

    /** Puts the cross-entropy of {@code logits [B, K]} into {@code losses [B]}, its gradient into {@code dlogits}. */
    public static void crossEntropy(Tensor logits, Tensor targets, Tensor losses, Tensor dlogits) {
        Tensor wanted = doubles(targets);
        Tensor logs = doubles(logits).log_softmax(1);
        Tensor weights = sum(wanted);
        losses.copy_(sum(torch.mul(wanted, logs)).neg().view(-1));
        dlogits.copy_(logs.exp().mul_(weights).sub_(wanted));
    }

    /** Puts the mean binary cross-entropy of each example into {@code losses [B]}; targets {@code [B, K + 1]} have the weight last. */
    public static void binaryCrossEntropy(Tensor logits, Tensor targets, Tensor losses, Tensor dlogits) {
        long k = logits.size(1);
        Tensor z = doubles(logits);
        Tensor on = doubles(targets.narrow(1, 0, k));
        Tensor weights = doubles(targets.narrow(1, k, 1));
        Tensor each =
                z.abs().neg_().exp_().log1p_().add_(z.clamp_min(scalar(0))).mul_(weights);
        losses.copy_(mean(each.sub_(torch.mul(z, on))));
        dlogits.copy_(z.sigmoid_().mul_(weights).sub_(on).div_(scalar((double) k)));
    }

    /** Puts the mean squared error of each example into {@code losses [B]}; targets {@code [B, K + 1]} have the weight last. */
    public static void squaredError(Tensor outputs, Tensor targets, Tensor losses, Tensor doutputs) {
        long k = outputs.size(1);
        Tensor z = doubles(outputs);
        Tensor values = doubles(targets.narrow(1, 0, k));
        Tensor weights = doubles(targets.narrow(1, k, 1));
        Tensor errors = torch.sub(z, torch.div(values, weights.clamp_min(scalar(Float.MIN_NORMAL)))); // 0 of weight 0
        losses.copy_(mean(torch.mul(errors, errors).mul_(weights)));
        doutputs.copy_(torch.mul(z, weights).sub_(values).mul_(scalar(2.0 / k)));
    }

    /** Puts the supervised contrastive loss of each row of {@code features [N, D]} into {@code losses [N]}, its gradient into {@code dfeatures}. */
    public static void contrastive(Tensor features, Tensor same, double temperature, Tensor losses, Tensor dfeatures) {
        Tensor f = doubles(features);
        Tensor lengths = sum(torch.mul(f, f)).sqrt_().clamp_min_(scalar(1e-12));
        Tensor z = torch.div(f, lengths);
        Tensor similarity = torch.mm(z, z.t()).div_(scalar(temperature)).fill_diagonal_(scalar(NEVER), false);
        Tensor positives = sum(doubles(same));
        Tensor any = positives.clamp_max(scalar(1));
        Tensor shares = torch.div(doubles(same), positives.clamp_min(scalar(1)));
        Tensor logs = similarity.log_softmax(1);
        losses.copy_(sum(torch.mul(logs, shares)).neg().view(-1));
        Tensor d = logs.exp().mul_(any).sub_(shares);
        Tensor dz = torch.mm(torch.add(d, d.t()), z).div_(scalar(temperature));
        dfeatures.copy_(dz.sub_(torch.mul(z, sum(torch.mul(dz, z)))).div_(lengths));
    }

    /** Returns the sums of rows {@code [m, 1]}. */
    private static Tensor sum(Tensor x) {
        return x.sum(new long[] {1}, true, new ScalarTypeOptional());
    }

    /** Returns the means of rows {@code [m]}. */
    private static Tensor mean(Tensor x) {
        return x.mean(new long[] {1}, false, new ScalarTypeOptional());
    }
}
