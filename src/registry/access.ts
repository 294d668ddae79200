/**
 * Who may see and change what, as Kafka answers it to the caller's own client.
 *
 * A subject belongs to the topic that it is named after: `orders` for `orders-key`, `orders-value` and `orders`. Any other name, such as
 * `orders-com.acme.Order`, counts as the name of a topic itself, so that ACLs by prefix apply. READ or WRITE on the topic lets read its schemas, WRITE lets
 * change them. What concerns all subjects needs ALTER_CONFIGS on the cluster.
 */
import type { Clock, Turns } from '../base.ts'
import { type Client, ClientError, type TopicRights } from '../client.ts'
import { HttpError } from '../http.ts'
import type { Identity, Sessions } from '../sessions.ts'
import { errors } from './errors.ts'
import { parseSubject } from './subject.ts'

const freshMs = 3_000
/** While no broker answers, what it answered before still counts for those that only read. */
const staleMs = 600_000
const mostKept = 100_000
const mostAsked = 1_000

interface Known {
  readonly rights: TopicRights
  readonly sinceMs: number
}

export class Access {
  readonly #sessions: Sessions
  readonly #clock: Clock
  readonly #turns: Turns
  /** By principal's key and topic. */
  readonly #known = new Map<string, Known>()

  constructor(sessions: Sessions, clock: Clock, turns: Turns) {
    this.#sessions = sessions
    this.#clock = clock
    this.#turns = turns
  }

  /** Throws HttpError 40301. */
  async requireRead(who: Identity, subject: string): Promise<void> {
    if ((await this.readable(who, [subject])).length === 0) throw errors.denied(who.principal, `read the schemas of ${subject}`)
  }

  /** Those that may be read. */
  async readable(who: Identity, subjects: readonly string[]): Promise<string[]> {
    const allowed: string[] = []
    for (let at = 0; at < subjects.length; at += mostAsked) {
      if (at > 0 && this.#turns.over) await this.#turns.next()
      const part = subjects.slice(at, at + mostAsked)
      const rights = await this.#rights(who, new Set(part.map(topicOf)))
      for (const subject of part) if (mayRead(rights.get(topicOf(subject)) ?? 'denied')) allowed.push(subject)
    }
    return allowed
  }

  /** Throws HttpError 40301. */
  async requireWrite(who: Identity, subject: string): Promise<void> {
    if (parseSubject(subject).name === '') return this.requireAll(who)
    const topic = topicOf(subject)
    const found = (await this.#rights(who, new Set([topic]))).get(topic) ?? 'denied'
    const may =
      found === 'unknown' ? (await this.#ask(who, client => client.writable([topic]))).has(topic) : found !== 'denied' && found.has('WRITE')
    if (!may) throw errors.denied(who.principal, `change the schemas of ${subject}`)
  }

  /** What concerns more than one subject. Throws HttpError 40301. */
  async requireAll(who: Identity): Promise<void> {
    if (!(await this.#ask(who, client => client.clusterRights())).has('ALTER_CONFIGS'))
      throw errors.denied(who.principal, 'change what concerns all subjects')
  }

  /** At most `mostAsked`. */
  async #rights(who: Identity, topics: ReadonlySet<string>): Promise<Map<string, TopicRights>> {
    const now = this.#clock.monotonic()
    const found = new Map<string, TopicRights>()
    const missing: string[] = []
    for (const topic of topics) {
      const known = this.#known.get(`${who.key}\0${topic}`)
      if (known !== undefined && now - known.sinceMs < freshMs) found.set(topic, known.rights)
      else missing.push(topic)
    }
    if (missing.length > 0) for (const [topic, rights] of await this.#askOrRemember(who, missing, now)) found.set(topic, rights)
    return found
  }

  async #askOrRemember(who: Identity, topics: readonly string[], now: number): Promise<Map<string, TopicRights>> {
    try {
      const answered = await this.#ask(who, client => client.topicRights(topics))
      for (const [topic, rights] of answered) this.#keep(`${who.key}\0${topic}`, { rights, sinceMs: now })
      return answered
    } catch (error) {
      const known = topics.map(topic => [topic, this.#known.get(`${who.key}\0${topic}`)] as const)
      if (known.some(([, each]) => each === undefined || now - each.sinceMs > staleMs)) throw error
      return new Map(known.map(([topic, each]) => [topic, each!.rights]))
    }
  }

  #keep(key: string, known: Known): void {
    this.#known.delete(key)
    this.#known.set(key, known)
    if (this.#known.size > mostKept) this.#known.delete(this.#known.keys().next().value!)
  }

  async #ask<Value>(who: Identity, work: (client: Client) => Promise<Value>): Promise<Value> {
    try {
      return await work(this.#sessions.clientOf(who))
    } catch (error) {
      if (!(error instanceof ClientError)) throw error
      throw new HttpError(500, 50_001, `The Kafka cluster does not answer: ${error.message}`, { cause: error })
    }
  }
}

function mayRead(rights: TopicRights): boolean {
  return rights === 'unknown' || (rights !== 'denied' && (rights.has('READ') || rights.has('WRITE')))
}

/** The context does not count. Characters that no topic's name has count as `_`. */
function topicOf(subject: string): string {
  const { name } = parseSubject(subject)
  const topic = name
    .replace(/-(?:key|value)$/, '')
    .replace(/[^a-zA-Z0-9._-]/g, '_')
    .slice(0, 249)
  return topic === '' || topic === '.' || topic === '..' ? '_' : topic
}
