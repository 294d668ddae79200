/**
 * What the records of `_schemas` say: a state machine over them. The same records give the same state, in every process, whoever wrote them.
 */
import { type Config, defaultLevel, emptyConfig, mergedConfig } from './config.ts'
import { type Change, decodeChange, guidOf, type Mode, type StoredSchema } from './records.ts'
import { contextOf, globalContext, isContext, parseSubject, prefixOf, printSubject, subjectFrom } from './subject.ts'

export interface Version extends StoredSchema {
  readonly guid: string
  readonly timestampMs: number
}

export type Deleted = 'without' | 'with' | 'only'

/** A schema of a context, and the subjects that have it. */
interface Identified {
  /** The latest version of each subject, by record. */
  readonly versions: Map<string, number>
}

interface ContextState {
  readonly byId: Map<number, Identified>
  readonly byGuid: Map<string, number>
  /** Of `subject\0version`: ids of those that refer to it, with their contexts. */
  readonly referrers: Map<string, Set<string>>
  maxId: number
}

/** Two schemas have one id: the second one does not count, as in Confluent's registry. */
export class DuplicateId extends Error {
  constructor(id: number) {
    super(`the id ${id} belongs to another schema`)
    this.name = 'DuplicateId'
  }
}

export class State {
  readonly #subjects = new Map<string, Map<number, Version>>()
  /** Names of subjects in order; null: to be made again. */
  #sorted: string[] | null = null
  readonly #contexts = new Map<string, ContextState>()
  readonly #named = new Set<string>()
  /** Of all subjects under ''. */
  readonly #configs = new Map<string, Config>()
  readonly #modes = new Map<string, Mode>()
  #leader: string | null = null

  /** Throws SyntaxError, TypeError and DuplicateId; the state has not changed then. */
  apply(key: Buffer, value: Buffer | null, timestampMs: number): void {
    const change = decodeChange(key, value)
    if (change !== null) this.#change(change, timestampMs)
  }

  #change(change: Change, timestampMs: number): void {
    switch (change.keytype) {
      case 'SCHEMA':
        if (change.value === null) this.#remove(change.subject, change.version)
        else this.#put({ ...change.value, guid: guidOf(change.value), timestampMs })
        return
      case 'CONFIG':
        setOrDelete(this.#configs, change.subject ?? '', change.value)
        return
      case 'MODE':
        setOrDelete(this.#modes, change.subject ?? '', change.value)
        return
      case 'CONTEXT':
        if (change.value === null) this.#named.delete(change.context)
        else this.#named.add(change.context)
        return
      case 'DELETE_SUBJECT':
        for (const each of this.#subjects.get(change.subject)?.values() ?? [])
          if (!each.deleted && each.version <= (change.value ?? 0)) this.#put({ ...each, deleted: true })
        return
      case 'CLEAR_SUBJECT':
        for (const each of this.versionsIn(change.subject, 'only')) this.#remove(each.subject, each.version)
        return
      case 'NOOP':
        if (change.value !== null) this.#leader = change.value.leader
    }
  }

  #put(version: Version): void {
    const { subject, id } = version
    const context = this.#contextOf(subject)
    const holder = context.byId.get(id)?.versions.entries().next().value
    const other = holder === undefined ? undefined : this.#subjects.get(holder[0])?.get(holder[1])
    if (other !== undefined && other.text !== version.text) throw new DuplicateId(id)
    const versions = this.#subjects.get(subject) ?? new Map<number, Version>()
    if (versions.size === 0) this.#sorted = null
    this.#subjects.set(subject, versions)
    versions.set(version.version, version)
    const identified = context.byId.get(id) ?? { versions: new Map() }
    context.byId.set(id, identified)
    identified.versions.set(subject, version.version)
    context.byGuid.set(version.guid, id)
    context.maxId = Math.max(context.maxId, id)
    if (!version.deleted) for (const referrers of this.#referrersOf(version)) referrers.add(`${contextOf(subject)}\0${id}`)
  }

  #remove(subject: string, number: number): void {
    const versions = this.#subjects.get(subject)
    const version = versions?.get(number)
    if (versions === undefined || version === undefined) return
    versions.delete(number)
    if (versions.size === 0) {
      this.#subjects.delete(subject)
      this.#sorted = null
    }
    const context = this.#contextOf(subject)
    const identified = context.byId.get(version.id)
    if (identified?.versions.get(subject) === number) {
      const same = Array.from(versions.values()).findLast(({ id }) => id === version.id)
      if (same === undefined) identified.versions.delete(subject)
      else identified.versions.set(subject, same.version)
    }
    if (identified?.versions.size === 0) {
      context.byId.delete(version.id)
      for (const referrers of this.#referrersOf(version)) referrers.delete(`${contextOf(subject)}\0${version.id}`)
    }
  }

  *#referrersOf({ subject, references }: Version): Iterable<Set<string>> {
    for (const reference of references) {
      const target = subjectFrom(subject, reference.subject)
      const { referrers } = this.#contextOf(target)
      const key = `${target}\0${reference.version}`
      const found = referrers.get(key) ?? new Set()
      referrers.set(key, found)
      yield found
    }
  }

  #contextOf(subject: string): ContextState {
    const name = contextOf(subject)
    const known = this.#contexts.get(name)
    if (known !== undefined) return known
    const context: ContextState = { byId: new Map(), byGuid: new Map(), referrers: new Map(), maxId: 0 }
    this.#contexts.set(name, context)
    return context
  }

  /** The URL of the last registry that began to write and said so; null: none has. */
  get leader(): string | null {
    return this.#leader
  }

  /** Sorted; with `.`, which is always there. */
  get contexts(): string[] {
    const used = Array.from(this.#contexts).filter(([, { byId }]) => byId.size > 0)
    return [...new Set(['.', ...this.#named, ...used.map(([name]) => name)])].sort()
  }

  /** Where a subject is looked for: one that is named without context in all of them, in the default one first. */
  *everywhere(subject: string): Generator<string> {
    yield subject
    const { context, name } = parseSubject(subject)
    if (context === '.') for (const each of this.contexts) if (each !== '.') yield printSubject({ context: each, name })
  }

  hasContext(context: string): boolean {
    return this.#named.has(context)
  }

  /** In the order of their numbers. */
  versions(subject: string, deleted: Deleted): Version[] {
    const versions = [...(this.#subjects.get(subject)?.values() ?? [])]
    return versions.filter(each => isWanted(each.deleted, deleted)).sort((a, b) => a.version - b.version)
  }

  /** `number` -1: the latest one. */
  version(subject: string, number: number, deleted: Deleted): Version | null {
    if (number === -1) return this.#latest(subject)
    const version = this.#subjects.get(subject)?.get(number)
    return version === undefined || !isWanted(version.deleted, deleted) ? null : version
  }

  #latest(subject: string): Version | null {
    let latest: Version | null = null
    for (const each of this.#subjects.get(subject)?.values() ?? [])
      if (!each.deleted && (latest === null || each.version > latest.version)) latest = each
    return latest
  }

  versionAnywhere(subject: string, number: number, deleted: Deleted): Version | null {
    for (const each of this.everywhere(subject)) {
      const found = this.version(each, number, deleted)
      if (found !== null) return found
    }
    return null
  }

  /** Of a subject, or of a context; '' alone: of the default one. */
  versionsIn(subject: string | null, deleted: Deleted): Version[] {
    return [...this.#subjects.keys()].filter(each => isWithin(each, subject)).flatMap(each => this.versions(each, deleted))
  }

  has(subject: string | null, deleted: Deleted): boolean {
    if (subject !== null && !isContext(subject)) {
      for (const each of this.#subjects.get(subject)?.values() ?? []) if (isWanted(each.deleted, deleted)) return true
      return false
    }
    return this.versionsIn(subject, deleted).length > 0
  }

  /** Sorted. `prefix`: `:*:` for all contexts, without a context the default one. A subject is deleted if all its versions are. */
  subjects(prefix: string, deleted: Deleted): string[] {
    this.#sorted ??= [...this.#subjects.keys()].sort()
    return this.#sorted.filter(subject => hasPrefix(subject, prefix) && isWanted(this.#isDeleted(subject), deleted))
  }

  #isDeleted(subject: string): boolean {
    for (const each of this.#subjects.get(subject)!.values()) if (!each.deleted) return false
    return true
  }

  /** Whose schema has this id; of `subject` if that names one. */
  byId(id: number, subject: string | null): Version | null {
    const { name } = parseSubject(subject ?? '')
    const versions = this.#contexts.get(contextOf(subject ?? ''))?.byId.get(id)?.versions
    const found = name === '' ? versions?.entries().next().value : versions?.has(subject!) ? [subject!, versions.get(subject!)!] : undefined
    return found === undefined ? null : (this.#subjects.get(found[0] as string)?.get(found[1] as number) ?? null)
  }

  /** All subjects and versions with this schema, including deleted ones. */
  withId(context: string, id: number): Version[] {
    const versions = this.#contexts.get(context)?.byId.get(id)?.versions ?? new Map<string, number>()
    return Array.from(versions, ([subject, version]) => this.#subjects.get(subject)!.get(version)!)
  }

  /** The id of the same content in the context; null: there is none. */
  idOf(context: string, guid: string): number | null {
    const known = this.#contexts.get(context)
    const id = known?.byGuid.get(guid)
    return id !== undefined && known!.byId.has(id) ? id : null
  }

  maxId(context: string): number {
    return this.#contexts.get(context)?.maxId ?? 0
  }

  /** Schemas that refer to this version; `deleted` counts those of deleted versions, too. */
  referrers(subject: string, version: number, deleted: Deleted): { context: string; id: number }[] {
    const found = this.#contextOf(subject).referrers.get(`${subject}\0${version}`) ?? new Set<string>()
    return Array.from(found, each => {
      const [context, id] = each.split('\0') as [string, string]
      return { context, id: Number(id) }
    })
      .filter(({ context, id }) => this.withId(context, id).some(each => isWanted(each.deleted, deleted)))
      .sort((a, b) => a.id - b.id)
  }

  /** null: not configured. `subject` null: of all. */
  config(subject: string | null): Config | null {
    const config = this.#configs.get(subject ?? '')
    if (config !== undefined) return { ...config, compatibilityLevel: config.compatibilityLevel ?? defaultLevel }
    return isTop(subject) ? { ...emptyConfig, compatibilityLevel: defaultLevel } : null
  }

  storedConfig(subject: string | null): Config | null {
    return this.#configs.get(subject ?? '') ?? null
  }

  /** What counts for a subject: its own, that of its context, or the global one. */
  configInScope(subject: string | null): Config {
    const own = this.config(subject)
    const global = this.config(null)!
    if (own !== null) return subject === null ? (this.storedConfig(null) === null ? this.#globalConfig() : own) : mergedConfig(global, own)
    const context = contextOf(subject ?? '')
    const ofContext = this.storedConfig(context === '.' ? null : prefixOf(context))
    return ofContext === null ? this.#globalConfig() : { ...ofContext, compatibilityLevel: ofContext.compatibilityLevel ?? defaultLevel }
  }

  #globalConfig(): Config {
    const config = this.storedConfig(prefixOf(globalContext)) ?? emptyConfig
    return { ...config, compatibilityLevel: config.compatibilityLevel ?? defaultLevel }
  }

  mode(subject: string | null): Mode | null {
    return this.#modes.get(subject ?? '') ?? (isTop(subject) ? 'READWRITE' : null)
  }

  storedMode(subject: string | null): Mode | null {
    return this.#modes.get(subject ?? '') ?? null
  }

  modeInScope(subject: string | null): Mode {
    const context = contextOf(subject ?? '')
    return (
      this.storedMode(subject) ??
      this.storedMode(context === '.' ? null : prefixOf(context)) ??
      this.storedMode(prefixOf(globalContext)) ??
      'READWRITE'
    )
  }

  /** Subjects with a mode of their own whose names begin so. */
  subjectsWithMode(prefix: string): string[] {
    return [...this.#modes.keys()].filter(subject => subject !== '' && subject !== prefix && subject.startsWith(prefix))
  }

  /** Other names of subjects: of each subject, those names with the prefix that stand for it. */
  aliases(prefix: string): Map<string, string[]> {
    const found = new Map<string, string[]>()
    for (const [subject, { alias }] of this.#configs) {
      if (alias === null || alias === '' || !hasPrefix(subject, prefix)) continue
      const target = subjectFrom(subject, alias)
      found.set(target, [...(found.get(target) ?? []), subject])
    }
    return found
  }

  /** The subject that a name stands for. */
  resolveAlias(subject: string): string {
    const alias = isContext(subject) ? '' : (this.storedConfig(subject)?.alias ?? '')
    return alias === '' ? subject : subjectFrom(subject, alias)
  }
}

function isTop(subject: string | null): boolean {
  return subject === null || contextOf(subject) === globalContext
}

function hasPrefix(subject: string, prefix: string): boolean {
  const { context, name } = parseSubject(prefix)
  if (context === '.') return subject.startsWith(name) && contextOf(subject) === '.'
  return context === '*' ? parseSubject(subject).name.startsWith(name) : subject.startsWith(prefixOf(context) + name)
}

/** Whether a subject is the named one, or in the named context; null: in any. */
function isWithin(subject: string, scope: string | null): boolean {
  if (scope === null || scope === subject) return true
  if (!isContext(scope)) return false
  const context = contextOf(scope)
  return context === globalContext || context === contextOf(subject)
}

function isWanted(isDeleted: boolean, deleted: Deleted): boolean {
  return deleted === 'with' || isDeleted === (deleted === 'only')
}

function setOrDelete<Value>(map: Map<string, Value>, key: string, value: Value | null): void {
  if (value === null) map.delete(key)
  else map.set(key, value)
}
