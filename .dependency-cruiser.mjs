/**
 * The folders that each folder may import from. `npm run layers` and `npm run check` apply these rules. An import of a type counts
 * like any other import. docs/architecture.md explains the order.
 */

/** The layers of lib, the lowest first. A folder imports from lower layers only, and not from the other folders of its layer. */
const LAYERS = [
  ["core"],
  ["protocol"],
  ["nats", "config", "recipe", "oci"],
  ["transfer", "provider"],
  ["pool"],
  ["queue"],
];

/** One rule for each folder, with the folders above it and beside it. */
const layerRules = LAYERS.flatMap((layer, level) =>
  layer.map((folder) => {
    const above = LAYERS.slice(level + 1).flat();
    const beside = layer.filter((other) => other !== folder);
    return {
      name: `lib-${folder}`,
      comment: `lib/${folder} imports from lower layers only`,
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
      comment: "the users' programs reach the queue through NATS, so they import none of its code",
      severity: "error",
      from: { path: "^lib/cli/" },
      to: { path: "^(?:lib/(?:queue|pool|provider)|cmd|agent|infra|test)/" },
    },
    {
      name: "agent",
      comment: "the agent is bundled for a builder, without the code of the queue, the users' programs and the host",
      severity: "error",
      from: { path: "^agent/" },
      to: { path: "^(?:lib/(?:queue|pool|provider|cli)|cmd|infra|test)/" },
    },
    {
      name: "infra",
      comment: "infra installs and starts programs, and imports none of them and no test",
      severity: "error",
      from: { path: "^infra/" },
      to: { path: "^(?:cmd|agent|test)/" },
    },
    {
      name: "cmd",
      comment: "a program imports no other program, and the agent is a program too",
      severity: "error",
      from: { path: "^cmd/" },
      to: { path: "^(?:cmd|agent|test)/" },
    },
    {
      name: "no-cycle",
      comment: "a cycle of types counts too",
      severity: "error",
      from: {},
      to: { circular: true },
    },
    {
      name: "resolvable",
      comment: "an import that cannot be resolved is not checked against the layers",
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
    enhancedResolveOptions: {
      extensions: [".ts", ".mjs", ".js"],
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default"],
    },
  },
};
