/** Output of commands: JSON that keeps every digit of an int64, tables for people, and raw bytes. */

import { isUtf8 } from 'node:buffer'
import { once } from 'node:events'
import { type Int64, stringifyLossless } from '../base.ts'
import type { RecordHeader } from '../client.ts'

/** A usage error: exit code 2. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'UsageError'
  }
}

/** The command failed: exit code 1. */
export class CommandFailed extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'CommandFailed'
  }
}

/** Waits while the reader of the pipe is slow, so that memory does not fill with output. */
export async function write(output: string | Buffer): Promise<void> {
  if (!process.stdout.write(output)) await once(process.stdout, 'drain')
}

/** One line. A bigint becomes a JSON number with all its digits. */
export function toJson(value: unknown): string {
  return stringifyLossless(value)
}

/** Prints `value` as JSON, or the result of `text`. */
export async function show(json: boolean | undefined, value: unknown, text: () => string): Promise<void> {
  await write(json === true ? `${toJson(value)}\n` : text())
}

/** Columns as wide as their widest cell; numbers to the right. */
export function table(header: readonly string[], rows: readonly (readonly unknown[])[]): string {
  const cells = rows.map(row => row.map(cell => (cell === null || cell === undefined ? '-' : String(cell))))
  const widths = header.map((title, column) => Math.max(title.length, ...cells.map(row => row[column]!.length)))
  const rightAligned = header.map((_, column) => rows.length > 0 && rows.every(row => isNumeric(row[column])))
  const lines = [header, ...cells].map(row =>
    row
      .map((cell, column) => (rightAligned[column] ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)))
      .join('  ')
      .trimEnd(),
  )
  return `${lines.join('\n')}\n`
}

function isNumeric(cell: unknown): boolean {
  return typeof cell === 'number' || typeof cell === 'bigint' || cell === null || cell === undefined || sizeText.test(String(cell))
}

const sizeUnits = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
const sizeText = new RegExp(`^[\\d.]+ (?:${sizeUnits.join('|')})$`)

/** Bytes for people: three digits and a unit. */
export function size(bytes: bigint): string {
  let value = Number(bytes)
  let unit = 0
  while (value >= 1000 && unit < sizeUnits.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 ? value : value.toPrecision(3)} ${sizeUnits[unit]}`
}

/** Per second, for people; null: not known. */
export function rateText(perSecond: number | null): string | null {
  return perSecond === null ? null : `${perSecond < 10 ? Number(perSecond.toFixed(1)) : Math.round(perSecond)}`
}

/** Bytes in JSON: a string if they are valid UTF-8, otherwise `{"base64": "…"}`. Never lossy. */
export type JsonBytes = string | { base64: string } | null

export function bytesToJson(bytes: Buffer | null): JsonBytes {
  if (bytes === null) return null
  return isUtf8(bytes) ? bytes.toString('utf8') : { base64: bytes.toString('base64') }
}

export function bytesFromJson(value: unknown, what: string): Buffer | null {
  if (value === null || value === undefined) return null
  if (typeof value === 'string') return Buffer.from(value)
  if (typeof value === 'object' && 'base64' in value && typeof value.base64 === 'string') return Buffer.from(value.base64, 'base64')
  throw new CommandFailed(`${what} must be a string, null or {"base64": "…"}`)
}

export function headersToJson(headers: readonly RecordHeader[]): { key: string; value: JsonBytes }[] {
  return headers.map(({ key, value }) => ({ key: key.toString('utf8'), value: bytesToJson(value) }))
}

/** A host in front of `:port`. */
export function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

export function plural(count: number | bigint, noun: string): string {
  if (BigInt(count) === 1n) return `${count} ${noun}`
  return `${count} ${noun}${noun.endsWith('ch') ? 'es' : 's'}`
}

/** The largest time that a Date can hold. */
const mostMs = 8.64e15

/** Milliseconds since the epoch as ISO 8601; null if negative, the number itself if it is beyond the calendar. */
export function time(ms: Int64 | null): string | null {
  if (ms === null || ms < 0) return null
  return ms > mostMs ? String(ms) : new Date(Number(ms)).toISOString()
}
