import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../lib/core/errors.ts";
import { createLogger } from "../../../lib/core/log.ts";

const test = suite("createLogger()");

function logged(write: (log: ReturnType<typeof createLogger>) => void): string {
  const lines: string[] = [];
  write(createLogger({ name: "t", destination: { write: (line) => void lines.push(line) } }));
  return lines.join("");
}

/** Not real, in the format of real ones. */
const SEED = `SU${"A".repeat(56)}`;
const JWT = "eyJ0eXAiOiJKV1QifQ.eyJzdWIiOiJVQSJ9.c2lnbmF0dXJl";

test("writes one JSON object a line, with level, name and time", () => {
  const line = JSON.parse(logged((log) => log.info({ builder: "b" }, "hello")));
  assert.equal([line.name, line.msg, line.builder, typeof line.time, line.level], ["t", "hello", "b", "string", 30]);
});

test("redacts secret fields up to two levels down", () => {
  const text = logged((log) =>
    log.info({ seed: "s3", a: { jwt: "s3" }, b: { c: { userData: "s3", password: "s3" } } }, "x"),
  );
  assert.not.match(text, "s3");
  assert.match(text, "[secret]");
});

test("redacts seeds and JWTs anywhere in a line", () => {
  const text = logged((log) => {
    log.info(`message ${SEED}`);
    log.warn({ deep: { deeper: { deepest: [`x ${JWT} y`] } } }, "x");
    log.error({ err: new CbError("denied", `refused ${SEED}`, { cause: new Error(JWT) }) }, "x");
  });
  assert.not.match(text, SEED);
  assert.not.match(text, JWT);
  assert.is(text.split("[secret]").length - 1, 4);
});

test("writes a CbError with its kind and hint, and the stack of a bug only", () => {
  const line = (error: unknown) => JSON.parse(logged((log) => log.error({ err: error }, "x"))).err;
  const known = line(new CbError("config", "bad", { hint: "fix it" }));
  assert.equal([known.kind, known.message, known.hint, known.stack], ["config", "bad", "fix it", undefined]);
  assert.match(line(new TypeError("oops")).stack, "log.test.ts");
  assert.is(line("text").message, "text");
});

test.run();
