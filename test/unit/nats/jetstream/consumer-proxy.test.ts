import { suite } from "uvu";
import * as assert from "uvu/assert";
import { consumerRequest } from "../../../../lib/nats/jetstream/consumer-proxy.ts";

const test = suite("consumerRequest()");

const ID = "e6a0cd58-255c-4f17-b0df-51c5b0120d07";
const STREAM = `build-${ID}`;
const LOG = `build.${ID}.log`;
const subject = `guest.reader.${STREAM}.r1.${LOG}`;
const request = (config: object, stream_name = STREAM) => Buffer.from(JSON.stringify({ stream_name, config }));

/** The configuration of the consumer that the proxy requests. */
function accepted(config: object, at = subject): Record<string, unknown> {
  const decision = consumerRequest(at, request(config));
  assert.ok(decision.ok, JSON.stringify(decision));
  return decision.ok ? JSON.parse(decision.body).config : {};
}

/** The error of the refusal. */
function refused(at: string, body: Uint8Array): string {
  const decision = consumerRequest(at, body);
  assert.not(decision.ok, at);
  return decision.ok ? "" : decision.error;
}

test("consumerRequest() requests a pull consumer with the guest's name, filter and start", () => {
  const decision = consumerRequest(subject, request({ deliver_policy: "by_start_sequence", opt_start_seq: 7 }));
  assert.ok(decision.ok);
  assert.is(decision.ok && decision.subject, `$JS.API.CONSUMER.CREATE.${STREAM}.r1.${LOG}`);
  assert.equal(decision.ok && JSON.parse(decision.body), {
    stream_name: STREAM,
    config: {
      name: "r1",
      deliver_policy: "by_start_sequence",
      opt_start_seq: 7,
      filter_subject: LOG,
      ack_policy: "none",
      replay_policy: "instant",
      max_waiting: 16,
      inactive_threshold: 30_000_000_000,
      mem_storage: true,
      num_replicas: 1,
    },
  });
});

test("consumerRequest() ignores every other field of the guest's request", () => {
  const fixed = { durable_name: "d", ack_policy: "explicit", max_waiting: 1e6, num_replicas: 5, mem_storage: false };
  const others = {
    name: "other",
    filter_subject: "x",
    deliver_group: "g",
    flow_control: true,
    backoff: [1],
    metadata: {},
  };
  assert.equal(accepted({ ...fixed, ...others }), accepted({}));
});

test("consumerRequest() limits the inactive threshold to exactly five minutes", () => {
  assert.is(accepted({ inactive_threshold: 300_000_000_000 }).inactive_threshold, 300_000_000_000);
  assert.is(accepted({ inactive_threshold: 300_000_000_001 }).inactive_threshold, 300_000_000_000);
});

test("consumerRequest() accepts a bucket's stream, and a subject without a filter", () => {
  const bucket = `OBJ_build-${ID}`;
  assert.ok(consumerRequest(`guest.reader.${bucket}.r1.$O.build-${ID}.C.>`, request({}, bucket)).ok);
  assert.not("filter_subject" in accepted({}, `guest.reader.${STREAM}.r1`));
});

test("consumerRequest() refuses a deliver_subject of any value", () => {
  for (const deliver_subject of ["queue.cancel.victim", "_INBOX.x", 7, null, {}]) {
    assert.match(refused(subject, request({ deliver_subject })), /deliver_subject/);
  }
});

test("consumerRequest() refuses a stream that is not of a build, and a body that names another stream than the subject", () => {
  for (const stream of ["builders", "KV_leases", ID, `OBJ_${ID}`, `build-${ID}x`, "*", ">", `archive-${ID}`]) {
    refused(`guest.reader.${stream}.r1.x`, request({}, stream));
  }
  const other = "60c95481-92f3-4491-94d3-14c45bfbc279";
  assert.match(refused(subject, request({}, `build-${other}`)), /not the stream/);
});

test("consumerRequest() refuses invalid names, filters and bodies", () => {
  for (const name of ["", "*", ">", "a b", "x".repeat(65)]) refused(`guest.reader.${STREAM}.${name}`, request({}));
  for (const filter of ["a b", "x\r\ny", `${"x".repeat(201)}`])
    refused(`guest.reader.${STREAM}.r1.${filter}`, request({}));
  const bodies = ["", "null", "[]", "{", '{"stream_name":1}', `{"stream_name":"${STREAM}"}`, " ".repeat(5000)];
  for (const body of bodies) refused(subject, Buffer.from(body));
  for (const config of [
    { opt_start_seq: 0 },
    { opt_start_seq: 1.5 },
    { deliver_policy: "x" },
    { inactive_threshold: -1 },
  ]) {
    refused(subject, request(config));
  }
});

test.run();
