/**
 * Comma-separated values, RFC 4180: a column for each field, a header line, what is nested as JSON in its cell, null as nothing at all and the
 * empty string as `""`.
 */
import { type ConnectValue, DataError, isStruct, type Schema, type Struct } from '../../connector.ts'
import { type JsonStyle, jsonText } from '../values/json.ts'
import { presentOr } from './checked.ts'
import type { Body, Format, FormatOptions } from './format.ts'
import { Lines } from './lines.ts'

export const csv: Format = {
  name: 'csv',
  classes: [],
  extension: '.csv',
  needsSchema: true,
  wrappable: true,
  blockBytes: 2 ** 20,
  open: (schema, options): Body => openCsv(schema!, options),
}

function openCsv(schema: Schema, { csvDelimiter, csvHeader, decimals }: FormatOptions): Body {
  const fields = schema.fields
  if (fields === undefined) throw new DataError(`the format csv needs records with fields; the value is ${schema.type}`)
  const style: JsonStyle = { decimals, times: 'iso', maps: 'pairs' }
  const quoted = (text: string) =>
    text === '' || text.includes(csvDelimiter) || /["\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
  const lines = new Lines()
  const line = (cells: string[]) => lines.add(Buffer.from(`${cells.join(csvDelimiter)}\r\n`))
  if (csvHeader) line(fields.map(field => quoted(field.name)))
  return {
    add(value) {
      if (!isStruct(value)) throw new DataError('the format csv needs records with fields')
      const struct: Struct = value
      return line(
        fields.map(({ name, schema: of }) => {
          const cell = presentOr(of, struct[name], name)
          return cell === null ? '' : quoted(cellOf(cell, of, style))
        }),
      )
    },
    take: () => lines.take(),
    end: () => lines.take(),
  }
}

function cellOf(value: ConnectValue, schema: Schema, style: JsonStyle): string {
  if (typeof value === 'string') return value
  const text = jsonText({ schema, value }, style)
  return text.startsWith('"') ? (JSON.parse(text) as string) : text
}
