/** What is asked of one thing, by its name, is done one after the other: of two starts of a task at once, one would leave a thread that nobody knows. */
interface Sequence {
  readonly done: Promise<void>
  readonly overtaken: AbortController
}

export class Sequences {
  /** The last one of each name. */
  readonly #last = new Map<string, Sequence>()

  /** Something is under way for it, or waits. */
  isBusy(name: string): boolean {
    return this.#last.has(name)
  }

  /** `overtaken`: something else was asked meanwhile, which waits for the end of this. */
  run(name: string, work: (overtaken: AbortSignal) => Promise<void>): Promise<void> {
    const before = this.#last.get(name)
    before?.overtaken.abort()
    const overtaken = new AbortController()
    const running = (before?.done ?? Promise.resolve()).then(() => work(overtaken.signal))
    const done = running
      .catch(() => {})
      .then(() => {
        if (this.#last.get(name)?.overtaken === overtaken) this.#last.delete(name)
      })
    this.#last.set(name, { done, overtaken })
    return running
  }

  /** Resolves when nothing that was asked until now is under way. */
  async done(): Promise<void> {
    await Promise.all(Array.from(this.#last.values(), each => each.done))
  }
}

/** null as soon as `signal` is aborted, whatever comes of `work` then. */
export async function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T | null> {
  const { promise, resolve } = Promise.withResolvers<null>()
  const stop = () => resolve(null)
  signal.addEventListener('abort', stop)
  if (signal.aborted) stop()
  try {
    return await Promise.race([promise, work])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
