/** Shared by the group handlers: the caller, and the permissions of members. */
import type { Caller } from '../../../coordinator.ts'
import { KafkaError } from '../../../protocol.ts'
import type { Operation, RequestContext } from '../../dispatch/handler.ts'

/** Members only read from the group's point of view. */
export const memberAccess = [['GROUP', 'READ']] as const

export function requireGroup(context: RequestContext, operation: Operation, groupId: string): void {
  if (!context.allowed(operation, 'GROUP', groupId)) throw new KafkaError('GROUP_AUTHORIZATION_FAILED')
}

/** For an answer that waits for other members. A broker that shuts down sends the client to look for another coordinator. */
export async function unlessLeaving<R>(context: RequestContext, answer: Promise<R>): Promise<R> {
  const { signal } = context
  context.waits()
  let leave = () => {}
  const left = new Promise<never>((_, reject) => {
    leave = () => reject(new KafkaError('NOT_COORDINATOR'))
  })
  if (signal.aborted) leave()
  signal.addEventListener('abort', leave)
  try {
    return await Promise.race([answer, left])
  } finally {
    signal.removeEventListener('abort', leave)
  }
}

/** The slash is Java's way to say that there is no host name. */
export function callerOf({ version, clientId, connection }: RequestContext): Caller {
  return { apiVersion: version, clientId: clientId ?? '', clientHost: `/${connection.remoteAddress}` }
}
