package dev.grft;

import static com.tngtech.archunit.base.DescribedPredicate.describe;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.domain.JavaPackage;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.nd4j.linalg.learning.regularization.L1Regularization;
import org.nd4j.linalg.learning.regularization.L2Regularization;
import org.nd4j.linalg.learning.regularization.WeightDecay;

/** One module, one direction: who may know whom. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class ArchitectureTest {

    /** Each may import only what stands to its right; {@code dev.grft} itself comes last. */
    private static final List<String> DIRECTION = List.of(
            "dev.grft.cli",
            "dev.grft.ml",
            "dev.grft.spark.verbs",
            "dev.grft.spark.training",
            "dev.grft.spark.run",
            "dev.grft.spark.work",
            "dev.grft.spark.rounds",
            "dev.grft.spark.images",
            "dev.grft.spark.tables",
            "dev.grft.spark.cluster",
            "dev.grft.report.lineage",
            "dev.grft.report",
            "dev.grft.cost",
            "dev.grft.train",
            "dev.grft.config",
            "dev.grft.tuning",
            "dev.grft.checkpoint.artifact",
            "dev.grft.checkpoint",
            "dev.grft.measures",
            "dev.grft.checkpoint.file",
            "dev.grft.vit",
            "dev.grft.vit.kernels",
            "dev.grft.vit.kernels.onednn",
            "dev.grft.vit.kernels.torch",
            "dev.grft.vit.kernels.nd4j",
            "dev.grft.vit.kernels.blas",
            "dev.grft.data.decode",
            "dev.grft.data.lists",
            "dev.grft.data",
            "dev.grft.data.augmentation",
            "dev.grft.rounds",
            "dev.grft");

    private final JavaClasses classes = new ClassFileImporter()
            .withImportOption(new ImportOption.DoNotIncludeTests())
            .importPackages("dev.grft");

    static Stream<String> packages() {
        return DIRECTION.stream();
    }

    @Test
    void thePageForContributorsHasThisOrder() throws IOException {
        assertThat(Files.readString(Path.of("src/site/markdown/contributing.md")))
                .contains("\n" + String.join(" > ", DIRECTION).replaceAll("dev\\.grft\\.", "") + "\n");
    }

    @ParameterizedTest
    @MethodSource("packages")
    void aPackageImportsOnlyWhatStandsToItsRight(String name) {
        String[] toItsLeft = DIRECTION.subList(0, DIRECTION.indexOf(name)).toArray(String[]::new);

        noClasses()
                .that()
                .resideInAPackage(name)
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(toItsLeft)
                .allowEmptyShould(true)
                .check(classes);
    }

    /** They need the bindings of CUDA, which are no dependency. */
    @Test
    void theBindingsOfLibTorchThatNeedThoseOfCudaAreNotUsed() {
        noClasses()
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("org.bytedeco.pytorch.cuda..", "org.bytedeco.cuda..")
                .check(classes);
    }

    @Test
    void everyPackageHasAPlaceInTheDirection() {
        assertThat(DIRECTION).containsAll(names());
    }

    @Test
    void aPackageHasAtMost25Files() throws IOException {
        try (Stream<Path> files = Files.walk(Path.of("src/main/java"))) {
            Map<Path, Long> counts = files.filter(file -> file.toString().endsWith(".java"))
                    .collect(Collectors.groupingBy(Path::getParent, Collectors.counting()));
            assertThat(counts)
                    .isNotEmpty()
                    .allSatisfy((folder, count) ->
                            assertThat(count).as("files of %s", folder).isLessThanOrEqualTo(25));
        }
    }

    @Test
    void everyPackageSaysWhatItIsForAndIsNullMarked() {
        List<String> without = new ArrayList<>();
        for (JavaPackage javaPackage : packagesWithClasses()) {
            if (!javaPackage.isAnnotatedWith(NullMarked.class)) {
                without.add(javaPackage.getName());
            }
        }
        assertThat(without)
                .as("packages without a @NullMarked package-info.java")
                .isEmpty();
    }

    @Test
    void packagesDoNotKnowEachOtherInCircles() {
        slices().matching("dev.grft.(**)")
                .should()
                .beFreeOfCycles()
                .allowEmptyShould(true)
                .check(classes);
    }

    @Test
    void whatThePaperSaysIsWhatRuns() {
        assertThat(classes.get(Grft.class).getMethods())
                .filteredOn(method -> method.getModifiers().contains(JavaModifier.PUBLIC))
                .isNotEmpty()
                .allSatisfy(method -> assertThat(method.getAccessesToSelf())
                        .as("calls of %s", method)
                        .isNotEmpty());
        noClasses()
                .should()
                .dependOnClassesThat()
                .belongToAnyOf(L1Regularization.class, L2Regularization.class, WeightDecay.class)
                .because("the penalty of training is that of Grft")
                .check(classes);
    }

    @Test
    void theWheelHasTheClassOfEachMistakeThatTheUserCanMend() throws IOException {
        Path wheel = Path.of("jobs/python/grft_spark/ml.py");
        assertThat(classes.stream()
                        .filter(one -> one.isAssignableTo(UserError.class))
                        .map(one -> '"' + one.getName() + '"'))
                .isNotEmpty()
                .allSatisfy(name -> assertThat(Files.readString(wheel)).contains(name));
    }

    @Test
    void onlySparkAndMlKnowSpark() {
        only(List.of("dev.grft.spark..", "dev.grft.ml"), "org.apache.spark..");
    }

    @Test
    void onlyTheArithmeticKnowsNd4j() {
        only(List.of("dev.grft", "dev.grft.vit.kernels..", "dev.grft.train", "dev.grft.spark.."), "org.nd4j..");
    }

    /** What executors compute may lie in another engine's memory. */
    @Test
    void theNetworkAndItsTuningsSeeArraysOfTheKernelsAlone() {
        List<String> executors = List.of("Replica", "Scorer", "Deltas", "Targets");
        assertThat(classes.stream().map(JavaClass::getName))
                .containsAll(
                        executors.stream().map(name -> "dev.grft.train." + name).toList());
        noClasses()
                .that()
                .resideInAnyPackage("dev.grft.vit", "dev.grft.tuning")
                .or(describe(
                        "executors' half of train",
                        type -> executors.stream()
                                .anyMatch(name -> type.getName().matches("dev\\.grft\\.train\\." + name + "(\\$.*)?"))))
                .should()
                .dependOnClassesThat()
                .resideInAPackage("org.nd4j..")
                .check(classes);
    }

    @Test
    void onlyTrainAndSparkKnowDl4j() {
        only(List.of("dev.grft.train", "dev.grft.spark.."), "org.deeplearning4j..");
    }

    @Test
    void onlyTheKernelsCallNativeCodeDirectly() {
        only(List.of("dev.grft.vit.kernels.."), "org.bytedeco..");
    }

    @Test
    void onlyTheCommandLineKnowsPicocli() {
        only(List.of("dev.grft.cli"), "picocli..");
    }

    private void only(List<String> may, String... libraries) {
        noClasses()
                .that()
                .resideOutsideOfPackages(may.toArray(String[]::new))
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(libraries)
                .allowEmptyShould(true)
                .check(classes);
    }

    private Set<String> names() {
        Set<String> names = new TreeSet<>();
        for (JavaClass javaClass : classes) {
            names.add(javaClass.getPackageName());
        }
        return names;
    }

    private List<JavaPackage> packagesWithClasses() {
        return names().stream().map(classes::getPackage).toList();
    }
}
