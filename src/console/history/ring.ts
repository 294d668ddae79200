/** The newest numbers of a series, with the time of each. */
export class Ring {
  readonly #most: number
  readonly times: number[] = []
  /** null: not known then. */
  readonly values: (number | null)[] = []

  constructor(most: number) {
    this.#most = most
  }

  add(atMs: number, value: number | null): void {
    this.times.push(atMs)
    this.values.push(value)
    if (this.times.length <= this.#most) return
    this.times.shift()
    this.values.shift()
  }

  get last(): number | null {
    return this.values.at(-1) ?? null
  }
}
