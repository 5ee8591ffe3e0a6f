/**
 * Which folder may import which. `npm run check` runs it as `depcruise cmd agent lib infra test`; an import that only brings a
 * type counts like any other. The order is explained in docs/architecture.md.
 */

/** The layers of lib, the lowest first. A layer imports itself and lower ones; folders of one layer do not import each other. */
const LAYERS = [
  ["core"],
  ["protocol"],
  ["nats", "config", "recipe", "oci"],
  ["transfer", "provider"],
  ["pool"],
  ["queue"],
];

/** Each folder of a layer, and the folders that it must not import: those above it and those beside it. */
const layerRules = LAYERS.flatMap((layer, level) =>
  layer.map((folder) => {
    const above = LAYERS.slice(level + 1).flat();
    const beside = layer.filter((other) => other !== folder);
    return {
      name: `lib-${folder}`,
      comment: `lib/${folder} imports lower layers only`,
      severity: "error",
      from: { path: `^lib/${folder}/` },
      to: { path: `^(?:lib/(?:${[...above, ...beside, "cli"].join("|")})|cmd|agent|infra|test)/` },
    };
  }),
);

export default {
  forbidden: [
    ...layerRules,
    {
      name: "lib-cli",
      comment: "the users' programs reach the queue through NATS, so lib/cli imports nothing that runs in the queue",
      severity: "error",
      from: { path: "^lib/cli/" },
      to: { path: "^(?:lib/(?:queue|pool|provider)|cmd|agent|infra|test)/" },
    },
    {
      name: "agent",
      comment: "the agent is bundled into one file for a builder; the queue's, the users' and the host's code stays out of it",
      severity: "error",
      from: { path: "^agent/" },
      to: { path: "^(?:lib/(?:queue|pool|provider|cli)|cmd|infra|test)/" },
    },
    {
      name: "infra",
      comment: "infra installs and starts programs; it imports none, and no test",
      severity: "error",
      from: { path: "^infra/" },
      to: { path: "^(?:cmd|agent|test)/" },
    },
    {
      name: "cmd",
      comment: "programs import no other program, no test, and nothing of the agent, which is a program itself",
      severity: "error",
      from: { path: "^cmd/" },
      to: { path: "^(?:cmd|agent|test)/" },
    },
    {
      name: "no-cycle",
      comment: "also cycles of types only",
      severity: "error",
      from: {},
      to: { circular: true },
    },
    {
      name: "resolvable",
      comment: "an import that names nothing was not checked against the layers",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    parser: "swc",
    tsPreCompilationDeps: true,
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^dist/" },
    enhancedResolveOptions: { extensions: [".ts", ".mjs", ".js"], exportsFields: ["exports"], conditionNames: ["import", "node", "default"] },
  },
};
