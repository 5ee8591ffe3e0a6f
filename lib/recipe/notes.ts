import type { Recipe } from "../bus/build-messages.ts";
export function recipeNotes(_r: Recipe): string[] {
  return [];
}
