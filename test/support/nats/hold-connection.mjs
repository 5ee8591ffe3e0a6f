/**
 * Preloaded into a shipped program (`node --import`). It blocks the whole program just before its connection number
 * CB_HOLD_CONNECTION: it creates the file CB_HOLD_FILE and waits until the test removes it. The program itself is unchanged.
 */
import { existsSync, writeFileSync } from "node:fs";
import { Socket } from "node:net";

const heldFile = process.env.CB_HOLD_FILE ?? "";
const heldConnection = Number(process.env.CB_HOLD_CONNECTION);
const POLL_MS = 10;
const neverNotified = new Int32Array(new SharedArrayBuffer(4));
const { connect } = Socket.prototype;
let connections = 0;

Socket.prototype.connect = function (...args) {
  connections += 1;
  if (connections === heldConnection) {
    writeFileSync(heldFile, "");
    while (existsSync(heldFile)) Atomics.wait(neverNotified, 0, 0, POLL_MS);
  }
  return connect.apply(this, args);
};
