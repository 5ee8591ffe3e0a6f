/**
 * Builds Dockerfiles on a distribution: packages from a mirror, a compiler in one stage, its program in another. Takes
 * a minute or two.
 */
// timeout: 900 s
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { hostAptSettings } from "../../../lib/provider/sandbox/apt-settings.ts";
import { push } from "../../support/oci/docker-registry.ts";
import { IMAGE, RecipeStack } from "../../support/recipe/recipe-stack.ts";

const test = suite<{ recipes: RecipeStack }>("dockerfiles on a distribution");

test.before(async (context) => {
  context.recipes = await RecipeStack.start();
});
test.after(async ({ recipes }) => {
  await recipes?.stop();
});

/** An image layer with Debian and apt. */
async function debianLayer(): Promise<Buffer> {
  const { mirror, conf } = await hostAptSettings();
  const folder = mkdtempSync(join(tmpdir(), "cb-debian-"));
  try {
    writeFileSync(join(folder, "apt.conf"), `${conf}\n`);
    const options = [
      "--variant=minbase",
      "--format=tar",
      `--aptopt=${join(folder, "apt.conf")}`,
      "--skip=chroot/mount/sys",
    ];
    await promisify(execFile)("mmdebstrap", [...options, "trixie", join(folder, "layer.tar"), mirror]);
    return readFileSync(join(folder, "layer.tar"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test("a compiler is installed in one stage, and its program runs from another", async ({ recipes }) => {
  await push(recipes.hostOf("open"), { repository: "site/debian", tags: ["trixie"], layers: [await debianLayer()] });
  const base = `${recipes.hosts.open}/site/debian:trixie`;
  const output = await recipes.built(
    "compiled",
    `FROM ${base} AS build
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends gcc libc6-dev
WORKDIR /src
RUN <<EOF
echo '#include <stdio.h>' > hello.c
echo 'int main(void) { return puts("compiled in a stage") < 0; }' >> hello.c
gcc -o hello hello.c
EOF

FROM ${base}
RUN useradd --create-home worker
COPY --from=build --chown=worker /src/hello /usr/local/bin/
USER worker
RUN touch ~/mine && /usr/local/bin/hello
CMD ["hello"]
`,
  );
  assert.match(output, /Setting up gcc/);
  assert.match(output, /^compiled in a stage$/m);
  assert.is(await recipes.inspect("compiled", "apptainer run --unsquash $I"), "compiled in a stage\n");
});

test("buildah applies SHELL of a Dockerfile", async ({ recipes }) => {
  const output = await recipes.built(
    "shell",
    `FROM ${recipes.hosts.open}/${IMAGE}\nSHELL ["/bin/sh", "-xc"]\nRUN echo in a shell\nCMD cat /etc/base\n`,
  );
  assert.match(output, "+ echo");
  assert.is(await recipes.inspect("shell", "apptainer run --unsquash $I"), "from the registry\n");
});

test("the last stage of a Dockerfile may start from scratch", async ({ recipes }) => {
  await recipes.built(
    "scratch",
    `FROM ${recipes.hosts.open}/${IMAGE} AS base
FROM scratch
COPY --from=base /bin /bin
COPY --from=0 /etc/base /etc/base
CMD ["/bin/cat", "/etc/base"]
`,
  );
  assert.is(await recipes.inspect("scratch", "apptainer run --unsquash $I"), "from the registry\n");
});

test.run();
