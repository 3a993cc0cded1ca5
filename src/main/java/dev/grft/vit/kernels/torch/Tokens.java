package dev.grft.vit.kernels.torch;

import static dev.grft.vit.kernels.torch.Torch.scalar;

import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/** Patches and tokens of images; an array {@code [B*T, D]} has T rows of each example. */
public final class Tokens {
    private Tokens() {}

    /** Puts the flattened patches (channel, row, column) of {@code images [B, C, S, S]} into {@code y [B*N, C*P*P]}. */
    public static void patches(Tensor images, long size, Tensor y) {
        long examples = images.size(0);
        long channels = images.size(1);
        long grid = images.size(2) / size;
        y.view(examples, grid, grid, channels, size, size)
                .copy_(images.view(examples, channels, grid, size, grid, size).permute(0, 2, 4, 1, 3, 5));
    }

    /** Puts the tokens before the patches, then the patches, each plus its position {@code [T, D]}, into {@code y [B*T, D]}. */
    public static void tokens(Tensor patches, @Nullable Tensor first, Tensor positions, long examples, Tensor y) {
        long t = positions.size(0);
        long n = patches.size(0) / examples;
        Tensor all = ofExamples(y, examples);
        torch.add_out(all.narrow(1, t - n, n), ofExamples(patches, examples), positions.narrow(0, t - n, n));
        if (first != null) {
            Tensor before = torch.add(first.view(t - n, -1), positions.narrow(0, 0, t - n));
            all.narrow(1, 0, t - n).copy_(before);
        }
    }

    /** Copies {@code count} rows of each example of x from row {@code from} on to those of y from row {@code to} on. */
    public static void copyRows(Tensor x, long from, Tensor y, long to, long count, long examples) {
        ofExamples(y, examples)
                .narrow(1, to, count)
                .copy_(ofExamples(x, examples).narrow(1, from, count));
    }

    /** Puts the mean of the tokens after the first {@code prefix} of each example into the last D columns of {@code y}, the first token before. */
    public static void pool(Tensor x, long prefix, Tensor y) {
        long d = x.size(1);
        long width = y.size(1);
        Tensor tokens = ofExamples(x, y.size(0));
        Tensor patches = tokens.narrow(1, prefix, tokens.size(1) - prefix);
        torch.mean_out(y.narrow(1, width - d, d), patches, new long[] {1}, false, new ScalarTypeOptional());
        if (width > d) {
            y.narrow(1, 0, d).copy_(tokens.select(1, 0));
        }
    }

    /** Puts the gradient of {@link #pool} into {@code dx [B*T, D]}. */
    public static void poolBackward(Tensor dy, long prefix, Tensor dx) {
        long d = dx.size(1);
        long width = dy.size(1);
        Tensor tokens = ofExamples(dx, dy.size(0));
        long patches = tokens.size(1) - prefix;
        dx.zero_();
        Tensor mean = torch.div(dy.narrow(1, width - d, d), scalar((double) patches));
        tokens.narrow(1, prefix, patches).copy_(mean.unsqueeze(1));
        if (width > d) {
            tokens.select(1, 0).copy_(dy.narrow(1, 0, d));
        }
    }

    /** Puts the sum over the examples of {@code x} into {@code y}. */
    public static void sumExamples(Tensor x, long examples, Tensor y) {
        torch.sum_out(y.view(-1), x.view(examples, -1), new long[] {0}, false, new ScalarTypeOptional());
    }

    /** Spreads each row of {@code x [B, D]} over H rows of {@code y [B*H, D]}: each head's columns in a row of their own, 0 elsewhere. */
    public static void headsApart(Tensor x, long heads, Tensor y) {
        y.zero_();
        ownColumns(y, heads).copy_(columnsOfHeads(x, heads));
    }

    /** Adds each head's columns of {@code x [B*H, D]} to its row of {@code y [B, D]}. */
    public static void addHeads(Tensor x, long heads, Tensor y) {
        columnsOfHeads(y, heads).add_(ownColumns(x, heads));
    }

    /** Returns a view {@code [B, D/H, H]} of {@code x [B, D]}. */
    private static Tensor columnsOfHeads(Tensor x, long heads) {
        return x.view(x.size(0), heads, x.size(1) / heads).transpose(1, 2);
    }

    /** Returns a view {@code [B, D/H, H]} of what each row of {@code x [B*H, D]} has in the columns of its head. */
    private static Tensor ownColumns(Tensor x, long heads) {
        return x.view(x.size(0) / heads, heads, heads, x.size(1) / heads).diagonal(0, 1, 2);
    }

    /** Returns {@code x [B*n, D]} as {@code [B, n, D]}. */
    static Tensor ofExamples(Tensor x, long examples) {
        return x.view(examples, x.size(0) / examples, x.size(1));
    }
}
