/** Which entries of a cache folder are removed when a new one is created, and which stay. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isMade } from "../../../lib/provider/sandbox/make-once.ts";
import { ENSURE_SCRIPT } from "../../../lib/provider/sandbox/scripts.ts";

const test = suite<{ home: string; cache: string }>("the cache of created files");
const run = promisify(execFile);

const DAY_MS = 24 * 60 * 60 * 1000;

test.before.each(async (context) => {
  context.home = await mkdtemp(join(tmpdir(), "cb-cache-"));
  context.cache = join(context.home, "cache");
  await mkdir(context.cache);
});
test.after.each(({ home }) => rm(home, { recursive: true, force: true }));

async function key(cache: string, name: string, usedAgoMs: number): Promise<string> {
  const folder = join(cache, name);
  await mkdir(join(folder, "rootfs"), { recursive: true });
  await age(folder, usedAgoMs);
  return folder;
}

async function age(folder: string, usedAgoMs: number): Promise<void> {
  const used = new Date(Date.now() - usedAgoMs);
  await utimes(folder, used, used);
}

/** Has the script create an entry that holds a file of the namespace's root, and returns the names in the cache afterwards. */
async function make(cache: string, name: string): Promise<string[]> {
  const script = join(cache, "..", "make.sh");
  // Root of the namespace uses a descriptor, because it may have no permission for a folder above.
  const steps = 'exec 3<"$1"; unshare --user --map-auto --keep-caps --setuid 0 bash -c "mkdir /proc/self/fd/3/$2"';
  await writeFile(script, steps);
  await run("bash", [ENSURE_SCRIPT, cache, name, script, "rootfs"]);
  return (await readdir(cache)).sort();
}

/** Locks `path`, and returns a function that unlocks it. */
async function hold(path: string): Promise<() => Promise<void>> {
  const holder = spawn("flock", ["--shared", path, "sh", "-c", "echo held; read -r _"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await once(holder.stdout, "data");
  return async () => {
    holder.stdin.end();
    await once(holder, "close");
  };
}

test("a key that was not used for a day is removed, also with files of another owner, and so is a half-created one", async ({
  cache,
}) => {
  await key(cache, "old", DAY_MS + 60_000);
  await key(cache, "lately", DAY_MS - 60_000);
  await key(cache, ".making-x", 0);
  assert.equal(await make(cache, "new"), ["lately", "new"]);
  await age(join(cache, "new"), 2 * DAY_MS);
  assert.equal(await make(cache, "newer"), ["lately", "newer"]);
  await age(join(cache, "newer"), 2 * DAY_MS);
  assert.equal(await make(cache, "newest"), ["lately", "newest"]);
});

test("an old key stays while a lock on it or on a file directly in it is held", async ({ cache }) => {
  const [one, other] = [await key(cache, "one", 2 * DAY_MS), await key(cache, "other", 2 * DAY_MS)];
  const unlocks = await Promise.all([hold(one), hold(join(other, "rootfs"))]);
  try {
    assert.equal(await make(cache, "new"), ["new", "one", "other"]);
  } finally {
    await Promise.all(unlocks.map((unlock) => unlock()));
  }
  assert.equal(await make(cache, "newer"), ["new", "newer"]);
});

test("isMade() counts as a use", async ({ cache }) => {
  await key(cache, "asked-for", 2 * DAY_MS);
  assert.is(await isMade(cache, "asked-for"), true);
  assert.is(await isMade(cache, "never-made"), false);
  assert.equal(await make(cache, "new"), ["asked-for", "new"]);
});

test.run();
