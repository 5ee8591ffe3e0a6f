import { suite } from "uvu";
import * as assert from "uvu/assert";
import { connectError } from "../../../lib/nats/connect-error.ts";

const test = suite("connect error");

const systemError = (code: string) => Object.assign(new Error(`connect ${code} 192.0.2.1:4222`), { code });

for (const [codes, reason, hint] of [
  [
    ["ENETUNREACH", "EHOSTUNREACH", "ENETDOWN", "EHOSTDOWN", "EAFNOSUPPORT"],
    "no network",
    "the network of this machine",
  ],
  [["EACCES", "EPERM"], "this machine forbids", "firewall"],
  [["EMFILE", "ENFILE", "ENOMEM", "ENOBUFS", "EAGAIN", "EADDRNOTAVAIL"], "no free file descriptors", "ulimit -a"],
  [["ETIMEDOUT"], "no reply", "firewall"],
  [["ECONNRESET", "EPIPE"], "closed the connection", "try again"],
  [
    ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "SELF_SIGNED_CERT_IN_CHAIN", "DEPTH_ZERO_SELF_SIGNED_CERT"],
    "unknown CA",
    "NATS_CA",
  ],
  [["CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID"], "is not valid now", "the clock of this machine"],
  [["ERR_TLS_CERT_ALTNAME_INVALID"], "for another name", "NATS_SERVERNAME"],
  [["EPROTO"], "the connection failed", "ask your operator"],
] as const) {
  test(`connectError() explains ${codes.join(", ")}`, () => {
    for (const code of codes) {
      const error = connectError(systemError(code), "tls://nats.example:4222");
      assert.is(error.kind, "unreachable");
      assert.match(error.message, `cannot reach NATS at tls://nats.example:4222: `);
      assert.match(error.message, reason);
      assert.match(error.message, `(connect ${code} 192.0.2.1:4222)`);
      assert.match(error.hint ?? "", hint);
    }
  });
}

test.run();
