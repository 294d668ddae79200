/** Media types of v2: one for each format of keys and values, and what a client accepts. */
import { HttpError } from '../../http.ts'

export const formats = ['binary', 'json', 'avro', 'jsonschema', 'protobuf'] as const
export type Format = (typeof formats)[number]

/** Without a format. */
export const plainTypes = ['application/vnd.kafka.v2+json', 'application/vnd.kafka+json', 'application/json']
export const typeOf = (format: Format) => `application/vnd.kafka.${format}.v2+json`
export const formatTypes = formats.map(typeOf)

export function formatOf(type: string | undefined): Format | undefined {
  const bare = bareType(type ?? '')
  return formats.find(each => typeOf(each) === bare)
}

function bareType(type: string): string {
  return type.split(';', 1)[0]!.trim().toLowerCase()
}

/** The first of `offered` that an Accept header takes, by its weights. Throws 406. Without a header the first. */
export function chooseType(accept: string | undefined, offered: readonly string[]): string {
  for (const range of rangesIn(accept)) {
    const found = offered.find(each => isIn(each, range))
    if (found !== undefined) return found
  }
  throw new HttpError(406, 406, 'HTTP 406 Not Acceptable')
}

export function isAccepted(accept: string | undefined, type: string): boolean {
  return rangesIn(accept).some(range => isIn(type, range))
}

/** From the one with the highest weight on. */
function rangesIn(accept: string | undefined): string[] {
  if (accept === undefined || accept.trim() === '') return ['*/*']
  return accept
    .split(',')
    .slice(0, 50)
    .map(each => ({ type: bareType(each), weight: weightIn(each) }))
    .filter(each => each.weight > 0)
    .sort((a, b) => b.weight - a.weight)
    .map(each => each.type)
}

function isIn(type: string, range: string): boolean {
  return range === type || range === '*/*' || (range.endsWith('/*') && type.startsWith(range.slice(0, -1)))
}

function weightIn(range: string): number {
  const weight = Number(/;\s*q=([0-9.]+)/i.exec(range)?.[1] ?? 1)
  return Number.isNaN(weight) ? 0 : weight
}
