import { suite } from "uvu";
import * as assert from "uvu/assert";
import { attemptBytes } from "../../../lib/queue/builds/streams.ts";
import { admit } from "../../../lib/queue/storage/admission.ts";

const test = suite("admission");

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const logBytes = GIB;
const figures = (freeBytes: number) => ({ freeBytes, totalBytes: 12 * GIB });

test("admit() accepts a build with space for exactly its context and its log, and refuses one byte less", () => {
  const neededBytes = 5 * MIB + attemptBytes(logBytes);
  const input = { contextBytes: 5 * MIB, logBytes, running: 0 };
  admit({ ...input, figures: figures(neededBytes) });
  assert.throws(() => admit({ ...input, figures: figures(neededBytes - 1) }), /no storage for this build/);
});

test("admit() refuses with the figures: free and total", () => {
  const input = { contextBytes: 0, logBytes, running: 0, figures: figures(0.45 * GIB) };
  assert.throws(() => admit(input), /storage: 0\.4 of 12 GiB free, 1281 MiB needed/);
});

test("admit() lets a build wait for the log of a running build, but not for space for its context", () => {
  const input = { contextBytes: 5 * MIB, logBytes, running: 1 };
  admit({ ...input, figures: figures(5 * MIB) });
  assert.throws(() => admit({ ...input, figures: figures(5 * MIB - 1) }), /no storage/);
});

test("admit() accepts a build when NATS does not report its storage", () => {
  admit({ figures: undefined, contextBytes: GIB, logBytes, running: 0 });
});

test.run();
