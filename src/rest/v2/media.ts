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
  if (accept === undefined || accept.trim() === '') return offered[0]!
  const taken = accept
    .split(',')
    .slice(0, 50)
    .map(each => ({ type: bareType(each), weight: weightIn(each) }))
    .filter(each => each.weight > 0)
    .sort((a, b) => b.weight - a.weight)
  for (const { type } of taken) {
    if (type === '*/*' || type === 'application/*') return offered[0]!
    const same = offered.find(each => each === type)
    if (same !== undefined) return same
  }
  throw new HttpError(406, 406, 'HTTP 406 Not Acceptable')
}

function weightIn(range: string): number {
  const weight = Number(/;\s*q=([0-9.]+)/i.exec(range)?.[1] ?? 1)
  return Number.isNaN(weight) ? 0 : weight
}
