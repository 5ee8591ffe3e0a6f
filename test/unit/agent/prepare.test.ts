import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { prepareWorkDir, writeRecipe } from "../../../agent/prepare.ts";
import type { Lease } from "../../../lib/protocol/builder-messages.ts";
import { decodeRecipe } from "../../../lib/recipe/recipe-text.ts";

const test = suite<{ folder: string }>("prepare");

test.before.each((world) => {
  world.folder = mkdtempSync(join(tmpdir(), "cb-prepare-"));
});
test.after.each(({ folder }) => rmSync(folder, { recursive: true }));

const context: Lease["context"] = { directory: "/home/a", highestId: 0, archive: { kind: "inline", tar: "" } };

const lease = (recipe: Lease["recipe"], over: Partial<Lease> = {}): Lease => ({
  build: "6b1f3a52-0d64-4c5e-9d57-2a1c3e4f5a6b",
  attempt: 1,
  jwt: "",
  recipe,
  plainHttpRegistries: [],
  limits: { buildMs: 1, logBytes: 1, imageBytes: 1 },
  ...over,
});

test("prepareWorkDir() gives a build the settings of an unattended build, also in %post, and a terminal only if it has one", async ({
  folder,
}) => {
  const recipe = { backend: "singularity", text: "Bootstrap: scratch\n" } as const;
  const { environment } = await prepareWorkDir(lease(recipe), join(folder, "1"));
  for (const [name, value] of Object.entries({ DEBIAN_FRONTEND: "noninteractive", PAGER: "cat", GIT_PAGER: "cat" })) {
    assert.is(environment[name], value, name);
    assert.is(environment[`APPTAINERENV_${name}`], value, name);
  }
  assert.is(environment.TERM, "dumb");
  const onTerminal = await prepareWorkDir(lease(recipe, { terminal: { columns: 80, rows: 24 } }), join(folder, "2"));
  assert.is(onTerminal.environment.TERM, "xterm-256color");
});

test("prepareWorkDir() finds the Dockerfile's own ignore file in the mirror of the caller's disk", async ({
  folder,
}) => {
  const recipe = { backend: "docker", text: "FROM x\n", ignoreFile: "/home/a/D.dockerignore" } as const;
  const { callersRoot, ignoreFile } = await prepareWorkDir(lease(recipe, { context }), join(folder, "1"));
  assert.is(ignoreFile, `${callersRoot}/home/a/D.dockerignore`);
  assert.is((await prepareWorkDir(lease(recipe), join(folder, "2"))).ignoreFile, undefined);
});

test("writeRecipe() leaves a path that %setup makes as it is, unless the caller sent such a file", async ({
  folder,
}) => {
  const text = "Bootstrap: scratch\n%setup\n    touch /made /sent\n%files\n    /made /x\n    /sent /x\n";
  const work = lease({ backend: "singularity", text }, { context });
  const workDir = await prepareWorkDir(work, folder);
  writeFileSync(join(workDir.callersRoot, "sent"), "");
  await writeRecipe(work, workDir);
  const written = readFileSync(workDir.recipe, "utf8");
  assert.match(written, /^ *"\/made" /m);
  assert.match(written, `${workDir.callersRoot}/sent`);
});

test("writeRecipe() writes bytes that are not UTF-8 unchanged", async ({ folder }) => {
  const bytes = Buffer.from("Bootstrap: scratch\n# caf\xe9\n", "latin1");
  const work = lease({ backend: "singularity", text: decodeRecipe(bytes) });
  const workDir = await prepareWorkDir(work, folder);
  await writeRecipe(work, workDir);
  assert.ok(readFileSync(workDir.recipe).equals(bytes));
});

test.run();
