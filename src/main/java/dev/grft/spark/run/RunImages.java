package dev.grft.spark.run;

import dev.grft.UserError;
import dev.grft.checkpoint.Checkpoint;
import dev.grft.config.Config;
import dev.grft.config.Settings;
import dev.grft.data.Augment;
import dev.grft.data.BrokenImages;
import dev.grft.data.ImageRecipe;
import dev.grft.data.Labels;
import dev.grft.data.PassedOver;
import dev.grft.data.Preprocess;
import dev.grft.spark.images.Images;
import dev.grft.spark.images.Inputs;
import dev.grft.spark.images.ReadOptions;
import dev.grft.spark.images.Source;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** The images that a run's settings name, prepared for its model. */
public final class RunImages {
    /** The key of the side of the images. */
    public static final String SIDE = "model.imageSize";

    private static final String RESIZE = "data.resize";
    private static final String CROP = "data.crop";

    /** The settings that decide the pixels which a network gets, unless they are changed at random. */
    private static final List<String> PREPARATION =
            List.of(SIDE, RESIZE, CROP, "data.mean", "data.std", "data.interpolation", "data.exif");

    private final Settings settings;
    private final Models models;
    private final ImageSets sets;
    private final boolean cropping;

    /**
     * Returns the images of a run.
     *
     * @param cropping whether any method of the application crops at random, so that training images are kept for it
     */
    RunImages(Settings settings, Models models, ImageSets sets, boolean cropping) {
        this.settings = settings;
        this.models = models;
        this.sets = sets;
        this.cropping = cropping;
    }

    /** Returns the training images, prepared for the pretrained model; with {@code data.trainOnValidation} all of them. */
    public Images training() {
        return training(preprocess(), false);
    }

    /**
     * Returns the training images, prepared in some other way.
     *
     * @param steps whether they are read for the steps of a training alone
     * @throws UserError also if they are fewer than the shards, each of which has a part in every step
     */
    public Images training(Preprocess preprocess, boolean steps) {
        Integer classes = settings.data().classes();
        Images read = sets.read(
                settings,
                "data.train",
                trainingPaths(),
                classes == null ? null : Labels.numbered(settings.data().toTask(), classes),
                cropping ? preprocess.withSources(settings.augmentation().cropSource()) : preprocess,
                steps);
        int shards = settings.training().shards();
        if (read.count() < shards) {
            throw UserError.of(
                    "training.shards is %d, but data.train has %d images; use fewer shards than images",
                    shards, read.count());
        }
        return read;
    }

    /** Returns whether training images have weights of their own in the loss. */
    public boolean weighted() {
        return sets.weighted(trainingPaths());
    }

    /**
     * Returns the validation images, whose classes must be among those of a head. They are held out only if {@code
     * data.trainOnValidation} is false.
     */
    public Images validation(Labels known) {
        return sets.read(settings, "data.validation", List.of(validationPath()), known, preprocess(), false);
    }

    /** Returns the test images, whose classes must be among those of a head. */
    public Images test(Labels known) {
        return test(known, preprocess());
    }

    /** Returns the test images, prepared in some other way. */
    public Images test(Labels known, Preprocess preprocess) {
        return sets.read(settings, "data.test", List.of(testPath()), known, preprocess, false);
    }

    /**
     * Images without labels.
     *
     * @param identity a digest of what they are; null if only reading them tells it
     * @param source opens them, to be read in the order of the files
     */
    public record Unlabeled(@Nullable String identity, Supplier<Source.Stored> source) {}

    /** Returns the images at a path, which are listed now. */
    public Unlabeled unlabeled(String path) {
        return sets.unlabeled(settings, path);
    }

    /**
     * Reports the broken ones of the images at a path that were read before the labeling into an output failed, and what may be a mistake.
     *
     * @throws UserError if more than {@code data.maxBroken} are broken
     */
    public void checkPredicted(String output, String path, BrokenImages broken, PassedOver passedOver) {
        sets.checkPredicted(settings, output, path, broken, passedOver);
    }

    /**
     * Reports how many images at a path were labeled into an output, broken and ignored, and what may be a mistake.
     *
     * @throws UserError if more than {@code data.maxBroken} are broken
     */
    public void describePredicted(String output, String path, BrokenImages broken, PassedOver passedOver) {
        sets.describePredicted(settings, output, path, broken, passedOver);
    }

    /** Returns the snapshots of the tables among the training images, by what {@code data.train} calls them. */
    public Map<String, String> trainingSnapshots() {
        return sets.snapshots(trainingPaths());
    }

    /** Returns a digest of what the training images are, which are not read unless they may be a copy. */
    public String trainingListing() {
        return Inputs.digest(
                String.valueOf(settings.data().classes()), sets.identity(settings, "data.train", trainingPaths()));
    }

    /** Returns a digest of what the validation images are, which are not read unless they may be a copy. */
    public String validationListing() {
        return sets.identity(settings, "data.validation", List.of(validationPath()));
    }

    /** Returns a digest of what the test images are, which are not read unless they may be a copy. */
    public String testListing() {
        return sets.identity(settings, "data.test", List.of(testPath()));
    }

    /** Returns how images are prepared: as the checkpoint says, where the settings do not say otherwise. */
    public Preprocess preprocess() {
        Checkpoint checkpoint = models.pretrained();
        return preprocess(checkpoint.config().imageSize(), checkpoint.recipe());
    }

    /** Returns how images are prepared for a network of that input, unless the settings say otherwise. */
    public Preprocess preprocess(int imageSize, ImageRecipe recipe) {
        return settings.data().toPreprocess(imageSize, recipe);
    }

    /**
     * Returns the settings of the run with the recipe that its images are prepared by: what the checkpoint says where the settings say
     * nothing. A delta carries these settings. Export and Spark ML's model prepare images by them; the verbs use the settings of their run.
     */
    public Settings settled() {
        Settings settled = settled(settings, preprocess());
        return Config.with(
                settled,
                "the checkpoint",
                Map.of(SIDE, models.pretrained().config().imageSize()));
    }

    /** Returns the settings by which images were prepared in a training in another way than here, each with both values. */
    public List<String> differences(Settings training) {
        Map<String, String> there = Config.values(settled(training, preprocess(training)));
        there.put(SIDE, Integer.toString(imageSize(training)));
        Map<String, String> here = Config.values(settled());
        if ("squash".equals(there.get(CROP)) || "squash".equals(here.get(CROP))) { // which does not use it
            there.remove(RESIZE);
            here.remove(RESIZE);
        }
        return PREPARATION.stream()
                .filter(key -> !Objects.equals(there.get(key), here.get(key)))
                .map(key -> key + "=" + there.get(key) + " (here " + here.get(key) + ")")
                .toList();
    }

    /** Returns the recipe by which images were prepared in a training of the pretrained model. */
    public ImageRecipe recipe(Settings training) {
        return preprocess(training).recipe();
    }

    private Preprocess preprocess(Settings training) {
        int imageSize = imageSize(training);
        int resize = training.data().resize();
        return training.data()
                .toPreprocess(
                        resize > 0 ? Math.min(imageSize, resize) : imageSize,
                        models.pretrained().recipe());
    }

    private int imageSize(Settings training) {
        int imageSize = training.model().imageSize();
        return imageSize > 0 ? imageSize : models.pretrained().config().imageSize();
    }

    private static Settings settled(Settings settings, Preprocess preprocess) {
        ImageRecipe recipe = preprocess.recipe();
        Map<String, @Nullable Object> data = new HashMap<>();
        data.put(RESIZE, preprocess.resize());
        data.put(CROP, recipe.crop().name().toLowerCase(Locale.ROOT));
        data.put("data.mean", numbers(recipe.mean()));
        data.put("data.std", numbers(recipe.std()));
        data.put("data.interpolation", recipe.interpolation().toString());
        return Config.with(settings, "the checkpoint", data);
    }

    /** Returns numbers whose nearest floats are these, as a person writes them. */
    private static List<Double> numbers(List<Float> floats) {
        return floats.stream().map(x -> Double.valueOf(Float.toString(x))).toList();
    }

    /** Returns the random changes to training images. */
    public Augment augment() {
        return settings.augmentation().toAugment(settings.run().seed());
    }

    /** Returns how images are found at a path. */
    public ReadOptions readOptions() {
        return ImageSets.readOptions(settings.data());
    }

    private List<String> trainingPaths() {
        String train = given("data.train", settings.data().train());
        return settings.data().trainOnValidation() ? List.of(train, validationPath()) : List.of(train);
    }

    private String validationPath() {
        return given("data.validation", settings.data().validation());
    }

    private String testPath() {
        return given("data.test", settings.data().test());
    }

    private static String given(String key, @Nullable String path) {
        if (path == null) {
            throw UserError.of(
                    "%s is not set; give the folder of the images, the Parquet or tar files, or a file that names them",
                    key);
        }
        return path;
    }
}
