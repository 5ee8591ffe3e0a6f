/** An action of a plan, in words for an operator. Pure. */
import type { Action } from "../../pool/reconciler/observation.ts";

export function actionText(action: Action): string {
  switch (action.kind) {
    case "create":
      return `create a builder in slot ${action.slot}`;
    case "noteMachine":
      return `note that the machine of builder ${action.builder} is there`;
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
      return `report the machine ${action.builder}, and leave it`;
  }
}
