/**
 * Reads a socket into one buffer that is used again and again, as the option `onread` of net.Socket does. A TLS socket made over another
 * socket, as NATS needs it, ignores that option, and then Node makes a new buffer for each 16 KiB. So this sets what the option would set;
 * those fields are private to Node. If a version of Node has none, the socket is read as usual, which costs memory and processor time
 * (docs/performance.md), and nothing else.
 */
import type { Socket } from "node:net";

/** As much as Node reads from a socket at once. */
const BUFFER_BYTES = 64 * 1024;

/** `true`: read on. */
type OnRead = (bytes: number) => true;

/** Calls `onData` with all further data. It is valid during the call only, and the socket emits no "data". */
export function readInto(socket: Socket, onData: (data: Uint8Array) => void): void {
  const buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  const [bufferKey, callbackKey] = [keyOf(socket, "kBuffer"), keyOf(socket, "kBufferCb")];
  const handle: unknown = Reflect.get(socket, "_handle");
  if (bufferKey === undefined || callbackKey === undefined || !takesBuffer(handle)) {
    socket.on("data", onData);
    return;
  }
  const onRead: OnRead = (bytes) => {
    onData(buffer.subarray(0, bytes));
    return true;
  };
  Reflect.set(socket, bufferKey, buffer);
  Reflect.set(socket, callbackKey, onRead);
  handle.useUserBuffer(buffer);
  socket.resume();
}

const keyOf = (socket: Socket, name: string): symbol | undefined =>
  Object.getOwnPropertySymbols(socket).find(({ description }) => description === name);

function takesBuffer(handle: unknown): handle is { useUserBuffer(buffer: Uint8Array): void } {
  return typeof handle === "object" && handle !== null && typeof Reflect.get(handle, "useUserBuffer") === "function";
}
