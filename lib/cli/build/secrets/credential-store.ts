/** Runs a credential helper of docker (docker-credential-helpers: `docker-credential-NAME get`) on the caller's machine. */
import { execFile } from "node:child_process";
import * as v from "valibot";
import { CbError, messageOf } from "../../../core/errors.ts";
import type { RegistryLogin } from "../../../protocol/secret-messages.ts";
import { DOCKER_HUB, registryName } from "../../../recipe/base-images.ts";

/** A helper may unlock a keyring over D-Bus or request a token of a cloud; more than that is a helper that waits for a person. */
const TIMEOUT_MS = 20_000;
const OUTPUT_MAX_BYTES = 64 * 1024;

const reply = v.object({ Username: v.string(), Secret: v.string() });

/** The name under which docker stores a login for Docker Hub. */
const HUB_URL = "https://index.docker.io/v1/";

/** Helpers end with 1 and this message, on standard output, when they have no login (credentials/error.go). */
const NOT_FOUND = /credentials not found/i;

/** Undefined when the helper has no login. Throws CbError "config" when it is missing, fails, or takes more than 20 s. */
export async function loginOfHelper(helper: string, registry: string): Promise<RegistryLogin | undefined> {
  const program = `docker-credential-${helper}`;
  if (!/^[\w.-]+$/.test(helper)) throw failure(program, registry, "the name of the helper is not valid");
  const server = registryName(registry) === DOCKER_HUB ? HUB_URL : registry;
  const { error, output } = await run(program, server);
  if (error !== null) {
    if (NOT_FOUND.test(output)) return undefined;
    const isMissing = "code" in error && error.code === "ENOENT";
    throw failure(
      program,
      registry,
      isMissing ? "it is not installed" : error.killed ? "it took too long" : "it failed",
    );
  }
  const found = v.safeParse(reply, jsonOf(output));
  if (!found.success) throw failure(program, registry, "its reply is no login");
  const { Username: username, Secret: password } = found.output;
  // The name by which helpers mark a token for a token server.
  if (username === "<token>") return { registry, username: "", password: "", identityToken: password };
  return { registry, username, password };
}

interface HelperRun {
  readonly error: (Error & { killed?: boolean }) | null;
  readonly output: string;
}

function run(program: string, server: string): Promise<HelperRun> {
  return new Promise((resolve) => {
    const options = { timeout: TIMEOUT_MS, killSignal: "SIGKILL", maxBuffer: OUTPUT_MAX_BYTES } as const;
    const child = execFile(program, ["get"], options, (error, output) => resolve({ error, output }));
    // A helper that reads nothing closes the pipe.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(server);
  });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const failure = (program: string, registry: string, reason: string): CbError =>
  new CbError("config", `${program}, which has the login for ${registry}, gave none: ${messageOf(reason)}`, {
    hint: `run it by hand: echo ${registry} | ${program} get; or give the login with --authfile or --docker-login`,
  });
