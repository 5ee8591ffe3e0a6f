/** container-builder IMAGE RECIPE: builds the recipe as root on a remote builder, and stores the image here. */
import { Option } from "commander";
import { buildFlow } from "../lib/cli/build/build-flow.ts";
import { readInput } from "../lib/cli/build/build-input.ts";
import { dryRunText } from "../lib/cli/build/dry-run.ts";
import { acceptedNote, addBuildOptions, type BuildOptionValues } from "../lib/cli/build/options/declare.ts";
import { GROUPS } from "../lib/cli/build/options/option-list.ts";
import { architectureOf } from "../lib/cli/build/options/platform.ts";
import { argumentsFromVariables, bindVariablesNote } from "../lib/cli/build/options/variables.ts";
import {
  addOutputOptions,
  type ImagePlace,
  imagePlace,
  type OutputOptions,
  STANDARD_OUTPUT,
  viewOptions,
} from "../lib/cli/build/output-options.ts";
import { checkImagePath } from "../lib/cli/build/preflight.ts";
import { readContext } from "../lib/cli/build/read-context.ts";
import { openReused } from "../lib/cli/build/reused-image.ts";
import { ownReuseRule, sameBuild } from "../lib/cli/build/same/same-build.ts";
import { collectSecrets } from "../lib/cli/build/secrets/collect-secrets.ts";
import { configCommand, runConfig } from "../lib/cli/config-command.ts";
import { doctorCommand, runDoctor } from "../lib/cli/doctor/command.ts";
import { interruptSignal } from "../lib/cli/interrupt.ts";
import { main } from "../lib/cli/main.ts";
import { CLIENT_VARIABLES, CONNECTED_FAILURES, createCommand, parse } from "../lib/cli/program.ts";
import { type ProgressView, progressView, runReported } from "../lib/cli/report/progress-view.ts";
import { Session } from "../lib/cli/session.ts";
import { printText } from "../lib/cli/standard-output.ts";
import { TimeLeft } from "../lib/cli/watch/build-steps.ts";
import type { Backend, ReserveRequest } from "../lib/protocol/build-messages.ts";
import { recipeNotes } from "../lib/recipe/notes.ts";

interface Options extends BuildOptionValues, OutputOptions {
  readonly debug?: boolean;
  readonly dryRun?: boolean;
  /** Undefined: true if standard output is a terminal. */
  readonly tty?: boolean;
  readonly backend?: Backend;
  readonly pool?: string;
}

const command = () => addOutputOptions(buildCommand());

const buildCommand = () =>
  createCommand({
    name: "container-builder",
    summary: "Build an Apptainer image from a definition file or a Dockerfile, as root on a remote builder.",
    debug: "print an error with its causes, and how long the build may still run",
    examples: {
      "container-builder hello.sif hello.def": "build a definition file",
      "container-builder -F hello.sif Dockerfile": "build a Dockerfile, replace the image",
      "container-builder hello.sif .": "build the recipe in this folder",
      "container-builder hello.sif docker://debian:12": "build an image of a registry",
      "container-builder --build-arg VERSION=2 a.sif a.def": "set a build argument",
      "container-builder --arch aarch64 a.sif a.def": "build for another architecture",
    },
    variables: [...CLIENT_VARIABLES, "APPTAINER_*", "HOME"],
    commands: [configCommand(), doctorCommand()],
    failures: ["recipe", "cancelled", ...CONNECTED_FAILURES],
  })
    .argument(
      "<image>",
      "path of the image, e.g. container.sif; one that is named as a command below is written ./config",
    )
    .argument("[recipe]", "a definition file, a Dockerfile, a folder with one, - for standard input, or docker://NAME")
    .option("--tty", "run the build on a terminal (default: if standard output is a terminal)")
    .option("--no-tty", "run the build without a terminal: no colours, no progress bars")
    .option("--dry-run", "print what would be sent, and send nothing")
    .addOption(
      new Option("--backend <name>", "type of the recipe (default: detected)")
        .choices(["singularity", "docker"])
        .helpGroup(GROUPS.source),
    )
    .addOption(
      new Option("--pool <name>", "pool of builders (default: the queue's first of the architecture)").helpGroup(
        GROUPS.builder,
      ),
    );

/** By the first argument. An image of such a name is written ./config. */
const COMMANDS = new Map([
  ["config", runConfig],
  ["doctor", runDoctor],
]);

await main("container-builder", async (argv) => {
  const run = COMMANDS.get(argv[0] ?? "");
  if (run !== undefined) return run(argv.slice(1));
  const accepted: string[] = [];
  const declared = addBuildOptions(command(), (flag) => accepted.push(flag));
  const { options, args } = parse<Options & Record<string, unknown>>(declared, [
    ...argumentsFromVariables(process.env),
    ...argv,
  ]);
  const [image = "", named] = args;
  const place = imagePlace(image, options.file ?? named ?? "", options);
  const chosen = viewOptions(options, place.path);
  const view = progressView({ ...chosen, plain: options.tty === false });
  return runReported(view, chosen, () => runBuild({ options, named, accepted, argv, place, view }));
});

interface Call {
  readonly options: Options;
  /** The argument RECIPE. */
  readonly named: string | undefined;
  /** The options that are not needed. */
  readonly accepted: readonly string[];
  readonly argv: readonly string[];
  readonly place: ImagePlace;
  readonly view: ProgressView;
}

async function runBuild({ options, named, accepted, argv, place, view }: Call): Promise<void> {
  const { steps, report, write } = view;
  const { pool, force = false } = options;
  const arch = architectureOf(options);
  const checkPlace = async (recipe?: string): Promise<string> =>
    place.path === STANDARD_OUTPUT ? place.path : checkImagePath(place.path, force, recipe);
  const imagePath = await checkPlace(options.file ?? named);
  const input = await readInput({ named, options, environment: process.env });
  // The recipe of a folder is known only now.
  await checkPlace(input.path);
  const { recipe } = input;
  const interrupted = interruptSignal();
  const context = await readContext({
    recipe,
    directory: input.directory,
    whole: options.transferContext ?? options.transfer_context ?? false,
    imagePath,
    signal: interrupted,
  });
  const given = await collectSecrets({ recipe, options, environment: process.env, argv });
  const ignored = bindVariablesNote(process.env) ?? [];
  const ofRecipe = [...input.notes, ...recipeNotes(recipe), ...(context?.notes ?? [])];
  const notes = [acceptedNote(accepted) ?? [], ignored, given.notes, ofRecipe].flat();
  for (const note of notes) steps.print(`note: ${note}`);
  const isShown = view.isOutputShown && process.stdout.isTTY;
  const terminal = terminalSize(options.tty ?? isShown);
  const reuse = ownReuseRule(options, { recipe, secrets: given.secrets });
  if (options.dryRun) {
    printText(dryRunText({ input, context, secrets: given.shown, imagePath, arch, pool, terminal, reuse }));
    return;
  }
  const old = await openReused(options.reuse, { steps, imagePath });
  const ended = new AbortController();
  const signal = AbortSignal.any([interrupted, ended.signal]);
  // The files are read and the registries asked while the connection is made.
  const finding = sameBuild(reuse, { recipe, context, secrets: given.secrets, arch, pool, signal });
  finding.catch(() => undefined);
  let session: Session | undefined;
  try {
    session = await Session.open("container-builder", steps, view.warn);
    const same = await finding;
    if (same.note !== undefined) steps.print(`note: ${same.note}`);
    await buildFlow({
      session,
      steps,
      report,
      recipe,
      context,
      same,
      secrets: given.secrets,
      arch,
      pool,
      imagePath,
      name: place.name,
      detach: options.detach ?? false,
      force,
      old,
      terminal,
      window: terminal !== undefined && isShown ? process.stdout : undefined,
      write,
      timeLeft: options.debug ? new TimeLeft(steps) : undefined,
      interrupted,
    });
  } finally {
    ended.abort();
    await old?.close();
    steps.close();
    await session?.close();
  }
}

/** 80 by 24, as a VT100, for --tty without a terminal to measure. */
function terminalSize(enabled: boolean): ReserveRequest["terminal"] {
  if (!enabled) return undefined;
  return { columns: process.stdout.columns || 80, rows: process.stdout.rows || 24 };
}
