/**
 * The agent of a builder with a failed disk: the shipped agent, which is `shipped.mjs` beside this module, but it reports each success
 * as "broken", as soon as the test has written the file `transferred-ID` beside this module. ID: the first eight characters of
 * the builder's id. The report keeps its length, because NATS gets the length before the message.
 */
import { existsSync } from "node:fs";
import { TLSSocket } from "node:tls";

const SUCCESS = /"kind":"succeeded","bytes":\d+,"digest":"[^"]*"/;
const BROKEN = '"kind":"broken","reason":"the disk of the test failed';
const POLL_MS = 20;

const { write } = TLSSocket.prototype;

TLSSocket.prototype.write = function (chunk, ...rest) {
  const text = typeof chunk === "string" ? chunk : Buffer.from(chunk).toString("latin1");
  if (!SUCCESS.test(text)) return write.call(this, chunk, ...rest);
  const changed = text.replace(SUCCESS, ({ length }) => `${BROKEN.padEnd(length - 1, ".")}"`);
  const [, builder] = /"builder":"(.{8})/.exec(text) ?? [];
  const poll = setInterval(() => {
    if (!existsSync(new URL(`transferred-${builder}`, import.meta.url))) return;
    clearInterval(poll);
    write.call(this, Buffer.from(changed, "latin1"), ...rest);
  }, POLL_MS);
  return true;
};

// The test copies the shipped agent there, so this name exists only where the module runs.
await import(new URL("shipped.mjs", import.meta.url).href);
