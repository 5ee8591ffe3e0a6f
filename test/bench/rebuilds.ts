/**
 * The first build of a Dockerfile, the same again, and one with a change in its last COPY: with a local stack, with buildah and
 * apptainer by hand on one machine that keeps all layers, as a workstation with docker does, and with apptainer alone. All sides make
 * a SIF, from the same base image in a registry beside them.
 */
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { HOST_LOOPBACK } from "../../lib/provider/sandbox/egress.ts";
import { startRegistry } from "../support/oci/docker-registry.ts";
import { Stack } from "../support/stack.ts";
import type { Benchmark } from "./benchmark.ts";
import { inSandbox } from "./in-sandbox.ts";
import { type Row, secondsOf } from "./measure.ts";
import { drained } from "./run.ts";
import type { World } from "./world.ts";

const TIMES = [
  ["first", "a Dockerfile's first build"],
  ["again", "the same build again"],
  ["late", "a build with another file in its last COPY"],
] as const;
const TOOLS = [
  ["buildah", "buildah with its layers, then apptainer"],
  ["apptainer", "apptainer alone"],
] as const;

/** The steps of an installation: some seconds of a processor, and 60 MB that packing cannot make smaller. */
const WORK = [
  "find /usr -xdev -type f -print0 | xargs -0 sha256sum | sort >/root/sums",
  "head -c 60000000 /dev/urandom >/root/data",
].join(" && ");

const rows: Row[] = TOOLS.flatMap(([tool, against]) =>
  TIMES.map(([name, what]) => ({ name: `${name} (${tool})`, what, against, unit: "s", goal: "≤ 1" })),
);

/** Each side begins without anything of an earlier round, because the recipe of each round differs before its RUN. */
async function start(world: World) {
  mkdirSync(world.path("rebuilds"), { recursive: true });
  const folder = mkdtempSync(world.path("rebuilds", "run-"));
  const registry = await startRegistry({ folder });
  world.onClose(() => registry.stop());
  const port = Number(registry.host.split(":")[1]);
  const digest = await pushBase(folder, port);
  const stack = await Stack.start("sandbox", [`http://${registry.host}`]);
  world.onClose(() => stack.stop());
  const context = stack.path("context");
  mkdirSync(context);
  let [ourRound, theirRound] = [0, 0];

  const ours = async (): Promise<number[]> => {
    ourRound += 1;
    const recipe = `FROM ${registry.host}/site/base@${digest}\nENV ROUND=${ourRound}\nRUN ${WORK}\nCOPY app /app\n`;
    writeFileSync(`${context}/Dockerfile`, recipe);
    const seconds: number[] = [];
    for (const [name] of TIMES) {
      writeFileSync(`${context}/app`, contentFor(name));
      const argv = ["--force", stack.path("image.sif"), `${context}/Dockerfile`];
      seconds.push(await secondsOf(() => drained(stack.spawn("container-builder", argv, { cwd: context }))));
    }
    return [...seconds, ...seconds];
  };
  const theirs = async (): Promise<number[]> => {
    theirRound += 1;
    const printed = await inSandbox(folder, byHand(`${HOST_LOOPBACK}:${port}/site/base@${digest}`, theirRound), [port]);
    const seconds = [...printed.matchAll(/^took (\S+)$/gm)].map(([, text]) => Number(text));
    if (seconds.length !== TOOLS.length * TIMES.length) throw new Error(`a build by hand failed:\n${printed}`);
    return seconds;
  };
  return { ours, theirs };
}

const contentFor = (name: string): string => (name === "late" ? "another application" : "the application");

/** A base image with the programs of the sandbox's own system. Resolves with the digest of its manifest. */
async function pushBase(folder: string, port: number): Promise<string> {
  const storage = "--storage-driver overlay --root /var/scratch/root --runroot /var/scratch/run";
  const image = `${HOST_LOOPBACK}:${port}/site/base:1`;
  const printed = await inSandbox(
    folder,
    `set -e
tar -C / --one-file-system -cf /var/scratch/base.tar bin sbin lib lib64 etc root usr/bin usr/sbin usr/lib/x86_64-linux-gnu usr/share/zoneinfo
container=$(buildah ${storage} from scratch)
buildah ${storage} add -q $container /var/scratch/base.tar / >&2
buildah ${storage} config --cmd /bin/sh $container
buildah ${storage} commit -q $container base >&2
buildah ${storage} push -q --tls-verify=false --digestfile /var/scratch/digest base docker://${image} >&2
cat /var/scratch/digest`,
    [port],
  );
  const digest = /sha256:[0-9a-f]{64}/.exec(printed)?.[0];
  if (digest === undefined) throw new Error(`the base image could not be made:\n${printed}`);
  return digest;
}

/** Prints the seconds of each build. The arguments are those of the agent, except that buildah keeps and uses its layers. */
function byHand(base: string, round: number): string {
  const storage = "--storage-driver overlay --root /var/scratch/root --runroot /var/scratch/run";
  const pack = '--mksquashfs-args "-Xcompression-level 6"';
  const build = `buildah ${storage} build -q --isolation=chroot --layers --tls-verify=false --tag app . >&2 &&
rm -rf /var/scratch/layout &&
buildah ${storage} push -q app oci:/var/scratch/layout:app >&2 &&
apptainer build -F --disable-cache ${pack} /var/scratch/app.sif oci:/var/scratch/layout:app >&2`;
  const alone = `apptainer build -F --no-https ${pack} /var/scratch/app.sif app.def >&2`;
  const timed = (command: string, name: string) => `printf '%s' '${contentFor(name)}' >app
start=$EPOCHREALTIME
${command} && echo "took $(awk "BEGIN { print $EPOCHREALTIME - $start }")"`;
  return `mkdir /var/scratch/context && cd /var/scratch/context
export TMPDIR=/var/scratch APPTAINER_TMPDIR=/var/scratch APPTAINER_CACHEDIR=/var/scratch/cache
cat >Dockerfile <<'END'
FROM ${base}
ENV ROUND=${round}
RUN ${WORK}
COPY app /app
END
cat >app.def <<'END'
Bootstrap: docker
From: ${base}

%files
    app /app

%post
    ${WORK}
END
${TOOLS.flatMap(([tool]) => TIMES.map(([name]) => timed(tool === "buildah" ? build : alone, name))).join("\n")}`;
}

export const rebuilds: Benchmark = { rows, slow: true, start };
