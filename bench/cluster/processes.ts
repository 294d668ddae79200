/** The row of several processes on one machine (`processes=N`), which have neither PostgreSQL nor an object store. */
import { type RunningBroker, startMillrace } from '../../compat/support/brokers.ts'
import { openClient } from '../../src/client.ts'
import { drive, type Options, type Throughput } from '../clients.ts'
import { type Cost, costOf } from '../measure.ts'
import { cpuPerGigabyte, free, megabytesPerSecond, type Peer, type RowOf, shown, withTopic } from '../row.ts'
import { checkoutOf, until } from './peers.ts'

/** Both run; one of them works. */
class OneAndTwo implements Peer {
  readonly one: RunningBroker
  readonly two: RunningBroker

  static async start(checkout: string): Promise<OneAndTwo> {
    const one = await startMillrace({}, {}, checkout)
    try {
      return new OneAndTwo(one, await startTwo(checkout))
    } catch (error) {
      await one.remove()
      throw error
    }
  }

  private constructor(one: RunningBroker, two: RunningBroker) {
    this.one = one
    this.two = two
  }

  get pid(): readonly number[] {
    return [this.one.pid, this.two.pid]
  }

  async remove(): Promise<void> {
    await this.one.remove()
    // The supervisor ends its processes; one that is killed cannot.
    await this.two.stop('SIGTERM')
    await this.two.remove()
  }
}

async function startTwo(checkout: string): Promise<RunningBroker> {
  const broker = await startMillrace({ processes: '2' }, {}, checkout)
  await using client = openClient({ bootstrap: broker.bootstrap })
  await until(async () => (await client.cluster()).brokers.length === 2, 'two processes')
  return broker
}

const partitions = 12
const options: Options = { producers: 4, partitions, size: 1024, acks: 'all', 'batch.size': 65_536, 'linger.ms': 5 }

async function write(broker: RunningBroker, topic: string, seconds: number): Promise<{ result: Throughput; cost: Cost }> {
  return withTopic(broker, topic, partitions, () => costOf(broker.pid, () => drive.produce(broker, topic, { ...options, seconds })))
}

export const processes: RowOf<OneAndTwo> = {
  name: 'processes-2',
  settings:
    'one machine without PostgreSQL and an object store, processes=1, then processes=2; records of 1 KiB, batches of 64 KiB, linger 5 ms, acks=all, fsync before the answer, 12 partitions, 4 producers; the driver shares the two cores with the brokers, so the throughput is lower than that of processes with a core each; what two cores can show is the CPU for the same bytes: at most 1/0.85 times that of one process; librdkafka',
  alone: 'this row compares Millrace with itself',
  goals: [
    free('cpuFactor', 'CPU per GB, two processes against one', 1.18),
    shown('oneCpuPerGigabyte', 'CPU, one process', 's/GB', 'nothing'),
    shown('twoCpuPerGigabyte', 'CPU, two processes', 's/GB', 'nothing'),
    shown('oneMegabytesPerSecond', 'throughput, one process', 'MB/s', 'nothing'),
    shown('twoMegabytesPerSecond', 'throughput, two processes', 'MB/s', 'nothing'),
  ],
  start: wanted => OneAndTwo.start(checkoutOf(wanted)),
  async warm({ broker, topic, scale }) {
    const seconds = Math.ceil(3 * scale)
    const one = await write(broker.one, `${topic}-one`, seconds)
    const two = await write(broker.two, `${topic}-two`, seconds)
    return (one.result.bytes + two.result.bytes) / 65_536
  },
  async measure({ broker, topic, scale }) {
    const seconds = Math.ceil(8 * scale)
    const one = await write(broker.one, `${topic}-one`, seconds)
    const two = await write(broker.two, `${topic}-two`, seconds)
    const [oneCpuPerGigabyte, twoCpuPerGigabyte] = [cpuPerGigabyte(one.cost, one.result.bytes), cpuPerGigabyte(two.cost, two.result.bytes)]
    return {
      cpuFactor: twoCpuPerGigabyte / oneCpuPerGigabyte,
      oneCpuPerGigabyte,
      twoCpuPerGigabyte,
      oneMegabytesPerSecond: megabytesPerSecond(one.result),
      twoMegabytesPerSecond: megabytesPerSecond(two.result),
    }
  },
}
