/** Built programs without a working directory or without free file descriptors, with a recipe that reads files. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { build } from "../../../infra/tools/build.ts";

const test = suite<{ folder: string; client: string; packer: string }>("exhausted");
const root = new URL("../../..", import.meta.url).pathname;

/**
 * Packs its first argument as a context, after it has opened files until no descriptor is left but the number of its second one.
 * With the word `pack` as first argument it starts tar as a packer does that has looked for GNU tar before.
 */
const PACKER = `
import { closeSync, openSync } from "node:fs";
import { main } from "${root}lib/cli/main.ts";
import { findContext } from "${root}lib/recipe/context/find.ts";
import { packContext } from "${root}lib/recipe/context/pack.ts";
import { startTar } from "${root}lib/recipe/context/tar.ts";
await main("packer", async ([directory, free]) => {
  const context = directory === "pack" ? undefined : await findContext({ directory, backend: "docker", inputs: [], whole: true });
  const open = [];
  try {
    for (;;) open.push(openSync("/dev/null"));
  } catch {
    for (const file of open.slice(0, Number(free))) closeSync(file);
  }
  if (context === undefined) {
    process.stderr.write(await startTar("tar", ["--version"]).ended);
    return 0;
  }
  let bytes = 0;
  for await (const piece of packContext(context)) bytes += piece.length;
  process.stderr.write(\`packed \${bytes > 0}\\n\`);
  return 0;
});
`;

test.before(async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "cb-exhausted-"));
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  mkdirSync(join(folder, "cmd"));
  writeFileSync(join(folder, "cmd/packer.ts"), PACKER);
  writeFileSync(join(folder, "cmd/container-builder.ts"), `import "${root}cmd/container-builder.ts";\n`);
  const { programs } = await build({ sourceDir: folder, outDir: join(folder, "dist"), withAgent: false });
  mkdirSync(join(folder, "files"));
  for (const name of ["data", "Dockerfile", "r.def"]) writeFileSync(join(folder, "files", name), "");
  writeFileSync(join(folder, "files/Dockerfile"), "FROM debian\nCOPY data /\n");
  writeFileSync(join(folder, "files/r.def"), "Bootstrap: scratch\n%files\n    data /\n");
  const [client, packer] = ["container-builder", "packer"].map((name) => programs.find((path) => path.endsWith(name)));
  Object.assign(context, { folder, client, packer });
});
test.after(({ folder }) => rmSync(folder, { recursive: true }));

/** Runs a script of bash in the folder, in which `$0` is the program. NATS does not run. */
function run(script: string, program: string, folder: string) {
  const env = {
    ...process.env,
    HOME: folder,
    XDG_STATE_HOME: folder,
    XDG_CONFIG_HOME: folder,
    NATS_URL: "tls://localhost:1",
  };
  const { status, stderr } = spawnSync("bash", ["-c", script, program], { cwd: folder, encoding: "utf8", env });
  return { status, stderr };
}

const GONE =
  /container-builder: the working directory cannot be read: .*\n {2}it may have been deleted: change to an existing/;

test("a deleted working directory is reported as such, for each path that starts there", ({ folder, client }) => {
  const files = join(folder, "files");
  for (const call of [
    `x.sif ${files}/r.def`,
    `${folder}/x.sif r.def`,
    `${folder}/x.sif ${files}/r.def`,
    `${folder}/x.sif ${files}/Dockerfile`,
    `--context . ${folder}/x.sif ${files}/Dockerfile`,
  ]) {
    const { status, stderr } = run(`mkdir gone; cd gone; rmdir ../gone; exec "$0" ${call}`, client, folder);
    assert.is(status, 64, `${call}: ${stderr}`);
    assert.match(stderr, GONE, call);
  }
});

test("a deleted working directory does no harm when no path starts there", ({ folder, client }) => {
  const call = `--context ${folder}/files ${folder}/x.sif ${folder}/files/Dockerfile`;
  const { status, stderr } = run(`mkdir gone; cd gone; rmdir ../gone; exec "$0" ${call}`, client, folder);
  assert.is(status, 78, stderr);
  assert.match(stderr, "no credential is configured");
});

test("without free file descriptors for tar the context cannot be packed: exit code 75", ({ folder, packer }) => {
  for (const free of [0, 2, 7]) {
    const { status, stderr } = run(`ulimit -n 64; exec "$0" "$PWD/files" ${free}`, packer, folder);
    assert.is(status, 75, `${free} free: ${stderr}`);
    assert.match(stderr, /packer: tar could not be started \(E[MN]FILE\)\n {2}end other programs, or raise the limits/);
  }
  const { status, stderr } = run('ulimit -n 64; exec "$0" "$PWD/files" 30', packer, folder);
  assert.is(status, 0, stderr);
  assert.is(stderr, "packed true\n");
});

test("a file descriptor that is missing only after GNU tar was found is reported the same: exit code 75", ({
  folder,
  packer,
}) => {
  for (const free of [0, 2]) {
    const { status, stderr } = run(`ulimit -n 64; exec "$0" pack ${free}`, packer, folder);
    assert.is(status, 75, `${free} free: ${stderr}`);
    assert.match(stderr, /packer: tar could not be started \(EMFILE\)\n {2}end other programs, or raise the limits/);
  }
  const { status, stderr } = run('ulimit -n 64; exec "$0" pack 30', packer, folder);
  assert.is(status, 0, stderr);
  assert.is(stderr, "");
});

test.run();
