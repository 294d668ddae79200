/**
 * Who may make a trigger: whoever could do with the same records what the trigger does. It may read the topics with the trigger's group, and write to where
 * results and failures go.
 *
 * A trigger runs on when nobody is there, as the services' own principal. So this is asked when it is made, changed, tested or shown, with the credentials
 * of the person who asks; that a right is taken away later does not end a trigger.
 */
import type { Client } from '../../client.ts'
import { HttpError } from '../../http.ts'
import { type Definition, groupOf } from '../definition.ts'

/** Throws HttpError 403. `client`: of the person. */
export async function requireAccess(client: Client, name: string, definition: Definition): Promise<void> {
  const { topics, onFailure, output } = definition
  // Of a pattern nobody knows which topics there will be.
  const wide = output !== null && 'connector' in output ? 'an output to a connector' : topics === undefined ? 'a topic pattern' : null
  if (wide !== null && !(await client.clusterRights()).has('ALTER')) throw refused(`${wide} takes the right ALTER on the cluster`)
  if (topics !== undefined) {
    const rights = await client.topicRights(topics)
    for (const topic of topics) {
      const found = rights.get(topic) ?? 'denied'
      if (typeof found === 'string' || !found.has('READ')) throw refused(`READ on the topic ${topic} is missing, or there is no such topic`)
    }
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

function refused(message: string): HttpError {
  return new HttpError(403, 403, message)
}
