/** The output of `site renew`: the ordered steps that bring the new keys to the hosts. */
import type { InitResult } from "../init.ts";
import { copySteps } from "../tree/changes-text.ts";
import type { Renewal } from "./renew.ts";

/**
 * A ready builder may wait for a day before it is replaced, a build may take 6 h (docs/reliability.md, "Limits"), and its credential
 * lives an hour longer.
 */
const OLD_KEY_HOURS = 24 + 6 + 1;

/** Ends with a line break. */
export function renewText(result: InitResult, renewal: Renewal, folder: string): string {
  const isAccountChange = Boolean(renewal.signingKeys || renewal.finish);
  const mustFinish = renewal.signingKeys || renewal.queueKey || renewal.ca || renewal.sealingKey;
  const steps = [
    ...copySteps(result, isAccountChange ? "keep" : "apply"),
    ...(renewal.signingKeys ? credentialSteps : []),
    ...(renewal.ca ? authoritySteps(folder) : []),
    ...(renewal.sealingKey ? [SEALING_KEY_STEP] : []),
    ...(mustFinish ? [`At last: cb-admin site renew ${folder} --finish`] : []),
  ];
  const done = [
    ...(renewal.signingKeys ? ["NATS accepts credentials of the old and of the new signing keys."] : []),
    ...(renewal.ca
      ? ["The files of all holders have the new CA and the old one. Servers keep their certificates."]
      : []),
    ...(renewal.sealingKey ? ["The queue opens secrets that are sealed to the new key and to the old one."] : []),
    ...(renewal.finish ? ["NATS refuses the old signing keys and the retired credentials."] : []),
  ];
  const next = steps.length === 0 ? [] : ["Next, in that folder:", ...steps.map((step, at) => `${at + 1}. ${step}`)];
  return [...done, ...next].map((line) => `${line}\n`).join("");
}

/** A build waits for at most 24 h (docs/reliability.md, "Limits"). */
const SEALING_KEY_STEP =
  'When all users have the new "sealingKey" of config.yaml, wait 24 hours, or longer if site.yaml lets builds wait longer: a build that waits with secrets for the old key would end as lost.';

const authoritySteps = (folder: string): string[] => [
  `Wait ${OLD_KEY_HOURS} hours after the restart of cb-queue, or longer if site.yaml sets longer builds: builders that wait, and running builds, know the old CA alone.`,
  `When all holders have the new ca.crt: cb-admin site renew ${folder} --certificates`,
];

const credentialSteps = [
  "The restarted cb-queue renews the credential of each user who builds or runs cb-status.",
  "Before the end: users with an older time under ISSUED have not done so (cb-admin user list). Ask them to run cb-status, or make a new credential, which ends the user's builds: cb-admin user add --force NAME > NAME.creds",
  `Wait ${OLD_KEY_HOURS} hours, or longer if site.yaml sets longer builds: builders that wait, and running builds, have credentials of the old key.`,
];
