/** Recipes of a second: a shell, and what a test wants to happen in %post. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PROJECT, type Stack } from "../stack.ts";

export const HELLO = join(PROJECT, "examples", "hello.def");

/** The path of `<name>.def`, the example with another %post. */
export function recipe(stack: Stack, name: string, post: string): string {
  const path = stack.path(`${name}.def`);
  const lines = `%post\n    /bin/busybox --install -s /bin\n${post}\n`;
  writeFileSync(
    path,
    readFileSync(HELLO, "utf8").replace(/%post\n[\s\S]*?(?=\n%labels)/, () => lines),
  );
  return path;
}

/** A build that says `begun` and never ends by itself. */
export const endless = (stack: Stack, name: string): string =>
  recipe(stack, name, "    echo it has begun\n    while :; do sleep 1; done");

/** A build that prints `line 1` to `line <count>`, five each second. */
export const counting = (stack: Stack, name: string, count: number): string =>
  recipe(stack, name, `    for n in $(seq 1 ${count}); do echo "line $n"; sleep 0.2; done`);

/** What of the output `counting` printed: each line once and in order, if all is well. The shell shows its commands too. */
export const countedIn = (stdout: string): string[] => stdout.split("\n").filter((line) => line.startsWith("line "));

export const counted = (count: number): string[] => Array.from({ length: count }, (_, n) => `line ${n + 1}`);

/**
 * The same recipe for a builder that packs without compressing, and packs copies again: compressing gigabytes takes minutes, and
 * is apptainer's affair. %setup is root on the builder, so it may.
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
