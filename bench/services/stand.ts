/** A broker and the services over it, in processes of their own. What is measured is the services' process. */
import { type Properties, type RunningBroker, startMillrace } from '../../compat/support/brokers.ts'
import { type ServiceName, type Services, startServices } from '../../compat/support/services.ts'
import { type Client, openClient } from '../../src/client.ts'
import { checkoutOf } from '../cluster/peers.ts'
import type { Peer, Wanted } from '../row.ts'

export class Stand implements Peer {
  readonly broker: RunningBroker
  readonly client: Client
  readonly #names: readonly ServiceName[]
  #services: Services

  static async start(wanted: Wanted, names: readonly ServiceName[], properties: Properties = {}): Promise<Stand> {
    const broker = await startMillrace(properties, {}, checkoutOf(wanted))
    try {
      return new Stand(broker, names, await startServices(broker.bootstrap, names))
    } catch (error) {
      await broker.remove()
      throw error
    }
  }

  private constructor(broker: RunningBroker, names: readonly ServiceName[], services: Services) {
    this.broker = broker
    this.#names = names
    this.#services = services
    this.client = openClient({ bootstrap: broker.bootstrap })
  }

  get urls(): Services['urls'] {
    return this.#services.urls
  }

  get pid(): number {
    return this.#services.pid
  }

  portOf(name: ServiceName): number {
    return Number(new URL(this.urls[name]).port)
  }

  /** The services know nothing any more of what they have been asked. */
  async restartServices(): Promise<void> {
    await this.#services.close()
    this.#services = await startServices(this.broker.bootstrap, this.#names)
  }

  async remove(): Promise<void> {
    await this.client.close()
    await this.#services.close()
    await this.broker.remove()
  }
}
