/**
 * Who may do what with a trigger, by the credentials of the person who asks.
 *
 * A function is code that runs on this machine, and its URL is called from here. To read a topic gives no right to that: whoever makes, changes, tests or deletes
 * triggers needs one of its own, which is to CREATE the topic that holds them. It is there already, so that the right gives nothing else.
 *
 * Besides, whoever could do with the same records what a trigger does may see it and make it: read the topics with the trigger's group, and write to where
 * results and failures go. A trigger runs on when nobody is there, as the services' own user, unless it has a principal; that a right is taken away later does
 * not end such a trigger.
 */
import type { Client } from '../../client.ts'
import { HttpError } from '../../http.ts'
import { type Definition, groupOf } from '../definition.ts'
import { triggersTopic } from '../store.ts'

/** That who asks may have code run here. Throws HttpError 403. `client`: of the person. */
export async function requireToRun(client: Client): Promise<void> {
  const found = (await client.topicRights([triggersTopic])).get(triggersTopic) ?? 'denied'
  if (typeof found !== 'string' && found.has('CREATE')) return
  const needed = `CREATE and DESCRIBE on the topic ${triggersTopic}, or ALTER on the cluster`
  if (!(await client.clusterRights()).has('ALTER')) throw refused(`to have functions run here takes ${needed}`)
}

/** Throws HttpError 403. `client`: of the person, or of the principal that the trigger acts as, for which the brokers decide on topics of a pattern. */
export async function requireAccess(client: Client, name: string, definition: Definition): Promise<void> {
  const { topics, onFailure, output, principal } = definition
  // Of a pattern nobody knows which topics there will be.
  if (topics === undefined && principal === null) await requireAlter(client, 'a topic pattern')
  if (topics !== undefined) {
    const found = await readable(client, topics)
    const missing = topics.find(topic => !found.has(topic))
    if (missing !== undefined) throw refused(`READ on the topic ${missing} is missing, or there is no such topic`)
  }
  const group = groupOf(name, definition)
  const groupRights = await client.groupRights(group)
  if (groupRights === 'denied' || !groupRights.has('READ')) throw refused(`READ on the group ${group} is missing`)
  const targets = [onFailure, output].flatMap(target => (target !== null && 'topic' in target ? [target.topic] : []))
  if (targets.length === 0) return
  const writable = await client.writable(targets)
  const missing = targets.find(topic => !writable.has(topic))
  if (missing !== undefined) throw refused(`WRITE on the topic ${missing} is missing`)
}

/** Those that are there and may be read. */
export async function readable(client: Client, topics: readonly string[]): Promise<ReadonlySet<string>> {
  if (topics.length === 0) return new Set()
  const rights = await client.topicRights(topics)
  return new Set(
    topics.filter(topic => {
      const found = rights.get(topic) ?? 'denied'
      return typeof found !== 'string' && found.has('READ')
    }),
  )
}

/** For what acts on this machine's network and files. `client`: of the person. Throws HttpError 403. */
export async function requireHere(client: Client, { output }: Definition): Promise<void> {
  if (output !== null && 'connector' in output) await requireAlter(client, 'an output to a connector')
}

async function requireAlter(client: Client, what: string): Promise<void> {
  if (!(await client.clusterRights()).has('ALTER')) throw refused(`${what} takes the right ALTER on the cluster`)
}

function refused(message: string): HttpError {
  return new HttpError(403, 403, message)
}
