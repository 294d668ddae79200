/** The input is sound so far, but would become larger than the caller allows. */
export class TooLarge extends Error {}
