/** The row of a data directory that goes into a cluster and comes back. */
import { join } from 'node:path'
import { type RunningBroker, startMillrace } from '../../compat/support/brokers.ts'
import { must } from '../../compat/support/run.ts'
import { type Stores, startStores } from '../../compat/support/stores.ts'
import { createTopic, drive } from '../clients.ts'
import { megabyte, type Peer, type RowOf, shown } from '../row.ts'
import { checkoutOf } from './peers.ts'

/** A broker on one machine, and the stores of a cluster that does not exist yet. */
class BeforeImport implements Peer {
  readonly broker: RunningBroker
  readonly stores: Stores
  readonly #checkout: string

  static async start(checkout: string): Promise<BeforeImport> {
    const broker = await startMillrace({}, {}, checkout)
    try {
      return new BeforeImport(checkout, broker, await startStores())
    } catch (error) {
      await broker.remove()
      throw error
    }
  }

  private constructor(checkout: string, broker: RunningBroker, stores: Stores) {
    this.#checkout = checkout
    this.broker = broker
    this.stores = stores
  }

  get pid(): number {
    return this.broker.pid
  }

  /** `millrace cluster …`; answers how many seconds it took. */
  async command(...args: string[]): Promise<number> {
    const { env } = this.stores
    const { cluster, objects } = this.stores.urls()
    const began = performance.now()
    await must(process.execPath, [join(this.#checkout, 'dist/cli.js'), 'cluster', ...args], {
      env: { ...env, MILLRACE_CLUSTER: cluster, MILLRACE_OBJECTS: objects },
      seconds: 1800,
    })
    return (performance.now() - began) / 1000
  }

  async remove(): Promise<void> {
    await this.broker.remove()
    await this.stores.remove()
  }
}

const partitions = 12
const size = 10_240

export const transfer: RowOf<BeforeImport> = {
  name: 'cluster-import',
  settings:
    '2 GB in 12 partitions of a broker on one machine, which has been stopped: `millrace cluster import` into an empty cluster, and `millrace cluster export` into a new directory, from the start of the program to its end, with the verification; files are in the page cache',
  alone: 'Kafka has no such command',
  cold: 'each round has a new cluster',
  goals: [shown('importMegabytesPerSecond', 'import', 'MB/s', 'nothing'), shown('exportMegabytesPerSecond', 'export', 'MB/s', 'nothing')],
  start: wanted => BeforeImport.start(checkoutOf(wanted)),
  async measure({ broker: machine, topic, scale }) {
    const { broker } = machine
    const records = Math.ceil(200_000 * scale)
    await createTopic(broker, topic, partitions)
    await drive.produce(broker, topic, { records, size, partitions, acks: 'all', 'batch.size': 1_000_000 })
    await broker.stop('SIGTERM')
    const megabytes = (records * size) / megabyte
    return {
      importMegabytesPerSecond: megabytes / (await machine.command('import', broker.data)),
      exportMegabytesPerSecond: megabytes / (await machine.command('export', `${broker.data}-exported`)),
    }
  },
}
