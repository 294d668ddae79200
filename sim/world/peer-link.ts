/** The way from one broker to another in a simulated network. */
import type { Link, LinkOptions } from '../../src/channel.ts'
import type { Api, InputOf, MessageOf } from '../../src/protocol.ts'
import type { Network } from './network.ts'
import type { Process } from './process.ts'
import { NoAnswer, Wire } from './wire.ts'

/** For a broker that runs in this process. What it sent may arrive after it has given up. */
export function simulatedLink(process: Process, network: Network): (options: LinkOptions) => Promise<Link> {
  return async ({ port, requestTimeoutMs }) => {
    const wire = new Wire({ process, network, lingering: true, port })
    return {
      async request<A extends Api>(api: A, newest: number, request: InputOf<A['request']>): Promise<MessageOf<A['response']>> {
        try {
          return await wire.call(api, Math.min(newest, api.maxVersion), request, Math.min(requestTimeoutMs, mostMs))
        } catch (error) {
          if (error instanceof NoAnswer)
            throw Object.assign(new Error(error.message), { code: error.sent ? 'TIMEOUT' : 'NETWORK_EXCEPTION' })
          throw error
        }
      },
      close: () => wire.close(),
    }
  }
}

/** A world has no time for Kafka's 30 s. */
const mostMs = 3_000
