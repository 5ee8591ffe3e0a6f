// timeout: 600 s
/** The host image is the same when it is made again: an operator can compare two images, and an update changes what it should. */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ensureHostImage } from "../../../infra/image/host/image.ts";
import { diskManifest } from "../../support/disk-manifest.ts";
import { testCache } from "../../support/rootfs.ts";
import { makePackage } from "./host-package.ts";

const test = suite("the host image made twice");
const run = promisify(execFile);
let home: string;

test.before(async () => {
  home = await mkdtemp(join(tmpdir(), "cb-host-"));
});
test.after(() => rm(home, { recursive: true, force: true }));

test("two images of one day have the same files with the same contents, modes, owners and links", async () => {
  const packageFile = await makePackage(join(home, "package"));
  const image = await ensureHostImage({ cacheDir: testCache(), packageFile });
  const cacheDir = join(home, "second");
  const other = await ensureHostImage({ cacheDir, packageFile });
  const [first, second] = [await diskManifest(image, join(home, "a")), await diskManifest(other, join(home, "b"))];
  assert.ok(first.size > 1000, `${first.size} paths are too few for a system`);
  const names = [...new Set([...first.keys(), ...second.keys()])];
  assert.equal(
    names.filter((name) => first.get(name) !== second.get(name)),
    [],
  );
  await run("unshare", ["--user", "--map-auto", "--map-root-user", "rm", "-rf", join(cacheDir, "host")]);
});

test.run();
