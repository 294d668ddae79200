/**
 * Cuts a stream of bytes into JSON documents: objects one after another, or the elements of one array, as Confluent's proxy takes them.
 *
 * Only as much is looked at as it takes to find the ends. Whether a document is valid its parser decides.
 */

export class MalformedStream extends Error {}

const openBrace = 0x7b
const closeBrace = 0x7d
const openBracket = 0x5b
const closeBracket = 0x5d
const quote = 0x22
const backslash = 0x5c
const comma = 0x2c
const empty = Buffer.alloc(0)

export class DocumentCutter {
  readonly #mostBytes: number
  /** Of the document that has begun, in front; grows, because a sender may send it byte by byte, and each piece would take more memory than what it holds. */
  #begun: Buffer = empty
  #size = 0
  #depth = 0
  #inString = false
  #escaped = false
  #place: 'start' | 'sequence' | 'array' | 'after array' = 'start'

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes
  }

  /** Adds the documents that end in this chunk. Throws MalformedStream after those before the damage. */
  push(chunk: Buffer, documents: Buffer[]): void {
    let begin = 0
    for (let at = 0; at < chunk.length; at++) {
      const code = chunk[at]!
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false
        else if (code === backslash) this.#escaped = true
        else if (code === quote) this.#inString = false
      } else if (this.#depth === 0) {
        if (!this.#between(code)) continue
        begin = at
        this.#depth = 1
      } else if (code === quote) this.#inString = true
      else if (code === openBrace || code === openBracket) this.#depth++
      else if ((code === closeBrace || code === closeBracket) && --this.#depth === 0) {
        documents.push(this.#take(chunk.subarray(begin, at + 1)))
      }
    }
    if (this.#depth > 0) this.#keep(chunk.subarray(begin))
  }

  /** At the end of the stream. */
  end(): void {
    if (this.#depth > 0 || this.#place === 'array') throw new MalformedStream('Unexpected end-of-input')
  }

  /** Whether a document begins. */
  #between(code: number): boolean {
    if (code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09) return false
    if (this.#place === 'start') {
      this.#place = code === openBracket ? 'array' : 'sequence'
      if (this.#place === 'array') return false
    }
    if (this.#place === 'array' && code === comma) return false
    if (this.#place === 'array' && code === closeBracket) {
      this.#place = 'after array'
      return false
    }
    if (code === openBrace && this.#place !== 'after array') return true
    throw new MalformedStream(`Unexpected character ('${String.fromCharCode(code)}' (code ${code})): expected an object`)
  }

  #take(end: Buffer): Buffer {
    if (this.#size === 0) {
      this.#requireRoom(end.length)
      return end
    }
    this.#keep(end)
    const document = this.#begun.subarray(0, this.#size)
    this.#begun = empty
    this.#size = 0
    return document
  }

  #keep(piece: Buffer): void {
    const size = this.#size + piece.length
    this.#requireRoom(size)
    if (size > this.#begun.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(size, Math.min(2 * size, this.#mostBytes)))
      this.#begun.copy(larger, 0, 0, this.#size)
      this.#begun = larger
    }
    piece.copy(this.#begun, this.#size)
    this.#size = size
  }

  #requireRoom(size: number): void {
    if (size > this.#mostBytes) throw new MalformedStream('Produce request size is larger than allowed threshold')
  }
}
