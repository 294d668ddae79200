/**
 * How many functions one person may test at the same time: a test takes a process for as long as its function likes, up to its time limit, and whoever else
 * tests one needs one, too.
 */
import { HttpError } from '../../http.ts'

const most = 2

export class TestsAtOnce {
  /** By principal: those under way, also if nobody waits for their answer any more. */
  readonly #running = new Map<string, number>()

  /** Throws HttpError 429. */
  async run<Result>(principal: string, test: () => Promise<Result>): Promise<Result> {
    const before = this.#running.get(principal) ?? 0
    if (before >= most)
      throw new HttpError(429, 429, `${principal} is testing ${most} functions already; at most ${most} run at the same time`, {
        headers: { 'retry-after': '1' },
      })
    this.#running.set(principal, before + 1)
    try {
      return await test()
    } finally {
      const left = this.#running.get(principal)! - 1
      if (left === 0) this.#running.delete(principal)
      else this.#running.set(principal, left)
    }
  }
}
