/** The size of the build's terminal, which its caller may change while programs come and go on it. */
import { execFile } from "node:child_process";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Lease } from "../lib/protocol/builder-messages.ts";

export type Size = NonNullable<Lease["terminal"]>;

const sttyWords = ({ columns, rows }: Size): string[] => ["cols", String(columns), "rows", String(rows)];

/**
 * Each program gets a pty of its own from script(1): `-e` hands on the exit code, `-f` writes at once, and /dev/null takes
 * its own record. The shell on the pty and `resize` agree by two files: the shell says which device it is on before it reads
 * the size, and reads the size again after it has set it; `resize` writes the size before it looks for the device. So
 * whoever comes first, the last size is set, and the program never runs with an older one.
 */
export class Terminal {
  readonly #sizePath: string;
  readonly #devicePath: string;

  private constructor(folder: string) {
    this.#sizePath = join(folder, "size");
    this.#devicePath = join(folder, "device");
  }

  /** Keeps its two files in `folder`, which is made. */
  static async open(folder: string, size: Size): Promise<Terminal> {
    await mkdir(folder, { recursive: true });
    const terminal = new Terminal(folder);
    await terminal.#write(size);
    return terminal;
  }

  /** The command that runs `argv` on a pty of the newest size. */
  command(argv: readonly string[]): string[] {
    const size = quote(this.#sizePath);
    const device = quote(this.#devicePath);
    const setSize = `while size=$(cat ${size}); stty $size; [ "$size" != "$(cat ${size})" ]; do :; done`;
    const tellDevice = `tty >${device}.new && mv ${device}.new ${device}`;
    return ["script", "-qefc", `${tellDevice}; ${setSize}; exec ${argv.map(quote).join(" ")}`, "/dev/null"];
  }

  /** The program that runs is told by SIGWINCH; between two programs, the next one starts with this size. */
  async resize(size: Size): Promise<void> {
    await this.#write(size);
    const device = await readFile(this.#devicePath, "utf8").catch(() => undefined);
    if (device === undefined) return;
    // The program may have ended, and its pty with it.
    await promisify(execFile)("stty", ["-F", device.trim(), ...sttyWords(size)]).catch(() => undefined);
  }

  async #write(size: Size): Promise<void> {
    await writeFile(`${this.#sizePath}.new`, sttyWords(size).join(" "));
    await rename(`${this.#sizePath}.new`, this.#sizePath);
  }
}

const quote = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;
