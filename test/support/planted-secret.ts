/** Finds a secret that a test has planted, in bytes, in files and in any base64 of a longer text. */
import { spawnSync } from "node:child_process";

/** The secret as it is, and as base64 at each of the three offsets in a longer text. */
function formsOf(secret: string): Buffer[] {
  const shifted = [0, 1, 2].map((offset) =>
    Buffer.from("x".repeat(offset) + secret)
      .toString("base64")
      .slice(4, -8),
  );
  return [secret, ...shifted].map((text) => Buffer.from(text));
}

export const has = (bytes: Buffer, secret: string): boolean => formsOf(secret).some((form) => bytes.includes(form));

/** The files below a folder, on its file system alone, that have the secret. `newerThan`: a file; older ones are left out. */
export function filesWith(folder: string, secret: string, newerThan?: string): string[] {
  const newer = newerThan === undefined ? [] : ["-newer", newerThan];
  const patterns = formsOf(secret).flatMap((form) => ["-e", form.toString()]);
  const search = ["-xdev", "-type", "f", ...newer, "-size", "-64M", "-exec", "grep", "-lF", ...patterns, "{}", "+"];
  return spawnSync("find", [folder, ...search], { encoding: "utf8" })
    .stdout.split("\n")
    .filter(Boolean);
}
