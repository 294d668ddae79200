/** Texts of stored schemas in the form that was asked for. */
import { errors } from '../errors.ts'
import { InvalidSchema } from '../schema.ts'
import type { Version } from '../state.ts'
import type { Registry } from './common.ts'

/** Throws HttpError 42201. */
export function formatted({ decisions }: Registry, version: Version, format: string | undefined): string {
  if (format === undefined || format.trim() === '') return version.text
  try {
    return decisions.parsed.of(version).formatted(format.trim().toLowerCase())
  } catch (error) {
    throw error instanceof InvalidSchema ? errors.invalidSchema(error.message) : error
  }
}
