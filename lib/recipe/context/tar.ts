/** GNU tar as a child process: the one program that knows holes, long names and owners, and is on every machine. */
import { type ChildProcessByStdio, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { promisify } from "node:util";
import { CbError } from "../../core/errors.ts";

/** On a Mac, GNU tar goes by its second name. */
const NAMES = ["tar", "gtar"];
/** Of what tar says, the first words name the file; a million complaints are dropped. */
const WORDS_MAX_BYTES = 8 * 1024;

/** A C locale, so that names are bytes and messages are English. */
const environment = (): NodeJS.ProcessEnv => ({
  ...process.env,
  LC_ALL: "C",
  TAR_OPTIONS: "",
  POSIXLY_CORRECT: undefined,
});

/** The name of GNU tar on this machine. Throws CbError "usage" when there is none. */
export async function gnuTar(): Promise<string> {
  for (const name of NAMES) {
    const { stdout } = await promisify(execFile)(name, ["--version"], { env: environment() }).catch(() => ({
      stdout: "",
    }));
    if (stdout.includes("GNU tar")) return name;
  }
  throw new CbError("usage", "there is no GNU tar in the PATH, which packs and unpacks contexts", {
    hint: "install GNU tar, as `tar` or as `gtar`",
  });
}

export interface Tar {
  readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  /** Resolves when it has ended, however; "" when all went well, else the first lines of what it said. */
  readonly ended: Promise<string>;
}

/** Ends with `signal`; whoever starts it kills it when it is not needed any more. */
export function startTar(program: string, args: readonly string[], signal?: AbortSignal): Tar {
  const child = spawn(program, args, { env: environment(), stdio: ["pipe", "pipe", "pipe"] });
  let words = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    if (words.length < WORDS_MAX_BYTES) words += text;
  });
  // What it could not read any more is told by its exit code and by its words.
  child.stdin.on("error", () => undefined);
  const kill = (): void => void child.kill("SIGKILL");
  signal?.addEventListener("abort", kill);
  const ended = once(child, "close")
    .then(([code, killedBy]: (number | string | null)[]) => (code === 0 ? "" : firstLines(words, code, killedBy)))
    .catch((error: unknown) => (error instanceof Error ? error.message : String(error)))
    .finally(() => signal?.removeEventListener("abort", kill));
  return { child, ended };
}

function firstLines(words: string, code: unknown, killedBy: unknown): string {
  const lines = words.split("\n").filter((line) => line !== "" && !line.includes("previous errors"));
  const said = lines.slice(0, 3).map((line) => line.replace(/^\S*tar: (?:\.\/)?/, ""));
  if (said.length > 0) return said.join("; ");
  return code === null ? `tar was killed by ${killedBy}` : `tar ended with exit code ${code}`;
}

/** Writes with back-pressure. Resolves early when the reader is gone: its exit tells why. */
export async function feed(
  child: Tar["child"],
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<void> {
  const { stdin } = child;
  const gone = once(stdin, "close").catch(() => undefined);
  for await (const chunk of source) {
    if (stdin.destroyed) return;
    if (!stdin.write(chunk)) await Promise.race([once(stdin, "drain").catch(() => undefined), gone]);
  }
  stdin.end();
}
