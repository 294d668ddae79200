/**
 * A file on its way: takes records, gives bytes in blocks, and knows how large it has become.
 *
 * Hides where a file's schema comes from when records have none, and the compression around the file.
 */
import type { ConnectValue, Schema } from '../../connector.ts'
import type { Body, Format, FormatOptions } from './format.ts'
import { conformed, fits, inferredFrom, settled, widened } from './infer.ts'
import { sameSchema } from './same-schema.ts'
import { Wrapper } from './wrapper.ts'

export type Wrapping = 'none' | 'gzip' | 'zstd'

export interface EncoderOptions extends FormatOptions {
  readonly wrapping: Wrapping
  /** Of gzip or zstd; null: theirs. */
  readonly level: number | null
}

const endings: Readonly<Record<Wrapping, string>> = { none: '', gzip: '.gz', zstd: '.zst' }

export function extensionOf(format: Format, wrapping: Wrapping): string {
  return format.extension + (format.wrappable ? endings[wrapping] : '')
}

export class Encoder {
  readonly #format: Format
  readonly #options: EncoderOptions
  readonly #seed: string
  /** Of the file, once it is known; null: the format needs none. */
  readonly #given: Schema | null
  readonly #wrapper: Wrapper | null
  #body: Body | null = null
  /** The inferred schema so far and what waits for it; null: not inferring, or settled. */
  #guess: Schema | null = null
  #settled: Schema | null = null
  #waiting: ConnectValue[] = []
  /** Bytes of all records, before compression. */
  size = 0
  /** Of these, bytes that are still here. */
  pending = 0
  ended = false

  /** Throws DataError when the format cannot hold the schema. */
  constructor(format: Format, options: EncoderOptions, schema: Schema | null, seed: string) {
    this.#format = format
    this.#options = options
    this.#seed = seed
    this.#given = schema
    this.#wrapper = options.wrapping === 'none' || !format.wrappable ? null : new Wrapper(options.wrapping, options.level)
    if (!format.needsSchema || schema !== null) this.#body = format.open(schema, options, seed)
  }

  /** Whether a record of such a schema can be in this file. Of formats without schemas every record can. */
  takes(value: ConnectValue, schema: Schema | null): boolean {
    if (!this.#format.needsSchema) return true
    if (schema !== null || this.#given !== null) return sameSchema(schema, this.#given)
    return this.#settled === null || fits(this.#settled, value)
  }

  /** Throws DataError, and has not taken it then. */
  add(value: ConnectValue, schema: Schema | null): void {
    let size: number
    if (this.#body !== null)
      size = this.#body.add(this.#settled === null ? value : conformed(value, this.#settled), schema ?? this.#settled)
    else {
      const guess = this.#guess === null ? inferredFrom(value) : widened(this.#guess, inferredFrom(value))
      // What the format cannot hold is refused now, while it is known which record brought it.
      if (this.#guess === null || !sameSchema(guess, this.#guess)) this.#format.open(settled(guess), this.#options, this.#seed)
      this.#guess = guess
      this.#waiting.push(value)
      size = sizeOf(value)
    }
    this.size += size
    this.pending += size
  }

  get isDue(): boolean {
    return this.pending >= this.#options.blockBytes
  }

  /** Bytes of what was added since; what a compressor keeps comes later. */
  async drain(): Promise<Buffer> {
    const block = this.#opened().take()
    return this.#wrapper === null ? block : await this.#wrapper.push(block)
  }

  async end(): Promise<Buffer> {
    this.ended = true
    const block = this.#opened().end()
    return this.#wrapper === null ? block : await this.#wrapper.end(block)
  }

  /** When it will not be ended. */
  close(): void {
    this.#wrapper?.close()
  }

  #opened(): Body {
    this.pending = 0
    if (this.#body !== null) return this.#body
    const schema = settled(this.#guess!)
    this.#body = this.#format.open(schema, this.#options, this.#seed)
    this.#settled = schema
    for (const value of this.#waiting) this.#body.add(conformed(value, schema), schema)
    this.#waiting = []
    return this.#body
  }
}

/** In memory, about. */
function sizeOf(value: ConnectValue | undefined): number {
  if (value === null || value === undefined) return 1
  if (typeof value === 'string' || Buffer.isBuffer(value)) return value.length + 8
  if (Array.isArray(value)) return value.reduce<number>((sum, each) => sum + sizeOf(each), 16)
  if (value instanceof Map) return [...value].reduce((sum, [key, each]) => sum + sizeOf(key) + sizeOf(each), 16)
  if (typeof value !== 'object') return 8
  return Object.values(value).reduce<number>((sum, each) => sum + sizeOf(each as ConnectValue), 16)
}
