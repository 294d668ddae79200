/** Bodies of requests. What is not known is ignored, as by Confluent's registry, because its clients are newer or older than this. */
import { HttpError } from '../../http.ts'
import type { SchemaRequest } from '../decide.ts'
import { errors } from '../errors.ts'
import { readMetadata, readRuleSet, validateRuleSet } from '../metadata.ts'
import { readReferences } from '../records.ts'

/** Besides the schema, which is one of them, a body has names, versions and rules. */
const mostValues = 10_000
const mostDepth = 256
const [quote, backslash, comma, brace, closingBrace, bracket, closingBracket] = [0x22, 0x5c, 0x2c, 0x7b, 0x7d, 0x5b, 0x5d]
export const mostBodyBytes = 2 ** 21

/** Without more values than the event loop has time for; numbers beyond int32 mean nothing here. Throws SyntaxError and HttpError. */
export function parseBody(text: string): unknown {
  let [values, depth, inString] = [0, 0, false]
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (inString) {
      if (code === backslash) at++
      else if (code === quote) inString = false
    } else if (code === quote) inString = true
    else if (code === closingBrace || code === closingBracket) depth--
    else if (code === comma || code === brace || code === bracket) {
      if (++values > mostValues) throw new HttpError(422, 422, `The body has more than ${mostValues} values`)
      if (code !== comma && ++depth > mostDepth) throw new HttpError(422, 422, `The body is nested more than ${mostDepth} levels deep`)
    }
  }
  return JSON.parse(text)
}

/** Throws HttpError 422. */
export function readBody(body: unknown): Record<string, unknown> {
  if (body === undefined || body === null) throw new HttpError(422, 422, 'The request has no body')
  if (typeof body !== 'object' || Array.isArray(body)) throw new HttpError(400, 400, 'The body is not a JSON object')
  return body as Record<string, unknown>
}

/** Throws HttpError. */
export function readSchemaRequest(body: unknown): SchemaRequest {
  const { schema, schemaType, references, metadata, ruleSet, version, id } = body === undefined || body === null ? {} : readBody(body)
  const number = (value: unknown, otherwise: number) => {
    if (value === undefined || value === null) return otherwise
    if (typeof value === 'number' && Number.isInteger(value) && Math.abs(value) <= 2_147_483_647) return value
    throw new HttpError(400, 400, 'version and id are whole numbers')
  }
  if (schema !== undefined && schema !== null && typeof schema !== 'string') throw errors.invalidSchema('The schema is not a string')
  const rules = readRuleSet(ruleSet)
  validateRuleSet(rules)
  return {
    version: number(version, 0),
    id: number(id, -1),
    type: schemaType === undefined || schemaType === null || schemaType === '' ? null : wordOf(schemaType),
    references: readReferencesOf(references),
    metadata: readMetadata(metadata),
    ruleSet: rules,
    text: schema ?? '',
  }
}

/** What is no text names no type either. */
function wordOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function readReferencesOf(references: unknown) {
  try {
    return readReferences(references)
  } catch (error) {
    throw errors.invalidSchema(`Invalid references: ${(error as TypeError).message}`)
  }
}
