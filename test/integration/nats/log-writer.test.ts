/** LogWriter publishes output completely, split at line ends, and bounded. */
import { randomBytes } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { StreamReader } from "../../../lib/nats/jetstream/reader.ts";
import { LogTooLong, LogWriter } from "../../../lib/transfer/log-writer.ts";
import {
  addStream,
  LOG,
  numbered,
  onServer,
  publisherOn,
  type ServerWorld,
  STREAM,
  stored,
} from "../../support/nats/log-stream.ts";
import { rejection } from "../../support/rejection.ts";

const test = suite<ServerWorld>("log writer");
onServer(test);

test("LogWriter publishes a line of 10 MB with all byte values completely", async (world) => {
  await addStream(world);
  const publisher = publisherOn(world.guest);
  const writer = new LogWriter(publisher, { subject: LOG, maxBytes: 20 * 1024 * 1024 });
  const line = randomBytes(10_000_000).map((byte) => (byte === 10 ? 11 : byte));
  for (let at = 0; at < line.length; at += 65_536) await writer.write(line.subarray(at, at + 65_536));
  await writer.write(Buffer.from("\nnext\n"));
  await writer.end();
  publisher.close();
  const got = await stored(world.guest);
  assert.ok(got.data.equals(Buffer.concat([line, Buffer.from("\nnext\n")])));
  assert.ok(got.messages.length > 300);
});

test("LogWriter splits at line ends, and sends an incomplete line after partialMs", async (world) => {
  await addStream(world);
  const publisher = publisherOn(world.guest);
  const writer = new LogWriter(publisher, { subject: LOG, maxBytes: 1e6, batchBytes: 1000 });
  const reader = new StreamReader(world.core, { stream: STREAM, filter: LOG });
  await writer.write(Buffer.from("one\ntwo\nContinue? "));
  const first: string[] = [];
  for await (const { data } of reader) {
    first.push(Buffer.from(data).toString());
    if (first.length === 2) break;
  }
  assert.equal(first, ["one\ntwo\n", "Continue? "]);
  const lines = Buffer.concat(numbered(0, 2000));
  await writer.write(lines);
  await writer.end();
  publisher.close();
  const got = await stored(world.core);
  assert.ok(got.messages.slice(2).every((message) => message.at(-1) === 10 && message.length <= 1000));
  assert.ok(Buffer.concat(got.messages.slice(2)).equals(lines));
});

test("LogWriter sends a line after a pause at once, and the lines that follow together after batchMs", async (world) => {
  await addStream(world);
  const publisher = publisherOn(world.guest);
  const writer = new LogWriter(publisher, { subject: LOG, maxBytes: 1e6, batchMs: 3_600_000 });
  const reader = new StreamReader(world.core, { stream: STREAM, filter: LOG });
  await writer.write(Buffer.from("one\n"));
  for await (const { data } of reader) {
    assert.is(Buffer.from(data).toString(), "one\n");
    break;
  }
  await writer.write(Buffer.from("two\n"));
  await writer.write(Buffer.from("three\n"));
  await writer.end();
  publisher.close();
  assert.equal((await stored(world.core)).messages.map(String), ["one\n", "two\nthree\n"]);
});

test("LogWriter rejects with LogTooLong beyond maxBytes, and the log holds exactly maxBytes", async (world) => {
  await addStream(world);
  const publisher = publisherOn(world.guest);
  const writer = new LogWriter(publisher, { subject: LOG, maxBytes: 100 });
  await writer.write(Buffer.alloc(100, "a"));
  assert.instance(await rejection(writer.write(Buffer.from("b"))), LogTooLong);
  assert.instance(await rejection(writer.write(Buffer.from("c"))), LogTooLong);
  await writer.end();
  publisher.close();
  assert.is((await stored(world.core)).data.toString(), "a".repeat(100));
});

test.run();
