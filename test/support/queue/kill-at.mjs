/**
 * Preloaded into a shipped program (`node --import`): kills it with SIGKILL at one message between the program and NATS, or lets
 * that connection send nothing from this message on.
 * The environment variable CB_KILL_AT names a file with a KillPoint in JSON. The test writes the file while the program
 * runs; this module deletes it before the kill. The program is unchanged: this module patches the plaintext side of its TLS
 * connection.
 */
import { readFileSync, rmSync } from "node:fs";
import { TLSSocket } from "node:tls";

// Without it, the program reads its connections as usual (lib/nats/read-into.ts), by push() of the socket.
process.binding("tls_wrap").TLSWrap.prototype.useUserBuffer = undefined;

const pointFile = process.env.CB_KILL_AT ?? "";
const { write, push } = TLSSocket.prototype;
/** The reply subject of the message that was sent; the kill follows when the reply arrives. */
let awaitedReply;
let isKilling = false;
/** A connection that sends nothing more. */
let heldSocket;

/** Read before each write, because the test may write the file at any time. */
function pointNow() {
  try {
    const { subject, payload, when } = JSON.parse(readFileSync(pointFile, "utf8"));
    return { subject: new RegExp(subject), payload: new RegExp(payload, "s"), when };
  } catch {
    return undefined;
  }
}

function killSelf() {
  rmSync(pointFile, { force: true });
  process.kill(process.pid, "SIGKILL");
}

/** The messages in a chunk; nats.js never splits a message. */
function* framesOf(bytes) {
  let at = 0;
  for (;;) {
    const lineEnd = bytes.indexOf("\r\n", at);
    if (lineEnd < 0) return;
    const tokens = bytes.toString("latin1", at, lineEnd).split(" ");
    const publishes = tokens[0] === "PUB" || tokens[0] === "HPUB";
    const size = publishes ? Number(tokens.at(-1)) : 0;
    const end = publishes ? lineEnd + 2 + size + 2 : lineEnd + 2;
    if (publishes) {
      const reply = tokens.length === (tokens[0] === "PUB" ? 4 : 5) ? tokens[2] : undefined;
      yield { at, subject: tokens[1], reply, text: bytes.toString("utf8", lineEnd + 2, lineEnd + 2 + size) };
    }
    at = end;
  }
}

TLSSocket.prototype.write = function (chunk, ...rest) {
  if (isKilling || heldSocket === this) return false;
  const point = pointNow();
  if (point === undefined || typeof chunk === "string") return write.call(this, chunk, ...rest);
  const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  for (const frame of framesOf(bytes)) {
    if (!point.subject.test(frame.subject) || !point.payload.test(frame.text)) continue;
    if (point.when === "hold") {
      heldSocket = this;
      rmSync(pointFile, { force: true });
      return write.call(this, bytes.subarray(0, frame.at));
    }
    if (point.when === "before") {
      isKilling = true;
      if (frame.at === 0) killSelf();
      return write.call(this, bytes.subarray(0, frame.at), killSelf);
    }
    if (frame.reply === undefined) {
      isKilling = true;
      return write.call(this, chunk, killSelf);
    }
    awaitedReply = frame.reply;
    rmSync(pointFile, { force: true });
    break;
  }
  return write.call(this, chunk, ...rest);
};

TLSSocket.prototype.push = function (chunk, ...rest) {
  if (awaitedReply !== undefined && chunk?.includes(`${awaitedReply} `)) killSelf();
  return push.call(this, chunk, ...rest);
};
