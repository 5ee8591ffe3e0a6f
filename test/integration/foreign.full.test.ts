/** Images for machines of another architecture than the builder's, whose programs qemu runs. A few minutes each. */
// timeout: 1800 s
import { writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { hostAptSettings } from "../../lib/provider/sandbox/apt-settings.ts";
import { runInSandbox } from "../../lib/provider/sandbox/run.ts";
import { testRootfs } from "../support/rootfs.ts";
import { Stack } from "../support/stack.ts";

const test = suite<{ stack: Stack }>("foreign architectures");

test.before(async (context) => {
  context.stack = await Stack.start();
});
test.after(async ({ stack }) => {
  await stack?.stop();
});

/** What an image says of itself, and of the machines it runs on. */
async function headerOf(image: string): Promise<string> {
  const command = ["apptainer", "sif", "header", "/image.sif"];
  const binds = [{ from: image, to: "/image.sif" }];
  return (await runInSandbox({ rootfs: await testRootfs(), command, binds, stdio: "pipe" })).stdout;
}

for (const { arch, debian, oci } of [
  { arch: "aarch64", debian: "arm64", oci: "arm64" },
  { arch: "ppc64le", debian: "ppc64el", oci: "ppc64le" },
]) {
  test(`--arch ${arch} makes a Debian for it, runs its programs in %post, and marks the image`, async ({ stack }) => {
    const { mirror } = await hostAptSettings();
    const post = "    uname -m\n    dpkg --print-architecture\n";
    writeFileSync(
      stack.path("debian.def"),
      `Bootstrap: debootstrap\nOSVersion: bookworm\nMirrorURL: ${mirror}\n\n%post\n${post}`,
    );
    const image = stack.path(`${arch}.sif`);
    const built = await stack.run("container-builder", ["--arch", arch, image, stack.path("debian.def")]);
    assert.is(built.code, 0, built.stdout.slice(-2000) + built.stderr);
    assert.match(built.stdout, new RegExp(`^${arch}\n(?:\\+.*\n)?${debian}$`, "m"));
    assert.match(await headerOf(image), new RegExp(`Primary Architecture: +${oci}\n`));
  });
}

test.run();
