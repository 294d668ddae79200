/** What `_schemas` says, as a state machine over its records (Confluent's SchemaKey and SchemaValue). */
import { parseLossless } from '../base.ts'
import type { TableRecord } from '../topic-table.ts'

interface SchemaKey {
  readonly keytype: string
  readonly subject?: string
  readonly version?: number
}

export class Subjects {
  readonly #versions = new Map<string, Set<number>>()

  get names(): string[] {
    return [...this.#versions.keys()].sort()
  }

  /** Throws SyntaxError. */
  apply({ key, value }: TableRecord): void {
    if (key === null) return
    const { keytype, subject, version } = parseLossless(key.toString('utf8')) as SchemaKey
    if (keytype !== 'SCHEMA' || subject === undefined || version === undefined) return
    const versions = this.#versions.get(subject) ?? new Set()
    if (value === null) versions.delete(version)
    else versions.add(version)
    if (versions.size === 0) this.#versions.delete(subject)
    else this.#versions.set(subject, versions)
  }
}
