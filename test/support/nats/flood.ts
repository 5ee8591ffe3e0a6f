/** Floods of messages from a process of its own: what it sends must not wait for what the test does. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import type { TestBus } from "./nats.ts";

/** Where NATS is, as a program is told. */
export interface FloodTarget {
  readonly url: string;
  readonly servername: string;
  /** A file. */
  readonly ca: string;
}

export interface FloodOf {
  readonly creds: string;
  readonly subject: string;
  readonly messages: number;
  readonly bytes?: number;
}

export interface Flood {
  readonly flooding: boolean;
  /** What the process said at its end; rejects when it failed. */
  readonly ended: Promise<string>;
}

export class Flooder {
  readonly #target: FloodTarget;
  readonly #folder: string;

  static open({ url, installation }: Pick<TestBus, "url" | "installation">): Promise<Flooder> {
    return Flooder.at({ url, servername: installation.serverName, ca: installation.files.caFile });
  }

  static async at(target: FloodTarget): Promise<Flooder> {
    const flooder = new Flooder(target);
    const entryPoints = [new URL("./flooder.ts", import.meta.url).pathname];
    const banner = {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    };
    const outfile = flooder.#program;
    await build({ entryPoints, outfile, bundle: true, platform: "node", format: "esm", banner, logLevel: "error" });
    return flooder;
  }

  private constructor(target: FloodTarget) {
    this.#target = target;
    this.#folder = mkdtempSync(join(tmpdir(), "cb-flood-"));
  }

  get #program(): string {
    return join(this.#folder, "flooder.mjs");
  }

  /** Resolves when the first messages are under way: small ones of many kinds, or of that many bytes. */
  async start({ creds, subject, messages, bytes }: FloodOf): Promise<Flood> {
    const credsFile = join(this.#folder, "flooder.creds");
    writeFileSync(credsFile, creds, { mode: 0o600 });
    const { url, servername, ca } = this.#target;
    const argv = [this.#program, url, servername, ca, credsFile, subject, String(messages)];
    if (bytes !== undefined) argv.push(String(bytes));
    const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"] });
    let [said, flooding] = ["", true];
    child.stdout.on("data", (text: Buffer) => {
      said += text.toString();
    });
    const ended = once(child, "close").then(([code]) => {
      flooding = false;
      if (code !== 0) throw new Error(`the flooder ended with exit code ${code}: ${said}`);
      return said.trim().split("\n").at(-1) ?? "";
    });
    await once(child.stdout, "data");
    return {
      get flooding() {
        return flooding;
      },
      ended,
    };
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
