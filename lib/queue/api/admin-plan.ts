/** `admin.plan`: the actions that each pool's reconciler would take now. */
import type { Clock } from "../../core/clock.ts";
import type { Pool } from "../../pool/pool.ts";
import type { Action } from "../../pool/reconciler/observation.ts";
import type { PlanReply } from "../../protocol/admin-messages.ts";

export async function previewPlans(pools: ReadonlyMap<string, Pool>, clock: Clock): Promise<PlanReply> {
  const previews = await Promise.all([...pools].map(async ([name, pool]) => ({ name, ...(await pool.preview()) })));
  return {
    v: 1,
    nowMs: clock.nowMs(),
    pools: previews.map(({ name, plan }) => ({
      name,
      actions: plan.actions.map((action) => ({ what: actionText(action), reason: action.reason })),
      reason: plan.reason,
      nextPassAtMs: Math.ceil(plan.nextPassAtMs),
    })),
  };
}

/** An action as an operator reads it. Pure. */
export function actionText(action: Action): string {
  switch (action.kind) {
    case "create":
      return `create a builder in slot ${action.slot}`;
    case "noteMachine":
      return `record that the machine of builder ${action.builder} exists`;
    case "destroy":
      return action.call ? `destroy builder ${action.builder}` : `give up builder ${action.builder}`;
    case "destroyUnrecorded":
      return `destroy the machine ${action.builder}`;
    case "gone":
      return `close the record of builder ${action.builder}`;
    case "freeSlot":
      return `free slot ${action.slot}`;
    case "lost":
      return `report builder ${action.builder} as lost, with build ${action.build}`;
    case "report":
      return `report the machine ${action.builder}, and leave it running`;
  }
}
