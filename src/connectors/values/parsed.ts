/** JSON in texts of records. */
import { parseLossless } from '../../base.ts'
import { DataError } from '../../connector.ts'

/** Throws DataError. */
export function parsed(text: string): unknown {
  try {
    return parseLossless(text)
  } catch (error) {
    throw new DataError(`the value is no JSON: ${(error as Error).message}`, error)
  }
}
