/** One thing that a recipe reads from its caller's disk. */
export interface RecipeInput {
  /** As the recipe has it after its arguments are filled in: absolute, or relative to the caller's directory. */
  readonly path: string;
  /** `*`, `?` and `[…]` in the path are patterns; otherwise every character stands for itself. */
  readonly pattern: boolean;
  /** What becomes of symbolic links below it: apptainer copies what they lead to, buildah copies the links. */
  readonly links: "follow" | "keep";
  /** Where the recipe says so, for messages: `line 12: %files`. */
  readonly where: string;
  /** A script of the recipe names it, and makes it on the builder if the caller has none. */
  readonly perhapsMade?: true;
}
