package dev.grft.config;

import dev.grft.Checks;
import dev.grft.Task;
import dev.grft.data.ImageRecipe;
import dev.grft.data.Interpolation;
import dev.grft.data.LabelForm;
import dev.grft.data.Preprocess;
import java.io.Serializable;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** The images. */
public record DataSettings(
        @Nullable String train,
        @Nullable String validation,
        boolean trainOnValidation,
        @Nullable String test,
        String format,
        @Nullable String root,
        String task,
        @Nullable Integer classes,
        String balance,
        String imageColumn,
        String labelColumn,
        int resize,
        @Nullable String crop,
        @Nullable List<Double> mean,
        @Nullable List<Double> std,
        @Nullable String interpolation,
        String exif,
        double maxBroken)
        implements Serializable {
    public DataSettings {
        if (train != null) {
            Checks.notBlank("data.train", train);
        }
        if (validation != null) {
            Checks.notBlank("data.validation", validation);
        }
        if (test != null) {
            Checks.notBlank("data.test", test);
        }
        Checks.word("data.format", format, "auto", "folder", "parquet", "webdataset", "list", "json", "csv", "jsonl");
        if (root != null) {
            Checks.notBlank("data.root", root);
        }
        Task of = Task.of(task, "data.task");
        Checks.require(
                classes == null || of != Task.REGRESSION, "data.classes", "null for data.task regression", classes);
        Checks.require(classes == null || classes >= of.fewest(), "data.classes", "null or >= " + of.fewest(), classes);
        Checks.word("data.balance", balance, "none", "weights", "sampler");
        Checks.require(
                balance.equals("none") || of == Task.SINGLE_LABEL,
                "data.balance",
                "none unless data.task is single-label, where each image has a class of its own",
                balance);
        Checks.notBlank("data.imageColumn", imageColumn);
        Checks.notBlank("data.labelColumn", labelColumn);
        LabelForm.of(of, labelColumn);
        Checks.require(resize >= 0, "data.resize", ">= 0", resize);
        if (crop != null) {
            Checks.word("data.crop", crop, "center", "squash");
        }
        if (mean != null) {
            mean = List.copyOf(mean);
            Checks.require(
                    mean.size() == 3 && mean.stream().allMatch(Double::isFinite),
                    "data.mean",
                    "null or three numbers, for red, green and blue",
                    mean);
        }
        if (std != null) {
            std = List.copyOf(std);
            Checks.require(
                    std.size() == 3 && std.stream().allMatch(x -> x > 0 && Double.isFinite(x)),
                    "data.std",
                    "null or three numbers > 0, for red, green and blue",
                    std);
        }
        if (interpolation != null) {
            Interpolation.of(interpolation, "data.interpolation");
        }
        Checks.word("data.exif", exif, "ignore", "transpose");
        Checks.require(maxBroken >= 0 && maxBroken <= 1, "data.maxBroken", "in [0, 1]", maxBroken);
    }

    /** Returns what a label is. */
    public Task toTask() {
        return Task.of(task, "data.task");
    }

    /**
     * Returns how images are prepared for a network: as its recipe says, where these settings do not say otherwise.
     *
     * @param imageSize height and width of the network's input, pixels
     */
    public Preprocess toPreprocess(int imageSize, ImageRecipe recipe) {
        Preprocess preprocess = new Preprocess(
                imageSize,
                resize > 0 ? resize : recipe.resize(imageSize),
                crop == null ? recipe.crop() : Preprocess.Crop.valueOf(crop.toUpperCase(Locale.ROOT)),
                new ImageRecipe(
                        or(mean, recipe.mean()),
                        or(std, recipe.std()),
                        recipe.cropFraction(),
                        interpolation == null
                                ? recipe.interpolation()
                                : Interpolation.of(interpolation, "data.interpolation")));
        return exif.equals("transpose") ? preprocess.turned() : preprocess;
    }

    private static List<Float> or(@Nullable List<Double> given, List<Float> otherwise) {
        return given == null
                ? otherwise
                : given.stream().map(Double::floatValue).toList();
    }
}
