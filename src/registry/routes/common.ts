/** What all routes share: how a request names contexts, versions and pages, who asks, and where a change is made. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { System, Turns } from '../../base.ts'
import { type HttpApp, HttpError } from '../../http.ts'
import type { Identity as Caller, Sessions } from '../../sessions.ts'
import type { Access } from '../access.ts'
import { type Decision, Decisions } from '../decide.ts'
import { errors } from '../errors.ts'
import { forward, isForwarded } from '../forward.ts'
import type { Identities } from '../judge/identities.ts'
import type { Judge } from '../judge/judge.ts'
import { type Identity, type Leadership, patienceMs, urlOf } from '../leader.ts'
import { printContent } from '../records.ts'
import type { State, Version } from '../state.ts'
import { isValidSubject, normalSubject, parseContext, prefixOf } from '../subject.ts'
import type { Prepared } from './prepared.ts'

export interface Registry {
  readonly state: State
  readonly judge: Judge
  readonly identities: Identities
  readonly prepared: Prepared
  readonly leadership: Leadership
  readonly access: Access
  readonly sessions: Sessions
  readonly system: System
  readonly turns: Turns
  readonly clusterId: () => Promise<string>
}

export interface Routes {
  readonly app: HttpApp
  readonly registry: Registry
  /** '' or the part of a path that names a context. */
  readonly prefix: string
}

/** `/contexts/.ctx` before a path means the same path within the context. */
export const prefixes = ['', '/contexts/:ctx'] as const

const text = Type.Optional(Type.String())
const texts = Type.Optional(Type.Union([Type.String(), Type.Array(Type.String())]))

/** Parameters of queries. Others are ignored, as by Confluent's registry. */
export const query = { text, texts }
export const params = {
  none: Type.Object({ ctx: text }),
  subject: Type.Object({ ctx: text, subject: Type.String() }),
  version: Type.Object({ ctx: text, subject: Type.String(), version: Type.String() }),
  id: Type.Object({ ctx: text, id: Type.String() }),
}

export function flag(value: string | undefined): boolean {
  return value?.toLowerCase() === 'true'
}

/** The identity that the hook of the server has found. */
export function identityOf(request: FastifyRequest): Caller {
  return (request as FastifyRequest & { identity: Caller }).identity
}

export function keepIdentity(request: FastifyRequest, identity: Caller): void {
  ;(request as FastifyRequest & { identity: Caller }).identity = identity
}

/** A subject of the path or query, in the context of the path. */
export function subjectIn(ctx: string | undefined, subject: string): string {
  if (ctx === undefined || subject.startsWith(':.') || subject.startsWith(':*:')) return normalSubject(subject)
  return normalSubject(prefixIn(ctx) + subject)
}

/** The subject that a path names, perhaps by an alias. */
export function subjectOf({ state }: Registry, { ctx, subject }: { ctx?: string; subject: string }): string {
  return state.resolveAlias(subjectIn(ctx, subject))
}

/** '' without a context. Throws HttpError 400. */
export function prefixIn(ctx: string | undefined): string {
  if (ctx === undefined) return ''
  try {
    return prefixOf(parseContext(ctx))
  } catch (error) {
    throw errors.badContext((error as RangeError).message)
  }
}

/** Throws HttpError 42208. */
export function requireValid(subject: string, isConfigOrMode = false): void {
  if (!isValidSubject(subject, isConfigOrMode)) throw errors.invalidSubject(subject)
}

/** -1: the latest one. Throws HttpError 42202. */
export function versionOf(value: string): number {
  const trimmed = value.trim()
  if (trimmed.toLowerCase() === 'latest' || trimmed === '-1') return -1
  if (!/^\+?\d{1,10}$/.test(trimmed)) throw errors.invalidVersion(value)
  const number = Number(trimmed)
  if (number < 1 || number > 2_147_483_647) throw errors.invalidVersion(value)
  return number
}

/** Throws HttpError 404: Confluent's paths have a number there. */
export function idOf(value: string): number {
  const number = /^-?\d{1,10}$/.test(value) ? Number(value) : Number.NaN
  if (Number.isNaN(number) || number > 2_147_483_647 || number < -2_147_483_648) throw errors.noSuchPath()
  return number
}

interface Paging {
  readonly offset?: string
  readonly limit?: string
}

const mostListed = 20_000
const pieceCharacters = 65_536

/** `limit` below 1, or above what is allowed: as many as are allowed. */
function rangeOf({ offset, limit }: Paging): [from: number, to: number] {
  const number = (value: string | undefined, otherwise: number) =>
    value !== undefined && /^-?\d{1,9}$/.test(value) ? Number(value) : otherwise
  const [from, most] = [Math.max(0, number(offset, 0)), number(limit, -1)]
  return [from, from + (most > 0 && most <= mostListed ? most : mostListed)]
}

export function page<Item>(items: readonly Item[], paging: Paging): Item[] {
  return items.slice(...rangeOf(paging))
}

/** The same as the text of an array, for items that may be large: in slices, and no faster than it is read. */
export async function* pageInPieces<Item>(
  turns: Turns,
  items: Iterable<Item>,
  paging: Paging,
  print: (item: Item) => object,
): AsyncGenerator<string> {
  const [from, to] = rangeOf(paging)
  let [index, piece] = [0, '[']
  for (const item of items) {
    if (index >= to) break
    if (turns.over) await turns.next()
    if (index >= from) piece += `${index === from ? '' : ','}${JSON.stringify(print(item))}`
    index++
    if (piece.length < pieceCharacters) continue
    yield piece
    piece = ''
  }
  yield `${piece}]`
}

/** What is decided without changing anything. */
export function decided<Answer>({ state, judge, identities }: Registry, decide: (decisions: Decisions) => Answer): Promise<Answer> {
  return judge.settle(answering => decide(new Decisions(state, answering, identities)))
}

/** Makes a change here if this process leads, or has the leader make it. */
export async function change<Answer>(
  { leadership, system, state, judge, identities }: Registry,
  request: FastifyRequest,
  reply: FastifyReply,
  decide: (decisions: Decisions) => Decision<Answer>,
  print: (answer: Answer) => unknown = answer => answer,
): Promise<unknown> {
  const sinceMs = system.clock.monotonic()
  for (;;) {
    const leader = await leadership.leader()
    if (leader === 'here') {
      const changing = judge.settle(answering => leadership.change(() => decide(new Decisions(state, answering, identities))))
      const changed = await changing.then(answer => ({ answer }), unlessDeposed)
      if (changed !== null) return print(changed.answer)
    } else if (!isForwarded(request) && mayForward(request, leader, state)) {
      const answer = await forward(leader, request, reply, system)
      if (answer !== null) return answer
    }
    if (isForwarded(request) || system.clock.monotonic() - sinceMs > patienceMs) throw errors.unknownLeader()
    await leadership.doubt()
  }
}

/** Who may join the group of the registries may say that it leads: credentials go only to one that has shown, in the topic, that it may write there. */
function mayForward({ headers }: FastifyRequest, leader: Identity, state: State): boolean {
  return headers.authorization === undefined || state.leader === urlOf(leader)
}

/** null: another one has become the leader, and nothing was changed. */
function unlessDeposed(error: unknown): null {
  if (error instanceof HttpError && error.code === 50_004) return null
  throw error
}

/** A stored version, as it is answered; `shown`: another form of its text. */
export function printVersion(version: Version, shown: string = version.text): object {
  const { subject, version: number, id, guid, timestampMs, deleted } = version
  return { subject, version: number, id, guid, ...printContent({ ...version, text: shown }), ts: timestampMs, deleted }
}

/** The same where an id was asked for; `named`: with the subject and version in which it was found. */
export function printById(version: Version, { named, shown, maxId }: { named: boolean; shown?: string; maxId?: number }): object {
  const { subject, version: number, guid, text, timestampMs, deleted } = version
  return {
    ...(named ? { subject, version: number } : {}),
    guid,
    ...printContent({ ...version, text: shown ?? text }),
    ...(maxId === undefined ? {} : { maxId }),
    ts: timestampMs,
    deleted,
  }
}
