/**
 * Bundles the programs that ship: each program of cmd/ as `dist/bin/<name>`, their shared and lazily imported modules into
 * `dist/chunks`, and the agent as the single file `dist/agent/agent.mjs`. On the command line: `npm run build [-- FOLDER]`.
 */
import { chmod, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { BuildOptions, OutputFile } from "esbuild";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** nats, nkeys, tweetnacl, pino and commander are CommonJS and load Node's own modules with `require`. */
export const REQUIRE =
  'import { createRequire as cbRequire } from "node:module"; const require = cbRequire(import.meta.url);';

const SHARED = {
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20",
  banner: { js: REQUIRE },
  // Only cb-local calls esbuild, and only in a checkout, where the package is installed.
  external: ["esbuild"],
  // The caller prints the error that build() throws.
  logLevel: "silent",
  write: false,
} as const satisfies BuildOptions;

export interface ProgramBuild {
  /** Default: `dist` in the project. */
  readonly outDir?: string;
  /** The root of the project, with `cmd` and `agent`. */
  readonly sourceDir?: string;
  /** Names of the programs to build. Default: all of `cmd`. */
  readonly programs?: readonly string[];
  /** "path": the `node` of the caller's PATH, the default. "own": `lib/node` beside the folder of the programs. */
  readonly node?: NodeSource;
  /** Default true. False: the agent is left out. */
  readonly withAgent?: boolean;
}

type NodeSource = "path" | "own";

export interface BuildResult {
  /** Absolute paths of the executable programs in `bin`. */
  readonly programs: readonly string[];
  /** Absolute path of the agent's file; undefined when there is no agent/main.ts. */
  readonly agent: string | undefined;
}

/**
 * Builds everything into `outDir` and removes files of earlier builds. Unchanged files are not touched, and changed files are
 * replaced by rename(2), so programs may start from `outDir` at any time. Throws esbuild's BuildFailure when a source does not
 * compile.
 */
export async function build(options: ProgramBuild = {}): Promise<BuildResult> {
  const { outDir = join(root, "dist"), sourceDir = root, node = "path", withAgent = true } = options;
  const all = (await list(join(sourceDir, "cmd"))).filter((name) => name.endsWith(".ts"));
  const commands = all.filter((name) => options.programs?.includes(basename(name, ".ts")) ?? true);
  const hasAgent = withAgent && (await list(join(sourceDir, "agent"))).includes("main.ts");
  const [programs, agent] = await Promise.all([
    commands.length > 0 ? bundleCommands(commands, { outDir, sourceDir, node }) : [],
    hasAgent ? bundleAgent({ outDir, sourceDir }) : [],
  ]);
  // Node runs a program without extension as ESM if the nearest package.json has this type.
  const marker = { path: join(outDir, "package.json"), contents: Buffer.from('{ "type": "module" }\n') };
  const files = [...programs, ...agent, marker];
  await Promise.all(files.map((file) => replaceChanged(file, file.path.startsWith(join(outDir, "bin/")))));
  // On the host root of a sandbox is another user, which must be able to read the agent under any umask.
  if (hasAgent) await Promise.all([chmod(join(outDir, "agent"), 0o755), chmod(join(outDir, "agent/agent.mjs"), 0o644)]);
  await removeOthers(outDir, new Set(files.map((file) => file.path)));
  return {
    programs: commands.map((name) => join(outDir, "bin", basename(name, ".ts"))),
    agent: hasAgent ? join(outDir, "agent/agent.mjs") : undefined,
  };
}

type Folders = Required<Pick<ProgramBuild, "outDir" | "sourceDir">>;

/**
 * With splitting, a program does not load lazily imported modules at its start. Each program is bundled by itself: bundled together,
 * they would share some twenty small files, and Node takes as long to find and read those as to compile them.
 */
async function bundleCommands(names: readonly string[], paths: Folders & { node: NodeSource }): Promise<OutputFile[]> {
  const { outDir, sourceDir, node } = paths;
  const { build: bundle } = await import("esbuild");
  const bundles = names.map((name) =>
    bundle({
      ...SHARED,
      absWorkingDir: sourceDir,
      entryPoints: [join("cmd", name)],
      outdir: outDir,
      entryNames: "bin/[name]",
      chunkNames: "chunks/[name]-[hash]",
      splitting: true,
    }),
  );
  // The name of a chunk has the hash of its content, so programs with the same chunk share its file.
  const files = new Map(
    (await Promise.all(bundles)).flatMap(({ outputFiles }) => outputFiles.map((file) => [file.path, file])),
  );
  return [...files.values()].map((file) => (dirname(file.path) === join(outDir, "bin") ? asProgram(file, node) : file));
}

/**
 * The first lines of a program are valid for sh, which starts Node, and a comment for JavaScript. Node cannot do either itself: it
 * resets ignored signals before the first line of JavaScript (lib/cli/ignored-signals.ts), and with too few file descriptors it
 * crashes, or ends with 1, while it loads the modules. Node 20.20 needs 28 of them to start (measured); 64 leave some for connections
 * and files. 75 is EX_TEMPFAIL, as in lib/core/exit-codes.ts. All commands are builtins of the shell: the prologue takes 1 ms.
 */
const PROLOGUE = `#!/bin/sh
":" /*
trap '' USR1
CB_IGNORED_SIGNALS= limit=
if [ -r /proc/self/status ] && [ -r /proc/self/limits ]; then
  while read -r key value; do
    case $key in SigIgn:) CB_IGNORED_SIGNALS=$value ;; esac
  done </proc/self/status
  while read -r a b c soft hard rest; do
    case "$a $b $c" in "Max open files") limit=$hard ;; esac
  done </proc/self/limits
fi
case $limit in [0-9] | [1-5][0-9] | 6[0-3])
  echo "\${0##*[/]}: this process may open $limit files; at least 64 are needed" >&2
  echo "  raise the limit in a new shell: ulimit -n 1024" >&2
  exit 75
esac
export CB_IGNORED_SIGNALS
`;

/**
 * SIGUSR1 makes Node open its debugger until the first line of JavaScript has taken the signal, some 40 ms after the start. No address
 * of 192.0.2.0/24 is ever a host's own (RFC 5737), so it cannot. Node has --disable-sigusr1 from 22.14 on; with 20 it is an error.
 */
const NO_DEBUGGER = "--inspect-port=192.0.2.1:9229";

/** How the shell starts Node. The slash stands in brackets, because after `*` it would end the JavaScript comment. */
const START: Readonly<Record<NodeSource, string>> = {
  path: `exec node ${NO_DEBUGGER} "$0" "$@"`,
  // readlink is another program, so it runs only for a link, such as that of a package in /usr/bin. A folder on the way may be a link
  // to the current version: resolved once, it may be replaced at any time, and the process list names the version (infra/package).
  own: `self=$0
case $self in *[/]*) ;; *) self=./$self ;; esac
if [ -h "$self" ]; then self=$(readlink -f -- "$self"); fi
home=$(CDPATH= cd -P -- "\${self%/*}/.." && pwd -P) || exit 75
exec "$home/lib/node" ${NO_DEBUGGER} "$home/bin/\${self##*[/]}" "$@"`,
};

function asProgram(file: OutputFile, node: NodeSource): OutputFile {
  const contents = Buffer.from(`${PROLOGUE}${START[node]}\n*/;\n${file.text.replace(/^#!.*\n/, "")}`);
  return { ...file, path: file.path.replace(/\.js$/, ""), contents };
}

/** One file for the builder image, minified because an emulated builder takes seconds to read a large file. */
async function bundleAgent({ outDir, sourceDir }: Folders): Promise<OutputFile[]> {
  const outfile = join(outDir, "agent/agent.mjs");
  const entry = { absWorkingDir: sourceDir, entryPoints: ["agent/main.ts"], outfile };
  const { build: bundle } = await import("esbuild");
  const { outputFiles } = await bundle({ ...SHARED, ...entry, minify: true });
  return outputFiles;
}

interface OutputContents {
  readonly path: string;
  readonly contents: Uint8Array;
}

async function replaceChanged({ path, contents }: OutputContents, executable: boolean): Promise<void> {
  const current = await readFile(path).catch(() => undefined);
  if (current?.equals(contents)) return;
  await mkdir(dirname(path), { recursive: true });
  const part = `${path}.${process.pid}.part`;
  await writeFile(part, contents, { mode: executable ? 0o755 : 0o644 });
  await rename(part, path);
}

async function removeOthers(outDir: string, kept: ReadonlySet<string>): Promise<void> {
  for (const folder of ["bin", "chunks", "agent"].map((name) => join(outDir, name))) {
    const paths = (await list(folder)).map((name) => join(folder, name)).filter((path) => !kept.has(path));
    // A `.part` file belongs to another build that is still writing it.
    await Promise.all(paths.filter((path) => !path.endsWith(".part")).map((path) => rm(path, { recursive: true })));
  }
}

/** Empty if the folder does not exist. */
function list(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}

// import.meta.url does not serve here: in a bundle it is the URL of the program.
if (process.argv[1] === join(root, "infra/tools/build.ts")) {
  const startedMs = performance.now();
  const outDir = resolve(process.argv[2] ?? join(root, "dist"));
  const { programs, agent } = await build({ outDir });
  const built = [...programs, agent].filter((path) => path !== undefined).map((path) => relative(process.cwd(), path));
  console.log(`${built.join("\n")}\nbuilt in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
}
