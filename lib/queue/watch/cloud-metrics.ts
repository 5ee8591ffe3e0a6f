/** Counts the calls to the services of an OpenStack cloud, by the kind of reply. */
import type { Registry } from "../../core/metrics.ts";
import type { OnCall } from "../../provider/openstack/api/session.ts";

export function countCloudCalls(registry: Registry): OnCall {
  const calls = registry.counter({
    name: "container_builder_openstack_calls_total",
    help: "Calls to the services of OpenStack, by the kind of reply.",
    labels: ["service", "result"],
  });
  return (service, status) => calls.add(1, { service, result: resultOf(status) });
}

/** A login that the cloud refuses, a rate limit and a cloud that fails have different remedies. */
function resultOf(status: number | undefined): string {
  if (status === undefined) return "no_reply";
  if (status === 401 || status === 403) return "refused";
  if (status === 413 || status === 429) return "limited";
  if (status >= 500) return "server_error";
  return status >= 400 ? "client_error" : "ok";
}
