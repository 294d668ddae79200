/** A broken promise that a scenario found, in words that say what was promised. */
export class Finding extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'Finding'
  }
}

export function expectThat(condition: unknown, promise: string): asserts condition {
  if (!condition) throw new Finding(promise)
}
