/** Checks the path of the image before anything is sent. */
import { CbError } from "../../core/errors.ts";
import { checkTarget } from "../../transfer/target.ts";
import { absolute } from "./working-directory.ts";

/**
 * Returns the absolute path. `recipe`: a path that the image must not replace. Throws CbError "usage" when the file exists and
 * `force` is false, "output" when it cannot be written.
 */
export async function checkImagePath(image: string, force: boolean, recipe?: string): Promise<string> {
  if (image === "") throw new CbError("usage", "the image has no name", { hint: "the order is IMAGE RECIPE" });
  const path = absolute(image);
  if (recipe !== undefined && path === absolute(recipe)) {
    throw new CbError("usage", `${image} is the recipe; the image would replace it`, {
      hint: "the order is IMAGE RECIPE",
    });
  }
  await checkTarget({ path, force });
  return path;
}
