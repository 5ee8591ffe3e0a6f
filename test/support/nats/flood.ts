/** Floods of messages from a separate process, so that the test's own work does not slow them down. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import type { TestNats } from "./nats.ts";

/** The address of NATS, as arguments of the flooder. */
export interface FloodTarget {
  readonly url: string;
  readonly servername: string;
  /** Path of the CA file. */
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
  /** The last line that the process printed. Rejects when it failed. */
  readonly ended: Promise<string>;
}

export class Flooder {
  readonly #target: FloodTarget;
  readonly #folder: string;

  static open({ url, installation }: Pick<TestNats, "url" | "installation">): Promise<Flooder> {
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

  /** Resolves when the flooder starts to publish: small invalid bodies, or messages of `bytes`. */
  async start({ creds, subject, messages, bytes }: FloodOf): Promise<Flood> {
    const credsFile = join(this.#folder, "flooder.creds");
    writeFileSync(credsFile, creds, { mode: 0o600 });
    const { url, servername, ca } = this.#target;
    const argv = [this.#program, url, servername, ca, credsFile, subject, String(messages)];
    if (bytes !== undefined) argv.push(String(bytes));
    const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"] });
    let [printed, flooding] = ["", true];
    child.stdout.on("data", (text: Buffer) => {
      printed += text.toString();
    });
    const ended = once(child, "close").then(([code]) => {
      flooding = false;
      if (code !== 0) throw new Error(`the flooder ended with exit code ${code}: ${printed}`);
      return printed.trim().split("\n").at(-1) ?? "";
    });
    // A failure is the test's when it awaits the end; until then it must not end the test's process.
    ended.catch(() => undefined);
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
