/** Asks a registry for any reply. */
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { originOf, type Registry } from "./address.ts";

interface Address extends Pick<Registry, "host" | "plainHttp"> {
  /** It listens on this socket in place of its host. */
  readonly socketPath?: string;
}

/**
 * True when the registry replies within `timeoutMs`; any status counts. The certificate is not checked here: the programs that fetch
 * images do so. No proxy is used.
 */
export async function isReplying(registry: Address, timeoutMs: number): Promise<boolean> {
  const url = `${originOf(registry)}/v2/`;
  const { socketPath } = registry;
  const socket = socketPath === undefined ? {} : { socketPath };
  const options = { signal: AbortSignal.timeout(timeoutMs), rejectUnauthorized: false, agent: false, ...socket };
  const request = registry.plainHttp ? httpRequest(url, options) : httpsRequest(url, options);
  try {
    request.end();
    const [response] = await once(request, "response");
    response.resume();
    return true;
  } catch {
    return false;
  } finally {
    request.on("error", () => undefined).destroy();
  }
}
