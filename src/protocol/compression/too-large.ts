/** The input is valid so far, but its output would exceed the caller's limit. */
export class TooLarge extends Error {}
