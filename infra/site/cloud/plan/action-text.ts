/** The actions of a plan for people. */
import { type Action, type Outdated, ruleText, type SitePlan } from "./site-state.ts";

/** The title of a step: "Creating the server lab-n1". */
export function actionTitle(action: Action): string {
  return `${TITLES[action.kind]} ${action.name}${detailOf(action)}`;
}

const TITLES: Readonly<Record<Action["kind"], string>> = {
  "create-group": "Creating the security group",
  "add-rule": "Opening the security group",
  "remove-rule": "Closing the security group",
  "delete-group": "Deleting the security group",
  "upload-image": "Uploading the image",
  "delete-image": "Deleting the image",
  "create-port": "Creating the port",
  "set-port-groups": "Changing the security groups of the port",
  "attach-address": "Attaching a floating address to the port",
  "delete-port": "Deleting the port",
  "create-server": "Creating the server",
  "start-server": "Starting the server",
  "await-server": "Waiting for the server",
  "stop-server": "Stopping the server",
  "delete-server": "Deleting the server",
  "await-nats": "Waiting for NATS on",
  "await-data": "Waiting for all data on",
  "await-queue": "Waiting for cb-queue on",
  backup: "Saving the data of",
  restore: "Restoring the data of",
  "delete-builders": "Deleting the builders of",
};

function detailOf(action: Action): string {
  if (action.kind === "add-rule" || action.kind === "remove-rule") return `, ${ruleText(action.rule)}`;
  if (action.kind === "attach-address") return `, ${action.address}`;
  return "";
}

/** The plan before it is executed. Ends with a line break. */
export function planText({ actions, refusals, outdated }: SitePlan, folder: string): string {
  const lines = actions.length === 0 && refusals.length === 0 ? ["nothing to do"] : actions.map(actionTitle);
  return textOf([...refusals, ...lines, ...outdatedLines(outdated, folder)]);
}

/** The plan after it was executed; the steps have shown its actions. Ends with a line break. */
export function resultText({ actions, outdated }: SitePlan, folder: string): string {
  const line =
    actions.length === 0 ? "nothing to do" : outdated.length === 0 ? "the site is as site.yaml describes it" : "";
  return textOf([...(line === "" ? [] : [line]), ...outdatedLines(outdated, folder)]);
}

function outdatedLines(outdated: readonly Outdated[], folder: string): string[] {
  if (outdated.length === 0) return [];
  const hosts = outdated.map(({ name, reasons }) => `  ${name}: ${reasons.join("; ")}`);
  return [`not as site.yaml describes it (cb-admin site update ${folder}):`, ...hosts];
}

const textOf = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join("");
