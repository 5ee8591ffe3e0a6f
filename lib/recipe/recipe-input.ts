/** A path or a pattern that a recipe reads from the caller's disk. */
export interface RecipeInput {
  /** From the recipe, with build arguments substituted: absolute, or relative to the caller's directory. */
  readonly path: string;
  /** True: `*`, `?` and `[…]` in the path are patterns. False: every character is literal. */
  readonly pattern: boolean;
  /**
   * How to send symbolic links below the path: apptainer copies their targets (`follow`), buildah the links (`keep`).
   */
  readonly links: "follow" | "keep";
  /** Line and instruction of the recipe, for messages: `line 12: %files`. */
  readonly where: string;
  /** A script of the recipe may make the path. If the caller has no such file, the builder looks for it. */
  readonly mayBeMadeByScript?: true;
  /**
   * A pattern of COPY or ADD, or a path with an unknown end: buildah accepts that it matches nothing when another
   * source of the same instruction (the same `where`) exists.
   */
  readonly optional?: true;
}
