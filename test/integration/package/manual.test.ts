/** The manual pages and the completions, made from the programs: read by man and mandoc, and used by real shells. */
import { execFile, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { addManuals, manualPaths } from "../../../infra/package/manual/add-manuals.ts";
import { PROGRAMS } from "../../../infra/package/tree.ts";
import { ensureTools } from "../../../infra/tools/setup/ensure-tools.ts";
import { CompletingShell, SHELLS } from "../../support/package/completing-shell.ts";
import { PROJECT } from "../../support/stack.ts";

const test = suite<{ folder: string }>("manual pages and completions");

/** 2023-11-14. */
const EPOCH_S = 1_700_000_000;

test.before(async (context) => {
  await ensureTools({ need: ["zsh", "fish", "man", "mandoc"], onStep: console.error });
  context.folder = mkdtempSync(join(tmpdir(), "cb-manual-"));
  await make(join(context.folder, "package"));
});
test.after(({ folder }) => rmSync(folder, { recursive: true }));

async function make(tree: string): Promise<void> {
  mkdirSync(tree);
  symlinkSync(join(PROJECT, "dist/bin"), join(tree, "bin"));
  await addManuals(tree, PROGRAMS.server, EPOCH_S);
}

test("each program has a manual page without a warning of man or mandoc, with all sections", async ({ folder }) => {
  for (const program of PROGRAMS.server) {
    const page = join(folder, "package", manualPaths(program)[0]);
    const env = { ...process.env, MANWIDTH: "80", LC_ALL: "C.UTF-8", MANROFFOPT: "-ww" };
    const shown = await promisify(execFile)("man", ["--warnings=all", "-l", page], { env });
    assert.is(shown.stderr, "", program);
    const lint = spawnSync("mandoc", ["-T", "lint", "-W", "warning", page], { encoding: "utf8" });
    assert.equal([lint.status, lint.stdout], [0, ""], program);
    const headings = shown.stdout.split("\n").filter((line) => /^[A-Z]/.test(line));
    for (const heading of "NAME SYNOPSIS DESCRIPTION OPTIONS ENVIRONMENT FILES EXAMPLES".split(" "))
      assert.ok(headings.includes(heading), `${program}: ${heading}`);
    assert.match(shown.stdout, /\nEXIT STATUS\n +0 +success\n/);
    assert.match(shown.stdout, /\nSEE ALSO\n/);
    assert.match(shown.stdout, "2023-11-14");
  }
});

test("the same programs and date give the same bytes", async ({ folder }) => {
  const again = join(folder, "again");
  await make(again);
  for (const path of PROGRAMS.server.flatMap(manualPaths))
    assert.is(readFileSync(join(again, path), "utf8"), readFileSync(join(folder, "package", path), "utf8"), path);
});

/** The line as typed before TAB, and the arguments after it. */
const CASES: readonly (readonly [string, readonly string[]])[] = [
  ["cb-status --js", ["--json"]],
  ["container-builder --progress qui", ["--progress", "quiet"]],
  ["container-builder --progress=qui", ["--progress=quiet"]],
  ["container-builder doc", ["doctor"]],
  ["container-builder doctor --outp", ["doctor", "--output"]],
  ["container-builder x.sif recipe", ["x.sif", "recipe of mine.def"]],
  ["container-builder --output fol", ["--output", "folder/"]],
  ["cb-attach 60c95481 ima", ["60c95481", "image.sif"]],
  ["cb-admin user rev", ["user", "revoke"]],
  ["cb-admin -c image.sif user add --forc", ["-c", "image.sif", "user", "add", "--force"]],
  ["cb-admin site chec", ["site", "check"]],
  ["cb-admin site check fol", ["site", "check", "folder/"]],
  ["cb-builds --state runn", ["--state", "running"]],
  ["cb-cancel ima", ["ima"]],
];

for (const shell of SHELLS) {
  test(`${shell} completes options, choices, commands, files and folders`, async ({ folder }) => {
    const home = join(folder, shell);
    mkdirSync(join(home, "folder"), { recursive: true });
    for (const name of ["recipe of mine.def", "image.sif", "folded.txt"]) writeFileSync(join(home, name), "");
    const share = join(folder, "package/share");
    const started = new CompletingShell(shell, home, {
      share,
      programs: readdirSync(join(share, "bash-completion/completions")),
    });
    try {
      for (const [typed, args] of CASES) assert.equal(await started.complete(typed), args, typed);
    } finally {
      await started.close();
    }
  });
}

test.run();
