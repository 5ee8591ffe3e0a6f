/** The settings of a client that reaches NATS through a proxy. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import type { Stack } from "../stack.ts";

/** An environment that makes the stack's clients use NATS at that port of this machine. */
export function clientAt(stack: Stack, port: number): Record<string, string> {
  const settings = parse(readFileSync(stack.statePath("client", "config.yaml"), "utf8")) as { url: string };
  const home = stack.path(`client-${port}`);
  mkdirSync(join(home, "container-builder"), { recursive: true });
  const url = `tls://127.0.0.1:${port}`;
  writeFileSync(join(home, "container-builder", "config.yaml"), stringify({ ...settings, url }));
  return { XDG_CONFIG_HOME: home };
}
