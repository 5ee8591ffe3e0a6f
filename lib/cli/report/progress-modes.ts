/** How the progress of a build is shown; apart from progress-view.ts, so that a help text does not load the code that shows it. */
export const PROGRESS_MODES = ["auto", "plain", "json", "quiet"] as const;
export type ProgressMode = (typeof PROGRESS_MODES)[number];
