/** Formats of files: what turns values into bytes. A format is one file that exports one definition; `formats/list.ts` names them. */
import type { ConnectValue, Schema } from '../../connector.ts'

export interface FormatOptions {
  /** What blocks within the file are compressed with, for formats that do so, by the format's own name for it; null: the format's default. */
  readonly codec: string | null
  readonly decimals: 'number' | 'string' | 'base64'
  readonly csvDelimiter: string
  readonly csvHeader: boolean
  /** Between records of `bytes`. */
  readonly separator: string
  /** Raw bytes of a row group, or of a block. */
  readonly blockBytes: number
}

export interface Format {
  readonly name: string
  /** Java classes that mean it. */
  readonly classes: readonly string[]
  readonly extension: string
  /** Whether a file has one schema. Then records without one get a schema that is inferred. */
  readonly needsSchema: boolean
  /** Whether gzip or zstd around the file makes sense: not where blocks are compressed within. */
  readonly wrappable: boolean
  /** Default of {@link FormatOptions.blockBytes}. */
  readonly blockBytes: number
  /** Throws DataError when the format cannot hold such a schema. `seed` is the same whenever the same file is written again. */
  readonly open: (schema: Schema | null, options: FormatOptions, seed: string) => Body
}

/** One file that is being written. */
export interface Body {
  /** Takes a value; returns how many bytes it has, about. Throws DataError, and has not taken it then. */
  add(value: ConnectValue, schema: Schema | null): number
  /** The bytes of all that was added since. */
  take(): Buffer
  /** Like take, with what ends the file. */
  end(): Buffer
}
