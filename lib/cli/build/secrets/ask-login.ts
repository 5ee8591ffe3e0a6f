/** Asks for a login on the caller's terminal, as `--docker-login` of apptainer does. The password is not shown. */
import { openSync } from "node:fs";
import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { ReadStream, WriteStream } from "node:tty";
import { CbError } from "../../../core/errors.ts";
import type { RegistryLogin } from "../../../protocol/secret-messages.ts";

/** Standard input and output may be redirected, so the terminal itself is opened. */
const TERMINAL = "/dev/tty";

/** Throws CbError "usage" without a terminal, "cancelled" after Ctrl-C and Ctrl-D. */
export async function askLogin(registry: string): Promise<RegistryLogin> {
  const [input, output] = openTerminal(registry);
  try {
    const username = await ask(input, output, { question: `User name for ${registry}: `, shown: true });
    const password = await ask(input, output, { question: `Password for ${registry}: `, shown: false });
    return { registry, username, password };
  } finally {
    input.destroy();
    output.destroy();
  }
}

function openTerminal(registry: string): [ReadStream, WriteStream] {
  try {
    return [new ReadStream(openSync(TERMINAL, "r")), new WriteStream(openSync(TERMINAL, "w"))];
  } catch (cause) {
    throw new CbError("usage", "--docker-login needs a terminal, and there is none", {
      hint: `log in first: docker login ${registry}; or set APPTAINER_DOCKER_USERNAME and APPTAINER_DOCKER_PASSWORD`,
      cause,
    });
  }
}

interface Question {
  readonly question: string;
  /** False: what is typed is not printed. */
  readonly shown: boolean;
}

function ask(input: ReadStream, output: WriteStream, { question, shown }: Question): Promise<string> {
  return new Promise((resolve, reject) => {
    const nothing = new Writable({ write: (_chunk, _encoding, done) => done() });
    const reader = createInterface({ input, output: shown ? output : nothing, terminal: true, prompt: "" });
    // The reader has turned the terminal's echo off by now: an answer that comes with the question is not printed.
    output.write(question);
    reader.once("line", (line) => {
      resolve(line);
      if (!shown) output.write("\n");
      reader.close();
    });
    reader.once("SIGINT", () => reader.close());
    // After a line the promise is resolved already.
    reader.once("close", () => reject(new CbError("cancelled", "no login was given")));
  });
}
