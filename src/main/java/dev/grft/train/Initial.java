package dev.grft.train;

import dev.grft.vit.Layout;
import dev.grft.vit.TrainedArray;
import dev.grft.vit.VitConfig;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SplittableRandom;

/** Numbers to begin with, the same on every machine. */
public final class Initial {
    private static final double STD = 0.02;

    private Initial() {}

    /**
     * Returns the parameters of a ViT that has seen nothing: matrices from a normal distribution of the variance {@code 2 /
     * (in + out)} (Glorot and Bengio 2010), positions and head of standard deviation 0.02, all cut off at two standard
     * deviations; the class token and biases 0, gains 1.
     */
    public static Map<String, float[]> vit(VitConfig config, long seed) {
        Map<String, float[]> tensors = new LinkedHashMap<>();
        config.tensors().forEach((name, shape) -> {
            int size = Math.toIntExact(VitConfig.elements(shape));
            tensors.put(name, tensor(name, shape, size, seed));
        });
        return tensors;
    }

    /** Returns the numbers of a trained vector in which every parameter of {@code tensors} trains whole. */
    public static float[] vector(Layout layout, Map<String, float[]> tensors) {
        float[] vector = new float[layout.size()];
        for (TrainedArray array : layout.arrays().values()) {
            float[] numbers = tensors.get(array.name());
            if (numbers == null) {
                throw new IllegalArgumentException("no tensor " + array.name());
            }
            layout.write(numbers, array.name(), vector);
        }
        return vector;
    }

    /**
     * Returns the trained vector before the first step: each array as its {@link TrainedArray.Start} says.
     *
     * @param seed gives the random numbers; those of an array depend on the seed and its name only
     */
    public static float[] start(Layout layout, long seed) {
        float[] vector = new float[layout.size()];
        for (TrainedArray array : layout.arrays().values()) {
            float[] numbers = new float[Math.toIntExact(array.size())];
            SplittableRandom random =
                    new SplittableRandom(seed ^ ((long) array.name().hashCode() << 32));
            double scale = array.start().scale();
            switch (array.start().distribution()) {
                case ZEROS -> {}
                case UNIFORM -> uniform(numbers, scale, random);
                case NORMAL -> normal(numbers, scale, random);
            }
            layout.write(numbers, array.name(), vector);
        }
        return vector;
    }

    private static float[] tensor(String name, long[] shape, int size, long seed) {
        float[] values = new float[size];
        if (name.endsWith(".bias") || name.equals("cls_token")) {
            return values;
        }
        if (name.contains("norm") || name.endsWith(".gamma")) {
            Arrays.fill(values, 1);
            return values;
        }
        boolean small = name.equals("pos_embed") || name.equals("reg_token") || name.startsWith("head.");
        double std = small ? STD : Math.sqrt(2.0 / (shape[0] + size / shape[0]));
        normal(values, std, new SplittableRandom(seed ^ ((long) name.hashCode() << 32)));
        return values;
    }

    private static void uniform(float[] values, double bound, SplittableRandom random) {
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (bound * (2 * random.nextDouble() - 1));
        }
    }

    /** Returns a number of the normal distribution. By Box and Muller, with StrictMath: the same number on every machine. */
    static double normal(SplittableRandom random) {
        double radius = StrictMath.sqrt(-2 * StrictMath.log(1 - random.nextDouble()));
        return radius * StrictMath.cos(2 * Math.PI * random.nextDouble());
    }

    /** Puts numbers of a normal distribution, cut off at two standard deviations, into {@code values}. */
    static void normal(float[] values, double std, SplittableRandom random) {
        for (int i = 0; i < values.length; i++) {
            double z;
            do {
                z = normal(random);
            } while (Math.abs(z) > 2);
            values[i] = (float) (std * z);
        }
    }
}
