/**
 * Decides what a request changes: which records are written, and what is answered. Nothing here changes the state; records do, once they are durable.
 */

import { type Config, changedConfig, hasDefaultsOrOverrides } from './config.ts'
import { errors } from './errors.ts'
import type { Identities } from './judge/identities.ts'
import type { Answering } from './judge/judge.ts'
import type { EarlierText, SchemaText } from './judge/questions.ts'
import { isTransitiveLevel } from './levels.ts'
import { type Metadata, mergeMetadata, mergeRuleSets, type RuleSet, versionIn, withVersion } from './metadata.ts'
import { type Change, guidOf, type Mode, type SchemaContent, type StoredSchema } from './records.ts'
import { resolve } from './references.ts'
import { defaultType, InvalidSchema, type Policy, type Reference } from './schema.ts'
import type { State, Version } from './state.ts'
import { contextOf, isContext, prefixOf } from './subject.ts'

export interface SchemaRequest {
  /** 0: the next one; -1: the latest one. */
  readonly version: number
  /** -1: the next one, or that of the same schema. */
  readonly id: number
  readonly type: string | null
  readonly references: readonly Reference[]
  readonly metadata: Metadata | null
  readonly ruleSet: RuleSet | null
  /** '' if it is missing. */
  readonly text: string
}

/** A request whose schema has been parsed. */
interface Candidate extends SchemaContent {
  readonly source: SchemaText
  readonly identity: string
}

/** Of earlier versions, in one question. */
const mostCompared = 50
const mostComparedCharacters = 2 ** 20

export interface Decision<Answer> {
  readonly changes: readonly Change[]
  readonly answer: Answer
}

export type Registered = StoredSchema & { readonly guid: string }

export class Decisions {
  readonly #state: State
  readonly #answering: Answering
  readonly #identities: Identities

  constructor(state: State, answering: Answering, identities: Identities) {
    this.#state = state
    this.#answering = answering
    this.#identities = identities
  }

  /** The text in the form that was asked for. Throws HttpError. */
  formatted(version: Version, format: string): string {
    return asInvalid('', () => this.#answering.ask({ kind: 'format', schema: this.#textOf(version), format }))
  }

  /** The version of the subject that has this schema. Throws HttpError. */
  lookUp(subject: string, request: SchemaRequest, { normalize, deleted }: { normalize: boolean; deleted: boolean }): Version | null {
    if (request.text.trim() === '') return null
    const config = this.#state.configInScope(subject)
    const found = this.#find(
      subject,
      this.#candidate(subject, request, false, normalize || config.normalize === true),
      deleted,
      request.version === -1,
    )
    if (found !== null) return found
    const latest = this.#state.version(subject, -1, 'without')
    if (latest === null) return null
    const { metadata, ruleSet } = populated(config, request, latest, null)
    if (same(metadata, request.metadata) && same(ruleSet, request.ruleSet)) return null
    return this.#find(
      subject,
      this.#candidate(subject, { ...request, metadata, ruleSet }, false, normalize || config.normalize === true),
      deleted,
      false,
    )
  }

  /** As lookUp; a subject without context is also looked for in all contexts. */
  lookUpAnywhere(subject: string, request: SchemaRequest, options: { normalize: boolean; deleted: boolean }): Version | null {
    for (const each of this.#state.everywhere(subject)) {
      // In the other contexts only where there is such a subject: each of them would have the schema parsed once more.
      if (each !== subject && !this.#state.has(each, 'with')) continue
      const found = this.lookUp(each, request, options)
      if (found !== null) return found
    }
    return null
  }

  /** A registration that changes nothing, and so needs no leader. */
  alreadyRegistered(subject: string, request: SchemaRequest, normalize: boolean): Version | null {
    if (hasDefaultsOrOverrides(this.#state.configInScope(subject))) return null
    const found = this.lookUp(subject, request, { normalize, deleted: false })
    if (found === null || (request.id >= 0 && request.id !== found.id)) return null
    return request.version <= 0 || request.version === found.version ? found : null
  }

  /** Throws HttpError. */
  register(subject: string, request: SchemaRequest, { normalize, force }: { normalize: boolean; force: boolean }): Decision<Registered> {
    this.#requireMode(subject, request.id)
    const state = this.#state
    const config = state.configInScope(subject)
    const isImport = ['IMPORT', 'FORWARD'].includes(state.modeInScope(subject))
    const all = state.versions(subject, 'with')
    const living = all.filter(each => !each.deleted)
    const next = (all.at(-1)?.version ?? 0) + 1
    const filled = isImport ? request : this.#populate(config, request, living.at(-1) ?? null, next)
    const strict = request.id < 0 && !isImport && config.validateNewSchemas !== false
    const candidate = this.#candidate(subject, filled, strict, !isImport && (normalize || config.normalize === true))
    const context = contextOf(subject)
    let id = request.id
    const known = state.idOf(context, guidOf(candidate))
    if (known !== null && (id < 0 || id === known)) {
      const own = state.withId(context, known).find(each => each.subject === subject && !each.deleted)
      if (request.version === 0 && own !== undefined) return { changes: [], answer: own }
      id = known
    }
    if (request.version === 0) {
      const same = this.#latestLike(
        candidate,
        living.filter(each => id < 0 || id === each.id),
      )
      if (same !== null) return { changes: [], answer: same }
    }
    if (!isImport && !force) this.#requireCompatible(subject, config, candidate, living.toReversed())
    const version = request.version <= 0 ? next : request.version
    if (version !== next && !isImport) throw errors.invalidSchema('Version is not one more than previous version')
    if (id >= 0) this.#requireFreeId(subject, id, candidate)
    else id = this.#nextId(context)
    const { type, text, references, metadata, ruleSet } = candidate
    const value: StoredSchema = { subject, version, id, type, text, references, metadata, ruleSet, deleted: false }
    const changes: Change[] = context === '.' || state.hasContext(context) ? [] : [{ keytype: 'CONTEXT', context, value: true }]
    for (const each of all)
      if (each.deleted && each.id === id && each.version < version && state.referrers(subject, each.version, 'with').length === 0)
        changes.push({ keytype: 'SCHEMA', subject, version: each.version, value: null })
    changes.push({ keytype: 'SCHEMA', subject, version, value })
    return { changes, answer: { ...value, guid: guidOf(value) } }
  }

  /** Why the schema must not follow these versions, the newest first. Throws HttpError. */
  incompatibilities(subject: string, request: SchemaRequest, earlier: readonly Version[], normalize: boolean): string[] {
    if (request.text.trim() === '') throw errors.invalidSchema('Empty schema')
    const config = this.#state.configInScope(subject)
    const candidate = this.#candidate(subject, request, config.validateNewSchemas !== false, normalize || config.normalize === true)
    return this.#compare(config, candidate, earlier)
  }

  /** Answers the number. Throws HttpError. */
  deleteVersion(subject: string, number: number, permanent: boolean): Decision<number> {
    const state = this.#state
    const version = state.version(subject, number, 'with')
    if (version === null) throw state.has(subject, 'with') ? errors.versionNotFound(number) : errors.subjectNotFound(subject)
    if (!permanent && version.deleted) throw errors.versionSoftDeleted(subject, version.version)
    this.#requireWritable(subject)
    if (state.referrers(subject, version.version, permanent ? 'with' : 'without').length > 0)
      throw errors.referenceExists(subject, version.version)
    if (permanent && !version.deleted) throw errors.versionNotSoftDeleted(subject, version.version)
    const changes: Change[] = [
      { keytype: 'SCHEMA', subject, version: version.version, value: permanent ? null : { ...stored(version), deleted: true } },
    ]
    if (permanent && state.versions(subject, 'with').length === 1) changes.push(...this.#forgetSettings(subject))
    return { changes, answer: version.version }
  }

  /** Answers the numbers. Throws HttpError. */
  deleteSubject(subject: string, permanent: boolean): Decision<number[]> {
    const state = this.#state
    if (!state.has(subject, 'with')) throw errors.subjectNotFound(subject)
    if (!permanent && !state.has(subject, 'without')) throw errors.subjectSoftDeleted(subject)
    this.#requireWritable(subject)
    const versions = state.versions(subject, permanent ? 'with' : 'without')
    for (const { version, deleted } of versions) {
      const others = state
        .referrers(subject, version, permanent ? 'with' : 'without')
        .flatMap(({ context, id }) => state.withId(context, id))
        .filter(each => each.subject !== subject && (permanent || !each.deleted))
      if (others.length > 0) throw errors.referenceExists(subject, version)
      if (permanent && !deleted) throw errors.subjectNotSoftDeleted(subject)
    }
    const answer = versions.map(({ version }) => version)
    if (!permanent) return { changes: [{ keytype: 'DELETE_SUBJECT', subject, value: answer.at(-1)! }], answer }
    const gone = answer.toReversed().map((version): Change => ({ keytype: 'SCHEMA', subject, version, value: null }))
    return { changes: [...gone, ...this.#forgetSettings(subject)], answer }
  }

  /** Throws HttpError. */
  deleteContext(context: string): Decision<null> {
    if (this.#state.has(prefixOf(context), 'with')) throw errors.contextNotEmpty(prefixOf(context))
    return { changes: [{ keytype: 'CONTEXT', context, value: null }], answer: null }
  }

  /** Throws HttpError. */
  putConfig(subject: string | null, json: Record<string, unknown>): Decision<Config> {
    this.#requireWritable(subject)
    const value = changedConfig(json, this.#state.storedConfig(subject))
    return { changes: [{ keytype: 'CONFIG', subject, value }], answer: value }
  }

  /** Answers what it was. Throws HttpError. */
  deleteConfig(subject: string | null): Decision<Config> {
    const answer = this.#state.config(subject)
    if (answer === null) throw errors.subjectNotFound(subject!)
    this.#requireWritable(subject)
    return { changes: [{ keytype: 'CONFIG', subject, value: null }], answer }
  }

  /** `mode` null: none of its own. Throws HttpError. */
  setMode(subject: string | null, mode: Mode | null, force: boolean): Decision<null> {
    const state = this.#state
    const changes: Change[] = []
    if (mode === 'IMPORT' && state.modeInScope(subject) !== 'IMPORT' && !force) {
      if (state.has(subject, 'without')) throw errors.notPermitted('Cannot import since found existing subjects')
      for (const { subject: each, version } of state.versionsIn(subject, 'with')) {
        if (state.referrers(each, version, 'with').length > 0) throw errors.referenceExists(each, version)
        changes.push({ keytype: 'SCHEMA', subject: each, version, value: null })
      }
      changes.push({ keytype: 'CLEAR_SUBJECT', subject: subject ?? '', value: true })
    }
    changes.push({ keytype: 'MODE', subject, value: mode })
    return { changes, answer: null }
  }

  /** Answers what it was. Throws HttpError. */
  deleteMode(subject: string | null, recursive: boolean): Decision<Mode | null> {
    const answer = this.#state.mode(subject)
    if (answer === null && !recursive) throw errors.subjectNotFound(subject!)
    const changes: Change[] = [{ keytype: 'MODE', subject, value: null }]
    if (recursive && (subject === null || isContext(subject)))
      for (const each of this.#state.subjectsWithMode(subject ?? '')) changes.push({ keytype: 'MODE', subject: each, value: null })
    return { changes, answer }
  }

  #forgetSettings(subject: string): Change[] {
    const changes: Change[] = []
    if (this.#state.storedMode(subject) !== null) changes.push({ keytype: 'MODE', subject, value: null })
    if (this.#state.storedConfig(subject) !== null) changes.push({ keytype: 'CONFIG', subject, value: null })
    return changes
  }

  #requireWritable(subject: string | null): void {
    if (this.#state.modeInScope(subject).startsWith('READONLY')) throw errors.notPermitted(`${inContext(subject)} is in read-only mode`)
  }

  #requireMode(subject: string, id: number): void {
    this.#requireWritable(subject)
    const mode = this.#state.modeInScope(subject)
    if (id >= 0 && mode !== 'IMPORT' && mode !== 'FORWARD') throw errors.notPermitted(`${inContext(subject)} is not in import mode`)
    if (id < 0 && mode !== 'READWRITE') throw errors.notPermitted(`${inContext(subject)} is not in read-write mode`)
  }

  /** What the request leaves out is taken from the version before, or from the configuration. */
  #populate(config: Config, request: SchemaRequest, latest: Version | null, next: number): SchemaRequest {
    const { metadata, ruleSet } = populated(config, request, latest, next)
    if (request.text.trim() !== '') return { ...request, metadata, ruleSet }
    if (latest === null) throw errors.invalidSchema('Empty schema')
    return { ...request, text: latest.text, type: latest.type, references: latest.references, metadata, ruleSet }
  }

  #candidate(subject: string, request: SchemaRequest, strict: boolean, normalize: boolean): Candidate {
    const { references, metadata, ruleSet } = request
    const type = request.type ?? defaultType
    if (request.text.trim() === '') throw errors.invalidSchema('Empty schema')
    return asInvalid(`Invalid schema of type ${type}, details: `, () => {
      const source = { type, text: request.text, resolved: resolve(this.#state, subject, references) }
      const { canonical, normalized, identity } = this.#answering.ask({ kind: 'forms', schema: source, strict })
      const text = normalize ? normalized : canonical
      return { source, identity, type, text, references: normalize ? inOrder(references) : references, metadata, ruleSet }
    })
  }

  #find(subject: string, candidate: Candidate, deleted: boolean, onlyLatest: boolean): Version | null {
    const state = this.#state
    const wanted = deleted ? 'with' : 'without'
    if (onlyLatest) {
      const latest = state.version(subject, -1, 'without')
      return latest === null ? null : this.#latestLike(candidate, [latest])
    }
    const id = state.idOf(contextOf(subject), guidOf(candidate))
    if (id !== null) {
      const own = state.withId(contextOf(subject), id).find(each => each.subject === subject && (deleted || !each.deleted))
      if (own !== undefined) return own
    }
    return this.#latestLike(candidate, state.versions(subject, wanted))
  }

  /** The latest version that has this schema, though perhaps in other words, or with its references in the text. */
  #latestLike(candidate: Candidate, versions: readonly Version[]): Version | null {
    const possible = versions.filter(each => this.#hasSame(candidate, each)).reverse()
    const identities = asInvalid('', () => this.#identities.of(this.#answering, possible, each => this.#textOf(each)))
    return possible[identities.indexOf(candidate.identity)] ?? null
  }

  /** Whether all but the text is the same. */
  #hasSame(candidate: Candidate, version: Version): boolean {
    if (candidate.type !== version.type) return false
    const [own, theirs] = [versionIn(candidate.metadata), versionIn(version.metadata)]
    if (own !== null && theirs === null && own !== String(version.version)) return false
    const withoutVersion = (metadata: Metadata | null) => ((own === null) === (theirs === null) ? metadata : withVersion(metadata, null))
    if (!same(withoutVersion(candidate.metadata), withoutVersion(version.metadata)) || !same(candidate.ruleSet, version.ruleSet))
      return false
    const isInline = candidate.references.length === 0 && version.references.length > 0
    return isInline || same(this.#numbered(version.subject, candidate.references), this.#numbered(version.subject, version.references))
  }

  /** What is not there any more is left out: then the text is not understood. */
  #textOf({ subject, type, text, references }: Version): SchemaText {
    try {
      return { type, text, resolved: resolve(this.#state, subject, references) }
    } catch (error) {
      if (!(error instanceof InvalidSchema)) throw error
      return { type, text, resolved: [] }
    }
  }

  #numbered(subject: string, references: readonly Reference[]): Reference[] {
    return references.map(each => {
      if (each.version !== -1) return each
      const target = resolve(this.#state, subject, [each]).length > 0 ? this.#state.version(each.subject, -1, 'without') : null
      return { ...each, version: target?.version ?? -1 }
    })
  }

  #requireCompatible(subject: string, config: Config, candidate: Candidate, earlier: readonly Version[]): void {
    const found = this.#compare(config, candidate, earlier)
    if (found.length > 0) throw errors.incompatible(subject, found)
  }

  #compare(config: Config, candidate: Candidate, earlier: readonly Version[]): string[] {
    const group = config.compatibilityGroup
    const groupOf = (metadata: Metadata | null) =>
      group !== null && metadata !== null && Object.hasOwn(metadata.properties, group) ? metadata.properties[group] : null
    const same = group === null ? earlier : earlier.filter(each => groupOf(each.metadata) === groupOf(candidate.metadata))
    const level = config.compatibilityLevel!
    const policy: Policy = config.compatibilityPolicy === 'LENIENT' ? 'LENIENT' : 'STRICT'
    if (level === 'NONE') return []
    for (const compared of this.#inParts(isTransitiveLevel(level) ? same : same.slice(0, 1))) {
      const found = asInvalid('', () =>
        this.#answering.ask({ kind: 'incompatibilities', level, policy, candidate: candidate.source, earlier: compared }),
      )
      if (found.length > 0) return [...found, `{validateFields: '${config.validateFields === true}', compatibility: '${level}'}`]
    }
    return []
  }

  *#inParts(versions: readonly Version[]): Generator<EarlierText[]> {
    let part: EarlierText[] = []
    let characters = 0
    for (const each of versions) {
      part.push({ ...this.#textOf(each), version: each.version })
      characters += each.text.length
      if (part.length < mostCompared && characters < mostComparedCharacters) continue
      yield part
      part = []
      characters = 0
    }
    if (part.length > 0) yield part
  }

  #requireFreeId(subject: string, id: number, candidate: SchemaContent): void {
    const [holder] = this.#state.withId(contextOf(subject), id)
    if (holder === undefined || guidOf(holder) === guidOf(candidate)) return
    throw errors.notPermitted(`Overwrite new schema with id ${id} in context ${prefixOf(contextOf(subject))} is not permitted.`)
  }

  #nextId(context: string): number {
    let id = this.#state.maxId(context) + 1
    while (this.#state.withId(context, id).length > 0) id++
    return id
  }
}

function inContext(subject: string | null): string {
  return `Subject ${subject} in context ${subject === null ? '' : prefixOf(contextOf(subject))}`
}

function stored({ subject, version, id, type, text, references, metadata, ruleSet, deleted }: Version): StoredSchema {
  return { subject, version, id, type, text, references, metadata, ruleSet, deleted }
}

/** `next`: its number, which is noted in the metadata if the request names one. */
function populated(
  config: Config,
  request: SchemaRequest,
  latest: Version | null,
  next: number | null,
): { metadata: Metadata | null; ruleSet: RuleSet | null } {
  const own = request.metadata ?? latest?.metadata ?? null
  let metadata = mergeMetadata(mergeMetadata(config.defaultMetadata, own), config.overrideMetadata)
  const rules = request.ruleSet ?? latest?.ruleSet ?? null
  const ruleSet = mergeRuleSets(mergeRuleSets(config.defaultRuleSet, rules), config.overrideRuleSet)
  if (next !== null && (request.version !== 0 || versionIn(metadata) !== null)) metadata = withVersion(metadata, next)
  return { metadata, ruleSet }
}

function inOrder(references: readonly Reference[]): Reference[] {
  const distinct = new Map(references.map(each => [JSON.stringify([each.subject, each.version, each.name]), each]))
  return [...distinct.values()].sort((a, b) => (a.subject === b.subject ? a.version - b.version : a.subject < b.subject ? -1 : 1))
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

function asInvalid<Value>(before: string, work: () => Value): Value {
  try {
    return work()
  } catch (error) {
    throw error instanceof InvalidSchema ? errors.invalidSchema(before + error.message) : error
  }
}
