/**
 * Preloaded into a shipped program (`node --import`), with hold-connection.mjs: makes the held connection a slow one on the
 * program's own clock. From that connection on `performance.now()` is CB_CONNECT_MS ahead, so that no test has to wait for it.
 */
import { Socket } from "node:net";
import "../nats/hold-connection.mjs";

const connectMs = Number(process.env.CB_CONNECT_MS);
const heldConnection = Number(process.env.CB_HOLD_CONNECTION);
const { connect } = Socket.prototype;
const realNow = performance.now.bind(performance);
let connections = 0;

Socket.prototype.connect = function (...args) {
  connections += 1;
  const result = connect.apply(this, args);
  if (connections === heldConnection) performance.now = () => realNow() + connectMs;
  return result;
};
