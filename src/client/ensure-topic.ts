/** A topic that somebody needs and may make. */
import { ClientError } from '../channel.ts'
import type { Client } from './client.ts'
import type { NewTopicSpec } from './types.ts'

/** Resolves when it is there; one that is there stays as it is. Throws ClientError. */
export async function ensureTopic(client: Pick<Client, 'topics' | 'createTopic'>, spec: NewTopicSpec): Promise<void> {
  try {
    await client.topics([spec.name])
  } catch (error) {
    if (!isOf(error, 'UNKNOWN_TOPIC_OR_PARTITION')) throw error
    await client.createTopic(spec).catch(refused => {
      // Somebody else was faster.
      if (!isOf(refused, 'TOPIC_ALREADY_EXISTS')) throw refused
    })
  }
}

function isOf(error: unknown, code: string): boolean {
  return error instanceof ClientError && error.code === code
}
