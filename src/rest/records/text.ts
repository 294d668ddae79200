/** Parts of a record that was read, as JSON text. */
import { isUtf8 } from 'node:buffer'
import type { RecordHeader } from '../../client.ts'

export type ReadFormat = 'BINARY' | 'STRING' | 'JSON'

/** What is not of the format comes as BINARY, so that nothing is lost. JSON comes as the text that it is. */
export function dataText(bytes: Buffer | null, format: ReadFormat): string {
  if (bytes === null) return 'null'
  if (format !== 'BINARY' && isUtf8(bytes)) {
    const text = bytes.toString('utf8')
    if (format === 'STRING') return `{"type":"STRING","data":${JSON.stringify(text)}}`
    if (isJson(text)) return `{"type":"JSON","data":${text}}`
  }
  return `{"type":"BINARY","data":"${bytes.toString('base64')}"}`
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

export function headersText(headers: readonly RecordHeader[]): string {
  if (headers.length === 0) return '[]'
  const each = ({ key, value }: RecordHeader) =>
    `{"name":${JSON.stringify(key.toString('utf8'))},"value":${value === null ? 'null' : `"${value.toString('base64')}"`}}`
  return `[${headers.map(each).join(',')}]`
}

const latestDate = 8_640_000_000_000_000n

/** ISO 8601; null if there is none, or none that a date can be. */
export function timeText(timestampMs: bigint): string {
  if (timestampMs < 0n || timestampMs > latestDate) return 'null'
  return `"${new Date(Number(timestampMs)).toISOString().replace('.000Z', 'Z')}"`
}
