import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseAckReply } from "../../../../lib/nats/jetstream/delivered.ts";

const test = suite("delivered message");

const position = { seq: 42, consumerSeq: 7, timestampMs: 1_795_457_056_985, pending: 3 };

test("parseAckReply() reads the nine tokens of nats-server 2.9", () => {
  assert.equal(parseAckReply("$JS.ACK.build-b1.r1.1.42.7.1795457056985222482.3"), position);
});

test("parseAckReply() reads the format with domain and account hash", () => {
  assert.equal(parseAckReply("$JS.ACK.hub.ACCHASH.build-b1.r1.1.42.7.1795457056985222482.3.rnd"), position);
});

test("parseAckReply() returns undefined for any other text", () => {
  for (const text of ["", "_INBOX.x", "$JS.ACK.s.c.1.x.7.1.3", "$JS.ACK.s"]) assert.is(parseAckReply(text), undefined);
});

test.run();
