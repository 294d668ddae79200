/** Lines of what a function writes: it comes in pieces, which end wherever a pipe was full, also within a character. */
import { StringDecoder } from 'node:string_decoder'

/** In characters; what is longer is cut. */
export const longestLine = 16_384

export class Lines {
  readonly #decoder = new StringDecoder('utf8')
  /** Of the line that has no end yet, as much as is kept. */
  #begin = ''
  #length = 0

  /** Those that are complete now. */
  take(chunk: Buffer): string[] {
    const pieces = this.#decoder.write(chunk).split('\n')
    const last = pieces.pop()!
    const complete = pieces.map(piece => {
      this.#add(piece)
      return this.#end()
    })
    this.#add(last)
    return complete
  }

  /** What will have no end; null: nothing. */
  rest(): string | null {
    this.#add(this.#decoder.end())
    return this.#length === 0 ? null : this.#end()
  }

  #add(piece: string): void {
    if (this.#length < longestLine) this.#begin += piece.slice(0, longestLine - this.#length)
    this.#length += piece.length
  }

  #end(): string {
    const line = this.#length > longestLine ? `${this.#begin}… (${this.#length} characters)` : this.#begin
    this.#begin = ''
    this.#length = 0
    return line
  }
}
