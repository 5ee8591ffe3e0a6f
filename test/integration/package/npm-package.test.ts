// slow: npm packs the project and installs it with its dependencies.
/** The npm package: packed, installed into an empty prefix, and each of its programs started. */
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { VERSION } from "../../../lib/core/version.ts";

const test = suite<{ folder: string }>("npm package");

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
/** Packing took 2 s and installing 28 s on two loaded cores. */
const LIMIT_MS = 140_000;

const run = async (program: string, args: readonly string[], cwd: string): Promise<string> =>
  (await promisify(execFile)(program, args, { cwd, timeout: LIMIT_MS })).stdout;

test.before((context) => {
  context.folder = mkdtempSync(join(tmpdir(), "cb-package-"));
});
test.after(({ folder }) => rmSync(folder, { recursive: true, force: true }));

test("the package installs into an empty prefix, and each program starts", async ({ folder }) => {
  // The test runner has built dist.
  await run("npm", ["pack", "--pack-destination", folder], ROOT);
  const [archive = ""] = readdirSync(folder);
  assert.is(archive, `container-builder-${VERSION}.tgz`);
  const prefix = join(folder, "prefix");
  // npm requests from the registry only the packages that its cache lacks. The working directory has no .npmrc.
  const flags = ["--global", "--prefix", prefix, "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund"];
  await run("npm", ["install", ...flags, join(folder, archive)], folder);

  const programs = readdirSync(join(prefix, "bin")).sort();
  const sources = readdirSync(join(ROOT, "cmd")).map((file) => file.replace(/\.ts$/, ""));
  assert.equal(programs, sources.sort());
  for (const program of programs)
    assert.is(await run(join(prefix, "bin", program), ["--version"], folder), `${VERSION}\n`);

  const installed = join(prefix, "lib/node_modules/container-builder");
  for (const path of [
    "dist/agent/agent.mjs",
    "infra/image/rootfs/make-rootfs.sh",
    "lib/provider/sandbox/scripts/launch.sh",
  ])
    assert.ok(existsSync(join(installed, path)), path);
  const { name } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8")) as { name: string };
  assert.is(name, "container-builder");
});

test.run();
