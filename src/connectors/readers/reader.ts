/**
 * Readers of files: what turns bytes into values, page by page, in bounded memory. A reader is one file that exports one definition; `readers/list.ts` names
 * them. They read what the formats of the sinks write, and what others write in the same formats.
 */
import { type ConnectValue, DataError, type Schema } from '../../connector.ts'

/** A file that does not change while it is read. */
export interface ReadFile {
  readonly size: number
  /** Resolves to exactly these bytes. */
  slice(from: number, to: number): Promise<Buffer>
}

export interface ReadSettings {
  /** Longest line, cell or block in bytes; what is longer is an error. */
  readonly mostBytes: number
  readonly csvDelimiter: string
  readonly csvHeader: boolean
  /** Between records of `bytes`; empty: a file is one record. */
  readonly separator: string
  /** Whether a line of JSON becomes its text, and no value. */
  readonly jsonAsText: boolean
}

export interface ReadValue {
  readonly schema: Schema | null
  readonly value: ConnectValue
}

export type Pages = AsyncGenerator<readonly ReadValue[]>

export interface Reader {
  readonly name: string
  /** Java classes that mean it. */
  readonly classes: readonly string[]
  /** Reads the file anywhere, or, without this, from its beginning to its end, after decompression. */
  readonly readFile?: (file: ReadFile, settings: ReadSettings) => Pages
  readonly readBytes?: (bytes: AsyncIterable<Buffer>, settings: ReadSettings) => Pages
}

/** Of values in one page, about. */
export const pageValues = 1_000

export function tooLong(mostBytes: number): DataError {
  return new DataError(`a record has more than ${mostBytes} bytes (record.max.bytes)`)
}
