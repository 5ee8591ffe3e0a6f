/**
 * Keeps one docker-registry running. As a pull-through copy docker-registry (2.8) ends with a panic when it starts while its registry is
 * away, so it is started again, with a growing pause.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import type { Logger } from "pino";
import { systemClock } from "../../core/clock.ts";

/** The pause before the first restart; each further one doubles it. */
const PAUSE_MIN_MS = 1_000;
/** A registry that was away for an hour is copied again a minute after it is back. */
const PAUSE_MAX_MS = 60_000;
/** A process that ran for so long did not fail at its start, and the next pause is the shortest again. */
const STEADY_MS = 60_000;
/** A process that leaves three checks unanswered is killed: it would hold each build that asks it. */
const CHECK_MS = 5_000;
const CHECK_TIMEOUT_MS = 10_000;
const FAILED_CHECKS_MAX = 3;
/** The last line of a Go panic's message comes first, and the stack after it. */
const KEPT_CHARS = 4096;

export interface RegistryProcess {
  /** Names it in the log. */
  readonly name: string;
  /** Of this registry alone. */
  readonly folder: string;
  /** Its configuration, except for what is the same for all. */
  readonly config: Readonly<Record<string, unknown>> & { readonly http: object };
  /** Asks it for any reply within `timeoutMs`. */
  readonly isReplying: (timeoutMs: number) => Promise<boolean>;
  /** Path of docker-registry. */
  readonly program: string;
  readonly log: Logger;
}

/** Returns when `signal` is aborted and the process has ended. Rejects when the folder cannot be written. */
export async function keepRunning(options: RegistryProcess, signal: AbortSignal): Promise<void> {
  const { name, log } = options;
  const config = await writeConfig(options);
  for (let failures = 0; !signal.aborted; failures++) {
    const startedMs = performance.now();
    const lines = await runOnce(options, config, signal);
    if (signal.aborted) return;
    if (performance.now() - startedMs > STEADY_MS) failures = 0;
    const pauseMs = Math.min(PAUSE_MIN_MS * 2 ** failures, PAUSE_MAX_MS);
    log.warn({ registry: name, pauseMs, reason: reasonIn(lines) }, "docker-registry has ended");
    await systemClock.sleep(pauseMs, signal);
  }
}

async function writeConfig({ folder, config }: RegistryProcess): Promise<string> {
  const whole = {
    version: "0.1",
    // The log of requests grows with every request of a builder.
    log: { level: "warn", accesslog: { disabled: true } },
    // Without a cache of descriptors, which would name files that the bound of the store has removed.
    storage: { filesystem: { rootdirectory: join(folder, "store") } },
    ...config,
  };
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, "docker-registry.yml");
  // JSON is YAML.
  await writeFile(path, JSON.stringify(whole), { mode: 0o600 });
  return path;
}

/** Runs it until it ends. Returns its last output. */
async function runOnce(options: RegistryProcess, config: string, signal: AbortSignal): Promise<string> {
  // The kernel kills it when this process ends.
  const command = ["--pdeathsig", "KILL", options.program, "serve", config];
  const child = spawn("setpriv", command, { env: environment(process.env), stdio: ["ignore", "ignore", "pipe"] });
  const lines = lastOf(child.stderr as Readable);
  const stopped = new AbortController();
  const ended = new Promise<string>((resolve) => {
    const end = (output: string): void => {
      stopped.abort();
      resolve(output);
    };
    child.once("error", (error) => end(error.message));
    child.once("close", () => end(lines()));
  });
  const stop = () => void child.kill("SIGTERM");
  signal.addEventListener("abort", stop);
  if (signal.aborted) stop();
  await killWhenSilent(child, options, stopped.signal);
  signal.removeEventListener("abort", stop);
  return ended;
}

async function killWhenSilent(
  child: ChildProcess,
  { name, isReplying, log }: RegistryProcess,
  ended: AbortSignal,
): Promise<void> {
  let failed = 0;
  for (;;) {
    await systemClock.sleep(CHECK_MS, ended);
    if (ended.aborted) return;
    failed = (await isReplying(CHECK_TIMEOUT_MS)) ? 0 : failed + 1;
    if (failed < FAILED_CHECKS_MAX || ended.aborted) continue;
    log.warn({ registry: name }, "docker-registry does not reply and is killed");
    child.kill("SIGKILL");
    return;
  }
}

/** docker-registry takes settings, such as a login, from any variable of the form REGISTRY_NAME. */
const PASSED = /^(?:PATH|HOME|SSL_CERT_FILE|SSL_CERT_DIR|(?:https?|no)_proxy)$/i;

const environment = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  // Version 3 sends traces by default.
  ({ ...Object.fromEntries(Object.entries(env).filter(([name]) => PASSED.test(name))), OTEL_TRACES_EXPORTER: "none" });

/** Reads the output to its end, because a full pipe would block the registry. */
function lastOf(output: Readable): () => string {
  let kept = "";
  output.setEncoding("utf8").on("data", (text: string) => {
    kept = (kept + text).slice(-KEPT_CHARS);
  });
  return () => kept;
}

/** The line of a panic or of an error, without the stack. */
const reasonIn = (output: string): string =>
  (/^(?:panic|.*level=(?:fatal|error)).*$/m.exec(output)?.[0] ?? output.trimEnd().split("\n").at(-1) ?? "").slice(
    0,
    500,
  );
