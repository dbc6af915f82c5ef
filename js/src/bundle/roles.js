/** What a program of a bundle is for, as far as it is run here. */

export const LEVEL = "level";
export const CONTROLLER = "controller";
export const ROLES = [LEVEL, CONTROLLER];

// The outputs of a controller.
export const CHOICE = "choice";
export const ANSWER = "answer";
