/** As whom a trigger reads and writes: the services' own user, or its principal, with the rights of it and no others. */
import { type Client, openClient } from '../client.ts'
import type { Acting } from '../sessions.ts'

export interface ClientOf {
  readonly client: Client
  close(): Promise<void>
}

export interface Clients {
  readonly own: Client
  readonly acting: Acting
  readonly bootstrap: string
}

/** `principal`: null: the services' own user. Throws CannotAct, and ClientError if no broker answers. */
export async function clientOf(principal: string | null, { own, acting, bootstrap }: Clients): Promise<ClientOf> {
  const actor = principal === null ? null : await acting.as(principal)
  if (actor === null) return { client: own, async close() {} }
  const client = openClient({
    bootstrap,
    properties: actor.properties,
    clientId: 'millrace-trigger',
    delegationToken: () => actor.token(),
  })
  return {
    client,
    async close() {
      actor.release()
      await client.close()
    },
  }
}
