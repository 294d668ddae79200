/** Opens the listeners, and opens and closes those that dynamic configs add and remove while the broker runs (KIP-226). */
import type { Listener } from '../config.ts'
import type { Server } from '../connections/server.ts'
import type { Broker } from '../dispatch/context.ts'
import { CannotListen } from './cannot-listen.ts'

/** How long a removed listener waits for pending replies. */
const drainMs = 5_000

/**
 * Keeps `ports` up to date until the returned function is called; the server closes what is open then. Throws CannotListen for a listener of
 * the configuration; one that was added dynamically must not prevent the start.
 */
export async function openListeners(
  { config, security, logger }: Pick<Broker, 'config' | 'security' | 'logger'>,
  server: Server,
  ports: Map<string, number>,
): Promise<() => Promise<void>> {
  /** The same name at another address is another listener: it may be removed and added again while others are still closing. */
  const opened = new Set<Listener>()

  async function open(listener: Listener): Promise<void> {
    try {
      ports.set(listener.name, await server.listen(listener))
      opened.add(listener)
    } catch (error) {
      throw new CannotListen('listeners', listener, error as Error)
    }
  }

  async function add(listener: Listener): Promise<void> {
    try {
      security.add(listener)
      await open(listener)
      logger.info({ listener: listener.name, port: ports.get(listener.name) }, 'a listener was added')
    } catch (error) {
      security.remove(listener.name)
      // The configuration stays, as in Kafka; the next start tries again.
      logger.warn({ err: error, listener: listener.name }, 'cannot open a listener that was added dynamically')
    }
  }

  async function remove(listener: Listener): Promise<void> {
    const { name } = listener
    opened.delete(listener)
    ports.delete(name)
    await server.stopListening(name, drainMs)
    security.remove(name)
    logger.info({ listener: name }, 'a listener was removed')
  }

  async function follow(): Promise<void> {
    for (const listener of opened) if (!config.listeners.includes(listener)) await remove(listener)
    for (const listener of config.listeners) if (!opened.has(listener)) await add(listener)
  }

  for (const listener of config.listeners) if (config.startListeners.includes(listener)) await open(listener)
  let turn = Promise.resolve()
  const followInTurn = () => {
    turn = turn.then(follow)
    return turn
  }
  const following = config.subscribe(['listeners', 'listener.security.protocol.map'], () => void followInTurn())
  await followInTurn()
  return () => {
    following.unsubscribe()
    return turn
  }
}
