/** Images for machines of another architecture than the builder's, whose programs qemu runs. A few minutes each. */
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

const test = suite<{ recipes: RecipeStack }>("foreign architectures");

test.before(async (context) => {
  context.recipes = await RecipeStack.start();
  const image = { repository: "site/foreign", tags: ["1"], layers: [await foreignLayer()], architecture: "arm64" };
  await push(context.recipes.hostOf("open"), image);
});
test.after(async ({ recipes }) => {
  await recipes?.stop();
});

/** A busybox of Debian's for aarch64, unpacked and never run here. */
async function foreignLayer(): Promise<Buffer> {
  const { mirror, conf } = await hostAptSettings();
  const folder = mkdtempSync(join(tmpdir(), "cb-foreign-"));
  try {
    writeFileSync(join(folder, "apt.conf"), `${conf}\n`);
    const what = ["--variant=extract", "--architectures=arm64", "--include=busybox-static"];
    const options = [...what, `--aptopt=${join(folder, "apt.conf")}`, "--skip=chroot/mount/sys"];
    await promisify(execFile)("mmdebstrap", [...options, "trixie", join(folder, "tree"), mirror]);
    return await busyboxLayer(join(folder, "tree", "usr/bin/busybox"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What the image says of the machines it runs on. */
const header = (recipes: RecipeStack, name: string) => recipes.look(name, "apptainer sif header $I");

for (const { arch, debian, oci } of [
  { arch: "aarch64", debian: "arm64", oci: "arm64" },
  { arch: "ppc64le", debian: "ppc64el", oci: "ppc64le" },
]) {
  test(`--arch ${arch} makes a Debian for it, runs its programs in %post, and marks the image`, async ({ recipes }) => {
    const { mirror } = await hostAptSettings();
    const post = "    uname -m\n    dpkg --print-architecture\n";
    const recipe = `Bootstrap: debootstrap\nOSVersion: bookworm\nMirrorURL: ${mirror}\n\n%post\n${post}`;
    const output = await recipes.built(arch, recipe, ["--arch", arch]);
    assert.match(output, new RegExp(`^${arch}\n(?:\\+.*\n)?${debian}$`, "m"));
    assert.match(await header(recipes, arch), new RegExp(`Primary Architecture: +${oci}\n`));
  });
}

test("--arch aarch64 takes a registry's image of that architecture, and runs its programs in %post", async ({
  recipes,
}) => {
  const recipe = `Bootstrap: docker\nFrom: ${recipes.hosts.open}/site/foreign:1\n\n%post\n    uname -m\n    cat /etc/base\n`;
  const output = await recipes.built("pulled", recipe, ["--arch", "aarch64"]);
  assert.match(output, /^aarch64$/m);
  assert.match(output, /^from the registry$/m);
  assert.match(await header(recipes, "pulled"), /Primary Architecture: +arm64\n/);
});

test("--arch aarch64 builds a Dockerfile, whose RUN lines are of that architecture", async ({ recipes }) => {
  const recipe = `FROM ${recipes.hosts.open}/site/foreign:1\nRUN uname -m && echo made > /etc/made\nCMD ["cat", "/etc/made"]\n`;
  const output = await recipes.built("dockerfile", recipe, ["--arch", "aarch64"]);
  assert.match(output, /^aarch64$/m);
  assert.match(await header(recipes, "dockerfile"), /Primary Architecture: +arm64\n/);
});

test.run();
