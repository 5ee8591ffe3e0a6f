import type { Recipe } from "../bus/build-messages.ts";
import type { Want } from "./want.ts";
export function wantsOf(_r: Recipe): Want[] {
  return [];
}
