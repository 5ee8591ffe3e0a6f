/**
 * Preloaded into a shipped program (`node --import`): holds it, all of it, just before the connection whose number
 * CB_HOLD_CONNECTION gives, for as long as there is the file that CB_HOLD_FILE names. It makes that file itself when it gets
 * there, and the test removes it. Nothing in the program knows of it.
 */
import { existsSync, writeFileSync } from "node:fs";
import { Socket } from "node:net";

const heldFile = process.env.CB_HOLD_FILE ?? "";
const heldConnection = Number(process.env.CB_HOLD_CONNECTION);
const LOOK_AGAIN_MS = 10;
const nobodyWakes = new Int32Array(new SharedArrayBuffer(4));
const { connect } = Socket.prototype;
let connections = 0;

Socket.prototype.connect = function (...args) {
  connections += 1;
  if (connections === heldConnection) {
    writeFileSync(heldFile, "");
    while (existsSync(heldFile)) Atomics.wait(nobodyWakes, 0, 0, LOOK_AGAIN_MS);
  }
  return connect.apply(this, args);
};
