/** Bodies of requests. What is not known is ignored, as by Confluent's registry, because its clients are newer or older than this. */
import { HttpError } from '../../http.ts'
import type { SchemaRequest } from '../decide.ts'
import { errors } from '../errors.ts'
import { readMetadata, readRuleSet, validateRuleSet } from '../metadata.ts'
import { readReferences } from '../records.ts'

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
    type: typeof schemaType === 'string' && schemaType !== '' ? schemaType : null,
    references: readReferencesOf(references),
    metadata: readMetadata(metadata),
    ruleSet: rules,
    text: schema ?? '',
  }
}

function readReferencesOf(references: unknown) {
  try {
    return readReferences(references)
  } catch (error) {
    throw errors.invalidSchema(`Invalid references: ${(error as TypeError).message}`)
  }
}
