/**
 * container-builder IMAGE RECIPE: builds the recipe as root on a remote builder, and stores the image here. This file declares the
 * command line alone, so that --help loads neither the client of NATS nor the code of a build.
 */
import { Option } from "commander";
import { addBuildOptions } from "../lib/cli/build/options/declare.ts";
import { GROUPS } from "../lib/cli/build/options/option-list.ts";
import { argumentsFromVariables } from "../lib/cli/build/options/variables.ts";
import { addOutputOptions } from "../lib/cli/build/output-options.ts";
import type { RunOptions } from "../lib/cli/build/run-build.ts";
import { configCommand, runConfig } from "../lib/cli/config-command.ts";
import { doctorCommand, runDoctor } from "../lib/cli/doctor/command.ts";
import { main } from "../lib/cli/main.ts";
import { CLIENT_VARIABLES, CONNECTED_FAILURES, createCommand, parse } from "../lib/cli/program.ts";

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
  const { options, args } = parse<RunOptions & Record<string, unknown>>(declared, [
    ...argumentsFromVariables(process.env),
    ...argv,
  ]);
  const [image = "", named] = args;
  const { runBuild } = await import("../lib/cli/build/run-build.ts");
  return runBuild({ options, image, named, accepted, argv });
});
