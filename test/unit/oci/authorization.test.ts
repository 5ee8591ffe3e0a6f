import { Agent } from "undici";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../lib/core/errors.ts";
import type { Registry } from "../../../lib/oci/address.ts";
import { authorize } from "../../../lib/oci/authorization.ts";

const test = suite("authorization");
const connection = { connections: new Agent(), signal: new AbortController().signal };
const login = { username: "site", password: "it's ä secret" };
const registry: Registry = { host: "reg.example", plainHttp: false, login };

async function refusal(of: Registry, header: string): Promise<string> {
  const error = await authorize(of, header, connection).then(String, (thrown: unknown) => thrown);
  assert.instance(error, CbError);
  assert.is((error as CbError).kind, "denied");
  return (error as CbError).message;
}

test("authorize() resolves with the login for a basic challenge", async () => {
  const value = await authorize(registry, 'Basic realm="x"', connection);
  assert.is(Buffer.from(value.replace("Basic ", ""), "base64").toString(), "site:it's ä secret");
});

test("authorize() refuses a token server without TLS, unless the registry is plain HTTP", async () => {
  for (const realm of ["http://auth.example/", "ftp://auth.example/", "/token", ""]) {
    assert.match(await refusal(registry, `Bearer realm="${realm}"`), "not https");
  }
});

test("authorize() names a missing login, and an unsupported scheme", async () => {
  assert.match(await refusal({ host: "reg.example", plainHttp: false }, "Basic realm=x"), "requires a login");
  assert.match(await refusal(registry, "Negotiate"), "negotiate");
});

test.run();
