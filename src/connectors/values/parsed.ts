/** JSON in texts of records. */
import { parseLossless } from '../../base.ts'
import { type ConnectValue, DataError, struct } from '../../connector.ts'

/** Throws DataError. */
export function parsed(text: string): unknown {
  try {
    return parseLossless(text)
  } catch (error) {
    throw new DataError(`the value is no JSON: ${(error as Error).message}`, error)
  }
}

/** What JSON holds as a value without schema. */
export function plainValue(json: unknown): ConnectValue {
  if (json === undefined) return null
  if (typeof json !== 'object' || json === null) return json as ConnectValue
  if (Array.isArray(json)) return json.map(plainValue)
  return struct(Object.entries(json).map(([name, each]) => [name, plainValue(each)] as const))
}
