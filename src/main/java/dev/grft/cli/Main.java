package dev.grft.cli;

import dev.grft.UserError;
import dev.grft.config.Config;
import dev.grft.config.Credentials;
import dev.grft.config.Settings;
import dev.grft.cost.Plan;
import dev.grft.report.Inspection;
import dev.grft.spark.cluster.Causes;
import dev.grft.spark.cluster.Exit;
import dev.grft.spark.cluster.HadoopSettings;
import dev.grft.spark.run.OutputTable;
import dev.grft.spark.verbs.Application;
import dev.grft.spark.verbs.ReportedExport;
import dev.grft.spark.verbs.Verbs;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import picocli.AutoComplete;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code grft VERB [options]}: fine-tunes Vision Transformers by whole rows or columns of their weights, on Spark. */
@Command(
        name = "grft",
        description = "Fine-tunes Vision Transformers by whole rows or columns of their weights, on Apache Spark.",
        footer = {"", "jobs/submit.sh VERB --help: the options of a verb, with an example."},
        mixinStandardHelpOptions = true,
        versionProvider = Version.class,
        scope = CommandLine.ScopeType.INHERIT, // --help of each verb, too
        synopsisSubcommandLabel = "VERB")
public final class Main {
    private Main() {}

    /** The settings of a run. */
    static final class Configured {
        @Option(
                names = "--config",
                paramLabel = "FILE",
                description =
                        "Settings over conf/base.yaml, in YAML; of several files, a later one overrides an earlier one.")
        private List<String> files = new ArrayList<>();

        @Option(
                names = "--set",
                paramLabel = "KEY=VALUE",
                description = "Override one key of the files, such as run.seed=7.")
        private List<String> sets = new ArrayList<>();

        @Option(
                names = "--protocol",
                paramLabel = "PROTOCOL",
                description = "evaluation.protocol: validation, or gps-paper (the epoch is chosen on the test images).")
        private @Nullable String protocol;

        private Settings settings() {
            List<String> all = new ArrayList<>(sets);
            if (protocol != null) {
                all.add("evaluation.protocol=" + protocol);
            }
            return Config.load(files, all, HadoopSettings.ofProcess());
        }
    }

    /** How long a verb may take. */
    static final class Limited {
        @Option(
                names = "--max-time",
                paramLabel = "TIME",
                converter = TimeConverter.class,
                description =
                        "Stop after this, such as 45s, 90m or 1h30m, with exit code 5 and a checkpoint to resume from.")
        private @Nullable Duration maxTime;
    }

    /** The options of every verb that makes something. */
    static final class Common {
        @Mixin
        private Configured configured = new Configured();

        @Mixin
        private Limited limited = new Limited();

        @Option(names = "--force", description = "Make again what is up to date with its inputs.")
        private boolean force;

        private int run(String verb, Consumer<Verbs> work) {
            return Application.run(verb, configured::settings, force, limited.maxTime, work);
        }
    }

    @Command(
            description = "Validate configuration, inputs and memory; print what would run.",
            footer = {"", "Example:", "  jobs/submit.sh check --config my.yaml"})
    int check(@Mixin Common common) {
        return common.run("check", Verbs::check);
    }

    @Command(
            description = "Score rows and columns by squared gradients; select the best.",
            footer = {"", "Example:", "  jobs/submit.sh select --config my.yaml --set selection.budget.count=4"})
    int select(@Mixin Common common) {
        return common.run("select", Verbs::select);
    }

    @Command(
            description = "Train the selected slices and the head; resume an interrupted training.",
            footer = {"", "Example:", "  jobs/submit.sh train --config my.yaml --max-time 8h"})
    int train(@Mixin Common common) {
        return common.run("train", Verbs::train);
    }

    @Command(
            description = {
                "Find a learning rate: train some steps from the start at growing rates.",
                "The steps are discarded. Only rates.json is kept, and the report draws it."
            },
            footer = {"", "Example:", "  jobs/submit.sh rates --config my.yaml --set tuning.method=lora"})
    int rates(@Mixin Common common) {
        return common.run("rates", Verbs::rates);
    }

    @Command(
            description = "Measure the delta on the test images.",
            footer = {"", "Example:", "  jobs/submit.sh evaluate --config my.yaml"})
    int evaluate(@Mixin Common common) {
        return common.run("evaluate", Verbs::evaluate);
    }

    @Command(
            description = "Merge the delta into the pretrained model and write a plain model in timm's form.",
            footer = {"", "Example:", "  jobs/submit.sh merge --config my.yaml --set model.saveType=fp16"})
    int merge(@Mixin Common common) {
        return common.run("merge", Verbs::merge);
    }

    @Command(
            description = {
                "Write the result of a run for other programs.",
                "peft: a LoRA adapter for timm's or transformers' model. timm, transformers, torchvision, npz: the"
                        + " merged model.",
                "Of --config and --set it reads the keys of lineage; all others are those of the training."
            },
            footer = {"", "Example:", "  jobs/submit.sh export --format peft --run runs/demo --output adapter"})
    int export(
            @Option(
                            names = "--format",
                            required = true,
                            paramLabel = "FORMAT",
                            description = "peft, timm, transformers, torchvision or npz.")
                    String format,
            @Option(names = "--run", required = true, paramLabel = "PATH", description = "The folder of the delta.")
                    String run,
            @Option(names = "--output", required = true, paramLabel = "PATH", description = "The folder to write.")
                    String output,
            @Option(
                            names = "--library",
                            paramLabel = "LIBRARY",
                            description =
                                    "For peft, the library whose model gets the adapter: timm, transformers or transformers4;"
                                            + " default: that of the pretrained model.")
                    @Nullable
                    String library,
            @Option(names = "--pretrained", paramLabel = "PATH", description = "The pretrained model, if it has moved.")
                    @Nullable
                    String pretrained,
            @Mixin Configured configured,
            @Mixin Limited limited) {
        return Application.alone("export", run, limited.maxTime, stopped -> {
            List<String> written = new ReportedExport(
                            HadoopSettings.ofProcess(), configured.settings().lineage(), stopped)
                    .export(format, run, library, pretrained, output);
            System.out.println("exported: " + output);
            return written;
        });
    }

    @Command(
            description = "Label images with the run's delta, or with several in one pass over the images.",
            footer = {
                "",
                "Examples:",
                "  jobs/submit.sh predict --config my.yaml --images /photos/new --output labels.csv",
                "  jobs/submit.sh predict --config my.yaml --delta runs/birds --delta cars=runs/7 --images /photos"
                        + " --output all"
            })
    int predict(
            @Mixin Common common,
            @Option(names = "--images", required = true, paramLabel = "PATH", description = "The images.")
                    String images,
            @Option(
                            names = "--output",
                            required = true,
                            paramLabel = "PATH",
                            description =
                                    "The table: a folder of CSV if it ends with .csv, else of Parquet; or table:NAME of"
                                            + " a catalog.")
                    String output,
            @ArgGroup @Nullable Existing existing,
            @Option(
                            names = "--delta",
                            paramLabel = "[NAME=]PATH",
                            description =
                                    "Use this delta of the same pretrained model, or of this run directory, instead"
                                            + " of the run's. If given several times, the columns of each begin with its"
                                            + " name or that of its folder.")
                    @Nullable
                    List<String> deltas) {
        OutputTable.Existing rows = existing == null
                ? OutputTable.Existing.REFUSE
                : existing.merge ? OutputTable.Existing.MERGE : OutputTable.Existing.APPEND;
        return common.run("predict", verbs -> verbs.predict(images, output, rows, deltas == null ? List.of() : deltas));
    }

    /** What becomes of the rows of a table that exists: one of these. */
    private static final class Existing {
        @Option(names = "--append", description = "Add the rows to the table:NAME that exists.")
        @SuppressWarnings("unused") // picocli sets it; without --merge it is the one that was given
        private boolean append;

        @Option(
                names = "--merge",
                description = "Put the rows in the place of those of the same name in the table:NAME that exists,"
                        + " and add the others.")
        private boolean merge;
    }

    @Command(
            description = {
                "Pack many small image files into Parquet, so that they are listed and opened once.",
                "--images may also be table:NAME or sql:SELECT ... of Spark's catalogs.",
                "data.format, data.root, data.imageColumn and data.labelColumn say how to find them."
            },
            footer = {"", "Example:", "  jobs/submit.sh pack --images /photos/train --output /photos/train.parquet"})
    int pack(
            @Mixin Common common,
            @Option(names = "--images", required = true, paramLabel = "PATH", description = "The images.")
                    String images,
            @Option(names = "--output", required = true, paramLabel = "PATH", description = "The folder to write.")
                    String output,
            @Option(names = "--unlabeled", description = "The images have no classes.") boolean unlabeled) {
        return common.run("pack", verbs -> verbs.pack(images, output, !unlabeled));
    }

    @Command(
            description = {
                "Describe a pretrained checkpoint, selection, delta or training checkpoint.",
                "With --plan: the cost of a training by number of executors, and what limits it. PATH is then a checkpoint"
                        + " or a model's name, such as vit_base_patch16_224. Rates that are not given are measured here."
            },
            footer = {
                "",
                "Examples:",
                "  jobs/submit.sh inspect runs/demo/delta.safetensors",
                "  jobs/submit.sh inspect vit_base_patch16_224 --plan --executors 1,4,16 --images 50000",
                "  jobs/submit.sh inspect vit_large_patch16_224 --plan --tflops 60 --cores 8 --executors 1,8"
            })
    int inspect(
            @Parameters(paramLabel = "PATH", description = "The file, or a checkpoint's folder.") String path,
            @Mixin Configured configured,
            @ArgGroup(exclusive = false) @Nullable PlanOptions plan,
            @Mixin Limited limited) {
        return Application.alone("inspect", null, limited.maxTime, stopped -> {
            System.out.print(
                    plan == null
                            ? Inspection.of(HadoopSettings.ofProcess(), path)
                            : Plan.of(HadoopSettings.ofProcess(), plan.wish(path, configured.settings())));
            return List.of();
        });
    }

    @Command(
            description = "Train every parameter of a ViT, from scratch or from a checkpoint.",
            footer = {"", "Example:", "  jobs/submit.sh pretrain --config conf/demo/pretrain.yaml"})
    int pretrain(@Mixin Common common) {
        return common.run("pretrain", Verbs::pretrain);
    }

    @Command(
            description = "Select, train, merge and evaluate in one application, and compare.",
            footer = {"", "Example:", "  jobs/submit.sh run --config conf/demo/demo.yaml --set training.epochs=2"})
    int run(@Mixin Common common) {
        return common.run("run", Verbs::run);
    }

    @Command(
            description = "Train and evaluate several methods, seeds and budgets in one application.",
            footer = {
                "",
                "Example:",
                "  jobs/submit.sh compare --config my.yaml --set 'compare.methods=[linear,gps]' --set"
                        + " 'compare.seeds=[1,2,3]'"
            })
    int compare(@Mixin Common common) {
        return common.run("compare", Verbs::compare);
    }

    @Command(
            description = "Write report.html of the run directory: one page to look at, which needs no network.",
            footer = {"", "Example:", "  jobs/submit.sh report --config my.yaml"})
    int report(@Mixin Common common) {
        return common.run("report", Verbs::report);
    }

    @Command(
            description = "Print a script that completes verbs and options in bash and zsh.",
            footer = {
                "",
                "Examples:",
                "  mkdir -p ~/.local/share/bash-completion/completions",
                "  jobs/submit.sh completion > ~/.local/share/bash-completion/completions/submit.sh",
                "  source <(jobs/submit.sh completion)"
            })
    int completion() {
        System.out.print(AutoComplete.bash("submit", line())); // also of submit.sh, in whatever folder
        return CommandLine.ExitCode.OK;
    }

    /**
     * Runs a verb and ends the process with one of the codes of {@link Exit}.
     *
     * @throws Exception on YARN, and in the Spark application of another program: there it is the way to end with a code
     */
    public static void main(String[] arguments) throws Exception {
        boolean hosted = Exit.host() != null;
        Exit.with(execute(arguments), hosted);
    }

    /** Runs a verb and returns the exit code. */
    static int execute(String... arguments) {
        CommandLine line = line().setExecutionExceptionHandler((failure, of, parsed) -> failed(failure, of));
        try {
            for (String argument : arguments) {
                Credentials.refuse("the command line", argument);
            }
        } catch (UserError e) {
            line.getErr().println("error: " + e.getMessage());
            return CommandLine.ExitCode.USAGE;
        }
        return line.execute(arguments);
    }

    /** Returns what reads the command line. */
    static CommandLine line() {
        return new CommandLine(new Main());
    }

    private static int failed(Throwable failure, CommandLine line) {
        PrintWriter err = line.getErr();
        RuntimeException meaning = Causes.rethrown(failure);
        if (meaning instanceof UserError) {
            err.println("error: " + meaning.getMessage());
            return CommandLine.ExitCode.USAGE;
        }
        if (Causes.isLoss(meaning)) {
            err.println("error: " + Causes.said(meaning));
            return Exit.LOST;
        }
        StringWriter trace = new StringWriter();
        failure.printStackTrace(new PrintWriter(trace));
        err.println("internal error, please report it:\n" + trace);
        return Exit.OURS;
    }
}
