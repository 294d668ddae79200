/** Texts of stored schemas in the form that was asked for. */
import type { Version } from '../state.ts'
import { decided, type Registry } from './common.ts'

/** Throws HttpError 42201. */
export async function formatted(registry: Registry, version: Version, format: string | undefined): Promise<string> {
  if (format === undefined || format.trim() === '') return version.text
  return decided(registry, decisions => decisions.formatted(version, format.trim().toLowerCase()))
}
