/** A violated guarantee that a scenario found. The message describes the guarantee. */
export class Finding extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'Finding'
  }
}

export function expectThat(condition: unknown, promise: string): asserts condition {
  if (!condition) throw new Finding(promise)
}
