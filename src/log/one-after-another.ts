/** Actions that must not overlap: each begins when the one before has ended, however that ended. */
export class OneAfterAnother {
  #last: Promise<void> = Promise.resolve()

  async run<T>(action: () => Promise<T>): Promise<T> {
    const before = this.#last
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#last = promise
    await before
    try {
      return await action()
    } finally {
      resolve()
    }
  }

  /** Resolves when all that was begun until now has ended. */
  idle(): Promise<void> {
    return this.#last
  }
}
