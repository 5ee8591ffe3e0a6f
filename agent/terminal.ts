/** Sets the size of the build's terminal, which the caller may change at any time, also between two programs. */
import { execFile } from "node:child_process";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Lease } from "../lib/protocol/builder-messages.ts";

export type Size = NonNullable<Lease["terminal"]>;

const sttyArguments = ({ columns, rows }: Size): string[] => ["cols", String(columns), "rows", String(rows)];

/**
 * Runs a program so that a build on a terminal behaves like one without: its output is a terminal, and it has no input.
 *
 * setsid starts the program in a session without a controlling terminal, so /dev/tty cannot be opened. Its standard
 * input is /dev/null, and its output is open for writing only: a pager that falls back to reading standard error fails
 * at once. The shell keeps the terminal as its own controlling terminal, so no process of the build can acquire it, except
 * by force as root of the initial user namespace (docs/recipes.md). The shell passes SIGWINCH on, which the kernel sends to
 * the terminal's session only, and kills the program when script ends. `env` undoes that a shell starts background commands
 * with SIGINT and SIGQUIT ignored.
 */
const RUN_WITHOUT_INPUT = `
trap 'kill -s WINCH -- "-$!" 2>/dev/null' WINCH
trap 'kill -s KILL -- "-$!" "$!" 2>/dev/null; exit 129' HUP
env --default-signal=INT,QUIT setsid "$@" </dev/null >"$device" 2>&1 &
while :; do
  wait "$!"
  code=$?
  kill -0 "$!" 2>/dev/null || break
done
kill -s KILL -- "-$!" 2>/dev/null
exit "$code"`;

/**
 * Each program gets a pty of its own from script(1): `-e` returns the program's exit code, `-f` flushes each write, and
 * the typescript goes to /dev/null. The shell on the pty and resize() synchronise through two files. The shell writes
 * the name of its device, reads the size, sets it, and reads the size again until it is unchanged. resize() writes the
 * size before it reads the name of the device. So in every order of these steps the last size is set before the program
 * starts.
 */
export class Terminal {
  readonly #sizePath: string;
  readonly #devicePath: string;

  private constructor(folder: string) {
    this.#sizePath = join(folder, "size");
    this.#devicePath = join(folder, "device");
  }

  /** Creates `folder` for the two files. */
  static async open(folder: string, size: Size): Promise<Terminal> {
    await mkdir(folder, { recursive: true });
    const terminal = new Terminal(folder);
    await terminal.#write(size);
    return terminal;
  }

  /** The command that runs `argv` on a pty of the current size. */
  command(argv: readonly string[]): string[] {
    const size = quote(this.#sizePath);
    const device = quote(this.#devicePath);
    const setSize = `while size=$(cat ${size}); stty $size; [ "$size" != "$(cat ${size})" ]; do :; done`;
    const writeDevice = `device=$(tty); echo "$device" >${device}.new && mv ${device}.new ${device}`;
    const setArguments = `set -- ${argv.map(quote).join(" ")}`;
    const script = [writeDevice, setSize, setArguments, RUN_WITHOUT_INPUT].join("\n");
    return ["script", "-qefc", script, "/dev/null"];
  }

  /**
   * Sets the size. The kernel sends SIGWINCH to a running program; between two programs, the next one starts with this
   * size.
   */
  async resize(size: Size): Promise<void> {
    await this.#write(size);
    const device = await readFile(this.#devicePath, "utf8").catch(() => undefined);
    if (device === undefined) return;
    // stty fails when the program has exited, because its pty no longer exists.
    await promisify(execFile)("stty", ["-F", device.trim(), ...sttyArguments(size)]).catch(() => undefined);
  }

  async #write(size: Size): Promise<void> {
    await writeFile(`${this.#sizePath}.new`, sttyArguments(size).join(" "));
    await rename(`${this.#sizePath}.new`, this.#sizePath);
  }
}

const quote = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;
