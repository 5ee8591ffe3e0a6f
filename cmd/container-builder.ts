/** container-builder IMAGE RECIPE: builds the recipe as root on a remote builder, and stores the image here. */
import { Option } from "commander";
import { archName } from "../lib/cli/arch-name.ts";
import { buildFlow } from "../lib/cli/build/build-flow.ts";
import {
  addOutputOptions,
  type ImagePlace,
  imagePlace,
  type OutputOptions,
  STANDARD_OUTPUT,
  viewOptions,
} from "../lib/cli/build/output-options.ts";
import { checkImagePath, readRecipe } from "../lib/cli/build/preflight.ts";
import { readContext } from "../lib/cli/build/read-context.ts";
import { interruptSignal } from "../lib/cli/interrupt.ts";
import { main } from "../lib/cli/main.ts";
import { CLIENT_VARIABLES, CONNECTED_FAILURES, createCommand, parse } from "../lib/cli/program.ts";
import { type ProgressView, progressView, runReported } from "../lib/cli/report/progress-view.ts";
import { Session } from "../lib/cli/session.ts";
import { TimeLeft } from "../lib/cli/watch/build-steps.ts";
import { CbError } from "../lib/core/errors.ts";
import type { Backend, ReserveRequest } from "../lib/protocol/build-messages.ts";
import { withCallerEnvironment } from "../lib/recipe/caller-environment.ts";
import { recipeNotes } from "../lib/recipe/notes.ts";

interface Options extends OutputOptions {
  readonly force?: boolean;
  readonly debug?: boolean;
  /** Undefined: true if standard output is a terminal. */
  readonly tty?: boolean;
  readonly backend?: Backend;
  readonly arch?: string;
  readonly pool?: string;
  readonly context?: string;
  readonly transferContext?: boolean;
  readonly transfer_context?: boolean;
  readonly buildArg?: Readonly<Record<string, string>>;
}

const command = () => addOutputOptions(buildCommand());

const buildCommand = () =>
  createCommand({
    name: "container-builder",
    summary: "Build an Apptainer image from a definition file or a Dockerfile, as root on a remote builder.",
    debug: "print an error with its causes, and how long the build may still run",
    examples: {
      "container-builder hello.sif hello.def": "build a definition file",
      "container-builder --force hello.sif Dockerfile": "build a Dockerfile, replace the image",
      "container-builder --build-arg VERSION=2 a.sif a.def": "set a build argument",
      "container-builder --arch aarch64 a.sif a.def": "build for another architecture",
    },
    variables: [...CLIENT_VARIABLES, "HOME"],
    failures: ["recipe", "cancelled", ...CONNECTED_FAILURES],
  })
    .argument("<image>", "path of the image, e.g. container.sif")
    .argument("<recipe>", "the recipe: an Apptainer definition file or a Dockerfile")
    .option("-f, --force", "replace the image if it exists")
    .option("--tty", "run the build on a terminal (default: if standard output is a terminal)")
    .option("--no-tty", "run the build without a terminal: no colours, no progress bars")
    .option("--context <directory>", "where the recipe's relative paths start (default: the working directory)")
    .option("--transfer-context", "send that whole directory, except for what .cbignore or .dockerignore names")
    .addOption(new Option("--transfer_context", "spelling of the original container-builder").hideHelp())
    .option(
      "--build-arg <name=value>",
      "value of an ARG, or of {{ name }} in a definition file; may be repeated",
      addBuildArg,
    )
    .option("--arch <name>", "architecture of the image, e.g. x86_64 (default: that of the pool)", archName)
    .option("--pool <name>", "pool of builders (default: the queue's first of the architecture)")
    .addOption(
      new Option("--backend <name>", "type of the recipe (default: detected)").choices(["singularity", "docker"]),
    );

await main("container-builder", async (argv) => {
  const { options, args } = parse<Options & Record<string, unknown>>(command(), argv);
  const [image = "", recipePath = ""] = args;
  const place = imagePlace(image, recipePath, options);
  const chosen = viewOptions(options, place.path);
  const view = progressView({ ...chosen, plain: options.tty === false });
  return runReported(view, chosen, () => runBuild({ options, place, recipePath, view }));
});

interface Call {
  readonly options: Options;
  readonly place: ImagePlace;
  readonly recipePath: string;
  readonly view: ProgressView;
}

async function runBuild({ options, place, recipePath, view }: Call): Promise<void> {
  const force = options.force ?? false;
  const toOutput = place.path === STANDARD_OUTPUT;
  const imagePath = toOutput ? place.path : await checkImagePath(place.path, force, recipePath);
  const recipe = withCallerEnvironment(await readRecipe(recipePath, options.backend, options.buildArg), process.env);
  const interrupted = interruptSignal();
  const context = await readContext({
    recipe,
    directory: options.context,
    whole: options.transferContext ?? options.transfer_context ?? false,
    imagePath,
    signal: interrupted,
  });
  const { steps, report, write } = view;
  for (const note of [...recipeNotes(recipe), ...(context?.notes ?? [])]) steps.print(`note: ${note}`);
  let session: Session | undefined;
  try {
    session = await Session.open("container-builder", {}, steps);
    const isShown = view.isOutputShown && process.stdout.isTTY;
    const terminal = terminalSize(options.tty ?? isShown);
    const { arch, pool } = options;
    await buildFlow({
      session,
      steps,
      report,
      recipe,
      context,
      arch,
      pool,
      imagePath,
      name: place.name,
      detach: options.detach ?? false,
      force,
      terminal,
      window: terminal !== undefined && isShown ? process.stdout : undefined,
      write,
      timeLeft: options.debug ? new TimeLeft(steps) : undefined,
      interrupted,
    });
  } finally {
    steps.close();
    await session?.close();
  }
}

/** Adds one --build-arg to the previous ones, which commander passes. Throws CbError "usage" if there is no name. */
function addBuildArg(text: string, previous: Readonly<Record<string, string>> = {}): Record<string, string> {
  const [, name = "", value = ""] = /^([A-Za-z_][A-Za-z0-9_]*)=([\s\S]*)$/.exec(text) ?? [];
  if (name === "") throw new CbError("usage", `--build-arg ${text} is not NAME=VALUE`);
  return { ...previous, [name]: value };
}

/** 80 by 24, as a VT100, for --tty without a terminal to measure. */
function terminalSize(enabled: boolean): ReserveRequest["terminal"] {
  if (!enabled) return undefined;
  return { columns: process.stdout.columns || 80, rows: process.stdout.rows || 24 };
}
