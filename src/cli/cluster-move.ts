/** `millrace cluster move` and `drain`: another broker leads a partition, or all that one broker leads. With Kafka's own requests, to any broker. */
import { pause, realSystem } from '../base.ts'
import { type Client, ClientError, type PartitionInfo, type PartitionPlace } from '../client.ts'
import { type ClusterFlags, clusterMetadata, toldDatabase, withStores } from './cluster.ts'
import { connect, withFlags } from './connect.ts'
import type { ClientFlags } from './options.ts'
import { bracketed, CommandFailed, plural, show, UsageError } from './output.ts'
import { shownWhile } from './progress-line.ts'

const patienceMs = 60_000
const pauseMs = 200
/** In one request. */
const atOnce = 500

type MoveFlags = ClientFlags & Partial<Pick<ClusterFlags, 'cluster' | 'objects'>>

export async function movePartition(name: string, broker: number, flags: MoveFlags): Promise<void> {
  const at = name.lastIndexOf(':')
  const [topic, partition] = [name.slice(0, at), Number(name.slice(at + 1))]
  if (at <= 0 || !/^\d{1,9}$/.test(name.slice(at + 1))) throw new UsageError(`"${name}" is not TOPIC:PARTITION, such as orders:0`)
  await using client = await connectToBrokers(flags)
  await runningBrokers(client, broker)
  const found = await partitionOf(client, topic, partition)
  const { replicas } = found
  const wanted = [broker, ...replicas.filter(id => id !== broker)].slice(0, replicas.length)
  await place(client, [{ topic, partition, replicas: wanted }])
  await until(async () => (await partitionOf(client, topic, partition)).leader === broker, `broker ${broker} does not lead ${name}`)
  const told = { topic, partition, from: found.leader, to: broker, replicas: wanted }
  await show(flags.json, told, () =>
    found.leader === broker
      ? `broker ${broker} leads ${name} already\n`
      : `${name}: broker ${broker} leads it now, instead of ${found.leader}\n`,
  )
}

export async function drainBroker(broker: number, flags: MoveFlags): Promise<void> {
  await using client = await connectToBrokers(flags)
  const others = (await runningBrokers(client, broker)).filter(id => id !== broker)
  if (others.length === 0) throw new CommandFailed(`broker ${broker} is the only one that runs: there is nobody to take its partitions`)
  let moved = 0
  let [first, left] = [0, 0]
  const progress = () => ({
    part: first === 0 ? null : (first - left) / first,
    text: `${first - left} of ${plural(first, 'partition')} moved`,
  })
  // Topics may be created meanwhile.
  const draining = until(async () => {
    const { led, load } = await whoLeads(client, broker)
    left = led.length
    first = Math.max(first, left)
    for (let from = 0; from < led.length; from += atOnce) {
      const places = led.slice(from, from + atOnce).map(each => withoutLeader(each, broker, others, load))
      await place(client, places)
      moved += places.length
    }
    return led.length === 0
  }, `broker ${broker} still leads partitions`)
  await shownWhile(realSystem(), 'drain', progress, draining)
  await show(flags.json, { broker, moved }, () => `broker ${broker} leads nothing now; ${plural(moved, 'partition')} moved\n`)
}

/** Without an address: to the brokers that the database knows. */
async function connectToBrokers({ cluster, objects, ...flags }: MoveFlags): Promise<Client> {
  if (flags.bootstrap || flags.clientConfig || !cluster || !objects) return await connect(flags)
  const { brokers } = await withStores({ cluster, objects }, stores => toldDatabase(() => clusterMetadata(stores)))
  const protocol = withFlags({}, flags, process.env)['security.protocol']!
  const addresses = brokers.flatMap(({ fenced, endpoints }) => {
    const endpoint = endpoints.get(protocol) ?? [...endpoints.values()][0]
    return fenced || endpoint === undefined ? [] : `${bracketed(endpoint.host)}:${endpoint.port}`
  })
  if (addresses.length === 0) throw new CommandFailed('no broker of the cluster is running')
  return await connect({ ...flags, bootstrap: addresses.join() })
}

/** Those that run. Throws if that one does not. */
async function runningBrokers(client: Client, broker: number): Promise<number[]> {
  const ids = (await client.cluster()).brokers.map(({ id }) => id)
  if (!ids.includes(broker)) throw new CommandFailed(`broker ${broker} does not run; these do: ${ids.sort((a, b) => a - b).join(', ')}`)
  return ids
}

async function partitionOf(client: Client, topic: string, partition: number): Promise<PartitionInfo> {
  const [info] = await client.topics([topic])
  const found = info!.partitions.find(each => each.partition === partition)
  if (found === undefined) throw new CommandFailed(`${topic} has no partition ${partition}`)
  return found
}

interface Led extends PartitionInfo {
  topic: string
}

/** What that broker leads, and how much each broker leads. */
async function whoLeads(client: Client, broker: number): Promise<{ led: Led[]; load: Map<number, number> }> {
  const led: Led[] = []
  const load = new Map<number, number>()
  for (const { name: topic, partitions } of await client.topics(await client.topicNames())) {
    for (const each of partitions) {
      load.set(each.leader, (load.get(each.leader) ?? 0) + 1)
      if (each.leader === broker) led.push({ topic, ...each })
    }
  }
  return { led, load }
}

/** The broker goes last, or away if it is the only replica. Of those that may lead, the one that leads least is first. */
function withoutLeader(
  { topic, partition, replicas }: Led,
  broker: number,
  others: readonly number[],
  load: Map<number, number>,
): PartitionPlace {
  const candidates = replicas.filter(id => others.includes(id))
  const loadOf = (id: number) => load.get(id) ?? 0
  const [leader] = (candidates.length > 0 ? candidates : [...others]).sort((a, b) => loadOf(a) - loadOf(b))
  load.set(leader!, loadOf(leader!) + 1)
  const rest = replicas.filter(id => id !== leader && id !== broker)
  return { topic, partition, replicas: [leader!, ...rest, broker].slice(0, replicas.length) }
}

async function place(client: Client, places: readonly PartitionPlace[]): Promise<void> {
  await client.reassign(places)
  await client.electPreferred(places)
}

/** A leader that is being chosen, and a broker that is behind by a moment, are no failures. */
async function until(isDone: () => Promise<boolean>, otherwise: string): Promise<void> {
  const { clock, timers } = realSystem()
  const deadlineMs = clock.monotonic() + patienceMs
  for (;;) {
    let why = otherwise
    try {
      if (await isDone()) return
    } catch (error) {
      if (!(error instanceof ClientError)) throw error
      why = `${otherwise}: ${error.message}`
    }
    if (clock.monotonic() > deadlineMs) throw new CommandFailed(`${why}, ${patienceMs / 1000} s after it was asked for`)
    await pause({ timers }, pauseMs)
  }
}
