/**
 * Comma-separated values, RFC 4180. Every cell is text; nothing at all is null, `""` is the empty string. The columns are named by the header, or `c1`, `c2`
 * and so on. A row with fewer cells has null for the others.
 */
import { StringDecoder } from 'node:string_decoder'
import { type ConnectValue, DataError, type Schema, struct } from '../../connector.ts'
import { pageValues, type Reader, type ReadValue, tooLong } from './reader.ts'

type Row = (string | null)[]

export const csvReader: Reader = {
  name: 'csv',
  classes: [],
  async *readBytes(bytes, { csvDelimiter, csvHeader, mostBytes }) {
    const rows = new Rows(csvDelimiter, mostBytes)
    const decoder = new StringDecoder('utf8')
    let columns: Columns | null = null
    let page: ReadValue[] = []
    const take = (row: Row) => {
      if (columns !== null) page.push(columns.valueOf(row))
      else if (csvHeader) columns = new Columns(row.map(name => name ?? ''))
      else {
        columns = new Columns(row.map((_, at) => `c${at + 1}`))
        page.push(columns.valueOf(row))
      }
    }
    for await (const part of bytes) {
      for (const row of rows.read(decoder.write(part))) {
        take(row)
        if (page.length === pageValues) {
          yield page
          page = []
        }
      }
    }
    for (const row of rows.end(decoder.end())) take(row)
    if (page.length > 0) yield page
  },
}

class Columns {
  readonly #names: readonly string[]
  readonly #schema: Schema

  constructor(names: readonly string[]) {
    const twice = names.find((name, at) => names.indexOf(name) !== at)
    if (twice !== undefined) throw new DataError(`the header has two columns ${JSON.stringify(twice.slice(0, 100))}`)
    this.#names = names
    this.#schema = { type: 'struct', fields: names.map(name => ({ name, schema: { type: 'string', optional: true } })) }
  }

  valueOf(row: Row): ReadValue {
    if (row.length > this.#names.length) throw new DataError(`a row has ${row.length} cells, and there are ${this.#names.length} columns`)
    return { schema: this.#schema, value: struct(this.#names.map((name, at): [string, ConnectValue] => [name, row[at] ?? null])) }
  }
}

/** A row may go on in the next piece of text, in the middle of a cell. */
class Rows {
  readonly #delimiter: string
  readonly #most: number
  #rest = ''

  constructor(delimiter: string, most: number) {
    this.#delimiter = delimiter
    this.#most = most
  }

  read(text: string): Row[] {
    this.#rest += text
    return this.#take(false)
  }

  end(text: string): Row[] {
    this.#rest += text
    return this.#take(true)
  }

  #take(isEnd: boolean): Row[] {
    const rows: Row[] = []
    let from = 0
    for (;;) {
      const found = this.#row(from, isEnd)
      if (found === null) break
      // An empty line is no row.
      if (found.row.length > 1 || found.row[0] !== null) rows.push(found.row)
      from = found.next
    }
    this.#rest = this.#rest.slice(from)
    if (this.#rest.length > this.#most) throw tooLong(this.#most)
    return rows
  }

  /** null: its end is not there yet, or there is none. */
  #row(from: number, isEnd: boolean): { row: Row; next: number } | null {
    const text = this.#rest
    if (from >= text.length) return null
    const row: Row = []
    for (let at = from; ; ) {
      const cell = text[at] === '"' ? this.#quoted(at, isEnd) : this.#plain(at, isEnd)
      if (cell === null) return null
      row.push(cell.value)
      const { end } = cell
      if (end >= text.length) return { row, next: end }
      if (text[end] === this.#delimiter) {
        at = end + 1
        // The last cell is empty.
        if (at >= text.length) return isEnd ? { row: [...row, null], next: at } : null
        continue
      }
      if (text[end] === '\r' && end + 1 >= text.length && !isEnd) return null
      return { row, next: text[end] === '\r' && text[end + 1] === '\n' ? end + 2 : end + 1 }
    }
  }

  #plain(from: number, isEnd: boolean): { value: string | null; end: number } | null {
    const text = this.#rest
    let end = from
    while (end < text.length && text[end] !== this.#delimiter && text[end] !== '\n' && text[end] !== '\r') end++
    if (end >= text.length && !isEnd) return null
    return { value: end === from ? null : text.slice(from, end), end }
  }

  #quoted(from: number, isEnd: boolean): { value: string; end: number } | null {
    const text = this.#rest
    for (let at = text.indexOf('"', from + 1); ; at = text.indexOf('"', at + 2)) {
      if (at === -1 || (at + 1 >= text.length && !isEnd)) {
        if (isEnd && at === -1) throw new DataError('a cell that begins with a quote has no other one')
        return null
      }
      if (text[at + 1] === '"') continue
      const after = text[at + 1]
      if (after !== undefined && after !== this.#delimiter && after !== '\n' && after !== '\r')
        throw new DataError('a quote within a cell is not doubled')
      return { value: text.slice(from + 1, at).replaceAll('""', '"'), end: at + 1 }
    }
  }
}
