/**
 * Who may see and change what, as Kafka answers it to the caller's own client.
 *
 * A subject belongs to the topic that it is named after: `orders` for `orders-key`, `orders-value` and `orders`. Any other name, such as
 * `orders-com.acme.Order`, counts as the name of a topic itself, so that ACLs by prefix apply. READ or WRITE on the topic lets read its schemas, WRITE lets
 * change them. What concerns all subjects needs ALTER_CONFIGS on the cluster.
 *
 * A cluster without an authorizer lets everybody do everything; then nothing is asked, so that reads need no broker.
 */
import type { Clock, MaybePromise, Turns } from '../base.ts'
import { type AclFilter, type Client, ClientError, type TopicRights } from '../client.ts'
import { HttpError } from '../http.ts'
import type { Identity, Sessions } from '../sessions.ts'
import { errors } from './errors.ts'
import { parseSubject } from './subject.ts'

const freshMs = 3_000
const oldMs = 60_000
/** After an attempt that failed, what is known is used without another one. */
const pauseMs = 5_000
/** While no broker answers, what it answered before still counts for those that only read. */
const staleMs = 600_000
const mostKept = 100_000
const mostAsked = 1_000

interface Known {
  readonly rights: TopicRights
  readonly sinceMs: number
}

/** ACLs for nobody: only whether there is an authorizer matters. */
const nobody: AclFilter = { resourceType: 'CLUSTER', resourceName: 'kafka-cluster', patternType: 'LITERAL', principal: 'User:', host: '*' }

export class Access {
  readonly #own: Client
  #isOpen: boolean | null = null
  #isOpenSinceMs = 0
  #askingIsOpen: Promise<void> | null = null
  #failedMs = Number.NEGATIVE_INFINITY
  readonly #sessions: Sessions
  readonly #clock: Clock
  readonly #turns: Turns
  /** By principal's key and topic. */
  readonly #known = new Map<string, Known>()

  constructor(own: Client, sessions: Sessions, clock: Clock, turns: Turns) {
    this.#own = own
    this.#sessions = sessions
    this.#clock = clock
    this.#turns = turns
  }

  /** Throws HttpError 40301. A promise only where the broker decides, or has not been asked for long. */
  requireRead(who: Identity, subject: string): MaybePromise<void> {
    const readable = this.readable(who, [subject])
    if (!(readable instanceof Promise)) return
    return readable.then(found => {
      if (found.length === 0) throw errors.denied(who.principal, `read the schemas of ${subject}`)
    })
  }

  /** Those that may be read; at once if they are all of them. */
  readable(who: Identity, subjects: readonly string[]): MaybePromise<readonly string[]> {
    const allowsAll = this.#allowsAll()
    if (allowsAll === true) return subjects
    return this.#readable(who, subjects, allowsAll)
  }

  async #readable(who: Identity, subjects: readonly string[], allowsAll: false | Promise<boolean>): Promise<readonly string[]> {
    if (await allowsAll) return subjects
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
    if (await this.#allowsAll()) return
    const topic = topicOf(subject)
    const found = (await this.#rights(who, new Set([topic]))).get(topic) ?? 'denied'
    const may =
      found === 'unknown' ? (await this.#ask(who, client => client.writable([topic]))).has(topic) : found !== 'denied' && found.has('WRITE')
    if (!may) throw errors.denied(who.principal, `change the schemas of ${subject}`)
  }

  /** What concerns more than one subject. Throws HttpError 40301. */
  async requireAll(who: Identity): Promise<void> {
    if (await this.#allowsAll()) return
    if (!(await this.#ask(who, client => client.clusterRights())).has('ALTER_CONFIGS'))
      throw errors.denied(who.principal, 'change what concerns all subjects')
  }

  /** Whoever asks after a long time waits for the answer. */
  #allowsAll(): MaybePromise<boolean> {
    const ageMs = this.#isOpen === null ? Number.POSITIVE_INFINITY : this.#clock.monotonic() - this.#isOpenSinceMs
    if (ageMs >= freshMs)
      this.#askingIsOpen ??= this.#findOut().finally(() => {
        this.#askingIsOpen = null
      })
    if (ageMs < oldMs) return this.#isOpen === true
    return this.#askingIsOpen!.then(() => this.#isOpen === true)
  }

  async #findOut(): Promise<void> {
    try {
      await this.#own.acls(nobody)
      this.#isOpen = false
    } catch (error) {
      // Who may not ask has an authorizer. When no broker answers, it is as before; what is asked next tells why.
      const code = error instanceof ClientError ? error.code : null
      if (code === 'SECURITY_DISABLED') this.#isOpen = true
      else if (code === 'CLUSTER_AUTHORIZATION_FAILED') this.#isOpen = false
    }
    this.#isOpenSinceMs = this.#clock.monotonic()
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
    const remembered = this.#remembered(who, topics, now)
    if (remembered !== null && now - this.#failedMs < pauseMs) return remembered
    try {
      const answered = await this.#ask(who, client => client.topicRights(topics))
      for (const [topic, rights] of answered) this.#keep(`${who.key}\0${topic}`, { rights, sinceMs: now })
      return answered
    } catch (error) {
      this.#failedMs = this.#clock.monotonic()
      if (remembered === null) throw error
      return remembered
    }
  }

  /** null: too long ago, for one of them at least. */
  #remembered(who: Identity, topics: readonly string[], now: number): Map<string, TopicRights> | null {
    const known = topics.map(topic => [topic, this.#known.get(`${who.key}\0${topic}`)] as const)
    if (known.some(([, each]) => each === undefined || now - each.sinceMs > staleMs)) return null
    return new Map(known.map(([topic, each]) => [topic, each!.rights]))
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
