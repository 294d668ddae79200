/**
 * Pages of metrics, each written once for all scrapers that ask at the same time. A page of a large cluster can have a hundred megabytes, and
 * a scraper may take seconds to read it. While two pages are being read, further scrapers get the later one, so that memory does not grow
 * with the number of scrapers.
 */

interface Lent {
  readonly pieces: readonly Buffer[]
  readers: number
}

const mostLent = 2

export class Pages {
  readonly #render: () => AsyncGenerator<string, void>
  /** The later ones last. */
  readonly #lent = new Set<Lent>()
  #underWay: Promise<Lent> | null = null

  constructor(render: () => AsyncGenerator<string, void>) {
    this.#render = render
  }

  /** The page stays in memory until `read` has settled. */
  async lend(read: (pieces: readonly Buffer[]) => Promise<void>): Promise<void> {
    const page = this.#lent.size < mostLent ? await this.#next() : [...this.#lent].at(-1)!
    page.readers++
    this.#lent.add(page)
    try {
      await read(page.pieces)
    } finally {
      if (--page.readers === 0) this.#lent.delete(page)
    }
  }

  #next(): Promise<Lent> {
    this.#underWay ??= this.#write().finally(() => {
      this.#underWay = null
    })
    return this.#underWay
  }

  async #write(): Promise<Lent> {
    const pieces: Buffer[] = []
    for await (const piece of this.#render()) pieces.push(Buffer.from(piece))
    return { pieces, readers: 0 }
  }
}
