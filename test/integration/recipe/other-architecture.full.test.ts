/** Builds images for another architecture than the builder's; qemu runs their programs. A few minutes each. */
// timeout: 1800 s
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { hostAptSettings } from "../../../lib/provider/sandbox/apt-settings.ts";
import { busyboxLayer } from "../../support/oci/busybox-layer.ts";
import { push } from "../../support/oci/docker-registry.ts";
import { RecipeStack } from "../../support/recipe/recipe-stack.ts";

const test = suite<{ recipes: RecipeStack }>("other architectures");

test.before(async (context) => {
  context.recipes = await RecipeStack.start();
  const image = { repository: "site/aarch64", tags: ["1"], layers: [await aarch64Layer()], architecture: "arm64" };
  await push(context.recipes.hostOf("open"), image);
});
test.after(async ({ recipes }) => {
  await recipes?.stop();
});

/** An image layer with Debian's busybox for aarch64, which is unpacked and never run on this host. */
async function aarch64Layer(): Promise<Buffer> {
  const { mirror, conf } = await hostAptSettings();
  const folder = mkdtempSync(join(tmpdir(), "cb-other-arch-"));
  try {
    writeFileSync(join(folder, "apt.conf"), `${conf}\n`);
    const selection = ["--variant=extract", "--architectures=arm64", "--include=busybox-static"];
    const options = [...selection, `--aptopt=${join(folder, "apt.conf")}`, "--skip=chroot/mount/sys"];
    await promisify(execFile)("mmdebstrap", [...options, "trixie", join(folder, "tree"), mirror]);
    return await busyboxLayer(join(folder, "tree", "usr/bin/busybox"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The header of the image, which names its architecture. */
const header = (recipes: RecipeStack, name: string) => recipes.inspect(name, "apptainer sif header $I");

for (const { arch, debian, oci } of [
  { arch: "aarch64", debian: "arm64", oci: "arm64" },
  { arch: "ppc64le", debian: "ppc64el", oci: "ppc64le" },
]) {
  test(`--arch ${arch} builds a Debian of that architecture, runs its programs in %post, and marks the image`, async ({
    recipes,
  }) => {
    const { mirror } = await hostAptSettings();
    const post = "    uname -m\n    dpkg --print-architecture\n";
    const recipe = `Bootstrap: debootstrap\nOSVersion: bookworm\nMirrorURL: ${mirror}\n\n%post\n${post}`;
    const output = await recipes.built(arch, recipe, ["--arch", arch]);
    assert.match(output, new RegExp(`^${arch}\n(?:\\+.*\n)?${debian}$`, "m"));
    assert.match(await header(recipes, arch), new RegExp(`Primary Architecture: +${oci}\n`));
  });
}

test("--arch aarch64 pulls the image of that architecture, and runs its programs in %post", async ({ recipes }) => {
  const recipe = `Bootstrap: docker\nFrom: ${recipes.hosts.open}/site/aarch64:1\n\n%post\n    uname -m\n    cat /etc/base\n`;
  const output = await recipes.built("pulled", recipe, ["--arch", "aarch64"]);
  assert.match(output, /^aarch64$/m);
  assert.match(output, /^from the registry$/m);
  assert.match(await header(recipes, "pulled"), /Primary Architecture: +arm64\n/);
});

test("--arch aarch64 runs the RUN lines of a Dockerfile on that architecture", async ({ recipes }) => {
  const recipe = `FROM ${recipes.hosts.open}/site/aarch64:1\nRUN uname -m && echo made > /etc/made\nCMD ["cat", "/etc/made"]\n`;
  const output = await recipes.built("dockerfile", recipe, ["--arch", "aarch64"]);
  assert.match(output, /^aarch64$/m);
  assert.match(await header(recipes, "dockerfile"), /Primary Architecture: +arm64\n/);
});

test.run();
