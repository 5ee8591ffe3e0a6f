/** Runs the registry of layers: docker-registry on a socket, the gate before it, and the bounds of the store. */
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { systemClock } from "../../core/clock.ts";
import { CbError, messageOf } from "../../core/errors.ts";
import { keepRunning } from "../docker-registry/registry-process.ts";
import { isReplying } from "../is-replying.ts";
import { createGate, type GateOptions } from "./gate.ts";
import { type LayerLimits, limitLayers } from "./layer-store.ts";
import { LayerUsage } from "./usage.ts";

/** As for the copies. The gate counts what arrives between two passes. */
const PASS_MS = 10_000;
/** A pass over many files takes a tenth of the time at most. */
const PASS_PART = 9;
/** unix(7): the kernel keeps 108 bytes for the path with its final NUL. */
const SOCKET_PATH_MAX_BYTES = 107;

export interface LayersService extends LayerLimits, Pick<GateOptions, "grantIn" | "tls" | "log"> {
  /** ADDRESS:PORT of the gate. */
  readonly listen: string;
  /** Of the layers alone. */
  readonly folder: string;
  readonly program: string;
}

/** Returns when `signal` is aborted and all has ended. Throws CbError "config" when the address or the folder cannot be used. */
export async function runLayers(service: LayersService, signal: AbortSignal): Promise<void> {
  const { folder, program, log, listen, userMaxBytes } = service;
  const socketPath = join(folder, "socket");
  if (Buffer.byteLength(socketPath) > SOCKET_PATH_MAX_BYTES)
    throw new CbError("config", `the path of a socket is too long: ${socketPath}`, { hint: "choose a shorter folder" });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const usage = new LayerUsage(userMaxBytes);
  const gate = createGate({ ...service, socketPath, usage });
  const { hostname, port } = new URL(`http://${listen}`);
  gate.listen({ host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || 80) });
  await once(gate, "listening").catch((cause: unknown) => {
    throw new CbError("config", `cannot listen on ${listen}: ${messageOf(cause)}`, { cause });
  });
  log.info({ listen }, "the registry of layers is open");
  const registry = keepRunning(
    {
      name: "layers",
      folder,
      config: { http: { addr: socketPath, net: "unix", relativeurls: true } },
      isReplying: (timeoutMs) => isReplying({ host: "layers", plainHttp: true, socketPath }, timeoutMs),
      program,
      log,
    },
    signal,
  );
  await Promise.all([registry, keepBounded(service, usage, signal)]);
  gate.close();
  gate.closeAllConnections();
}

async function keepBounded(service: LayersService, usage: LayerUsage, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const startedMs = performance.now();
    await usage
      .measure((refused) => limitLayers(service.folder, service, { refused, nowMs: systemClock.nowMs() }))
      .catch((err: unknown) => service.log.warn({ err }, "the layers cannot be bounded"));
    await systemClock.sleep(Math.max(PASS_MS, (performance.now() - startedMs) * PASS_PART), signal);
  }
}
