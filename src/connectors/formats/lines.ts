/** What was written and not yet taken. */
export class Lines {
  #parts: Buffer[] = []

  /** Returns how many bytes it was. */
  add(part: Buffer): number {
    this.#parts.push(part)
    return part.length
  }

  take(): Buffer {
    const all = Buffer.concat(this.#parts)
    this.#parts = []
    return all
  }
}
