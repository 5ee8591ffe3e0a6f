/** Recipes that build in about a second: a shell, and a %post section of the test's choice. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Finished, type OnTerminal, PROJECT, type Stack } from "../stack.ts";

export const HELLO = join(PROJECT, "examples", "hello.def");

/** Writes `<name>.def`, the example with another %post section. Returns its path. */
export function recipe(stack: Stack, name: string, post: string): string {
  const path = stack.path(`${name}.def`);
  const lines = `%post\n    /bin/busybox --install -s /bin\n${post}\n`;
  writeFileSync(
    path,
    readFileSync(HELLO, "utf8").replace(/%post\n[\s\S]*?(?=\n%labels)/, () => lines),
  );
  return path;
}

/** A build that prints `it has begun` and never ends by itself. */
export const endless = (stack: Stack, name: string): string =>
  recipe(stack, name, "    echo it has begun\n    while :; do sleep 1; done");

/** A build that prints `line 1` to `line <count>`, five lines a second. */
export const counting = (stack: Stack, name: string, count: number): string =>
  recipe(stack, name, `    for n in $(seq 1 ${count}); do echo "line $n"; sleep 0.2; done`);

/** A build on a terminal that prints `line 1`, `line 2` and so on with these pauses, until the size of its terminal changes. */
export function writing(stack: Stack, name: string, pauseSeconds: number): string {
  const loop = `while [ ! -e /done ]; do n=$((n + 1)); echo "line $n"; sleep ${pauseSeconds}; done`;
  return recipe(stack, name, `    trap 'touch /done' WINCH\n    set +x\n    n=0\n    ${loop}`);
}

/** Ends a build of `writing`. A second attempt would never end, because the terminal has its new size from the beginning: it is killed. */
export function endWriting(build: OnTerminal): Promise<Finished> {
  build.seen(/Attempt 2/).then(
    () => build.kill("SIGKILL"),
    () => undefined,
  );
  build.resize(80, 24);
  return build.finished;
}

/** The numbers of the lines that `writing` printed, from the output on the terminal. */
export const writtenIn = (output: string): number[] =>
  [...output.matchAll(/line (\d+)\r*\n/g)].map(([, number]) => Number(number));

/** The lines of the output that `counting` printed, without the shell's trace of its commands. */
export const countedIn = (stdout: string): string[] => stdout.split("\n").filter((line) => line.startsWith("line "));

/** The expected result of countedIn(). */
export const counted = (count: number): string[] => Array.from({ length: count }, (_, n) => `line ${n + 1}`);

/**
 * Changes the recipe so that mksquashfs packs without compression and without detecting duplicates: compressing
 * gigabytes takes minutes and tests apptainer only. %setup runs as root on the builder, so it can replace mksquashfs.
 * Returns the path.
 */
export function uncompressed(path: string): string {
  const setup = [
    "%setup",
    '    packer="$(command -v mksquashfs)" && mv "$packer" "$packer.real"',
    '    printf \'#!/bin/sh\\nexec "%s.real" "$@" -noD -noF -no-duplicates\\n\' "$packer" > "$packer"',
    '    chmod 755 "$packer"',
  ];
  writeFileSync(
    path,
    readFileSync(path, "utf8").replace("\n%setup\n", () => `\n${setup.join("\n")}\n`),
  );
  return path;
}
