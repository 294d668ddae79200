/** Stored schemas in the form that was asked for. */
import type { Version } from '../state.ts'
import { contextOf, normalSubject, subjectFrom } from '../subject.ts'
import { decided, type Registry } from './common.ts'

/** Throws HttpError 42201. */
export async function formatted(registry: Registry, version: Version, format: string | undefined): Promise<string> {
  if (format === undefined || format.trim() === '') return version.text
  return decided(registry, decisions => decisions.formatted(version, format.trim().toLowerCase()))
}

/** `qualified`: subjects that a schema of another context refers to are written with their context. */
export function withReferences(version: Version, referenceFormat: string | undefined): Version {
  if (referenceFormat !== 'qualified' || contextOf(version.subject) === '.') return version
  const references = version.references.map(each => ({ ...each, subject: normalSubject(subjectFrom(version.subject, each.subject)) }))
  return { ...version, references }
}
