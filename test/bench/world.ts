/** The servers and files that benchmarks share. Each is made at its first use, and all are removed by `close`. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Stack } from "../support/stack.ts";
import { type Sshd, startSshd } from "./sshd.ts";

export class World {
  /** True: small inputs, so that all benchmarks together end within three minutes. */
  readonly quick: boolean;
  readonly folder = mkdtempSync(join(tmpdir(), "cb-bench-"));
  readonly #made = new Map<string, Promise<unknown>>();
  readonly #closers: (() => unknown)[] = [];

  constructor({ quick }: { quick: boolean }) {
    this.quick = quick;
    this.onClose(() => rmSync(this.folder, { recursive: true, force: true }));
  }

  path(...parts: readonly string[]): string {
    return join(this.folder, ...parts);
  }

  /** Calls it at the end, the newest first. */
  onClose(closer: () => unknown): void {
    this.#closers.push(closer);
  }

  async close(): Promise<void> {
    for (const closer of this.#closers.splice(0).reverse()) await closer();
  }

  /** An sshd of this user on loopback. */
  sshd(): Promise<Sshd> {
    return this.once("sshd", async () => {
      const sshd = await startSshd(this.path("ssh"));
      this.onClose(() => sshd.stop());
      return sshd;
    });
  }

  /** The whole local stack with sandboxes, its reserve full. */
  stack(): Promise<Stack> {
    return this.once("stack", async () => {
      const stack = await Stack.start();
      this.onClose(() => stack.stop());
      return stack;
    });
  }

  /** A file of random bytes, which no program can compress. */
  randomFile(mib: number): string {
    const path = this.path(`random-${mib}`);
    if (!existsSync(path)) {
      mkdirSync(this.folder, { recursive: true });
      execFileSync("dd", ["if=/dev/urandom", `of=${path}`, "bs=1M", `count=${mib}`], { stdio: "ignore" });
    }
    return path;
  }

  /** The same object for each caller with that name. */
  once<T>(name: string, make: () => Promise<T>): Promise<T> {
    const made = (this.#made.get(name) as Promise<T> | undefined) ?? make();
    this.#made.set(name, made);
    return made;
  }
}
